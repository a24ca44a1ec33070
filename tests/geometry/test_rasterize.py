"""Laws of the z-buffer; an oracle in plain Python and one in torch."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from faceanime.core.errors import ShapeError
from faceanime.geometry.rasterize import LIMIT_PX, SUBPIXELS, rasterize, rasterize_attributes
from oracles import rasterize_torch as twin

HEIGHT, WIDTH = 9, 11

on_grid = st.integers(-4, 28).map(lambda n: n / 2)  # many shared edges, pixel centers on them, ties in depth
anywhere = st.floats(-5, 16, width=32)
soups = st.one_of(
    arrays(np.float32, st.tuples(st.integers(3, 7), st.just(3)), elements=elements)
    for elements in (on_grid, anywhere)
).flatmap(
    lambda points: st.tuples(
        st.just(points),
        arrays(np.int32, st.tuples(st.integers(0, 8), st.just(3)), elements=st.integers(0, len(points) - 1)),
    )
)


def oracle(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Every triangle at every pixel in exact fractions."""
    seen = np.full((HEIGHT, WIDTH), -1)
    depth = np.full((HEIGHT, WIDTH), -np.inf, np.float32)
    snapped = [[Fraction(round(Fraction(float(c)) * SUBPIXELS), SUBPIXELS) for c in p[:2]] for p in points]
    for m, (a, b, c) in enumerate(triangles):
        if cross(snapped[a], snapped[b], snapped[c]) < 0:
            b, c = c, b
        area = cross(snapped[a], snapped[b], snapped[c])
        for row, column in np.ndindex(HEIGHT, WIDTH) if area else ():
            center = (Fraction(2 * column + 1, 2), Fraction(2 * row + 1, 2))
            edges = [(snapped[b], snapped[c]), (snapped[c], snapped[a]), (snapped[a], snapped[b])]
            values = [cross(start, end, center) for start, end in edges]
            if all(v > 0 or (v == 0 and is_top_left(*e)) for v, e in zip(values, edges, strict=True)):
                units = [float(v * SUBPIXELS**2) * (1 / float(area * SUBPIXELS**2)) for v in values]
                za, zb, zc = (float(points[k, 2]) for k in (a, b, c))
                z = np.float32(units[0] * za + units[1] * zb + units[2] * zc)
                if z > depth[row, column]:
                    depth[row, column], seen[row, column] = z, m
    return seen


def cross(a: list, b: list, p: tuple | list) -> Fraction:
    return (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])


def is_top_left(a: list, b: list) -> bool:
    return b[1] < a[1] or (b[1] == a[1] and b[0] > a[0])


def draw_twin(points: np.ndarray, triangles: np.ndarray, height: int, width: int) -> list[np.ndarray]:
    drawn = twin.rasterize_torch(torch.tensor(points)[None], torch.tensor(triangles), height, width)
    return [t[0].numpy() for t in drawn]


def assert_twins_agree(points: np.ndarray, triangles: np.ndarray, height: int, width: int) -> None:
    fragments = rasterize(points, triangles, height, width)
    triangle, barycentric, depth = draw_twin(points, triangles, height, width)
    np.testing.assert_array_equal(triangle, fragments.triangle)
    np.testing.assert_array_equal(barycentric, fragments.barycentric)
    np.testing.assert_array_equal(depth, fragments.depth)


@settings(max_examples=100, deadline=None)
@given(soups)
def test_numba_torch_and_oracle_see_the_same_triangles(soup: tuple[np.ndarray, np.ndarray]) -> None:
    points, triangles = soup
    np.testing.assert_array_equal(
        rasterize(points, triangles, HEIGHT, WIDTH).triangle, oracle(points, triangles)
    )
    assert_twins_agree(points, triangles, HEIGHT, WIDTH)


def test_twins_agree_on_a_large_soup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twin, "FRAGMENTS_AT_ONCE", 20_000)  # many chunks
    rng = np.random.default_rng(0)
    points = rng.normal(60, 50, (300, 3)).astype(np.float32)
    assert_twins_agree(points, rng.integers(0, 300, (200, 3)), 120, 130)


def test_twins_agree_on_a_sphere(sphere: tuple[np.ndarray, np.ndarray]) -> None:
    assert_twins_agree(*sphere, 100, 100)


def test_torch_batches_are_independent(sphere: tuple[np.ndarray, np.ndarray]) -> None:
    points, triangles = sphere
    meshes = np.stack([points, points * 0.5, points + np.float32(1e6)])
    batch = twin.rasterize_torch(torch.tensor(meshes), torch.tensor(triangles), 80, 90)
    for k, mesh in enumerate(meshes):
        for together, alone in zip(batch, draw_twin(mesh, triangles, 80, 90), strict=True):
            np.testing.assert_array_equal(together[k].numpy(), alone)


@given(arrays(np.float32, (4, 2), elements=st.floats(1, 9, width=32)))
@settings(max_examples=50, deadline=None)
def test_a_fan_covers_every_pixel_of_a_square_once(inner: np.ndarray) -> None:
    square = np.array([[0, 0], [10, 0], [10, 10], [0, 10]], np.float32)
    points = np.pad(np.concatenate([square, inner[:1]]), ((0, 0), (0, 1)))
    fan = np.array([[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]])
    covered = sum((rasterize(points, fan[k : k + 1], 12, 12).triangle == 0).astype(int) for k in range(4))
    expected = np.zeros((12, 12), int)
    expected[:10, :10] = 1
    np.testing.assert_array_equal(covered, expected)


@pytest.mark.parametrize("along", [(8.0, 0.0), (0.0, 8.0), (8.0, 8.0), (8.0, -8.0)])
def test_an_edge_through_pixel_centers_belongs_to_one_of_its_two_sides(along: tuple[float, float]) -> None:
    """Else a mesh has a line of holes along it, or what is blended there is blended twice."""
    middle, half = np.array([10.5, 10.5]), np.array(along)
    beside = np.array([-half[1], half[0]])
    corners = np.array([middle - half, middle + half, middle + beside, middle - beside])
    points = np.concatenate([corners, np.zeros((4, 1))], axis=1).astype(np.float32)
    sides = [np.array([t], np.int32) for t in ([0, 1, 2], [1, 0, 3])]
    one, other = (rasterize(points, side, 21, 21).triangle >= 0 for side in sides)
    whole = rasterize(points, np.concatenate(sides), 21, 21).triangle >= 0
    assert not (one & other).any()
    np.testing.assert_array_equal(one | other, whole)
    on_edge = np.linspace(-0.75, 0.75, 7)[:, None] * half + middle
    columns, rows = np.floor(on_edge).astype(int).T
    assert whole[rows, columns].all()


def test_the_nearer_triangle_hides_the_other_in_either_order() -> None:
    points = np.array([[0, 0, 1], [8, 0, 1], [0, 8, 1], [0, 0, 2], [8, 0, 2], [0, 8, 2]], np.float32)
    near_last, near_first = np.array([[0, 1, 2], [3, 4, 5]]), np.array([[3, 4, 5], [0, 1, 2]])
    assert rasterize(points, near_last, 8, 8).triangle.max() == 1
    assert rasterize(points, near_first, 8, 8).triangle.max() == 0


def test_a_tie_goes_to_the_lower_index() -> None:
    points = np.array([[0, 0, 1], [8, 0, 2], [0, 8, 3]], np.float32)
    assert set(np.unique(rasterize(points, np.array([[0, 1, 2]] * 3), 8, 8).triangle)) == {-1, 0}


def test_culling_keeps_what_faces_the_viewer(sphere: tuple[np.ndarray, np.ndarray]) -> None:
    points, triangles = sphere
    both, front = (
        rasterize(points, triangles, 100, 100),
        rasterize(points, triangles, 100, 100, cull_back=True),
    )
    np.testing.assert_array_equal(both.triangle, front.triangle)
    assert (front.depth[front.triangle >= 0] > -1e-3).all()
    flipped = rasterize(points, triangles[:, ::-1], 100, 100, cull_back=True)
    assert (flipped.depth[flipped.triangle >= 0] < 1e-3).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 2.0 * LIMIT_PX])
@pytest.mark.parametrize("axis", [0, 1])
def test_broken_triangles_are_skipped(bad: float, axis: int) -> None:
    points = np.array([[0, 0, 0], [8, 0, 0], [0, 8, 0], [8, 8, 0]], np.float32)
    points[3, axis] = bad
    triangles = np.array([[0, 1, 2], [1, 2, 3], [0, 0, 1], [0, 1, 1]])
    assert set(np.unique(rasterize(points, triangles, 8, 8).triangle)) == {-1, 0}
    assert_twins_agree(points, triangles, 8, 8)


def test_a_triangle_far_larger_than_the_picture_is_exact() -> None:
    points = np.array([[-32768, -32768, 0], [32768, -32768, 0], [-32768, 32768, 0]], np.float32)
    values, triangle = rasterize_attributes(points, np.array([[0, 1, 2]]), points[:, :2], 16, 16)
    y, x = np.nonzero(triangle == 0)
    assert ((x + 0.5) + (y + 0.5) <= 16).all()
    np.testing.assert_allclose(values[y, x], np.stack([x + 0.5, y + 0.5], -1), atol=1e-5)


def test_attributes_interpolate_linear_functions_exactly(sheet: tuple[np.ndarray, np.ndarray]) -> None:
    points, triangles = sheet
    slope, offset = np.array([[0.5, -2.0, 0.0], [1.0, 0.25, 0.0]]), np.array([3.0, -1.0, 7.0])
    values, triangle = rasterize_attributes(
        points, triangles, points[:, :2] @ slope + offset, 64, 64, background=-9.0
    )
    y, x = np.nonzero(triangle >= 0)
    np.testing.assert_allclose(
        values[y, x], np.stack([x, y], -1) @ slope + slope.sum(0) / 2 + offset, atol=2e-4
    )
    assert (values[triangle < 0] == -9).all()
    assert (values[y, x, 2] == 7).all()


def test_attributes_agree_with_fragments_and_torch(sphere: tuple[np.ndarray, np.ndarray]) -> None:
    points, triangles = sphere
    color = np.random.default_rng(1).random((len(points), 3)).astype(np.float32)
    values, triangle = rasterize_attributes(points, triangles, color, 100, 100)
    fragments = rasterize(points, triangles, 100, 100)
    np.testing.assert_array_equal(triangle, fragments.triangle)
    drawn = twin.rasterize_torch(torch.tensor(points)[None], torch.tensor(triangles), 100, 100)
    again = twin.interpolate(torch.tensor(color)[None], torch.tensor(triangles), *drawn[:2])
    np.testing.assert_allclose(again[0].numpy(), values, atol=1e-6)


def test_buffers_are_used_again(sheet: tuple[np.ndarray, np.ndarray]) -> None:
    points, triangles = sheet
    first = rasterize_attributes(points, triangles, points, 64, 64)
    buffers = (np.full((64, 64, 3), np.nan, np.float32), np.full((64, 64), 77, np.int32))
    second = rasterize_attributes(points, triangles, points, 64, 64, out=buffers)
    for fresh, returned, buffer in zip(first, second, buffers, strict=True):
        assert returned is buffer
        np.testing.assert_array_equal(returned, fresh)


def test_wrong_input_is_named() -> None:
    points = np.zeros((3, 3), np.float32)
    for triangles in (np.array([[0, 1, 3]]), np.array([[-1, 1, 2]])):
        with pytest.raises(ShapeError, match="of 3 points"):
            rasterize(points, triangles, 4, 4)
        with pytest.raises(ShapeError, match="3 points"):
            twin.rasterize_torch(torch.tensor(points)[None], torch.tensor(triangles), 4, 4)


def test_gradients_reach_the_attributes(sheet: tuple[np.ndarray, np.ndarray]) -> None:
    points, triangles = (torch.tensor(a) for a in sheet)
    color = torch.zeros(1, len(points), 1, requires_grad=True)
    triangle, barycentric, _ = twin.rasterize_torch(points[None], triangles, 64, 64)
    twin.interpolate(color, triangles, triangle, barycentric).sum().backward()
    assert color.grad is not None
    assert color.grad.sum().item() == pytest.approx((triangle >= 0).sum().item(), rel=1e-4)
