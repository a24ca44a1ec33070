"""Laws of poses: sequences of them are joined and cut like arrays."""

from __future__ import annotations

import numpy as np
import pytest

from faceanime.core.errors import ShapeError
from faceanime.geometry.rotation import rotation_from_vector
from faceanime.structures.coefficients import HeadPose


def poses(frames: int, seed: int) -> HeadPose:
    rng = np.random.default_rng(seed)
    rotation = rotation_from_vector(rng.normal(size=(frames, 3)))
    return HeadPose(rotation, rng.uniform(10, 200, frames), rng.uniform(0, 500, (frames, 2)))


def test_what_is_concatenated_can_be_cut_apart_again() -> None:
    parts = [poses(3, 0), poses(1, 1), poses(4, 2)]
    joined = HeadPose.concatenate(parts)
    cut = [joined[:3], joined[3:4], joined[4:]]
    for part, again in zip(parts, cut, strict=True):
        for name in ("rotation", "scale", "translation_px"):
            assert np.array_equal(getattr(again, name), getattr(part, name))


def test_only_sequences_are_concatenated() -> None:
    with pytest.raises(ValueError, match="zero-dimensional"):
        HeadPose.concatenate([poses(2, 0)[0]])


def test_a_pose_must_be_a_rotation_and_a_positive_scale() -> None:
    pose = poses(2, 0)
    with pytest.raises(ShapeError, match="not rotations"):
        HeadPose(2.0 * pose.rotation, pose.scale, pose.translation_px)
    with pytest.raises(ShapeError, match="not rotations"):
        HeadPose(-pose.rotation, pose.scale, pose.translation_px)
    with pytest.raises(ShapeError, match="scale must be positive"):
        HeadPose(pose.rotation, -pose.scale, pose.translation_px)
