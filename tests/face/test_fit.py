"""Synthesize, project, fit: the fit finds the face again, whatever its picture."""

from dataclasses import replace

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from faceanime.core.errors import ConfigError, ShapeError
from faceanime.face.config import FitConfig
from faceanime.face.fit import fit_coefficients, fit_face
from faceanime.geometry.camera import FLIP_Y, project
from faceanime.geometry.rotation import angle_between, rotation_from_angles
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import FaceCoefficients, HeadPose
from heads import axes_of, face_of, landmarks_of, pose_of, poses_of, random_poses

FRAMES = 40
NOISE_PX = 0.3
WRONG_SHAPE = (ShapeError, TypeCheckError)  # the second where the tests' type checker comes first


@pytest.fixture(scope="module")
def faces(model: MorphableModel) -> FaceCoefficients:
    """One person's faces, turned up to 30 degrees each way."""
    rng = np.random.default_rng(0)
    identity = np.tile(0.7 * rng.normal(size=model.identity_count), (FRAMES, 1))
    expression = 0.7 * rng.normal(size=(FRAMES, model.expression_count))
    return FaceCoefficients(identity, expression, random_poses(rng, FRAMES))


@pytest.fixture(scope="module")
def points(faces: FaceCoefficients, model: MorphableModel) -> np.ndarray:
    return landmarks_of(faces, model)


@pytest.fixture(scope="module")
def found(points: np.ndarray, model: MorphableModel) -> FaceCoefficients:
    return fit_coefficients(points, model, FitConfig())


def error_px(points: np.ndarray, face: FaceCoefficients, model: MorphableModel) -> np.ndarray:
    """How far each landmark of the fit lies from what was seen, (T,478) px."""
    return np.asarray(np.linalg.norm((landmarks_of(face, model) - points)[..., :2], axis=-1))


def turned_deg(a: HeadPose, b: HeadPose) -> np.ndarray:
    return np.degrees(angle_between(a.rotation, b.rotation))


def assert_same_face(a: FaceCoefficients, b: FaceCoefficients) -> None:
    np.testing.assert_allclose(a.identity, b.identity, atol=1e-6)
    np.testing.assert_allclose(a.expression, b.expression, atol=1e-6)


def test_the_pose_is_found(faces: FaceCoefficients, found: FaceCoefficients) -> None:
    assert turned_deg(found.pose, faces.pose).max() < 0.5
    np.testing.assert_allclose(found.pose.scale, faces.pose.scale, rtol=5e-3)
    shift = (found.pose.translation_px - faces.pose.translation_px) / faces.pose.scale[:, None]
    assert np.abs(shift).max() < 5e-3


def test_the_shape_is_found(
    faces: FaceCoefficients, found: FaceCoefficients, points: np.ndarray, model: MorphableModel
) -> None:
    assert (error_px(points, found, model) / faces.pose.scale[:, None]).max() < 0.02
    there = model.vertices(faces.identity, faces.expression)[:, : model.landmark_count]
    again = model.vertices(found.identity, found.expression)[:, : model.landmark_count]
    assert np.linalg.norm((again - there)[..., :2], axis=-1).mean() < 5e-3


def test_a_single_picture_suffices(
    points: np.ndarray, faces: FaceCoefficients, model: MorphableModel
) -> None:
    for t in range(0, FRAMES, 8):
        alone = fit_coefficients(points[t : t + 1], model, FitConfig())
        assert turned_deg(alone.pose, faces.pose[t : t + 1]).max() < 2.0
        assert (error_px(points[t], alone, model) / faces.pose.scale[t]).mean() < 0.005


def test_the_identity_is_shared(found: FaceCoefficients) -> None:
    assert (found.identity == found.identity[0]).all()


def test_a_given_identity_is_kept(points: np.ndarray, faces: FaceCoefficients, model: MorphableModel) -> None:
    kept = fit_coefficients(points, model, FitConfig(), faces.identity[0])
    np.testing.assert_array_equal(kept.identity, faces.identity)
    assert turned_deg(kept.pose, faces.pose).max() < 0.5


def test_frames_do_not_see_each_other_once_the_identity_is_known(
    points: np.ndarray, faces: FaceCoefficients, model: MorphableModel
) -> None:
    together = fit_coefficients(points, model, FitConfig(), faces.identity[0])
    alone = fit_coefficients(points[7:8], model, FitConfig(), faces.identity[0])
    np.testing.assert_allclose(alone.expression[0], together.expression[7], atol=1e-9)
    np.testing.assert_allclose(alone.pose.rotation[0], together.pose.rotation[7], atol=1e-9)


def test_shifted_and_scaled_pictures_show_the_same_face(
    points: np.ndarray, found: FaceCoefficients, model: MorphableModel
) -> None:
    factor, shift = 2.5, np.array([40.0, -30.0])
    other = fit_coefficients(factor * points + [*shift, 7.0], model, FitConfig())
    assert_same_face(other, found)
    np.testing.assert_allclose(other.pose.rotation, found.pose.rotation, atol=1e-6)
    np.testing.assert_allclose(other.pose.scale, factor * found.pose.scale, rtol=1e-6)
    np.testing.assert_allclose(
        other.pose.translation_px, factor * found.pose.translation_px + shift, atol=1e-3
    )


def test_a_tilted_picture_tilts_the_head_alone(
    points: np.ndarray, found: FaceCoefficients, model: MorphableModel
) -> None:
    tilt = rotation_from_angles(0.0, 0.0, np.radians(25.0))
    in_picture = FLIP_Y[:, None] * tilt * FLIP_Y
    other = fit_coefficients(points @ in_picture.T, model, FitConfig())
    assert_same_face(other, found)
    np.testing.assert_allclose(other.pose.rotation, tilt @ found.pose.rotation, atol=1e-6)


def test_a_mirrored_picture_shows_the_mirrored_face(
    points: np.ndarray, found: FaceCoefficients, model: MorphableModel
) -> None:
    twin = model.mirror[: model.landmark_count]
    mirrored = points[:, twin] * [-1, 1, 1] + [512, 0, 0]
    other = fit_coefficients(mirrored, model, FitConfig())
    expected = landmarks_of(found, model)[:, twin] * [-1, 1, 1] + [512, 0, 0]
    assert np.abs((landmarks_of(other, model) - expected)[..., :2]).max() < 0.05
    np.testing.assert_allclose(other.pose.scale, found.pose.scale, rtol=1e-4)


def test_one_face_lands_exactly_on_its_landmarks(model: MorphableModel) -> None:
    rng = np.random.default_rng(1)
    points = landmarks_of(face_of(model, pose_of(12, -8, 5)), model) + rng.normal(0, 2.0, (478, 3))
    face = fit_face(points, model, FitConfig())
    shape = model.vertices(face.coefficients.identity, face.coefficients.expression) + face.residual
    landed = project(shape.astype(np.float64), face.coefficients.pose)
    np.testing.assert_allclose(landed[:, :2], points[:, :2], atol=1e-4)


@pytest.mark.parametrize(
    "axes",
    [("jaw_open",), ("blink_left", "blink_right"), ("smile",), ("pucker",), ("brow_raise",), ("gaze_left",)],
)
def test_a_still_head_does_not_wobble(model: MorphableModel, axes: tuple[str, ...]) -> None:
    rng = np.random.default_rng(2)
    identity = 0.7 * rng.normal(size=model.identity_count)
    strength = 0.5 - 0.5 * np.cos(np.linspace(0, 4 * np.pi, FRAMES))
    expression = strength[:, None] * axes_of(model, **dict.fromkeys(axes, 1.0))
    pose = pose_of(yaw_deg=8, pitch_deg=-4, roll_deg=3, scale=100)
    still = HeadPose(
        np.tile(pose.rotation, (FRAMES, 1, 1)),
        np.full(FRAMES, 100.0),
        np.tile(pose.translation_px, (FRAMES, 1)),
    )
    points = landmarks_of(FaceCoefficients(np.tile(identity, (FRAMES, 1)), expression, still), model)
    found = fit_coefficients(points + rng.normal(0, NOISE_PX, points.shape), model, FitConfig())
    at_rest = strength < 0.05
    assert np.abs(found.pose.scale / found.pose.scale[at_rest].mean() - 1).max() < 0.005
    assert turned_deg(found.pose, still).max() < 1.0
    assert np.abs(found.pose.translation_px - found.pose.translation_px[at_rest].mean(axis=0)).max() < 0.5


def test_noise_is_averaged_away(points: np.ndarray, faces: FaceCoefficients, model: MorphableModel) -> None:
    rng = np.random.default_rng(3)
    scaled = points * (100.0 / faces.pose.scale)[:, None, None]
    noisy = scaled + rng.normal(0, 1.0, points.shape)
    found = fit_coefficients(noisy, model, FitConfig())
    assert turned_deg(found.pose, faces.pose).mean() < 1.0
    assert error_px(scaled, found, model).mean() < 0.5 * error_px(noisy, found, model).mean()


def test_the_depth_that_detectors_guess_counts_little(
    points: np.ndarray, faces: FaceCoefficients, found: FaceCoefficients, model: MorphableModel
) -> None:
    flatter = fit_coefficients(points * [1, 1, 0.85], model, FitConfig())
    assert turned_deg(flatter.pose, faces.pose).max() < 2.0
    assert (error_px(points, flatter, model) / faces.pose.scale[:, None]).mean() < 0.005


def test_other_shapes_are_refused(model: MorphableModel) -> None:
    with pytest.raises(WRONG_SHAPE):
        fit_coefficients(np.zeros((2, 68, 3)), model, FitConfig())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("iterations", 0), ("identity_ridge", 0.0), ("identity_ridge", np.inf)),
        *(("expression_ridge", -1e-4), ("expression_ridge", np.nan), ("depth_weight", -0.1)),
    ],
)
def test_settings_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"^fit\.{name} is {value}, expected .*$"):
        FitConfig(**{name: value})  # type: ignore[arg-type]


def test_the_depth_may_count_nothing() -> None:
    assert FitConfig(iterations=1, depth_weight=0.0).depth_weight == 0.0


def test_pinned_landmarks_hold_no_apparent_motion(model: MorphableModel) -> None:
    rng = np.random.default_rng(5)
    shape = FaceCoefficients(
        np.repeat(rng.normal(size=(1, model.identity_count)), 4, axis=0),
        np.stack([axes_of(model, jaw_open=0.8), axes_of(model, blink_left=1.0, blink_right=1.0)] * 2),
        poses_of([pose_of(5.0, -3.0, 2.0, 90.0)] * 4),
    )
    still = replace(model, drift=np.zeros_like(model.drift))
    pinned = np.array([False, True, True, False])
    points = np.where(pinned[:, None, None], landmarks_of(shape, still), landmarks_of(shape, model))
    found = fit_coefficients(points, model, FitConfig(), shape.identity[0], pinned)
    careless = fit_coefficients(points, model, FitConfig(), shape.identity[0])
    turned = angle_between(found.pose.rotation, shape.pose.rotation)
    assert np.degrees(turned).max() < 0.25
    assert np.degrees(angle_between(careless.pose.rotation, shape.pose.rotation))[pinned].max() > 0.8
    alone = fit_coefficients(points[:1], model, FitConfig(), shape.identity[0])
    np.testing.assert_allclose(found.expression[0], alone.expression[0], atol=1e-9)


def test_depth_that_counts_fully_gives_the_shape_back(
    points: np.ndarray, faces: FaceCoefficients, model: MorphableModel
) -> None:
    """Lips and jaw move in depth as well; what is free is the head's distance alone, not that motion."""
    config = FitConfig(depth_weight=1.0, expression_ridge=1e-9, iterations=12)
    rigid = replace(model, drift=np.zeros_like(model.drift))
    seen = landmarks_of(faces, rigid)[:4] + np.array([0.0, 0.0, 40.0])
    pinned = np.ones(len(seen), bool)
    found = fit_coefficients(seen, rigid, config, faces.identity[0], pinned)
    there, again = (
        rigid.vertices(faces.identity[:4], each)[:, : rigid.landmark_count]
        for each in (faces.expression[:4], found.expression)
    )
    assert (
        np.abs(again - there).mean() < 1e-5
    )  # 2e-3 if the free distance is left out of the normal equations
