"""A held gaze meets the camera, and leaves the lids alone."""

from fractions import Fraction

import numpy as np
import pytest

from faceanime.dynamics.blinks import SIDES, lids_apart
from faceanime.dynamics.editing import motion_from_keyframes
from faceanime.dynamics.gaze import hold_gaze
from faceanime.dynamics.motion_file import bundled_motion
from faceanime.morphable.mediapipe_schema import MEDIAPIPE
from faceanime.morphable.model import EYES_AND_BROWS, MorphableModel
from faceanime.structures.coefficients import Dynamics

REACH = 1.7  # from the eyeball's center to its iris, in radii of the iris


def off_camera_deg(motion: Dynamics, model: MorphableModel, iris: np.ndarray) -> np.ndarray:
    """The angle between where an eye looks and the camera, in the picture's world; 0 in the first frame."""
    shape = model.vertices(motion.identity, motion.expression).astype(np.float64)
    radius = REACH * np.linalg.norm(shape[0, iris[1:]] - shape[0, iris[0]], axis=1).mean()
    center = shape[0, iris[0]] - radius * motion.pose.rotation[0, 2]
    offset = shape[:, iris[0], :2] - center[:2]
    depth = np.sqrt(np.maximum(radius**2 - (offset**2).sum(axis=1), 0.0))
    direction = np.concatenate([offset, depth[:, None]], axis=1) / radius
    seen = (motion.pose.rotation @ direction[..., None])[..., 0]
    return np.degrees(np.arccos(np.clip(seen[:, 2], -1.0, 1.0)))


@pytest.mark.parametrize("iris", [eye.iris for eye in MEDIAPIPE.eyes])
def test_the_eyes_stay_on_the_camera(model: MorphableModel, iris: np.ndarray) -> None:
    tracks = {
        "yaw_deg": [(0, 0), (1, 20), (2, -20), (3, 10), (4, 0)],
        "pitch_deg": [(0, 0), (1, -8), (2, 10), (3, 14), (4, 0)],
        "roll_deg": [(0, 0), (2, 10), (4, 0)],
        "gaze_left": [(0, 0), (0.5, 0.4), (1.5, -0.4), (4, 0)],
        "jaw_open": [(0, 0), (2, 0.5), (4, 0)],
    }
    before = motion_from_keyframes(tracks, 4.0, Fraction(25), model)
    held = hold_gaze(before, model)
    assert off_camera_deg(before, model, iris).max() > 20.0
    assert off_camera_deg(held, model, iris).max() < 1.0


def test_lids_mouth_and_head_are_left_alone(model: MorphableModel) -> None:
    before = bundled_motion("look-around")
    held = hold_gaze(before, model)
    for side in SIDES:
        apart = [lids_apart(m, side, model) for m in (before, held)]
        np.testing.assert_allclose(apart[0], apart[1], atol=1e-5)
    others = ~np.isin(model.part, EYES_AND_BROWS)
    np.testing.assert_array_equal(before.expression[:, others], held.expression[:, others])
    np.testing.assert_array_equal(before.pose.rotation, held.pose.rotation)
    moved = np.abs(
        model.vertices(held.identity, held.expression) - model.vertices(before.identity, before.expression)
    )
    assert moved[:, MEDIAPIPE.irises].max() < 0.1
    assert moved[:, ~MEDIAPIPE.irises].max() < 0.04  # model units; lids follow an eye that looks up or down


def test_eyes_turn_no_further_than_eyes_do(model: MorphableModel) -> None:
    far = motion_from_keyframes({"yaw_deg": [(0, 0), (2, 80)]}, 2.0, Fraction(25), model)
    held = hold_gaze(far, model)
    shift = model.vertices(held.identity, held.expression)[:, MEDIAPIPE.right_eye.iris[0], 0]
    reach = np.abs(shift - shift[0])
    assert (np.diff(reach) > -1e-6).all()
    assert reach[-1] < 0.065  # the white beside the iris ends there


def test_a_still_head_keeps_its_gaze(model: MorphableModel) -> None:
    still = motion_from_keyframes({"yaw_deg": [(0, 9)], "gaze_left": [(0, 0.4)]}, 1.0, Fraction(25), model)
    np.testing.assert_allclose(hold_gaze(still, model).expression, still.expression, atol=1e-9)


def test_shut_eyes_are_left_alone(model: MorphableModel) -> None:
    """Under shut lids irises dip; that is no gaze, and what is taken from it would show when the eye opens again."""
    tracks = {
        name: [(0.0, 0.0), (0.8, 0.0), (1.0, 1.0), (1.2, 1.0), (1.4, 0.0), (3.0, 0.0)]
        for name in ("blink_left", "blink_right", "gaze_down")
    }
    before = motion_from_keyframes(tracks, 3.0, Fraction(25), model)
    held = hold_gaze(before, model)
    shut = slice(25, 31)
    np.testing.assert_allclose(held.expression[shut], before.expression[shut], atol=1e-9)


def test_a_glance_of_open_eyes_is_taken_back(model: MorphableModel) -> None:
    tracks = {"gaze_down": [(0.0, 0.0), (0.8, 0.0), (1.0, 0.6), (1.2, 0.6), (1.4, 0.0), (3.0, 0.0)]}
    held = hold_gaze(motion_from_keyframes(tracks, 3.0, Fraction(25), model), model)
    iris = model.vertices(held.identity, held.expression)[:, MEDIAPIPE.right_eye.iris[0], 1]
    np.testing.assert_allclose(iris, iris[0], atol=1e-4)
