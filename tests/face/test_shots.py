"""Laws of shots: a cut begins one; a flash, a pan or a shaking camera does not; a head that jumps does."""

from collections.abc import Sequence
from fractions import Fraction

import cv2
import numpy as np
import pytest
import skimage.data
from faces import as_frames, astronaut, moved

from faceanime.face.shots import has_jumped, numbered_shots
from faceanime.morphable.model import MorphableModel
from faceanime.structures.landmarks import Landmarks
from heads import face_of, landmarks_of, pose_of


def shots_of(pictures: Sequence[np.ndarray]) -> list[int]:
    frames = as_frames(pictures)
    numbered = list(numbered_shots(frames))
    assert [frame for _, frame in numbered] == frames
    return [shot for shot, _ in numbered]


def nodding(count: int) -> list[np.ndarray]:
    return [moved(astronaut(), 1.0, 0.0, 3.0 * np.sin(t)) for t in range(count)]


def cat() -> np.ndarray:
    return cv2.resize(skimage.data.cat(), (512, 512))  # type: ignore[no-untyped-call]


def test_a_cut_begins_a_shot() -> None:
    assert shots_of([*nodding(8), *[cat()] * 5, *nodding(6)]) == [0] * 8 + [1] * 5 + [2] * 6
    assert shots_of([]) == []
    assert shots_of([cat()]) == [0]


def test_a_punch_in_is_a_cut() -> None:
    closer = [moved(picture, 1.5, -100.0, -40.0) for picture in nodding(6)]
    assert shots_of([*nodding(8), *closer]) == [0] * 8 + [1] * 6


@pytest.mark.parametrize("length", [1, 2])
def test_a_flash_is_no_cut(length: int) -> None:
    flash = [np.full_like(astronaut(), 250)] * length
    assert shots_of([*nodding(8), *flash, *nodding(8)]) == [0] * (16 + length)


def test_a_pan_and_a_shaking_camera_are_no_cuts() -> None:
    pan = [moved(astronaut(), 1.2, -float(x), -30.0) for x in np.cumsum(np.linspace(0.0, 8.0, 16))]
    shaken = [moved(astronaut(), 1.2, -40 + 30 * np.sin(0.7 * t), -40 + 20 * np.sin(t)) for t in range(24)]
    assert set(shots_of(pan)) == {0}
    assert set(shots_of(shaken)) == {0}


@pytest.mark.parametrize(
    ("scale", "x", "elapsed_s", "jumps"),
    [
        (80.0, 10.0, Fraction(1, 25), False),
        (80.0, 60.0, Fraction(1, 25), True),
        (80.0, 40.0, Fraction(3, 25), False),
        (80.0, 40.0, Fraction(1, 10), False),
        (80.0, 40.0, Fraction(1, 60), True),
        (80.0, 12.0, Fraction(1, 120), False),
        (80.0, 120.0, Fraction(6, 5), True),
        (86.0, 0.0, Fraction(1, 25), False),
        (120.0, 0.0, Fraction(1, 25), True),
    ],
)
def test_a_head_neither_jumps_nor_grows_at_once(
    model: MorphableModel, scale: float, x: float, elapsed_s: Fraction, jumps: bool
) -> None:
    """The face is 110 px large."""
    here, there = (
        Landmarks(landmarks_of(face_of(model, pose), model).astype(np.float32), 1.0)
        for pose in (pose_of(), pose_of(scale=scale, at=(128.0 + x, 128.0)))
    )
    assert has_jumped(here, there, elapsed_s) == jumps
