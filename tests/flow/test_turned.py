"""Pictures that lie on their side or stand on their head are read upright, whatever they are used for."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from faceanime.core.errors import NoSuchFaceError
from faceanime.geometry.rotation import angles_from_rotation
from faceanime.output_options import OutputOptions
from faceanime.pipeline import Animator
from faceanime.portrait_size import prepare_subject
from faceanime.structures.portrait import Portrait

TOLERANCE_DEG = 1.5
"""Differences of head angles that the detector's landmarks cause in a turned picture."""


@pytest.fixture(scope="module")
def turned(astronaut: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.rot90(astronaut, 2))


def test_a_portrait_is_turned_upright(animator: Animator, portrait: Portrait, turned: np.ndarray) -> None:
    found = animator.portrait(turned)
    assert found.quarter_turns == 2
    np.testing.assert_array_equal(found.pixels, portrait.pixels)
    np.testing.assert_allclose(found.landmarks.points_image, portrait.landmarks.points_image, atol=1.0)


def test_a_face_that_only_the_turned_picture_shows_to_the_detector_can_be_chosen(
    animator: Animator, astronaut: np.ndarray
) -> None:
    """Upside down, the smaller one is not found beside the larger one."""
    small = cv2.resize(astronaut, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    beside = np.full((astronaut.shape[0], small.shape[1], 3), 128, np.uint8)
    beside[: len(small)] = small
    upright = np.concatenate([astronaut, beside], axis=1)
    found = animator.reader.find(np.ascontiguousarray(np.rot90(upright, 2)), "a picture", 1)
    assert found.quarter_turns == 2
    assert found.landmarks.center_px[0] > astronaut.shape[1]
    with pytest.raises(NoSuchFaceError):
        animator.reader.find(np.ascontiguousarray(np.rot90(upright, 2)), "a picture", 5)


def test_a_driver_that_is_a_picture_is_turned_upright(
    animator: Animator, astronaut: np.ndarray, turned: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    upright = animator.motion(astronaut)
    assert not caplog.records
    motion = animator.motion(turned)
    assert [record.getMessage() for record in caplog.records] == [
        "the driver shows its face sideways or upside down: the face is read upright"
    ]
    assert motion.frame_rate == Fraction(25)
    angles, expected = (np.degrees(angles_from_rotation(m.pose.rotation)) for m in (motion, upright))
    np.testing.assert_allclose(angles, expected, atol=TOLERANCE_DEG)


@pytest.mark.parametrize("quarters", [1, 2])
def test_a_portrait_stays_as_it_is_given_and_that_is_said(
    animator: Animator,
    portrait: Portrait,
    astronaut: np.ndarray,
    caplog: pytest.LogCaptureFixture,
    quarters: int,
) -> None:
    given = np.ascontiguousarray(np.rot90(astronaut, quarters))
    subject = prepare_subject(animator, given, OutputOptions())
    np.testing.assert_array_equal(subject.shown(subject.portrait.pixels), given)
    x, y = (at / len(astronaut) for at in portrait.landmarks.center_px)
    assert subject.head_place == pytest.approx(
        (y, 1.0 - x) if quarters == 1 else (1.0 - x, 1.0 - y), abs=0.01
    )
    left, top, right, bottom = portrait.landmarks.box_px
    assert subject.face_share == pytest.approx(max(right - left, bottom - top) / len(astronaut), rel=0.02)
    assert [record.getMessage() for record in caplog.records] == [
        "the portrait shows its face sideways or upside down: the face is read upright, "
        "the result stays as the picture is given"
    ]
