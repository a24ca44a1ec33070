"""Motions converted to another model look the same, and converted back they are what they were."""

from dataclasses import replace

import numpy as np
import pytest

from faceanime.core.errors import MorphableModelError
from faceanime.dynamics.convert import convert_motion
from faceanime.dynamics.motion_file import bundled_motion
from faceanime.geometry.camera import project
from faceanime.geometry.rotation import rotation_from_angles
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import Dynamics


@pytest.fixture
def mixed(model: MorphableModel) -> MorphableModel:
    """The same faces by other coefficients, turned, grown and shifted."""
    rng = np.random.default_rng(5)
    turn = 1.1 * rotation_from_angles(0.05, -0.1, 0.02)

    def basis(of: np.ndarray) -> np.ndarray:
        count = of.shape[2]
        mixing = np.linalg.qr(rng.normal(size=(count, count)))[0]
        return np.einsum("xy,vyk->vxk", turn, of @ mixing).astype(np.float32)

    return replace(
        model,
        id="another",
        mean=(model.mean @ turn.T + [0.1, -0.05, 0.02]).astype(np.float32),
        identity_basis=basis(model.identity_basis),
        expression_basis=basis(model.expression_basis),
    )


def landmarks_in_picture(motion: Dynamics, model: MorphableModel) -> np.ndarray:
    shape = model.landmarks_of(model.vertices(motion.identity, motion.expression)).astype(np.float64)
    return project(shape, motion.pose)[..., :2]


def of_somebody(motion: Dynamics) -> Dynamics:
    return replace(motion, identity=np.random.default_rng(1).normal(size=len(motion.identity)))


@pytest.mark.parametrize("somebody", [False, True])
@pytest.mark.parametrize("name", ["talk", "look-around"])
def test_the_picture_stays_the_same(
    name: str, somebody: bool, model: MorphableModel, mixed: MorphableModel
) -> None:
    motion = bundled_motion(name)
    motion = of_somebody(motion) if somebody else motion
    converted, error = convert_motion(motion, model, mixed)
    here, there = landmarks_in_picture(motion, model), landmarks_in_picture(converted, mixed)
    apart = np.linalg.norm(here - there, axis=-1) / motion.pose.scale[:, None]
    assert apart.mean() < 0.002
    assert apart.max() < 0.02
    assert error.mean < 0.002
    assert error.largest < 0.02
    assert converted.model_id == mixed.id
    assert converted.identity.any() == somebody


@pytest.mark.parametrize("name", ["talk", "smile"])
def test_there_and_back_is_where_it_was(name: str, model: MorphableModel, mixed: MorphableModel) -> None:
    motion = of_somebody(bundled_motion(name))
    there, _ = convert_motion(motion, model, mixed)
    back, _ = convert_motion(there, mixed, model)
    np.testing.assert_allclose(back.pose.rotation, motion.pose.rotation, atol=1e-6)
    np.testing.assert_allclose(back.pose.scale, motion.pose.scale, rtol=1e-6)
    np.testing.assert_allclose(back.pose.translation_px, motion.pose.translation_px, atol=1e-4)
    here, again = landmarks_in_picture(motion, model), landmarks_in_picture(back, model)
    np.testing.assert_allclose(again, here, atol=0.02 * float(motion.pose.scale.max()))
    np.testing.assert_allclose(back.expression, motion.expression, atol=0.6)


def test_the_error_is_that_of_the_landmarks(model: MorphableModel) -> None:
    """A model without mouth keeps the pose, and what it lacks is told."""
    mouthless = replace(model, id="mouthless", expression_basis=model.expression_basis * 0.0)
    motion = bundled_motion("talk")
    converted, error = convert_motion(motion, model, mouthless)
    moved = np.linalg.norm(np.moveaxis(model.landmark_expression_basis @ motion.expression.T, -1, 0), axis=-1)
    assert error.mean == pytest.approx(moved.mean(), rel=1e-5)
    assert error.largest == pytest.approx(moved.max(), rel=1e-5)
    assert not converted.expression.any()
    assert f"{moved.mean():.2%}" in str(error)


def test_a_motions_rest_is_converted_too(model: MorphableModel, mixed: MorphableModel) -> None:
    motion = bundled_motion("talk")
    motion = replace(motion, rest=motion[3])
    converted, _ = convert_motion(motion, model, mixed)
    assert converted.rest is not None
    np.testing.assert_allclose(converted.rest.expression, converted.expression[3], atol=1e-9)
    np.testing.assert_allclose(converted.rest.pose.rotation, converted.pose.rotation[3], atol=1e-9)


def test_a_motion_of_a_third_model_is_refused(model: MorphableModel, mixed: MorphableModel) -> None:
    motion = replace(bundled_motion("talk"), model_id="third")
    with pytest.raises(MorphableModelError, match="belongs to morphable model third"):
        convert_motion(motion, model, mixed)
