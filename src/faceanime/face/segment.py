"""Which pixels belong to the person."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32

from faceanime.core.errors import check_shape
from faceanime.face.mediapipe_models import PersonModel
from faceanime.structures.frames import Pixels

_MODEL_PX = 256
_WINDOW_SHARE = 2.5 / _MODEL_PX  # the guided filter's radius: how far the network's matte may miss the edge
_EDGE_CONTRAST = 0.05 * 255  # weaker colour steps are texture


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
        radius = max(1, round(_WINDOW_SHARE * max(pixels.shape[:2])))
        matte = cv2.ximgproc.guidedFilter(pixels, self._model.matte(pixels), radius, _EDGE_CONTRAST**2)
        return np.clip(matte, 0.0, 1.0)
