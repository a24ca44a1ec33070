"""Fill what a picture does not show, smoothly from what it does (pull-push; Gortler et al., "The Lumigraph", 1996)."""

from __future__ import annotations

from typing import no_type_check

import cv2
import numpy as np
from jaxtyping import Float32
from numba import njit

from faceanime.structures.frames import Pixels


def fill_holes(pixels: Pixels, known: Float32[np.ndarray, "H W"]) -> Pixels:
    """The picture with its unknown parts filled.

    `pixels` (H,W,3) uint8; `known` (H,W) in [0, 1]: how far each pixel may be believed. Where it is 1 the
    picture is kept as it is.
    """
    weight = np.clip(known, 0.0, 1.0)[..., None]
    filled = _pull_push(pixels.astype(np.float32) * weight, weight)
    return np.rint(weight * pixels + (1.0 - weight) * filled).clip(0, 255).astype(np.uint8)


_GAIN = 3.0


def _pull_push(
    color: Float32[np.ndarray, "h w 3"], weight: Float32[np.ndarray, "h w 1"]
) -> Float32[np.ndarray, "h w 3"]:
    """`color` is premultiplied by `weight`; the result is not."""
    height, width = weight.shape[:2]
    if min(height, width) <= 2:
        return np.asarray(color.sum((0, 1)) / max(float(weight.sum()), 1e-6)) + np.zeros_like(color)
    color_below, weight_below = cv2.pyrDown(color), cv2.pyrDown(weight)[..., None]
    trust = np.minimum(_GAIN * weight_below, 1.0)  # a pixel that is known in part is known enough
    coarse = _pull_push(color_below * (trust / np.maximum(weight_below, 1e-6)), trust)
    below = cv2.pyrUp(coarse, dstsize=(width, height))
    return np.asarray(color + (1.0 - weight) * below)


def inpaint(pixels: Pixels, hole: Float32[np.ndarray, "H W"]) -> Pixels:
    """The picture (H,W,3) with its `hole` (H,W) in [0, 1] filled so that edges run on into it.

    Telea's marching front (J. Graphics Tools 9(1), 2004), at `_INPAINT_PX` at most: what is filled is only ever
    seen in a narrow rim.
    """
    height, width = hole.shape
    factor = min(_INPAINT_PX / max(height, width), 1.0)
    size = (max(round(width * factor), 1), max(round(height * factor), 1))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    mask = (cv2.resize(hole, size, interpolation=cv2.INTER_AREA) > 0.02).astype(np.uint8)
    filled = cv2.inpaint(small, mask, 5.0, cv2.INPAINT_TELEA)
    filled = cv2.resize(filled, (width, height), interpolation=cv2.INTER_CUBIC)
    weight = hole[..., None]
    return np.rint((1.0 - weight) * pixels + weight * filled).astype(np.uint8)


_INPAINT_PX = 448


def soft_polygon(
    corners: Float32[np.ndarray, "N 2"], height: int, width: int, soft_px: float
) -> Float32[np.ndarray, "h w"]:
    """How much of each pixel a closed polygon covers, its edge blurred over `soft_px`; corners in px.

    Where the polygon crosses itself (lids that meet) the even-odd rule holds.
    """
    mask = np.zeros((height, width), np.float32)
    _cover(np.asarray(corners, np.float64), mask)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), soft_px) if soft_px > 0.3 else mask)


_LINES = 8
"""Scan lines in a row of pixels; along each, coverage is exact."""


@njit(cache=True, nogil=True)
@no_type_check
def _cover(corners: np.ndarray, mask: np.ndarray) -> None:
    """Add the polygon's coverage to `mask`. (OpenCV's fillPoly grows every polygon by more than half a pixel.)"""
    height, width = mask.shape
    crossings = np.empty(len(corners))
    first_line = max(int(np.floor(corners[:, 1].min() * _LINES)), 0)
    last_line = min(int(np.ceil(corners[:, 1].max() * _LINES)), height * _LINES)
    for line in range(first_line, last_line):
        y = (line + 0.5) / _LINES
        count = 0
        for i in range(len(corners)):
            (x0, y0), (x1, y1) = corners[i - 1], corners[i]
            if (y0 <= y) != (y1 <= y):
                crossings[count] = min(max(x0 + (y - y0) / (y1 - y0) * (x1 - x0), 0.0), width)
                count += 1
        ends = np.sort(crossings[:count])
        row = mask[line // _LINES]
        for k in range(0, count - 1, 2):
            left, right = ends[k], ends[k + 1]
            for x in range(int(left), min(int(right) + 1, width)):
                row[x] += max(min(right, x + 1.0) - max(left, float(x)), 0.0) / _LINES
