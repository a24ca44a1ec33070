"""Which pixels belong to the person."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32, Float64

from faceanime.errors import check_shape
from faceanime.face.mediapipe_models import PersonModel
from faceanime.structures.frames import Pixels

_MODEL_PX = 256
_WINDOW_SHARE = 2.5 / _MODEL_PX  # the guided filter's radius: what one or two px of the network's matte blur
_EDGE_CONTRAST = 0.02  # colour steps, of 1, below this are texture


class PersonSegmenter:
    """The network loaded once, for many pictures; one thread at a time."""

    def __init__(self) -> None:
        self._model = PersonModel()

    def segment(self, pixels: Pixels) -> Float32[np.ndarray, "H W"]:
        """How surely each pixel of a squarish crop (H,W,3) is the person's, in [0, 1].

        The network's 256 px matte is laid along the edges of the full picture by a guided filter (He, Sun and
        Tang, ECCV 2010), so that it follows the hair.

        Raises:
            ShapeError: if `pixels` is not (H,W,3).
        """
        check_shape("pixels", pixels, None, None, 3)
        matte = self._model.matte(pixels)
        radius = max(1, round(_WINDOW_SHARE * max(pixels.shape[:2])))
        return guided_filter(pixels, matte, radius, _EDGE_CONTRAST**2)


def segment_person(pixels: Pixels) -> Float32[np.ndarray, "H W"]:
    """`PersonSegmenter.segment` for a single picture."""
    return PersonSegmenter().segment(pixels)


def guided_filter(
    guide: Pixels, matte: Float32[np.ndarray, "H W"], radius_px: int, edge_variance: float
) -> Float32[np.ndarray, "H W"]:
    """The matte as a locally linear function of the guide's colour, in [0, 1] (He et al. 2010, eq. 14-16)."""
    color = guide.astype(np.float64) / 255.0
    target = matte.astype(np.float64)
    mean_color, mean_target = _box(color, radius_px), _box(target, radius_px)
    products = color[..., :, None] * color[..., None, :]
    covariance = _box_channels(products, radius_px) - mean_color[..., :, None] * mean_color[..., None, :]
    cross = _box(color * target[..., None], radius_px) - mean_color * mean_target[..., None]
    slope = np.linalg.solve(covariance + edge_variance * np.eye(3), cross[..., None])[..., 0]
    offset = mean_target - (slope * mean_color).sum(axis=-1)
    smooth = (_box(slope, radius_px) * color).sum(axis=-1) + _box(offset, radius_px)
    return np.clip(smooth, 0.0, 1.0).astype(np.float32)


def _box(values: Float64[np.ndarray, "H W *C"], radius_px: int) -> Float64[np.ndarray, "H W *C"]:
    size = (2 * radius_px + 1, 2 * radius_px + 1)
    return np.asarray(cv2.blur(values, size, borderType=cv2.BORDER_REFLECT))


def _box_channels(values: Float64[np.ndarray, "H W 3 3"], radius_px: int) -> Float64[np.ndarray, "H W 3 3"]:
    flat = values.reshape(*values.shape[:2], 9)  # OpenCV filters any number of channels, but only one axis of them
    return np.stack([_box(np.ascontiguousarray(flat[..., c]), radius_px) for c in range(9)], -1).reshape(values.shape)
