"""Segmentation of the person in a picture."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import cv2
import numpy as np
from jaxtyping import Float32

from faceanime.core.errors import check_shape
from faceanime.face.mediapipe_models import PersonModel
from faceanime.structures.frames import Pixels

_RADIUS = 2.5 / 256
"""Radius of the guided filter in longer sides of the picture: the matte of 256 px misses edges by 2.5 px. By eye."""
_EDGE_CONTRAST = 0.05 * 255
"""Contrast in levels below which a step is texture, not an edge; chosen by eye."""


@runtime_checkable
class Segmenter(Protocol):
    """The seam for segmenters: pixels in, an alpha matte out."""

    def segment(self, pixels: Pixels) -> Float32[np.ndarray, "H W"]:
        """Return the probability that each pixel of a roughly square crop (H,W,3) belongs to the person, in [0, 1]."""


class PersonSegmenter:
    """The segmentation network, loaded once for many pictures; one thread at a time."""

    def __init__(self) -> None:
        self._model = PersonModel()

    def segment(self, pixels: Pixels) -> Float32[np.ndarray, "H W"]:
        """The alpha matte of a roughly square crop (H,W,3): the probability that a pixel belongs to the person, [0, 1].

        A guided filter (He, Sun and Tang, ECCV 2010) aligns the network's matte of 256 px with the edges of the full
        picture, so that it follows the hair.

        Raises:
            ShapeError: if `pixels` is not (H,W,3).
        """
        check_shape("pixels", pixels, None, None, 3)
        radius = max(1, round(_RADIUS * max(pixels.shape[:2])))
        matte = cv2.ximgproc.guidedFilter(pixels, self._model.matte(pixels), radius, _EDGE_CONTRAST**2)
        return np.clip(matte, 0.0, 1.0)
