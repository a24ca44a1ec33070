"""Simple ways to continue a motion, or to move between two frames, which predictors are compared with."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from faceanime.dynamics.state import ROTATION
from faceanime.evaluate.motion_benchmark import HORIZONS, SHORTEST_CLIP, MotionBenchmark, States
from faceanime.geometry.interpolation import smoothstep
from faceanime.geometry.rotation import rotation_from_vector, vector_from_rotation

_SPEED_FRAMES = 3
"""Frames over which the speed at the end of the observed motion is measured."""
_MOMENT_STRIDE = 2
"""Frames between the moments of the training set that are compared."""


def frozen(observed: States, frames: int) -> States:
    """Repeat the last frame."""
    return np.concatenate([observed, np.repeat(observed[-1:], frames, axis=0)])


def extrapolated(observed: States, frames: int) -> States:
    """Continue with the mean speed of the last three frames."""
    speed = (observed[-1] - observed[-1 - _SPEED_FRAMES]) / _SPEED_FRAMES
    return np.concatenate([observed, observed[-1] + speed * np.arange(1, frames + 1)[:, None]])


def linear(ends: States, frames: int) -> States:
    """Interpolate linearly between two states."""
    fraction = np.linspace(0.0, 1.0, frames + 1)[:, None]
    return np.asarray(ends[0] + fraction * (ends[1] - ends[0]))


def slerp(ends: States, frames: int) -> States:
    """Interpolate rotations spherically and everything else linearly, with a smooth start and end."""
    phase = np.linspace(0.0, 1.0, frames + 1)[:, None]
    fraction = smoothstep(phase)
    path = ends[0] + fraction * (ends[1] - ends[0])
    first, last = rotation_from_vector(ends[:, ROTATION])
    rotation = rotation_from_vector(fraction * vector_from_rotation(first.T @ last))
    path[:, ROTATION] = vector_from_rotation(first @ rotation)
    return np.asarray(path)


class NearestNeighbour:
    """Continue as the most similar moment of the training set did, relative to that moment."""

    def __init__(self, benchmark: MotionBenchmark) -> None:
        self._deviation = benchmark.deviation
        self._clips = [clip.states for clip in benchmark.train if len(clip.motion) >= SHORTEST_CLIP]
        self._moments = [
            (i, t)
            for i, clip in enumerate(self._clips)
            for t in range(_SPEED_FRAMES, len(clip) - HORIZONS[-1], _MOMENT_STRIDE)
        ]
        self._keys = np.stack([self._key(self._clips[i][: t + 1]) for i, t in self._moments])

    def _key(self, observed: States) -> Float[np.ndarray, " K"]:
        """Expression and rotation of the last frame, and twice their change over three frames."""
        now = observed[-1] / self._deviation
        change = (observed[-1] - observed[max(len(observed) - 1 - _SPEED_FRAMES, 0)]) / self._deviation
        return np.concatenate([now[: ROTATION.stop], 2.0 * change])

    def __call__(self, observed: States, frames: int) -> States:
        distance = np.linalg.norm(self._keys - self._key(observed), axis=1)
        index, t = self._moments[int(np.argmin(distance))]
        clip = self._clips[index]
        return np.concatenate([observed, observed[-1] + clip[t + 1 : t + 1 + frames] - clip[t]])
