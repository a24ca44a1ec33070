"""An oracle of `geometry/rasterize.py`: the z-buffer in pure torch, batched.

The same snapping, fill rule, depth formula and tie rule, operation by operation, hence the same triangles. Instead of
loops, triangles unfold to rows, rows to spans, spans to fragments, and each pixel takes its nearest fragment.
Gradients reach the vertex attributes through `interpolate`, but not the points.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float32, Float64, Int, Int64
from torch import Tensor

from faceanime.core.errors import ShapeError, check_shape
from faceanime.geometry.rasterize import LIMIT_PX, SUBPIXELS

HALF = SUBPIXELS // 2
FRAGMENTS_AT_ONCE = 1 << 22
"""Bounds the memory: a fragment takes about 200 bytes while it is drawn."""
EMPTY = torch.iinfo(torch.int64).min
LAST_INDEX = (1 << 32) - 1


@dataclass(frozen=True, eq=False)
class _Faces:
    """The F drawable triangles of a batch, corners a, b, c in the order of positive area.

    The edge function k, opposite corner k, is `start` + row * `down` + column * `step`; (F,3) int64.
    """

    batch: Int64[Tensor, " F"]
    triangle: Int64[Tensor, " F"]
    corner: Int64[Tensor, "F 3"]
    z: Float64[Tensor, "F 3"]
    per_area: Float64[Tensor, " F"]
    start: Int64[Tensor, "F 3"]
    down: Int64[Tensor, "F 3"]
    step: Int64[Tensor, "F 3"]
    least: Int64[Tensor, "F 3"]
    low: Int64[Tensor, "F 2"]
    high: Int64[Tensor, "F 2"]

    def weights(
        self, face: Int64[Tensor, " P"], row: Int64[Tensor, " P"], column: Int64[Tensor, " P"]
    ) -> Float64[Tensor, "P 3"]:
        """The barycentric weights of pixel centers in their faces."""
        value = self.start[face] + row[:, None] * self.down[face] + column[:, None] * self.step[face]
        return value.double() * self.per_area[face, None]


@dataclass(frozen=True, eq=False)
class _Spans:
    """Runs of covered pixels: from column `first`, `length` of them, along `row` of the faces' pictures."""

    face: Int64[Tensor, " R"]
    row: Int64[Tensor, " R"]
    first: Int64[Tensor, " R"]
    length: Int64[Tensor, " R"]


@torch.no_grad()
def rasterize_torch(
    points: Float[Tensor, "B V 3"], triangles: Int[Tensor, "M 3"], height_px: int, width_px: int
) -> tuple[Int64[Tensor, "B H W"], Float32[Tensor, "B H W 3"], Float32[Tensor, "B H W"]]:
    """Triangle ids (-1 where empty), barycentric weights (0) and depth (-inf) of a batch of meshes.

    `points` in image px as in `rasterize`, rounded to float32; one set of `triangles`. Both sides are drawn.
    Raises `ShapeError` for wrong shapes or indices outside `points`.
    """
    check_shape("points", points, None, None, 3)
    check_shape("triangles", triangles, None, 3)
    if triangles.numel() and not 0 <= int(triangles.min()) <= int(triangles.max()) < points.shape[1]:
        raise ShapeError(f"triangles index beyond the {points.shape[1]} points")
    faces = _faces(points.float(), triangles.long())
    winner = torch.full((len(points) * height_px * width_px,), EMPTY, device=points.device)
    for spans in _chunks(_spans(faces, height_px, width_px)):
        _race(faces, spans, winner, height_px, width_px)
    return _resolve(faces, winner.view(len(points), height_px, width_px), len(triangles))


def interpolate(
    attributes: Float[Tensor, "B V C"],
    triangles: Int[Tensor, "M 3"],
    triangle: Int64[Tensor, "B H W"],
    barycentric: Float[Tensor, "B H W 3"],
) -> Float[Tensor, "B H W C"]:
    """Vertex attributes over the pictures of `rasterize_torch`; 0 where empty. Differentiable in them."""
    corners = triangles.long()[triangle.clamp(min=0)]
    batch = torch.arange(len(attributes), device=attributes.device)[:, None, None, None]
    return (attributes[batch, corners] * barycentric[..., None]).sum(-2)


def _faces(points: Float32[Tensor, "B V 3"], triangles: Int64[Tensor, "M 3"]) -> _Faces:
    corners = points[:, triangles].double()
    in_range = (corners[..., :2].abs() <= LIMIT_PX).all(-1) & corners[..., 2].isfinite()
    batch, triangle = torch.where(in_range.all(-1))
    corners = corners[batch, triangle]
    grid = (corners[..., :2] * SUBPIXELS).round().long()
    area = _cross(grid[:, 1] - grid[:, 0], grid[:, 2] - grid[:, 0])
    order = torch.tensor([[0, 1, 2], [0, 2, 1]], device=points.device)[(area < 0).long()]
    drawn = area != 0
    batch, triangle, corners, grid, area, order = (
        t[drawn] for t in (batch, triangle, corners, grid, area.abs(), order)
    )
    grid = grid.gather(1, order[..., None].expand(-1, -1, 2))
    begin = grid.roll(-1, dims=1)
    dx, dy = (grid.roll(-2, dims=1) - begin).unbind(-1)
    return _Faces(
        batch=batch,
        triangle=triangle,
        corner=order,
        z=corners[..., 2].gather(1, order),
        per_area=1.0 / area.double(),
        start=dx * (HALF - begin[..., 1]) - dy * (HALF - begin[..., 0]),
        down=dx * SUBPIXELS,
        step=-dy * SUBPIXELS,
        least=(~((dy < 0) | ((dy == 0) & (dx > 0)))).long(),
        low=grid.amin(1),
        high=grid.amax(1),
    )


def _cross(u: Int64[Tensor, "F 2"], v: Int64[Tensor, "F 2"]) -> Int64[Tensor, " F"]:
    return u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]


def _unfold(count: Int64[Tensor, " N"]) -> tuple[Int64[Tensor, " P"], Int64[Tensor, " P"]]:
    """For `count[n]` items of every n: their n, and their places 0.. in it."""
    owner = torch.repeat_interleave(torch.arange(len(count), device=count.device), count)
    return owner, torch.arange(len(owner), device=count.device) - (count.cumsum(0) - count)[owner]


def _spans(faces: _Faces, height_px: int, width_px: int) -> _Spans:
    size = torch.tensor([width_px, height_px], device=faces.low.device)
    low = (-((HALF - faces.low) // SUBPIXELS)).clamp(min=0)
    high = torch.minimum((faces.high - HALF) // SUBPIXELS, size - 1)
    face, row = _unfold((high[:, 1] - low[:, 1] + 1).clamp(min=0))
    row = row + low[face, 1]
    value = faces.start[face] + row[:, None] * faces.down[face] - faces.least[face]
    step = faces.step[face]
    divided = value // step.abs().clamp(min=1)
    first = torch.where(step > 0, -divided, 0).amax(1).maximum(low[face, 0])
    last = torch.where(step < 0, divided, width_px).amin(1).minimum(high[face, 0])
    last = torch.where(((step == 0) & (value < 0)).any(1), -1, last)
    length = last - first + 1
    kept = length > 0
    return _Spans(face[kept], row[kept], first[kept], length[kept])


def _chunks(spans: _Spans) -> Iterator[_Spans]:
    """The spans in chunks of about `FRAGMENTS_AT_ONCE` fragments."""
    chunk = spans.length.cumsum(0) // FRAGMENTS_AT_ONCE
    counts = torch.bincount(chunk).tolist()
    columns = (torch.split(t, counts) for t in (spans.face, spans.row, spans.first, spans.length))
    yield from map(_Spans, *columns)


def _race(faces: _Faces, spans: _Spans, winner: Int64[Tensor, " P"], height_px: int, width_px: int) -> None:
    """Give each pixel the nearest fragment of `spans`, or at equal depth that of the lower triangle index."""
    span, column = _unfold(spans.length)
    face, row, column = spans.face[span], spans.row[span], column + spans.first[span]
    weights, z = faces.weights(face, row, column), faces.z[face]
    # one addition after the other as in rasterize.py: a sum over the axis may round differently
    depth = weights[:, 0] * z[:, 0] + weights[:, 1] * z[:, 1] + weights[:, 2] * z[:, 2]
    key = (_sortable(depth.float()) << 32) | (LAST_INDEX - faces.triangle[face])
    winner.scatter_reduce_(0, (faces.batch[face] * height_px + row) * width_px + column, key, "amax")


def _sortable(depth: Float32[Tensor, " P"]) -> Int64[Tensor, " P"]:
    """Integers in the order of the floats: all bits but the sign of negative ones are inverted."""
    bits = (depth + 0.0).view(torch.int32)  # -0.0 becomes 0.0
    return torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).long()


def _resolve(
    faces: _Faces, winner: Int64[Tensor, "B H W"], triangle_count: int
) -> tuple[Int64[Tensor, "B H W"], Float32[Tensor, "B H W 3"], Float32[Tensor, "B H W"]]:
    """Triangle, barycentric weights and depth of the winning fragments."""
    batch, row, column = torch.where(winner != EMPTY)
    won = winner[batch, row, column]
    triangle = torch.full_like(winner, -1)
    triangle[batch, row, column] = LAST_INDEX - (won & LAST_INDEX)
    depth = torch.full(winner.shape, -torch.inf, device=winner.device)
    depth[batch, row, column] = _from_sortable(won >> 32)
    face_at = torch.empty(len(winner), triangle_count, dtype=torch.int64, device=winner.device)
    face_at[faces.batch, faces.triangle] = torch.arange(len(faces.batch), device=winner.device)
    face = face_at[batch, triangle[batch, row, column]]
    weights = faces.weights(face, row, column)
    barycentric = torch.zeros(*winner.shape, 3, device=winner.device)
    barycentric[batch, row, column] = (
        torch.zeros_like(weights).scatter_(1, faces.corner[face], weights).float()
    )
    return triangle, barycentric, depth


def _from_sortable(key: Int64[Tensor, " P"]) -> Float32[Tensor, " P"]:
    bits = key.int()
    return torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).view(torch.float32)
