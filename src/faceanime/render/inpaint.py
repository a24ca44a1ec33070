"""Inpainting: fill the holes of a picture from its surroundings.

`fill_holes` spreads known colors smoothly (pull-push), for skin, eyeballs and all that has no edges. `inpaint`
continues edges into a hole (Telea's fast marching), for the background behind the person.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32

from faceanime.structures.frames import Pixels

_CONFIDENCE_GAIN = 3.0
"""Factor on a pixel's confidence in the pull-push pyramid: one that is known to a third counts as known. Chosen by
eye."""
_INPAINT_SIDE_PX = 448
"""Longer side of the reduced picture that Telea's method inpaints: its result shows only in a narrow rim, and its time
grows with the area. Chosen by eye."""
_INPAINT_RADIUS_PX = 5.0
"""Radius of Telea's neighborhood, px of the reduced picture. Chosen by eye."""
_HOLE_THRESHOLD = 0.02
"""Fraction of hole in a pixel of the reduced picture above which the pixel is filled. Chosen by eye."""


def fill_holes(pixels: Pixels, confidence: Float32[np.ndarray, "H W"]) -> Pixels:
    """Fill the unknown parts of a picture (H,W,3) uint8 smoothly from the known ones.

    `confidence` (H,W) in [0, 1], 1 where a pixel is known and kept as it is.

    Source: pull-push, Gortler et al., "The Lumigraph", SIGGRAPH 1996.
    """
    weight = np.clip(confidence, 0.0, 1.0)[..., None]
    filled = _pull_push(pixels.astype(np.float32) * weight, weight)
    return np.rint(weight * pixels + (1.0 - weight) * filled).clip(0, 255).astype(np.uint8)


def _pull_push(
    color: Float32[np.ndarray, "h w 3"], weight: Float32[np.ndarray, "h w 1"]
) -> Float32[np.ndarray, "h w 3"]:
    """The filled picture; `color` is premultiplied by `weight`, the result is not."""
    height, width = weight.shape[:2]
    if min(height, width) <= 2:
        return np.asarray(color.sum((0, 1)) / max(float(weight.sum()), 1e-6)) + np.zeros_like(color)
    color_below, weight_below = cv2.pyrDown(color), cv2.pyrDown(weight)[..., None]
    gained = np.minimum(_CONFIDENCE_GAIN * weight_below, 1.0)
    coarse = _pull_push(color_below * (gained / np.maximum(weight_below, 1e-6)), gained)
    below = cv2.pyrUp(coarse, dstsize=(width, height))
    return np.asarray(color + (1.0 - weight) * below)


def inpaint(pixels: Pixels, hole: Float32[np.ndarray, "H W"]) -> Pixels:
    """Fill the `hole` (H,W), in [0, 1], of a picture (H,W,3) uint8 and continue edges into it.

    Source: Telea, "An image inpainting technique based on the fast marching method", J. Graphics Tools 9(1), 2004.
    """
    height, width = hole.shape
    factor = min(_INPAINT_SIDE_PX / max(height, width), 1.0)
    size = (max(round(width * factor), 1), max(round(height * factor), 1))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    mask = (cv2.resize(hole, size, interpolation=cv2.INTER_AREA) > _HOLE_THRESHOLD).astype(np.uint8)
    filled = cv2.inpaint(small, mask, _INPAINT_RADIUS_PX, cv2.INPAINT_TELEA)
    filled = cv2.resize(filled, (width, height), interpolation=cv2.INTER_CUBIC)
    weight = hole[..., None]
    return np.rint((1.0 - weight) * pixels + weight * filled).astype(np.uint8)
