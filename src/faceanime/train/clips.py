"""What the predictors learn from: windows of clips, and the statistics of their motion."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from faceanime.dynamics.predictor import GROUPS
from faceanime.dynamics.state import HEAD_NUMBERS, LOG_SCALE, PLACE, ROTATION, states_of
from faceanime.errors import ConfigError
from faceanime.morphable.model import EYES, MorphableModel, Part
from faceanime.structures.coefficients import Dynamics


class Clips:
    """The states of many clips, each relative to its own first frame."""

    def __init__(self, dynamics: Sequence[Dynamics], model: MorphableModel) -> None:
        self.states = [
            states_of(d.expression, d.pose, d.pose[0]).astype(np.float32) for d in dynamics if len(d) > 1
        ]
        if not self.states:
            raise ConfigError("no clip of two frames or more to learn from")
        self._mirror = _mirror_of(model)
        share = np.sqrt([len(states) for states in self.states])
        self._share = share / share.sum()

    def draw(
        self, rng: np.random.Generator, count: int, frames: int, slowest: float, mirrored: bool = True
    ) -> tuple[Float[np.ndarray, "B T D"], Bool[np.ndarray, "B T"], Float[np.ndarray, "B D"]]:
        """Windows of clips: their states, which frames there are, and the anchors' states.

        The anchor is a frame at or before the window's start, the states are relative to it.
        """
        numbers = self.states[0].shape[1]
        windows = np.zeros((count, frames, numbers), np.float32)
        there = np.zeros((count, frames), bool)
        anchors = np.zeros((count, numbers), np.float32)
        for window, valid, anchor in zip(windows, there, anchors, strict=True):
            clip = self.states[rng.choice(len(self.states), p=self._share)]
            speed = float(np.exp(rng.uniform(math.log(slowest), -math.log(slowest)))) if slowest < 1 else 1.0
            spare = len(clip) - 1 - speed * (frames - 1)
            start = rng.uniform(0.0, spare) if spare > 0 else 0.0
            times = start + speed * np.arange(frames)
            valid[:] = times <= len(clip) - 1
            window[:] = _at(clip, times)
            anchor[:] = _at(clip, np.array([rng.uniform(0.0, start) if rng.random() < 0.5 else start]))[0]
            _re_anchor(window, anchor)
            if mirrored and rng.random() < 0.5:
                window[:], anchor[:] = window @ self._mirror, anchor @ self._mirror
        return windows, there, anchors


def _at(clip: Float[np.ndarray, "N D"], times: Float[np.ndarray, "T"]) -> Float[np.ndarray, "T D"]:
    """A clip between its frames; beyond its end the last one stays."""
    times = np.clip(times, 0, len(clip) - 1)
    before = np.minimum(times.astype(int), len(clip) - 2)
    share = (times - before)[:, None].astype(np.float32)
    return np.asarray(clip[before] + share * (clip[before + 1] - clip[before]))


def _re_anchor(window: Float[np.ndarray, "T D"], anchor: Float[np.ndarray, "D"]) -> None:
    """Count scale and place from the anchor, in both."""
    window[:, LOG_SCALE] -= anchor[LOG_SCALE]
    window[:, PLACE] = (window[:, PLACE] - anchor[PLACE]) * np.exp(-anchor[LOG_SCALE])
    anchor[LOG_SCALE] = 0.0
    anchor[PLACE] = 0.0


def _mirror_of(model: MorphableModel) -> Float[np.ndarray, "D D"]:
    """States times this matrix are those of the mirrored face."""
    numbers = model.expression_count + HEAD_NUMBERS
    mirror = np.zeros((numbers, numbers), np.float32)
    mirror[: model.expression_count, : model.expression_count] = model.expression_mirror.T
    mirror[model.expression_count :, model.expression_count :] = np.diag([1, -1, -1, 1, -1, 1])
    return mirror


def style_of(
    states: Float[np.ndarray, "B T D"], there: Bool[np.ndarray, "B T"], model: MorphableModel
) -> Float[np.ndarray, "B S"]:
    """How lively mouth, eyes and head are: logarithms of their mean changes from frame to frame."""
    moved = np.abs(np.diff(states, axis=1))
    both = (there[:, 1:] & there[:, :-1])[..., None]
    mean = (moved * both).sum(axis=1) / np.maximum(both.sum(axis=1), 1)
    eyes = np.isin(model.part, EYES)
    face = mean[:, :-HEAD_NUMBERS]
    liveliness = [
        face[:, ~eyes].mean(axis=1),
        face[:, eyes].mean(axis=1),
        10.0 * mean[:, ROTATION].mean(axis=1),
    ]
    return np.log(np.stack(liveliness, axis=1) + 1e-3)


def groups_of(model: MorphableModel) -> Int[np.ndarray, "D"]:
    """The group of each number of a state, see `predictor.GROUPS`."""
    part_group = {Part.RIGHT_EYE: 0, Part.LEFT_EYE: 0, Part.RIGHT_BROW: 1, Part.LEFT_BROW: 1, Part.MOUTH: 2}
    return np.array([*(part_group[Part(part)] for part in model.part), 3, 3, 3, 4, 5, 5])


def autocovariance(
    normal: Float[np.ndarray, "B T D"], there: Bool[np.ndarray, "B T"], groups: Int[np.ndarray, "D"]
) -> Float[np.ndarray, "G T"]:
    """Of each group, by the distance in frames; frames that are not there are 0 in `normal`."""
    frames = normal.shape[1]
    found = np.zeros((GROUPS, frames), np.float32)
    for lag in range(frames):
        pairs = (there[:, lag:] & there[:, : frames - lag]).sum()
        products = (normal[:, lag:] * normal[:, : frames - lag]).sum(axis=(0, 1)) / max(int(pairs), 1)
        found[:, lag] = [products[groups == group].mean() for group in range(GROUPS)]
    return found
