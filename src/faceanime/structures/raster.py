"""Values in picture space: colors, fragments of the rasterizer, sparse textures, boxes and warp fields."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int32

from faceanime.core.errors import check_shape
from faceanime.core.short_repr import short_repr

Rgb = tuple[float, float, float]
"""Red, green and blue of a color; the range is that of the color space in which it is used."""


@dataclass(frozen=True, eq=False)
class Fragments:
    """The rasterizer's result, per pixel.

    `triangle` (H,W) int32, the nearest triangle's index or -1; `barycentric` (H,W,3) float32, zero where
    empty; `depth` (H,W) float32 px, growing toward the viewer, -inf where empty.
    """

    triangle: Int32[np.ndarray, "H W"]
    barycentric: Float32[np.ndarray, "H W 3"]
    depth: Float32[np.ndarray, "H W"]

    __repr__ = short_repr

    def __post_init__(self) -> None:
        height, width = self.triangle.shape
        check_shape("Fragments.barycentric", self.barycentric, height, width, 3)
        check_shape("Fragments.depth", self.depth, height, width)


@dataclass(frozen=True, eq=False)
class SparseTexture:
    """The portrait's skin at a subset of the model's vertices (arXiv 2105.14678, sec. III-B).

    `vertex` (N,) model vertex indices; `color` (N,3) float32 in [-1, 1]; `visible` (N,), False where
    the vertex is occluded in the portrait; `triangles` (M,3) index into the N.
    """

    vertex: Int32[np.ndarray, " N"]
    color: Float32[np.ndarray, "N 3"]
    visible: Bool[np.ndarray, " N"]
    triangles: Int32[np.ndarray, "M 3"]

    __repr__ = short_repr

    def __post_init__(self) -> None:
        check_shape("SparseTexture.color", self.color, len(self.vertex), 3)
        check_shape("SparseTexture.visible", self.visible, len(self.vertex))
        check_shape("SparseTexture.triangles", self.triangles, None, 3)


@dataclass(frozen=True)
class Box:
    """A rectangle of whole pixels: left, top inside; right, bottom just outside."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def around(cls, mask: Bool[np.ndarray, "H W"]) -> Box | None:
        """The smallest box around all pixels that are True; None without any."""
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not len(rows):
            return None
        return cls(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)

    @property
    def width(self) -> int:
        """Width, px."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Height, px."""
        return self.bottom - self.top

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to cut the box out of a picture."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


@dataclass(frozen=True, eq=False)
class WarpField:
    """The backward flow of a box of the picture: where each of its pixels reads the portrait, and what it shows.

    `flow` (h,w,2) float32 px in the box's own coordinates; `region` (h,w) int32 of `morphable.model.Region`, or
    `render.head.sheet.RING`; `landmarks` (L,3) float32, the target's in px of the picture; `box` in the picture.
    """

    flow: Float32[np.ndarray, "h w 2"]
    region: Int32[np.ndarray, "h w"]
    landmarks: Float32[np.ndarray, "L 3"]
    box: Box

    __repr__ = short_repr

    def __post_init__(self) -> None:
        check_shape("WarpField.flow", self.flow, self.box.height, self.box.width, 2)
        check_shape("WarpField.region", self.region, self.box.height, self.box.width)
