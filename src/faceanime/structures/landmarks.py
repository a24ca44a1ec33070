"""Faces in pictures: landmarks and crops."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from faceanime.core.errors import ShapeError, check_shape
from faceanime.core.short_repr import short_repr


@dataclass(frozen=True, eq=False)
class Landmarks:
    """The points of one face; how many, and which lies where, says the schema of the detector that found them.

    `points_image` (L,2 or 3) float32: x right and y down in px, pixel centers at +0.5; z, where the detector tells it,
    in px of the same scale, toward the viewer, relative to the head's center (a guess, much less exact).
    `score` in [0, 1]. `pinned`: whether they lie on the skin of an anchor (`face.anchor`), not where a detector reads
    them.
    """

    points_image: Float32[np.ndarray, "L D"]
    score: float
    pinned: bool = False

    __repr__ = short_repr

    def __post_init__(self) -> None:
        check_shape("Landmarks.points_image", self.points_image, None, None)
        if self.points_image.shape[1] not in (2, 3):
            raise ShapeError(
                f"Landmarks.points_image has {self.points_image.shape[1]} coordinates, expected 2 or 3"
            )
        if not np.isfinite(self.points_image).all():
            raise ShapeError("Landmarks.points_image holds values that are not finite")

    @property
    def box_px(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the points."""
        low, high = self.points_image[:, :2].min(axis=0), self.points_image[:, :2].max(axis=0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    @property
    def center_px(self) -> tuple[float, float]:
        """X and y of the center of `box_px`."""
        left, top, right, bottom = self.box_px
        return (left + right) / 2, (top + bottom) / 2


@dataclass(frozen=True, eq=False)
class CropTransform:
    """A square crop of an image: `crop_from_image` (2,3) maps image px to crop px; the crop is `size_px` wide."""

    crop_from_image: Float64[np.ndarray, "2 3"]
    size_px: int

    __repr__ = short_repr

    def __post_init__(self) -> None:
        check_shape("CropTransform.crop_from_image", self.crop_from_image, 2, 3)
        if abs(np.linalg.det(self.crop_from_image[:, :2])) < 1e-12:
            raise ShapeError("CropTransform.crop_from_image cannot be inverted")

    @property
    def image_from_crop(self) -> Float64[np.ndarray, "2 3"]:
        """The inverse map (2,3): crop px to image px."""
        linear = np.linalg.inv(self.crop_from_image[:, :2])
        return np.concatenate([linear, -linear @ self.crop_from_image[:, 2:]], axis=1)
