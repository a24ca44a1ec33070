"""Laws of backward flow."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from faceanime.core.errors import ShapeError
from faceanime.geometry.flow import Interpolation, area_ratio, flow_from_mesh, identity_flow, sample
from oracles.flow_torch import sample_torch

Mesh = tuple[np.ndarray, np.ndarray]


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_identity_changes_nothing(interpolation: Interpolation, dtype: type, channels: int) -> None:
    source = np.random.default_rng(0).integers(0, 256, (20, 30, channels)).astype(dtype)
    np.testing.assert_array_equal(sample(source, identity_flow(20, 30), interpolation), source)


def test_whole_steps_shift_and_the_edge_goes_on(picture: np.ndarray) -> None:
    moved = sample(picture, identity_flow(40, 50) + np.float32([3, -2]))
    np.testing.assert_array_equal(moved[2:, :-3], picture[:-2, 3:])
    np.testing.assert_array_equal(moved[0, :-3], picture[0, 3:])


def test_half_a_step_is_the_mean_of_neighbors(picture: np.ndarray) -> None:
    source = picture.astype(np.float32)
    moved = sample(source, identity_flow(40, 50) + np.float32([0.5, 0]))
    np.testing.assert_allclose(moved[:, :-1], (source[:, :-1] + source[:, 1:]) / 2, atol=1e-3)


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
def test_torch_samples_the_same(interpolation: Interpolation) -> None:
    rng = np.random.default_rng(0)
    source = rng.random((40, 50, 3), np.float32)
    flow = rng.uniform(-5, 60, (30, 20, 2)).astype(np.float32)
    on_opencv_grid = np.round(flow * 32) / 32 + np.float32(1e-6)
    np.testing.assert_allclose(
        torch_sample(source, on_opencv_grid, interpolation),
        sample(source, on_opencv_grid, interpolation),
        atol=1e-3,
    )


def test_opencv_rounds_places_by_a_64th_at_most() -> None:
    ramp = identity_flow(40, 50)  # a picture that shows its own coordinates
    flow = np.random.default_rng(0).uniform(2, 38, (30, 20, 2)).astype(np.float32)
    np.testing.assert_allclose(sample(ramp, flow), flow, atol=1 / 64 + 1e-4)
    np.testing.assert_allclose(torch_sample(ramp, flow, "linear"), flow, atol=1e-4)


def torch_sample(source: np.ndarray, flow: np.ndarray, interpolation: Interpolation) -> np.ndarray:
    drawn = sample_torch(torch.tensor(source).permute(2, 0, 1)[None], torch.tensor(flow)[None], interpolation)
    return drawn[0].permute(1, 2, 0).numpy()


def test_a_mesh_at_rest_gives_the_identity_exactly(sheet: Mesh) -> None:
    points, triangles = sheet
    flow, triangle = flow_from_mesh(points[:, :2], points, triangles, 64, 64)
    np.testing.assert_array_equal(flow, identity_flow(64, 64))
    assert (triangle >= 0).sum() > 1500


def test_an_affine_move_is_followed_and_the_rest_stays(sheet: Mesh) -> None:
    points, triangles = sheet
    turn = np.float32([[0.9, 0.2], [-0.1, 1.1]])
    source = points[:, :2] @ turn.T + np.float32([1.5, -2.5])
    flow, triangle = flow_from_mesh(source, points, triangles, 64, 64)
    inside, still = triangle >= 0, identity_flow(64, 64)
    np.testing.assert_allclose(flow[inside], (still @ turn.T + np.float32([1.5, -2.5]))[inside], atol=1e-3)
    np.testing.assert_array_equal(flow[~inside], still[~inside])


def test_source_pose_renders_the_source(sheet: Mesh, picture: np.ndarray) -> None:
    points, triangles = sheet
    flow, _ = flow_from_mesh(points[:, :2], points, triangles, 40, 50)
    np.testing.assert_array_equal(sample(picture, flow, "cubic"), picture)


def test_smooth_warps_undo(sheet: Mesh) -> None:
    points, triangles = sheet
    moved = points + np.float32([1.3, 0.7, 0])
    there, _ = flow_from_mesh(points[:, :2], moved, triangles, 64, 64)
    back, seen = flow_from_mesh(moved[:, :2], points, triangles, 64, 64)
    smooth = gaussian_filter(np.random.default_rng(0).random((64, 64, 1), np.float32), (3, 3, 0))
    again = sample(sample(smooth, there, "cubic"), back, "cubic")
    interior = np.zeros((64, 64), bool)
    interior[16:48, 16:48] = True
    assert (seen[interior] >= 0).all()
    np.testing.assert_allclose(again[interior], smooth[interior], atol=2e-3)


def test_area_ratio_is_signed_and_finite() -> None:
    source = np.float32([[0, 0], [4, 0], [0, 4], [8, 0]])
    mirrored = source * np.float32([-2, 1])
    triangles = np.array([[0, 1, 2], [0, 1, 3]])
    np.testing.assert_allclose(area_ratio(source, source, triangles), [1, 0])
    np.testing.assert_allclose(area_ratio(source, mirrored, triangles), [-2, 0])
    assert np.isfinite(area_ratio(source * 0, source, triangles)).all()


def test_wrong_input_is_named(picture: np.ndarray) -> None:
    with pytest.raises(ShapeError, match="int64"):
        sample(picture.astype(np.int64), identity_flow(4, 4))
