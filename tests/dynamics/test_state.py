"""States say how a face moves, and nothing of where its picture is."""

from fractions import Fraction

import numpy as np
import pytest

from faceanime.dynamics.state import dynamics_of, state_of, states_of
from faceanime.geometry.rotation import rotation_from_angles
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import FaceCoefficients, HeadPose


@pytest.fixture
def pose() -> HeadPose:
    rng = np.random.default_rng(0)
    angles = rng.uniform(-0.5, 0.5, (3, 12))
    return HeadPose(rotation_from_angles(*angles), rng.uniform(70, 90, 12), rng.uniform(100, 150, (12, 2)))


@pytest.fixture
def expression(model: MorphableModel) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(12, model.expression_count))


def test_states_and_dynamics_are_each_others_inverse(
    model: MorphableModel, pose: HeadPose, expression: np.ndarray
) -> None:
    face = FaceCoefficients(np.zeros(model.identity_count), expression[0], pose[0])
    dynamics = dynamics_of(states_of(expression, pose, pose[0]), face, 256, model.id)
    assert dynamics.frame_rate == Fraction(25)
    np.testing.assert_allclose(dynamics.expression, expression)
    np.testing.assert_allclose(dynamics.pose.rotation, pose.rotation, atol=1e-9)
    np.testing.assert_allclose(dynamics.pose.scale, pose.scale)
    np.testing.assert_allclose(dynamics.pose.translation_px, pose.translation_px)


def test_states_do_not_depend_on_the_pictures_size_and_place(pose: HeadPose, expression: np.ndarray) -> None:
    moved = pose.resized(1.7, (40.0, -12.0))
    np.testing.assert_allclose(
        states_of(expression, moved, moved[0]), states_of(expression, pose, pose[0]), atol=1e-9
    )


def test_a_face_that_is_its_own_anchor(model: MorphableModel, pose: HeadPose, expression: np.ndarray) -> None:
    face = FaceCoefficients(np.zeros(model.identity_count), expression[0], pose[0])
    np.testing.assert_allclose(state_of(face), states_of(expression, pose, pose[0])[0], atol=1e-12)
