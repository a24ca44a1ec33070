"""Laws of planar maps and of warping pictures by them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceanime.core.errors import ShapeError
from faceanime.geometry.flow import identity_flow, sample
from faceanime.geometry.similarity import (
    apply_affine,
    apply_affine_with_depth,
    compose_affine,
    invert_affine,
    similarity_from_points,
    warp_image,
)

IDENTITY = np.eye(2, 3)


def similarity(scale: float, angle: float, x: float, y: float) -> np.ndarray:
    c, s = scale * math.cos(angle), scale * math.sin(angle)
    return np.array([[c, -s, x], [s, c, y]])


def zoom(factor: float) -> np.ndarray:
    return similarity(factor, 0, 0, 0)


similarities = st.builds(
    similarity, st.floats(0.1, 10), st.floats(-3, 3), st.floats(-99, 99), st.floats(-99, 99)
)


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)


@given(similarities, st.integers(0, 999))
def test_points_give_their_similarity_back(b_from_a: np.ndarray, seed: int) -> None:
    a, weights = np.random.default_rng(seed).normal(size=(5, 2)), np.arange(1.0, 6.0)
    b = apply_affine(b_from_a, a)
    np.testing.assert_allclose(similarity_from_points(a, b, weights), b_from_a, atol=1e-9)
    b[0] += 100
    np.testing.assert_allclose(similarity_from_points(a, b, weights - 1), b_from_a, atol=1e-9)


@given(similarities)
def test_depth_keeps_the_scale_of_the_picture(b_from_a: np.ndarray) -> None:
    """A similarity of the picture is one of space: all distances grow alike."""
    a = np.random.default_rng(0).normal(size=(2, 5, 3))
    b = apply_affine_with_depth(b_from_a, a)
    scale = math.hypot(b_from_a[0, 0], b_from_a[1, 0])
    between = np.linalg.norm(b[0] - b[1], axis=-1) / np.linalg.norm(a[0] - a[1], axis=-1)
    np.testing.assert_allclose(between, scale)
    np.testing.assert_allclose(b[..., :2], apply_affine(b_from_a, a[..., :2]))


def test_the_fit_is_a_minimum() -> None:
    rng = np.random.default_rng(0)
    a, b, weights = rng.normal(size=(9, 2)), rng.normal(size=(9, 2)), rng.random(9)
    best = similarity_from_points(a, b, weights)

    def cost(m: np.ndarray) -> float:
        return float((weights[:, None] * (apply_affine(m, a) - b) ** 2).sum())

    around = [compose_affine(similarity(1 + d, e, f, f), best) for d, e, f in rng.normal(0, 0.01, (50, 3))]
    assert all(cost(best) <= cost(m) for m in around)


@given(similarities, similarities)
def test_compose_and_invert(c_from_b: np.ndarray, b_from_a: np.ndarray) -> None:
    points = np.array([[1.0, 2.0], [-3.0, 4.0]])
    c = apply_affine(compose_affine(c_from_b, b_from_a), points)
    np.testing.assert_allclose(c, apply_affine(c_from_b, apply_affine(b_from_a, points)), atol=1e-9)
    np.testing.assert_allclose(compose_affine(invert_affine(b_from_a), b_from_a), IDENTITY, atol=1e-9)


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
def test_identity_and_whole_shifts_are_bit_exact(picture: np.ndarray, interpolation: str) -> None:
    np.testing.assert_array_equal(warp_image(picture, IDENTITY, 50, 40, interpolation), picture)
    shifted = warp_image(picture, similarity(1, 0, 3, -2), 50, 40, interpolation, border=(9, 8, 7))
    np.testing.assert_array_equal(shifted[:-2, 3:], picture[2:, :-3])
    assert (shifted[:, :3] == (9, 8, 7)).all()
    edge = warp_image(picture, similarity(1, 0, 3, -2), 50, 40, interpolation)
    np.testing.assert_array_equal(edge[:-2, 0], picture[2:, 0])


def test_warping_agrees_with_sampling_the_inverse_map(picture: np.ndarray) -> None:
    target_from_source = similarity(1.7, 0.3, 4, -6)
    flow = apply_affine(invert_affine(target_from_source), identity_flow(60, 70)).astype(np.float32)
    direct = sample(picture.astype(np.float32), flow)
    difference = np.abs(warp_image(picture, target_from_source, 70, 60) - direct)
    assert difference.mean() < 1.5  # places rounded to 1/32 px on noise of full contrast
    assert difference.max() < 14


def test_doubling_keeps_pixel_corners_in_place() -> None:
    ramp = np.repeat(np.arange(0, 200, 8, dtype=np.uint8)[None, :, None], 4, axis=0).repeat(3, axis=2)
    doubled = warp_image(ramp, zoom(2), 50, 8)
    expected = ((np.arange(50) + 0.5) / 2 - 0.5) * 8
    np.testing.assert_allclose(doubled[4, 1:-1, 0], expected[1:-1], atol=0.51)


@pytest.mark.parametrize("scale", [0.65, 0.5, 0.35, 0.26, 0.2, 0.1, 0.03])
def test_shrinking_keeps_places_and_drops_what_would_alias(scale: float) -> None:
    size = round(400 * scale)
    ramp = np.broadcast_to(np.linspace(0, 255, 400)[None, :, None], (400, 400, 3)).astype(np.uint8)
    small = warp_image(ramp, zoom(scale), size, size)
    expected = np.interp((np.arange(size) + 0.5) / scale - 0.5, np.arange(400), ramp[0, :, 0])
    inner = slice(2, size - 2)
    np.testing.assert_allclose(small[size // 2, inner, 0], expected[inner], atol=1.5)
    stripes = np.zeros((400, 400, 3), np.uint8)
    stripes[:, ::2] = 255
    grey = warp_image(stripes, zoom(scale), size, size)[inner, inner]
    assert np.abs(grey.astype(float) - 127.5).max() < (16 if scale <= 0.5 else 50)


def test_a_picture_may_shrink_to_almost_nothing(picture: np.ndarray) -> None:
    assert warp_image(picture, zoom(1e-3), 1, 1).shape == (1, 1, 3)


def test_wrong_input_is_named(picture: np.ndarray) -> None:
    with pytest.raises(ShapeError, match="coincide"):
        similarity_from_points(np.zeros((3, 2)), np.ones((3, 2)))
    with pytest.raises(ShapeError, match="singular"):
        warp_image(picture, np.zeros((2, 3)), 4, 4)
