"""A predictor that draws one of many futures, by flow matching (Lipman et al., arXiv 2210.02747).

The paper's predictor gives the mean of all futures, and a mean hardly moves. This one completes the unknown frames of
a window, whichever frames are known: the first (prediction), the first and the last (toward a target), both ends (a
loop). Its noise is not white: it is a Gaussian process with the autocovariance of real motion, conditioned on the
known frames (`MotionPrior`). So the flow starts from motion that is smooth, at a natural pace, and passes through the
known frames; the network adds what a Gaussian cannot: syllables, glances.

States are those of `state.py`, normalized by `Normaliser`. B sequences, T frames, D numbers a state.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from faceanime.core.errors import ConfigError, RangeError, check_range
from faceanime.dynamics.blinks import draw_blink_rate
from faceanime.dynamics.flow_blocks import TIME_FEATURES, ModulatedBlock, time_features
from faceanime.dynamics.motion_prior import GROUPS, Bridge, MotionPrior, StateBatch
from faceanime.dynamics.normaliser import Normaliser
from faceanime.dynamics.predictor import KnownStates
from faceanime.dynamics.predictor_network import PredictorNetwork
from faceanime.dynamics.rollout_config import FutureConfig
from faceanime.dynamics.style_process import STYLES, StyleProcess, whitened_style
from faceanime.dynamics.windowed_rollout import CONTEXT_FRAMES, complete_in_windows

TRUST_EDGES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.8)
"""Edges of the bins of the motion prior's deviation, each of which has its own `FlowPredictor.trust`."""
_STYLE_OF_GROUP = [1, 1, 0, 2, 2, 2]
"""For each of `GROUPS`, the index of the style number that scales it."""
_MAX_LOG_LIVELINESS = 1.6
"""Bound on the logarithm of a style's liveliness relative to the mean clip's; rarely reached, chosen by eye."""
_FRAME_FEATURES = 48
"""Features of one frame between the transformer and the output convolution."""
_TARGET_HELD_FRAMES = 6
"""Frames for which a target counts as held after the end, so that motion slows down toward it; chosen by eye."""


@dataclass(frozen=True)
class FlowConfig:
    """Size of the flow-matching predictor."""

    window: int = 96
    """Frames of a motion window; a multiple of the patch."""
    patch: int = 4
    """Frames of one token."""
    width: int = 128
    """Numbers of one token; a multiple of the heads."""
    layers: int = 4
    """Number of transformer blocks."""
    heads: int = 4
    """Attention heads of each block."""
    dropout: float = 0.1
    """Probability with which features are dropped in training, 0 to 1."""

    def __post_init__(self) -> None:
        check_range(self, "flow", "window", "patch", "width", "layers", "heads", least=1)
        if self.window % self.patch:
            raise RangeError("flow.window", self.window, f"a multiple of flow.patch, {self.patch}")
        if self.width % self.heads:
            raise RangeError("flow.width", self.width, f"a multiple of flow.heads, {self.heads}")
        check_range(self, "flow", "dropout", least=0, below=1)


class FlowPredictor(PredictorNetwork):
    """A transformer over patches of frames that completes a stretch of motion from noise and its known frames."""

    network: ClassVar[str] = "flow"
    """Its name in weights files."""
    style_mean: Float[Tensor, " S"]
    style_factor: Float[Tensor, "S S"]
    """Mean and Cholesky factor of the covariance of styles over the clips of the training set."""
    trust: Float[Tensor, "2 G N"]
    """Fraction of the network's addition to the mean that held on the validation people: after the known frames and
    between them, by group of numbers and by bin of `TRUST_EDGES`."""
    blink_rate: Float[Tensor, "2"]
    """Mean and standard deviation over clips of the logarithm of blinks a minute."""

    def __init__(self, numbers: int, config: FlowConfig = FlowConfig()) -> None:
        super().__init__()
        self.config, self.numbers = config, numbers
        self.normaliser = Normaliser(numbers)
        self.prior = MotionPrior(GROUPS, config.window, numbers)
        self.register_buffer("style_mean", torch.zeros(STYLES))
        self.register_buffer("style_factor", torch.eye(STYLES))
        self.register_buffer("trust", torch.ones(2, GROUPS, len(TRUST_EDGES) + 1))
        self.register_buffer("blink_rate", torch.tensor([math.log(17.0), 0.0]))
        width = config.width
        self.patch_embed = nn.Linear(config.patch * (2 * numbers + 1), width)
        self.pos_embed = nn.Parameter(0.02 * torch.randn(config.window // config.patch, width))
        self.cond_mlp = nn.Sequential(
            nn.Linear(TIME_FEATURES + numbers + 2 * STYLES, width),
            nn.SiLU(),
            nn.Linear(width, width),
            nn.SiLU(),
        )
        self.blocks = nn.ModuleList(
            [ModulatedBlock(width, config.heads, config.dropout) for _ in range(config.layers)]
        )
        self.norm = nn.LayerNorm(width)
        self.unpatch = nn.Linear(width, config.patch * _FRAME_FEATURES)
        self.frame_conv = nn.Conv1d(2 * numbers + _FRAME_FEATURES, 2 * _FRAME_FEATURES, 5, padding=2)
        self.frame_scale = nn.Linear(width, 2 * _FRAME_FEATURES)
        self.head = nn.Conv1d(2 * _FRAME_FEATURES, numbers, 5, padding=2)
        self.skip_gain = nn.Linear(width, numbers)
        for parameter in (*self.head.parameters(), *self.skip_gain.parameters()):
            nn.init.zeros_(parameter)  # an untrained network gives the Gaussian's answer

    def forward(
        self,
        noisy: StateBatch,
        time: Float[Tensor, " B"],
        bridge: Bridge,
        anchor: Float[Tensor, "B D"],
        style: Float[Tensor, "B S"],
        styled: Bool[Tensor, " B"],
    ) -> StateBatch:
        """The clean states (normalized) of a window: those of a Gaussian, and what the network adds to them.

        `noisy` at flow `time` in [0,1], 0 is noise; `bridge` knows the known frames; `anchor` is the state of the
        motion's first frame; `style` (B,3) whitened, counts where `styled`.
        """
        batch, frames = noisy.shape[:2]
        mean = bridge.mean
        given = torch.cat([noisy - mean, mean, bridge.is_known[..., None].to(noisy.dtype)], dim=-1)
        tokens = self.patch_embed(given.reshape(batch, frames // self.config.patch, -1))
        known_style = torch.where(styled[:, None], style, torch.zeros_like(style))
        is_styled = styled[:, None].expand(-1, STYLES).to(noisy.dtype)
        condition = self.cond_mlp(torch.cat([time_features(time), anchor, known_style, is_styled], dim=-1))
        tokens = tokens + self.pos_embed[: tokens.shape[1]]
        for block in self.blocks:
            tokens = block(tokens, condition)
        # A token is too narrow for the detail of its frames, so they are read once more, frame by frame.
        features = self.unpatch(self.norm(tokens)).reshape(batch, frames, _FRAME_FEATURES)
        features = self.frame_conv(torch.cat([noisy - mean, mean, features], dim=-1).mT)
        features = nn.functional.gelu(features * (1.0 + self.frame_scale(condition)[..., None]))
        added = self.head(features).mT
        # E[x_1 | x_t] of Gaussians with the same covariance around the mean, t x_1 + (1 - t) x_0 between them
        weight = (time / (time**2 + (1.0 - time) ** 2))[:, None]
        gain = (weight * (1.0 + self.skip_gain(condition)))[:, None]
        clean: Tensor = mean + gain * (noisy - mean) + bridge.deviation * added
        return clean

    def liveliness(self, style: Float[Tensor, "B S"]) -> Float[Tensor, "B 1 D"]:
        """The amplitude of each number at a whitened style, relative to its root mean square over all styles.

        The process alone, whose covariance is that of all people, would be equally lively in every window.
        """
        log_liveliness = (style @ self.style_factor.mT).clamp(-_MAX_LOG_LIVELINESS, _MAX_LOG_LIVELINESS)
        amplitude = (
            log_liveliness - self.style_factor.pow(2).sum(dim=1)
        ).exp()  # log-normal: E[amplitude^2] = 1
        return amplitude[:, _STYLE_OF_GROUP][:, self.prior.group][:, None]

    def mean_of(self, bridge: Bridge, anchor: Float[Tensor, "B D"], trusted: bool = True) -> StateBatch:
        """The mean of all futures: the motion prior's, and the trusted fraction of the network's addition."""
        batch = len(anchor)
        nothing, no_style = torch.zeros(batch), torch.zeros(batch, STYLES)
        answer: Tensor = self(bridge.mean, nothing, bridge, anchor, no_style, nothing.bool())
        if not trusted:
            return answer
        return bridge.mean + self.trust[self.trust_index(bridge)] * (answer - bridge.mean)

    def trust_index(
        self, bridge: Bridge
    ) -> tuple[Int[Tensor, "B T 1"], Int[Tensor, " D"], Int[Tensor, "B T D"]]:
        """Index into `trust` of each number of each frame."""
        between = bridge.is_known.flip(1).cummax(dim=1).values.flip(1)
        deviation_bin = torch.bucketize(bridge.deviation.contiguous(), torch.tensor(TRUST_EDGES))
        return between[..., None].long(), self.prior.group, deviation_bin

    def future(self, known: KnownStates, config: FutureConfig) -> Float[np.ndarray, "T D"]:
        """The future that the seed draws; it meets a target exactly.

        Raises ConfigError for a loop that is too short, or has a target.
        """
        generator = torch.Generator().manual_seed(config.seed)
        if config.loop:
            return self._draw_loop(known, config, generator)
        if not known.has_target:
            return self.draw(known, config, generator)
        held = np.repeat(known.states[-1:], _TARGET_HELD_FRAMES, axis=0)
        held_known = KnownStates(
            np.concatenate([known.states, held]), np.append(known.known, np.ones(len(held), bool))
        )
        return self.draw(held_known, config, generator)[: len(known.known)]

    def draw(
        self, known: KnownStates, config: FutureConfig, generator: torch.Generator
    ) -> Float[np.ndarray, "T D"]:
        """One of many motions through the known states, which stay as they are; neither looped nor slowed at its end.

        The same state of the generator gives the same bits on the same machine.
        """
        styles = StyleProcess(self.style_factor, config.style, generator)
        return self._draw(known, config, generator, styles)

    def mean_future(self, known: KnownStates) -> Float[np.ndarray, "T D"]:
        """The mean of all futures: smallest expected error, little motion."""

        def fill(window: Tensor, is_known: Tensor, anchor: Tensor, frames: int) -> Tensor:
            return self.mean_of(self.prior.given(window, is_known), anchor)

        return complete_in_windows(known, self.config.window, self.normaliser, fill)

    def blinks_per_minute(self, seed: int) -> float:
        """A blink rate drawn from those of people; predicted states have no blinks of their own."""
        return draw_blink_rate(self.blink_rate.numpy(), seed)

    def _draw(
        self, known: KnownStates, config: FutureConfig, generator: torch.Generator, styles: StyleProcess
    ) -> Float[np.ndarray, "T D"]:
        energy = whitened_style(self.style_factor, torch.full((STYLES,), math.log(config.energy)))

        def fill(window: Tensor, is_known: Tensor, anchor: Tensor, frames: int) -> Tensor:
            bridge, style = self.prior.given(window, is_known), styles.next(frames)[None]
            white = torch.randn(window.shape, generator=generator)
            amplitude = config.temperature * config.energy * self.liveliness(style)
            noise = bridge.mean + amplitude * (bridge.through(self.prior.draw(white)) - bridge.mean)
            return self._denoise(noise, bridge, anchor, style + energy, config.steps)

        return complete_in_windows(known, self.config.window, self.normaliser, fill)

    def _denoise(
        self,
        noise: StateBatch,
        bridge: Bridge,
        anchor: Float[Tensor, "B D"],
        style: Float[Tensor, "B S"],
        steps: int,
    ) -> StateBatch:
        """Follow the flow from noise to motion: first order at both ends, second order between."""
        styled = torch.ones(1, dtype=torch.bool)
        times = torch.linspace(0.0, 1.0, steps + 1)
        state = previous = noise
        for step, (now, then) in enumerate(pairwise(times)):
            clean = self(state, now[None], bridge, anchor, style, styled)
            # d state / d s = clean - state in s = -log(1 - t): exact for a clean state that changes linearly in s
            kept = (1.0 - then) / (1.0 - now)
            state = kept * state + (1.0 - kept) * clean
            if 0 < step < steps - 1:
                past = torch.log((1.0 - times[step - 1]) / (1.0 - now))
                state = state + (-torch.log(kept) - (1.0 - kept)) / past * (clean - previous)
            previous = clean
        return state

    def _draw_loop(
        self, known: KnownStates, config: FutureConfig, generator: torch.Generator
    ) -> Float[np.ndarray, "T D"]:
        """A motion whose last frame flows on into its first: the second half leads back to how the first began."""
        if known.has_target:
            raise ConfigError("a loop ends where it begins: it cannot end at a target")
        frames, numbers = known.states.shape
        half = frames // 2
        if half < CONTEXT_FRAMES:
            raise ConfigError(
                f"a loop of {frames} frames is too short: expected {2 * CONTEXT_FRAMES} or more"
            )
        styles = StyleProcess(self.style_factor, config.style, generator)
        begun = self._draw(KnownStates(known.states[:half], known.known[:half]), config, generator, styles)
        states = np.zeros((frames + CONTEXT_FRAMES, numbers))
        is_known = np.zeros(frames + CONTEXT_FRAMES, bool)
        states[:half], is_known[:half] = begun, True
        states[frames:], is_known[frames:] = begun[:CONTEXT_FRAMES], True
        return self._draw(KnownStates(states, is_known), config, generator, styles)[:frames]
