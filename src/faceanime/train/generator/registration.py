"""Align a true mouth with the rendered one, so that a network does not learn to blur.

Landmarks miss lips by a pixel or two. A mouth rendered exactly where its geometry says is then wrong along every edge,
and the picture of least L1 error is a blurred one. So the truth is first moved, smoothly and by little, to match the
rendered skin around the mouth. The inside of the mouth moves along, since the renderer shows nothing there to match.
Eyes are not aligned: their network is to correct the place of the lids too.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from faceanime.generator.conditions import INSIDE
from faceanime.geometry.flow import identity_flow, sample
from faceanime.structures.frames import Pixels

_LARGEST_SHIFT = 0.045
"""Shift in sides of the window above which flow counts as an error; chosen by eye."""
_SMOOTHING = 0.045
"""Standard deviation of the Gaussian that smooths the flow, in sides; chosen by eye."""
_LEAST_WEIGHT = 0.05
"""Least blurred weight to divide by, so that the flow fades out far from the skin; chosen by eye."""


def register(truth: Pixels, canvas: Pixels, maps: Float32[np.ndarray, "S S C"]) -> UInt8[np.ndarray, "S S 3"]:
    """The truth (S,S,3), warped to match the canvas (S,S,3); `maps` as in `Conditions`.

    Source of the flow: Kroeger et al., arXiv 1603.03590 (dense inverse search).
    """
    side = len(truth)
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    finder.setFinestScale(1)
    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (canvas, truth)]
    flow_px = np.asarray(finder.calc(grey[0], grey[1], np.zeros((side, side, 2), np.float32)))
    inside = cv2.dilate(maps[..., INSIDE], np.ones((5, 5), np.uint8)) > 0
    matched = (
        ~inside
        & (np.abs(maps[..., :3]).max(axis=-1) > 0)
        & (np.linalg.norm(flow_px, axis=-1) < _LARGEST_SHIFT * side)
    )
    weight = matched.astype(np.float32)
    blur = (0, 0), _SMOOTHING * side
    coverage = cv2.GaussianBlur(weight, *blur)[..., None]
    smooth = cv2.GaussianBlur(flow_px * weight[..., None], *blur) / np.maximum(coverage, _LEAST_WEIGHT)
    return np.asarray(sample(truth, identity_flow(side, side) + smooth.astype(np.float32), "cubic"))
