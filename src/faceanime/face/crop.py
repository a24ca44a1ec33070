"""Square head crops as in the FOMM and VoxCeleb data: upright, the face's box about half of the side."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, UInt8

from faceanime.core.errors import check_range
from faceanime.geometry.similarity import apply_affine_with_depth, warp_image
from faceanime.structures.frames import Pixels
from faceanime.structures.landmarks import CropTransform, Landmarks


@dataclass(frozen=True)
class CropConfig:
    """Size and position of a head crop."""

    enlarge: float = 1.9
    """Side of the crop over the longer side of the landmarks' box."""
    raised: float = 0.08
    """Height of the crop's center above the box's, in sides of the crop, so that it contains the hair."""
    size_px: int = 256
    """Side of the crop in px."""

    def __post_init__(self) -> None:
        check_range(self, "crop", "enlarge", "size_px", least=1)


@dataclass(frozen=True)
class Square:
    """An upright square of a picture; `center_px` (x, y) and `side_px` in px."""

    center_px: tuple[float, float]
    side_px: float

    def inside(self, width_px: int, height_px: int) -> Square:
        """The square moved into a picture, and shrunk to the picture's shorter side if it is larger.

        >>> Square((10.0, 50.0), 40.0).inside(100, 30)
        Square(center_px=(15.0, 15.0), side_px=30.0)
        """
        side = float(min(self.side_px, width_px, height_px))
        x, y = (
            min(max(at, side / 2), length - side / 2)
            for at, length in zip(self.center_px, (width_px, height_px), strict=True)
        )
        return Square((x, y), side)

    def crop(self, size_px: int) -> CropTransform:
        """The transform to a crop of this square that is `size_px` wide."""
        factor = size_px / self.side_px
        x, y = (size_px / 2 - factor * at for at in self.center_px)
        return CropTransform(np.array([[factor, 0.0, x], [0.0, factor, y]]), size_px)


def square_around(landmarks: Landmarks, config: CropConfig) -> Square:
    """The square of a face's head crop; it may reach beyond the picture."""
    left, top, right, bottom = landmarks.box_px
    side = config.enlarge * max(right - left, bottom - top)
    return Square(((left + right) / 2, (top + bottom) / 2 - config.raised * side), side)


def crop_around(landmarks: Landmarks, config: CropConfig) -> CropTransform:
    """The transform to the crop around a face; it may reach beyond the picture."""
    return square_around(landmarks, config).crop(config.size_px)


def crop_pixels(pixels: Pixels, crop: CropTransform) -> UInt8[np.ndarray, "S S 3"]:
    """The crop (S,S,3) of a picture (H,W,3); beyond the picture its edge is repeated."""
    return warp_image(pixels, crop.crop_from_image, crop.size_px, crop.size_px, "cubic")


def moved_landmarks(landmarks: Landmarks, b_from_a: Float64[np.ndarray, "2 3"]) -> Landmarks:
    """The landmarks in px of another picture; depth is scaled as x and y are."""
    points = apply_affine_with_depth(b_from_a, landmarks.points_image)
    return replace(landmarks, points_image=points.astype(np.float32))
