"""Geometry metrics: known answers on landmarks, heads, eyes and blinks that were moved by known amounts."""

import numpy as np
import pytest

from faceanime.evaluate.geometry_metrics import (
    BlinkCounts,
    count_blinks,
    expression_distance,
    gaze_deg,
    gaze_error_deg,
    keypoint_distance_px,
    missing_keypoint_rate,
    pose_distance_deg,
)
from faceanime.geometry.camera import project
from faceanime.geometry.rotation import angle_between, rotation_from_angles
from faceanime.morphable.mediapipe_schema import MEDIAPIPE
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import HeadPose


def seen(
    shape: np.ndarray, yaw_deg: float = 0.0, roll_deg: float = 0.0, scale_px: float = 100.0
) -> np.ndarray:
    rotation = rotation_from_angles(np.radians(yaw_deg), 0.0, np.radians(roll_deg))
    pose = HeadPose(rotation, np.array(scale_px), np.array([128.0, 128.0]))
    return project(shape, pose)


def looking(shape: np.ndarray, left_deg: float, up_deg: float) -> np.ndarray:
    """The face with its irises turned on their balls, as wide as `gaze_deg` takes them to be."""
    shape = shape.astype(np.float64)
    for iris, corners in ((eye.iris, eye.lower[[0, -1]]) for eye in MEDIAPIPE.eyes):
        right, left = shape[corners]
        radius = 0.35 * np.linalg.norm((left - right)[:2])
        across = (left - right)[:2] / np.linalg.norm((left - right)[:2])
        upward = np.array([-across[1], across[0]])
        sines = radius * np.sin(np.radians([left_deg, up_deg]))
        middle = (right + left)[:2] / 2
        shape[iris, :2] += middle + sines[0] * across + sines[1] * upward - shape[iris[0], :2]
    return shape


@pytest.fixture(scope="module")
def face(model: MorphableModel) -> np.ndarray:
    return np.asarray(model.landmark_mean, np.float64)


def test_the_same_face_scores_perfect(face: np.ndarray, model: MorphableModel) -> None:
    points = np.stack([seen(face), seen(face, yaw_deg=20.0)])
    heads = rotation_from_angles(np.array([0.0, 0.4]), np.array([0.1, 0.0]), np.array([0.0, 3.0]))
    numbers = np.random.default_rng(0).normal(size=(2, model.expression_count))
    for distance in (keypoint_distance_px, gaze_error_deg):
        assert (distance(points, points, MEDIAPIPE) == 0).all()
    assert (pose_distance_deg(heads, heads) == 0).all()
    assert (expression_distance(numbers, numbers) == 0).all()


def test_keypoint_distance_of_a_shift(face: np.ndarray) -> None:
    truth = np.stack([seen(face), seen(face)])
    result = truth.copy()
    result[1, :, :2] += [3.0, -4.0]
    result[1, :, 2] += 100.0  # depth does not count
    np.testing.assert_allclose(keypoint_distance_px(result, truth, MEDIAPIPE), [0.0, 5.0], atol=1e-9)
    irises = truth.copy()
    irises[:, MEDIAPIPE.irises] += 9.0
    assert (keypoint_distance_px(irises, truth, MEDIAPIPE) == 0).all()


def test_missing_faces_count_where_the_truth_has_one() -> None:
    in_truth = np.array([True, True, True, True, False, False])
    found = np.array([True, False, True, True, True, False])
    assert missing_keypoint_rate(found, in_truth) == 0.25
    assert missing_keypoint_rate(in_truth, in_truth) == 0.0
    assert np.isnan(missing_keypoint_rate(found, np.zeros(6, bool)))


def test_expression_distance_is_the_mean_of_absolute_differences() -> None:
    truth = np.zeros((2, 4))
    result = np.array([[1.0, -1.0, 0.0, 2.0], [0.0, 0.0, 0.0, 0.4]])
    np.testing.assert_allclose(expression_distance(result, truth), [1.0, 0.1])


def test_pose_distance_is_the_mean_over_the_three_angles() -> None:
    zero = np.zeros(2)
    truth = rotation_from_angles(np.radians([10.0, 179.0]), zero, zero)
    result = rotation_from_angles(np.radians([16.0, -179.0]), np.radians([-3.0, 0.0]), zero)
    np.testing.assert_allclose(pose_distance_deg(result, truth), [3.0, 2.0 / 3.0], atol=1e-9)  # (6 + 3) / 3
    assert np.degrees(angle_between(result, truth))[1] == pytest.approx(2.0)  # 358 the long way round


@pytest.mark.parametrize("roll_deg", [0.0, 30.0])
@pytest.mark.parametrize(("left_deg", "up_deg"), [(0.0, 0.0), (20.0, 0.0), (-15.0, 8.0), (0.0, -12.0)])
def test_gaze_is_read_off_the_turned_eyes(
    face: np.ndarray, left_deg: float, up_deg: float, roll_deg: float
) -> None:
    points = seen(looking(face, left_deg, up_deg), roll_deg=roll_deg)
    np.testing.assert_allclose(gaze_deg(points, MEDIAPIPE), [[left_deg, up_deg]] * 2, atol=1e-6)


def test_gaze_error_is_the_angle_between(face: np.ndarray) -> None:
    straight = seen(looking(face, 0.0, 0.0))
    assert float(gaze_error_deg(seen(looking(face, 12.0, 0.0)), straight, MEDIAPIPE)) == pytest.approx(12.0)
    assert float(gaze_error_deg(seen(looking(face, 0.0, -7.0)), straight, MEDIAPIPE)) == pytest.approx(7.0)
    turned = [seen(looking(face, left, 0.0), yaw_deg=25.0) for left in (0.0, 12.0)]
    assert float(gaze_error_deg(*turned, MEDIAPIPE)) == pytest.approx(12.0, abs=1.5)


def test_the_model_looks_where_its_axis_says(model: MorphableModel) -> None:
    """The irises of the named expression shift to the left by 0.06; the corners of the eyes follow a little."""
    rest = model.vertices(np.zeros(model.identity_count), np.zeros(model.expression_count))
    left = model.vertices(np.zeros(model.identity_count), model.axis("gaze_left").astype(np.float64))
    points = [seen(model.landmarks_of(shape)) for shape in (rest, left)]
    ways = gaze_deg(points[1], MEDIAPIPE) - gaze_deg(points[0], MEDIAPIPE)
    expected = np.degrees(np.arcsin(0.06 / (0.35 * 0.313)))
    assert 0.7 * expected < ways[:, 0].mean() < expected
    assert abs(ways[:, 1].mean()) < 5.0


def test_blinks_match_one_to_one_within_the_tolerance() -> None:
    truth = [(10, 14), (40, 44), (80, 84)]
    assert count_blinks(truth, truth, 0) == BlinkCounts(right=3)
    late = [(start + 6, end + 6) for start, end in truth]
    assert count_blinks(late, truth, 2) == BlinkCounts(right=3)
    assert count_blinks(late, truth, 1) == BlinkCounts(spurious=3, missed=3)
    assert count_blinks(truth[:1], truth, 2) == BlinkCounts(right=1, missed=2)
    assert count_blinks([*truth, (120, 123)], truth, 2) == BlinkCounts(right=3, spurious=1)
    flutter = [(10, 11), (12, 13)]  # two for one
    assert count_blinks(flutter, truth[:1], 2) == BlinkCounts(right=1, spurious=1)
    assert count_blinks([], [], 2).f1 == 1.0


def test_f1_is_taken_of_the_sum_over_clips() -> None:
    total = BlinkCounts(right=3, spurious=1) + BlinkCounts(right=0, missed=2)
    assert total == BlinkCounts(right=3, spurious=1, missed=2)
    precision, recall = 3 / 4, 3 / 5
    assert total.f1 == pytest.approx(2 * precision * recall / (precision + recall))
    assert BlinkCounts(missed=4).f1 == 0.0
