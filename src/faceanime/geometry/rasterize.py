"""A z-buffer rasterizer on the CPU; the tests compare it with two slower ones that draw the very same triangles.

Coverage is decided in exact integer arithmetic: points snap to a grid of 1/16384 px (an error of 3e-5 px; none for
float32 coordinates beyond 512), so that the edge functions at pixel centers are exact in int64. With the top-left
rule, triangles that share an edge leave no hole and never draw a pixel twice. Depth is interpolated in float64 by one
fixed formula, rounded to float32 and compared; the larger z wins, and an exact tie goes to the lower triangle index.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from jaxtyping import Float, Float32, Float64, Int, Int32, Int64
from numba import njit

from faceanime.core.errors import ShapeError, check_shape
from faceanime.structures.raster import Fragments

SUBPIXELS = 1 << 14
"""Grid steps per pixel."""
LIMIT_PX = 1 << 15
"""Triangles with a corner farther from the origin than this are skipped: int64 would overflow."""

Buffers = tuple[Float32[np.ndarray, "H W C"], Int32[np.ndarray, "H W"]]


def rasterize(
    points: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "M 3"],
    height_px: int,
    width_px: int,
    *,
    cull_back: bool = False,
) -> Fragments:
    """The triangle that each pixel shows, its barycentric coordinates and its depth.

    `points` in image px (x right, y down, pixel centers at +0.5), z toward the viewer; `triangles` index
    them. Triangles that are not finite, have no area or lie beyond `LIMIT_PX` are skipped. Both sides are drawn unless
    `cull_back` drops back faces; front faces run counter-clockwise for the viewer, in model space seen from +z as well
    as in the picture.
    Raises `ShapeError` for wrong shapes or indices outside `points`.
    """
    points, triangles = _checked_mesh(points, triangles)
    unit_corners = np.tile(np.eye(3), (len(triangles), 1, 1))
    barycentric = np.zeros((height_px, width_px, 3), np.float32)
    triangle = np.full((height_px, width_px), -1, np.int32)
    depth = np.full((height_px, width_px), -np.inf, np.float32)
    _draw(points, triangles, unit_corners, cull_back, barycentric, triangle, depth)
    return Fragments(triangle, barycentric, depth)


def rasterize_attributes(
    points: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "M 3"],
    attributes: Float[np.ndarray, "V C"],
    height_px: int,
    width_px: int,
    *,
    background: float = 0.0,
    cull_back: bool = False,
    out: Buffers | None = None,
) -> Buffers:
    """Vertex attributes interpolated over the picture, and the triangle indices; the mesh as in `rasterize`.

    Returns (H,W,C) float32, `background` where there is no triangle, and (H,W) int32, -1 there. `out`, such a pair
    from an earlier call, is overwritten and returned. Raises `ShapeError`.
    """
    points, triangles = _checked_mesh(points, triangles)
    check_shape("attributes", attributes, len(points), None)
    corner_values = np.asarray(attributes, np.float64)[triangles]
    shape = (height_px, width_px)
    if out is None:
        out = np.empty((*shape, attributes.shape[1]), np.float32), np.empty(shape, np.int32)
    values, triangle = out
    check_shape("out[0]", values, *shape, attributes.shape[1])
    check_shape("out[1]", triangle, *shape)
    values.fill(background)
    triangle.fill(-1)
    _draw(points, triangles, corner_values, cull_back, values, triangle, np.full(shape, -np.inf, np.float32))
    return values, triangle


def _checked_mesh(
    points: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "M 3"]
) -> tuple[Float32[np.ndarray, "V 3"], Int32[np.ndarray, "M 3"]]:
    """The mesh validated, in the types that the kernel is compiled for."""
    check_shape("points", points, None, 3)
    check_shape("triangles", triangles, None, 3)
    if len(triangles) and not (triangles.min() >= 0 and triangles.max() < len(points)):
        raise ShapeError(f"triangles index {triangles.min()}..{triangles.max()} of {len(points)} points")
    return np.ascontiguousarray(points, np.float32), np.ascontiguousarray(triangles, np.int32)


# `no_type_check` keeps the tests' run-time type checker from wrapping functions that numba compiles
kernel = njit(cache=True, nogil=True)


@kernel
@no_type_check
def _edge(a: Int64[np.ndarray, "2"], b: Int64[np.ndarray, "2"]) -> tuple[int, int, int, int]:
    """The edge function of a to b on the grid: its steps per pixel in x and y, its value at pixel (0, 0), and the
    least value that counts as inside.

    That is 0 on a top or left edge and 1 on the others, so that exactly one of two adjacent triangles owns their edge.
    """
    dx, dy = b[0] - a[0], b[1] - a[1]
    half = SUBPIXELS // 2
    owned = dy < 0 or (dy == 0 and dx > 0)
    return -dy * SUBPIXELS, dx * SUBPIXELS, dx * (half - a[1]) - dy * (half - a[0]), 0 if owned else 1


@kernel
@no_type_check
def _clip_span(first: int, last: int, value: int, step: int) -> tuple[int, int]:
    """The pixels x of first..last with value + x * step >= 0."""
    if step > 0:
        first = max(first, -(value // step))
    elif step < 0:
        last = min(last, value // -step)
    elif value < 0:
        last = first - 1
    return first, last


@kernel
@no_type_check
def _pixel_range(low: int, high: int, size: int) -> tuple[int, int]:
    """The first and last of `size` pixels whose center lies in low..high on the grid."""
    half = SUBPIXELS // 2
    return max(0, -((half - low) // SUBPIXELS)), min(size - 1, (high - half) // SUBPIXELS)


@kernel
@no_type_check
def _snap(corners: Float32[np.ndarray, "3 3"], grid: Int64[np.ndarray, "3 2"]) -> int:
    """Write the corners' positions on the grid; return twice their signed area, 0 if the triangle cannot be drawn."""
    for k in range(3):
        x, y, z = corners[k]
        if not (abs(x) <= LIMIT_PX and abs(y) <= LIMIT_PX and np.isfinite(z)):
            return 0
        grid[k, 0] = np.int64(np.rint(np.float64(x) * SUBPIXELS))
        grid[k, 1] = np.int64(np.rint(np.float64(y) * SUBPIXELS))
    a, b, c = grid
    return int((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


@kernel
@no_type_check
def _draw(
    points: Float32[np.ndarray, "V 3"],
    triangles: Int32[np.ndarray, "M 3"],
    corner_values: Float64[np.ndarray, "M 3 C"],
    cull_back: bool,
    values: Float32[np.ndarray, "H W C"],
    triangle: Int32[np.ndarray, "H W"],
    depth: Float32[np.ndarray, "H W"],
) -> None:
    """Draw every triangle, row by row, into the three buffers."""
    height, width, channels = values.shape
    corners = np.empty((3, 3), np.float32)
    grid = np.empty((3, 2), np.int64)
    for m in range(len(triangles)):
        for k in range(3):
            corners[k] = points[triangles[m, k]]
        area = _snap(corners, grid)
        # y points down, so a triangle that runs counter-clockwise for the viewer has a negative cross product
        if area == 0 or (cull_back and area > 0):
            continue
        b, c = (1, 2) if area > 0 else (2, 1)
        step_a, down_a, start_a, least_a = _edge(grid[b], grid[c])
        step_b, down_b, start_b, least_b = _edge(grid[c], grid[0])
        step_c, down_c, start_c, least_c = _edge(grid[0], grid[b])
        area = abs(area)
        per_area = 1.0 / np.float64(area)
        at_a, at_b, at_c = corner_values[m, 0], corner_values[m, b], corner_values[m, c]
        z_a, z_b, z_c = np.float64(corners[0, 2]), np.float64(corners[b, 2]), np.float64(corners[c, 2])
        left, right = _pixel_range(grid[:, 0].min(), grid[:, 0].max(), width)
        top, bottom = _pixel_range(grid[:, 1].min(), grid[:, 1].max(), height)
        for row in range(top, bottom + 1):
            row_a, row_b, row_c = start_a + row * down_a, start_b + row * down_b, start_c + row * down_c
            first, last = _clip_span(left, right, row_a - least_a, step_a)
            first, last = _clip_span(first, last, row_b - least_b, step_b)
            first, last = _clip_span(first, last, row_c - least_c, step_c)
            row_depth, row_triangle, row_values = depth[row], triangle[row], values[row]
            for column in range(first, last + 1):
                w_a = np.float64(row_a + column * step_a) * per_area
                w_b = np.float64(row_b + column * step_b) * per_area
                w_c = np.float64(row_c + column * step_c) * per_area
                z = np.float32(w_a * z_a + w_b * z_b + w_c * z_c)
                if z > row_depth[column]:
                    row_depth[column] = z
                    row_triangle[column] = m
                    for i in range(channels):
                        row_values[column, i] = w_a * at_a[i] + w_b * at_b[i] + w_c * at_c[i]
