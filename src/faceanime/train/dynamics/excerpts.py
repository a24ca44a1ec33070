"""Excerpts of clips, from which the predictors learn, and statistics of their motion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from faceanime.core.errors import ConfigError
from faceanime.dynamics.blinks import SIDES, Blink, blinks_of, lids_apart
from faceanime.dynamics.motion_prior import GROUPS
from faceanime.dynamics.state import FRAME_RATE, HEAD_NUMBERS, ROTATION, re_anchored, states_of
from faceanime.morphable.model import EYES_AND_BROWS, MorphableModel, Part
from faceanime.structures.coefficients import Dynamics

_DOWN_S, _UP_S = 0.12, 0.24
"""Longest time in seconds that lids take to close and to open again; chosen by eye."""


@dataclass(frozen=True, eq=False)
class Excerpts:
    """Excerpts of clips, all T frames long."""

    states: Float[np.ndarray, "B T D"]
    """The states; scale and place are relative to the anchor state."""
    unblinking: Float[np.ndarray, "B T D"]
    """The states without blinks."""
    blink: Int[np.ndarray, "B T"]
    """The number of the blink that each frame belongs to, 0 for none."""
    there: Bool[np.ndarray, "B T"]
    """Whether the clip has the frame; after the clip's end its last state is repeated."""
    anchor: Float[np.ndarray, "B D"]
    """The state of a frame at or before the start of the excerpt."""

    def without_unseen_blinks(self, known: Bool[np.ndarray, "B T"]) -> Float[np.ndarray, "B T D"]:
        """The states without the blinks of which no known frame shows a part, since these cannot be predicted."""
        seen = self.blink * known
        shown = (self.blink[:, :, None] == seen[:, None, :]).any(axis=2) & (self.blink > 0)
        return np.where(shown[..., None], self.states, self.unblinking)


class Clips:
    """The states of many clips, each relative to its own first frame."""

    def __init__(self, dynamics: Sequence[Dynamics], model: MorphableModel) -> None:
        clips = [d for d in dynamics if len(d) > 1]
        if not clips:
            raise ConfigError("no clip of two frames or more to learn from")
        for clip in clips:
            model.require(clip.model_id, "a clip")
            if clip.frame_rate != FRAME_RATE:
                raise ConfigError(
                    f"a clip has {clip.frame_rate} frames/s, but the predictors need {FRAME_RATE}; prepare it again"
                )
        self.states = [states_of(d.expression, d.pose, d.pose[0]).astype(np.float32) for d in clips]
        self.blinks: list[tuple[int, float]] = []
        """The number of blinks in each clip, and the clip's length in minutes."""
        self._unblinking, self._blink = [], []
        eyes = np.flatnonzero(np.isin(model.part, EYES_AND_BROWS))
        for clip, states in zip(clips, self.states, strict=True):
            apart = np.mean([lids_apart(clip, side, model) for side in SIDES], axis=0)
            blinks = [
                _whole(b, apart, float(clip.frame_rate)) for b in blinks_of(apart, float(clip.frame_rate))
            ]
            self._unblinking.append(_without(states, blinks, eyes))
            self._blink.append(_numbered(blinks, len(states)))
            self.blinks.append((len(blinks), len(clip) / float(FRAME_RATE) / 60.0))
        self._mirror = _mirror_of(model)
        self._mouth = np.flatnonzero(model.part == Part.MOUTH)
        weight = np.sqrt([len(states) for states in self.states])
        self._probability = weight / weight.sum()

    def draw(
        self,
        rng: np.random.Generator,
        count: int,
        frames: int,
        slowest: float = 1.0,
        mixed: float = 0.0,
        mirrored: bool = True,
    ) -> Excerpts:
        """Draw excerpts of random clips; a fraction `mixed` of them has the mouth of another clip.

        Clips are played slower or faster by a factor down to `slowest`; half are mirrored if `mirrored`.
        """
        drawn = [self._excerpt(rng, frames, slowest, mixed, mirrored) for _ in range(count)]
        return Excerpts(*(np.stack(parts) for parts in zip(*drawn, strict=True)))

    def _excerpt(
        self, rng: np.random.Generator, frames: int, slowest: float, mixed: float, mirrored: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        states, unblinking, blink, there, anchor = self._unmixed(rng, frames, slowest)
        if rng.random() < mixed:
            other, _, _, also_there, other_anchor = self._unmixed(rng, frames, slowest)
            for mine, its in ((states, other), (unblinking, other), (anchor, other_anchor)):
                mine[..., self._mouth] = its[..., self._mouth]
            there &= also_there
        if mirrored and rng.random() < 0.5:
            states, unblinking, anchor = (
                states @ self._mirror,
                unblinking @ self._mirror,
                anchor @ self._mirror,
            )
        return states, unblinking, blink, there, anchor

    def _unmixed(
        self, rng: np.random.Generator, frames: int, slowest: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        index = int(rng.choice(len(self.states), p=self._probability))
        clip = self.states[index]
        speed = float(slowest ** rng.uniform(-1.0, 1.0))
        spare = len(clip) - 1 - speed * (frames - 1)
        start = rng.uniform(0.0, spare) if spare > 0 else 0.0
        times = start + speed * np.arange(frames)
        anchor = _at(clip, np.array([rng.uniform(0.0, start) if rng.random() < 0.5 else start]))[0]
        states, unblinking = (
            re_anchored(_at(whole, times), anchor) for whole in (clip, self._unblinking[index])
        )
        blink = self._blink[index][np.minimum(np.rint(times), len(clip) - 1).astype(int)]
        return states, unblinking, blink, times <= len(clip) - 1, re_anchored(anchor, anchor)


def _whole(blink: Blink, apart: Float[np.ndarray, " N"], frame_rate: float) -> Blink:
    """Extend a blink by the frames in which the lids move down and up."""
    down, up = round(_DOWN_S * frame_rate), round(_UP_S * frame_rate)
    first, last = blink
    while first > max(blink[0] - down, 0) and apart[first - 1] > apart[first]:
        first -= 1
    while last < min(blink[1] + up, len(apart)) and apart[last] > apart[last - 1]:
        last += 1
    return first, last


def _without(
    states: Float[np.ndarray, "N D"], blinks: Sequence[Blink], eyes: Int[np.ndarray, " E"]
) -> Float[np.ndarray, "N D"]:
    """The states with the eyes interpolated linearly across each blink."""
    unblinking = states.copy()
    for first, last in blinks:
        before, after = max(first - 1, 0), min(last, len(states) - 1)
        if first == 0:
            before = after
        if last == len(states):
            after = before
        weight = np.linspace(0.0, 1.0, last - first + 2, dtype=np.float32)[1:-1, None]
        unblinking[first:last, eyes] = (1.0 - weight) * states[before, eyes] + weight * states[after, eyes]
    return unblinking


def _numbered(blinks: Sequence[Blink], frames: int) -> Int[np.ndarray, " N"]:
    """The number of the blink that each frame belongs to, from 1; 0 for none."""
    numbers = np.zeros(frames, int)
    for number, (first, last) in enumerate(blinks, start=1):
        numbers[first:last] = number
    return numbers


def blink_rate(blinks: Sequence[tuple[int, float]]) -> tuple[float, float]:
    """Mean and deviation over clips of the logarithm of blinks per minute, from their counts and minutes.

    Counts in short clips scatter as a Poisson variable does; only the scatter beyond that is due to people.
    """
    counts, minutes = np.array(blinks, np.float64).T
    mean = max(float(counts.sum() / minutes.sum()), 1.0)
    scatter = float(((counts - mean * minutes) ** 2 - mean * minutes).sum() / (minutes**2).sum())
    variance = math.log(1.0 + max(scatter, 0.0) / mean**2)
    return math.log(mean) - variance / 2.0, math.sqrt(variance)


def _at(clip: Float[np.ndarray, "N D"], times: Float[np.ndarray, " T"]) -> Float[np.ndarray, "T D"]:
    """A clip at fractional frame times, by linear interpolation; after its end the last state is repeated."""
    times = np.clip(times, 0, len(clip) - 1)
    before = np.minimum(times.astype(int), len(clip) - 2)
    weight = (times - before)[:, None].astype(np.float32)
    return np.asarray(clip[before] + weight * (clip[before + 1] - clip[before]))


def _mirror_of(model: MorphableModel) -> Float[np.ndarray, "D D"]:
    """The matrix M such that states @ M are the states of the mirrored face."""
    numbers = model.expression_count + HEAD_NUMBERS
    mirror = np.zeros((numbers, numbers), np.float32)
    mirror[: model.expression_count, : model.expression_count] = model.expression_mirror.T
    mirror[model.expression_count :, model.expression_count :] = np.diag([1, -1, -1, 1, -1, 1])
    return mirror


def style_of(
    states: Float[np.ndarray, "B T D"], there: Bool[np.ndarray, "B T"], model: MorphableModel
) -> Float[np.ndarray, "B S"]:
    """The style of motions: logarithms of the mean change per frame of mouth, eyes and head."""
    moved = np.abs(np.diff(states, axis=1))
    both = (there[:, 1:] & there[:, :-1])[..., None]
    mean = (moved * both).sum(axis=1) / np.maximum(both.sum(axis=1), 1)
    eyes = np.isin(model.part, EYES_AND_BROWS)
    face = mean[:, :-HEAD_NUMBERS]
    liveliness = [
        face[:, ~eyes].mean(axis=1),
        face[:, eyes].mean(axis=1),
        10.0 * mean[:, ROTATION].mean(axis=1),
    ]
    return np.log(np.stack(liveliness, axis=1) + 1e-3)


def groups_of(model: MorphableModel) -> Int[np.ndarray, " D"]:
    """The group of each number of a state, see `motion_prior.GROUPS`."""
    part_group = {Part.RIGHT_EYE: 0, Part.LEFT_EYE: 0, Part.RIGHT_BROW: 1, Part.LEFT_BROW: 1, Part.MOUTH: 2}
    return np.array([*(part_group[Part(part)] for part in model.part), 3, 3, 3, 4, 5, 5])


def autocovariance(
    normal: Float[np.ndarray, "B T D"], there: Bool[np.ndarray, "B T"], groups: Int[np.ndarray, " D"]
) -> Float[np.ndarray, "G T"]:
    """Autocovariance of each group by the lag in frames; missing frames must be 0 in `normal`."""
    frames = normal.shape[1]
    found = np.zeros((GROUPS, frames), np.float32)
    for lag in range(frames):
        pairs = (there[:, lag:] & there[:, : frames - lag]).sum()
        products = (normal[:, lag:] * normal[:, : frames - lag]).sum(axis=(0, 1)) / max(int(pairs), 1)
        found[:, lag] = [products[groups == group].mean() for group in range(GROUPS)]
    return found
