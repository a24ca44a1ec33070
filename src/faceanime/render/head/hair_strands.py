"""Strands of hair beside a head: networks that part people from backgrounds do not see what is so thin.

Left in the background, a strand stays where it was when the head moves away: a ghost. Only before a plain background
(a studio's) can it be told from what is behind: what is thin there, as dark (or light) against it as the person is, and
hangs together with the person, is hair. Where the background shows anything thin further away (a door, a shelf,
leaves), nothing is.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32

from faceanime.structures.frames import Pixels

# Lengths in heights of the face.
_WIDTH = 0.02
"""Of the widest strand."""
_REACH = 0.4
"""How far from the person strands are looked for."""
_BESIDE = 0.5
"""How far around a place is seen whether the person is darker than the background; further than strands reach."""
_ENOUGH = 0.04
"""A background is judged by what lies beyond all strands' reach, if that is so large a share of the picture, ..."""
_NEAR = 0.15
"""... else by what lies beyond this: few strands reach so far."""

_LARGEST_PX = 480.0
"""Larger faces are looked at smaller: their strands are wide."""
_STANDS_OUT = (5.0, 16.0)
"""Levels of 255: how much darker or lighter than what is beside it a strand is, to count at all and to count wholly."""
_BUSY = (0.001, 0.003)
"""Share of thin things far from the person from which on a background is not plain, and is not at all. Of studios'
backgrounds it is under 0.0002, of rooms' mostly over 0.004."""


def strands_beside(
    picture: Pixels, matte: Float32[np.ndarray, "H W"], face_px: float
) -> Float32[np.ndarray, "H W"]:
    """How surely each pixel of a picture (H,W,3) is a strand of hair that the `matte` in [0,1] does not show, in [0,1].

    `face_px` is the height of the face.
    """
    if face_px > _LARGEST_PX:
        height, width = matte.shape
        size = (max(round(width * _LARGEST_PX / face_px), 1), max(round(height * _LARGEST_PX / face_px), 1))
        small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
        found = strands_beside(small, cv2.resize(matte, size, interpolation=cv2.INTER_AREA), _LARGEST_PX)
        return np.asarray(cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR))
    person = (matte > 0.5).astype(np.uint8)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    narrow = _disc(_WIDTH * face_px / 2)
    low, high = _STANDS_OUT
    darker, lighter = (  # what closing or opening by a disc takes away
        ((cv2.morphologyEx(grey, kind, narrow).astype(np.float32) - low) / (high - low)).clip(0.0, 1.0)
        for kind in (cv2.MORPH_BLACKHAT, cv2.MORPH_TOPHAT)
    )
    away = cv2.distanceTransform(1 - person, cv2.DIST_L2, 3)
    far = away > _REACH * face_px
    if far.mean() < _ENOUGH:
        far = away > _NEAR * face_px
    if not person.any() or not far.any():
        return np.zeros(matte.shape, np.float32)
    busy = float((np.maximum(darker, lighter)[far] > 0.5).mean())
    plain = min(max((_BUSY[1] - busy) / (_BUSY[1] - _BUSY[0]), 0.0), 1.0)
    level, hair = grey.astype(np.float32), person.astype(np.float32)
    dark_hair = _mean_near(level, hair, _BESIDE * face_px) < _mean_near(level, 1.0 - hair, _BESIDE * face_px)
    strand = plain * np.where(dark_hair, darker, lighter) * (away < _REACH * face_px)
    touching = cv2.dilate(((person > 0) | (strand > 0.2)).astype(np.uint8), np.ones((3, 3), np.uint8))
    _, piece = cv2.connectedComponents(touching)
    own = np.zeros(int(piece.max()) + 1, np.float32)
    own[np.unique(piece[person > 0])] = 1.0
    return np.asarray(strand * own[piece], np.float32)


def _mean_near(
    values: Float32[np.ndarray, "H W"], weight: Float32[np.ndarray, "H W"], reach_px: float
) -> Float32[np.ndarray, "H W"]:
    """The weighted mean in a square around each pixel; 0 where nothing there has a weight."""
    side = 2 * max(round(reach_px), 1) + 1
    total, weights = cv2.blur(values * weight, (side, side)), cv2.blur(weight, (side, side))
    return np.asarray(total / np.maximum(weights, 1e-3), np.float32)


def _disc(radius_px: float) -> np.ndarray:
    size = 2 * max(round(radius_px), 1) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
