"""Masks of shapes: antialiased polygons and discs for OpenCV's morphology."""

from __future__ import annotations

from typing import no_type_check

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from numba import njit

_SCAN_LINES = 8
"""Scan lines in a row of pixels; along each, coverage is exact. Chosen by eye."""
_LEAST_BLUR_PX = 0.3
"""Blurs below this standard deviation hardly change a mask and are left out, px. Chosen by eye."""


def soft_polygon(
    corners: Float32[np.ndarray, "N 2"], height: int, width: int, blur_px: float
) -> Float32[np.ndarray, "h w"]:
    """The fraction of each pixel within a closed polygon, blurred with standard deviation `blur_px`.

    `corners` in px. Where the polygon crosses itself (lids that meet) the even-odd rule holds.
    """
    mask = np.zeros((height, width), np.float32)
    _add_coverage(np.asarray(corners, np.float64), mask)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), blur_px) if blur_px > _LEAST_BLUR_PX else mask)


def disc(radius_px: int) -> UInt8[np.ndarray, "d d"]:
    """A disc of 2 `radius_px` + 1 pixels across, as a structuring element."""
    size = 2 * radius_px + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))


@njit(cache=True, nogil=True)
@no_type_check
def _add_coverage(corners, mask):
    """Add the polygon's coverage (corners (N,2), px) to `mask` (h,w).

    OpenCV's fillPoly grows every polygon by more than half a pixel, so it does not serve.
    """
    height, width = mask.shape
    crossings = np.empty(len(corners))
    first_line = max(int(np.floor(corners[:, 1].min() * _SCAN_LINES)), 0)
    last_line = min(int(np.ceil(corners[:, 1].max() * _SCAN_LINES)), height * _SCAN_LINES)
    for line in range(first_line, last_line):
        y = (line + 0.5) / _SCAN_LINES
        count = 0
        for i in range(len(corners)):
            (x0, y0), (x1, y1) = corners[i - 1], corners[i]
            if (y0 <= y) != (y1 <= y):
                crossings[count] = min(max(x0 + (y - y0) / (y1 - y0) * (x1 - x0), 0.0), width)
                count += 1
        ends = np.sort(crossings[:count])
        row = mask[line // _SCAN_LINES]
        for k in range(0, count - 1, 2):
            left, right = ends[k], ends[k + 1]
            for x in range(int(left), min(int(right) + 1, width)):
                row[x] += max(min(right, x + 1.0) - max(left, float(x)), 0.0) / _SCAN_LINES
