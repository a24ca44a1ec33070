"""From one face to a motion: predicted, or predicted toward a target (3DDP; arXiv 2105.14678, sec. III-B).

A motion longer than the predictor's window is drawn window by window, each beginning with the last frames of the one
before. All of it is counted from the face that it starts from, so that it does not drift away.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from faceanime.core.errors import ConfigError
from faceanime.dynamics.blinks import add_blinks
from faceanime.dynamics.openings import CLOSED_LIPS, gap_of, lips_apart_at_least
from faceanime.dynamics.predictor import STYLES, FlowPredictor, LstmPredictor
from faceanime.dynamics.rollout_config import FutureConfig
from faceanime.dynamics.state import FRAME_RATE, HEAD_NUMBERS, dynamics_of, state_of
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import Dynamics, FaceCoefficients

CONTEXT = 16
"""Frames of the window before that a window is shown."""
_STYLES: dict[str, tuple[float, float, float]] = {
    "talk": (1.4, 0.2, 0.2),
    "idle": (-2.6, -0.6, -1.4),
    "look-around": (-2.2, 1.0, 1.2),
}
"""Liveliness of mouth, eyes and head, in deviations from the mean clip's."""
_SAME_MOOD, _SAME_MOOD_FRAMES = 0.8, 80
"""Correlation of the liveliness of a window of 80 frames with that of the one before, in 91 clips of training
people: who rests, mostly goes on resting."""
_CHOSEN_SPREAD = 0.3
"""How far a chosen style still differs, seed by seed and window by window, in shares of how far people differ."""
_HELD = 6
"""Frames that a target is known to be held after the end: else motion is at its quickest where it arrives."""
_BLINKS_PER_MINUTE = (8.0, 60.0)


@dataclass(frozen=True, eq=False)
class Given:
    """What of the T frames to come, and before, is known: `states` (T,D) count where `known` (T,)."""

    states: Float[np.ndarray, "T D"]
    known: Bool[np.ndarray, " T"]


def imagine(
    predictor: FlowPredictor,
    face: FaceCoefficients,
    picture_side_px: int,
    config: FutureConfig,
    model: MorphableModel,
    target: FaceCoefficients | None = None,
) -> Dynamics:
    """A motion of a face, from how it is now; its last frame has the expression and head angles of `target`.

    `face` stands in a picture whose longer side is `picture_side_px`. The target may be of another person: nothing of
    its identity, size or place is used. Raises ConfigError for a loop that is too short, or has a target.
    """
    if config.loop and target is not None:
        raise ConfigError("a loop ends where it begins: it cannot end at a target")
    frames = max(round(config.seconds * FRAME_RATE), 2)
    held = 0 if target is None else _HELD
    states = np.zeros((frames + held, model.expression_count + HEAD_NUMBERS))
    states[0] = state_of(face)
    known = np.arange(frames + held) == 0
    if target is not None:
        states[frames - 1 :], known[frames - 1 :] = state_of(target), True
    given = Given(states, known)
    drawn = (
        draw_loop(predictor, given, config)
        if config.loop
        else draw_future(predictor, given, config, torch.Generator().manual_seed(config.seed))
    )[:frames]
    known = known[:frames]
    motion = dynamics_of(drawn, face, picture_side_px, model.id)
    known_gaps = gap_of(motion, "lips_apart", model)[known]
    motion = lips_apart_at_least(motion, min(CLOSED_LIPS, float(known_gaps.min())), model)
    return add_blinks(motion, model, _blinks_per_minute(predictor, config), config.seed)


def _blinks_per_minute(predictor: FlowPredictor, config: FutureConfig) -> float:
    """How often this one blinks: people differ."""
    middle, deviation = predictor.blink_rate.tolist()
    drawn = np.random.default_rng([config.seed, 1]).normal(middle, deviation)
    return float(np.clip(np.exp(drawn), *_BLINKS_PER_MINUTE))


def draw_future(
    predictor: FlowPredictor, given: Given, config: FutureConfig, generator: torch.Generator
) -> Float[np.ndarray, "T D"]:
    """One of many motions, of as many frames as `given`, whose first must be known: it is the anchor.

    What is known stays as it is. The same state of the generator gives the same bits on the same machine.
    """
    return _drawn(predictor, given, config, generator, _Mood(predictor, config, generator))


def _drawn(
    predictor: FlowPredictor, given: Given, config: FutureConfig, generator: torch.Generator, mood: _Mood
) -> Float[np.ndarray, "T D"]:
    styled = torch.ones(1, dtype=torch.bool)
    times = torch.linspace(0.0, 1.0, config.steps + 1)
    livelier = _style_that(predictor, torch.full((STYLES,), math.log(config.energy)))

    def fill(window: Tensor, known: Tensor, anchor: Tensor, frames: int) -> Tensor:
        bridge, style = predictor.prior.given(window, known), mood.next(frames)[None]
        mean, white = bridge.mean, torch.randn(window.shape, generator=generator)
        size = config.temperature * config.energy * predictor.liveliness(style)
        style = style + livelier
        state = mean + size * (bridge.through(predictor.prior.draw(white)) - mean)
        before = state
        for step, (now, then) in enumerate(pairwise(times)):
            clean = predictor(state, now[None], bridge, anchor, style, styled)
            # d state / d s = clean - state in s = -log(1 - t): exact for a clean state that changes linearly in s
            kept = (1.0 - then) / (1.0 - now)
            state = kept * state + (1.0 - kept) * clean
            if 0 < step < config.steps - 1:
                past = torch.log((1.0 - times[step - 1]) / (1.0 - now))
                state = state + (-torch.log(kept) - (1.0 - kept)) / past * (clean - before)
            before = clean
        return state

    return _rolled(predictor, given, fill)


def draw_loop(predictor: FlowPredictor, given: Given, config: FutureConfig) -> Float[np.ndarray, "T D"]:
    """A motion whose last frame flows on into its first: the way back leads to how it began."""
    frames, numbers = given.states.shape
    half = frames // 2
    if half < CONTEXT:
        raise ConfigError(f"a loop of {frames} frames is too short: expected {2 * CONTEXT} or more")
    generator = torch.Generator().manual_seed(config.seed)
    mood = _Mood(predictor, config, generator)
    begun = _drawn(predictor, Given(given.states[:half], given.known[:half]), config, generator, mood)
    states, known = np.zeros((frames + CONTEXT, numbers)), np.zeros(frames + CONTEXT, bool)
    states[:half], known[:half] = begun, True
    states[frames:], known[frames:] = begun[:CONTEXT], True
    return _drawn(predictor, Given(states, known), config, generator, mood)[:frames]


def mean_future(predictor: FlowPredictor, given: Given) -> Float[np.ndarray, "T D"]:
    """The mean of all futures: what a predictor says that must not err far, and never moves much."""

    def fill(window: Tensor, known: Tensor, anchor: Tensor, frames: int) -> Tensor:
        return predictor.mean_of(predictor.prior.given(window, known), anchor)

    return _rolled(predictor, given, fill)


def lstm_future(predictor: LstmPredictor, given: Given) -> Float[np.ndarray, "T D"]:
    """The one future of the paper's predictor; if the last frame is known, it is the target."""
    normal = predictor.normaliser.normal(torch.tensor(given.states, dtype=torch.float32))[None]
    observed = int(np.argmin(given.known))
    target = normal[:, -1] if given.known[-1] else None
    with torch.inference_mode():
        future = predictor(normal[:, :observed], len(given.known) - observed, target)
        states = predictor.normaliser.plain(future)[0].numpy()
    return np.concatenate([given.states[:observed], states])


class _Mood:
    """How lively each window is, in the predictor's own independent numbers: much as the one before."""

    def __init__(self, predictor: FlowPredictor, config: FutureConfig, generator: torch.Generator) -> None:
        self._generator, self._spread, self._middle = generator, 1.0, torch.zeros(STYLES)
        if config.style != "any":
            deviation = predictor.style_factor.pow(2).sum(dim=1).sqrt()
            self._middle = _style_that(predictor, deviation * torch.tensor(_STYLES[config.style]))
            self._spread = _CHOSEN_SPREAD
        self._departure = self._spread * torch.randn(STYLES, generator=generator)

    def next(self, frames: int) -> Float[Tensor, " S"]:
        """The style of the next window, of which so many frames are new."""
        style = self._middle + self._departure
        same = _SAME_MOOD ** (frames / _SAME_MOOD_FRAMES)
        new = self._spread * torch.randn(STYLES, generator=self._generator)
        self._departure = same * self._departure + math.sqrt(1.0 - same**2) * new
        return style


def _style_that(predictor: FlowPredictor, livelier: Float[Tensor, " S"]) -> Float[Tensor, " S"]:
    """The style by which motions are so much livelier, in logarithms."""
    return torch.linalg.solve_triangular(predictor.style_factor, livelier[:, None], upper=False)[:, 0]


Fill = Callable[
    [Float[Tensor, "1 W D"], Bool[Tensor, "1 W"], Float[Tensor, "1 D"], int], Float[Tensor, "1 W D"]
]
"""Completes a window of which some frames are known, given the anchor, and how many frames it is asked for."""


def _rolled(predictor: FlowPredictor, given: Given, fill: Fill) -> Float[np.ndarray, "T D"]:
    """Complete window after window with `fill`; all of them draw about as many frames."""
    window = predictor.config.window
    begin = int(np.argmin(given.known))
    unknown = int(np.flatnonzero(~given.known)[-1]) + 1 - begin
    bounds = begin + _bounds(unknown, min(len(given.known) - begin - unknown, CONTEXT), window)
    states = predictor.normaliser.normal(torch.tensor(given.states, dtype=torch.float32))
    known = torch.tensor(given.known)
    anchor = states[:1].clone()
    with torch.inference_mode():
        for begins, ends in pairwise(bounds.tolist()):
            start = max(begins - CONTEXT, 0)
            seen = min(start + window, len(states))
            part, shown = torch.zeros(1, window, states.shape[1]), torch.zeros(1, window, dtype=torch.bool)
            part[0, : seen - start], shown[0, : seen - start] = states[start:seen], known[start:seen]
            shown[0, : begins - start] = True
            states[begins:ends] = fill(part, shown, anchor, ends - begins)[0, begins - start : ends - start]
    drawn = predictor.normaliser.plain(states).numpy().astype(np.float64)
    return np.where(given.known[:, None], given.states, drawn)


def _bounds(unknown: int, after: int, window: int) -> Int[np.ndarray, " N"]:
    """Where windows begin and end, counted from the first unknown frame.

    The last one draws so few frames that it sees all of the `after` known ones behind them.
    """
    most, most_at_last = window - CONTEXT, window - CONTEXT - after
    count = 1 + math.ceil(max(unknown - most_at_last, 0) / most)
    last = min(most_at_last, round(unknown / count))
    return np.append(np.linspace(0, unknown - last, count).round().astype(int), unknown)
