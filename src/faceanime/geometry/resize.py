"""Images at another size."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import UInt8

from faceanime.structures.frames import Pixels


def resized(pixels: Pixels, longest_px: int) -> UInt8[np.ndarray, "h w 3"]:
    """Return the image (H,W,3) at the size at which its longer side is `longest_px`.

    Shrinks by the mean of the pixels covered, enlarges by bicubic interpolation.
    """
    height, width = pixels.shape[:2]
    factor = longest_px / max(height, width)
    if factor == 1.0:
        return pixels
    size = (max(round(width * factor), 1), max(round(height * factor), 1))
    interpolation = cv2.INTER_AREA if factor < 1.0 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, size, interpolation=interpolation))
