"""What lies beyond the picture: of a head that its edge cuts off, and moves away from it, the rest comes into view."""

from __future__ import annotations

from typing import no_type_check

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8
from numba import njit

from faceanime.render.inpaint import fill_holes
from faceanime.structures.frames import Pixels
from faceanime.structures.raster import Box


def crown_above(person: Float32[np.ndarray, "h w"], radius_px: float) -> Float32[np.ndarray, "c w"]:
    """The matte above a picture whose upper edge cuts a head off, as far as it goes on `beyond_edge`.

    No higher than a circle of `radius_px`. Who reaches a corner goes on beside it. The uppermost row is empty: whoever
    looks further up sees nobody. No rows where nobody reaches the edge.
    """
    cut = person[0] > 0.5
    with_corners = beyond_edge(np.concatenate([cut[::-1], cut, cut[::-1]]), radius_px)
    height = np.minimum(with_corners[len(cut) : 2 * len(cut)], 2.0 * radius_px)
    rows = int(np.ceil(height.max(initial=0.0))) + int(person[0].any())
    above = np.arange(rows, 0, -1)[:, None] - 0.5
    return np.clip(height - above + 0.5, 0.0, 1.0).astype(np.float32)


def beyond_edge(cut: Bool[np.ndarray, " N"], radius_px: float) -> Float32[np.ndarray, " N"]:
    """How far somebody goes on beyond a picture's edge that cuts them off at the pixels `cut`, px.

    Caps of circles of `radius_px` or more.
    """
    starts, ends = np.flatnonzero(np.diff(np.pad(cut, 1).astype(np.int8))).reshape(-1, 2).T
    along = np.arange(len(cut)) + 0.5
    far = np.zeros(len(cut), np.float32)
    for start, end in zip(starts, ends, strict=True):
        half = (end - start) / 2
        radius = max(radius_px, 1.05 * half)
        circle = np.sqrt(np.maximum(radius**2 - (along - (start + end) / 2) ** 2, 0.0))
        far = np.maximum(far, circle - np.sqrt(radius**2 - half**2)).astype(np.float32)
    return far


def beyond_sides(
    matte: Float32[np.ndarray, "M w"], radius_px: float, gap_px: float
) -> Float32[np.ndarray, "2 M"]:
    """How far somebody goes on beyond the left and the right side, px; across gaps of up to twice `gap_px`."""
    gap = np.ones((2 * max(round(gap_px), 1) + 1, 1), np.uint8)
    edges = cv2.morphologyEx((matte[:, [0, -1]] > 0.5).astype(np.uint8), cv2.MORPH_CLOSE, gap) > 0
    below = np.concatenate([edges, edges[::-1]])  # who reaches a lower corner goes on there
    return np.stack([beyond_edge(side, radius_px)[: len(matte)] for side in below.T])


def hair_margin(oval: Float[np.ndarray, "R 2"], region: Box) -> Float[np.ndarray, "4"]:
    """How far into the picture a strip along its left, top, right and lower edge is free of face, px; 1 at least."""
    (left, top), (right, bottom) = oval.min(axis=0), oval.max(axis=0)
    gaps = np.array([left - region.left, top - region.top, region.right - right, region.bottom - bottom])
    return np.maximum(np.array(_FREE_OF_FACE) * gaps, 1.0)


_FREE_OF_FACE = (0.5, 0.2, 0.5, 0.5)
"""Shares of the way from the picture's left, top, right and lower edge to the face's outline without skin (the forehead
reaches up)."""


def folded_back(
    flow: Float32[np.ndarray, "h w 2"], margin: Float[np.ndarray, "4"]
) -> tuple[Float32[np.ndarray, "h w 2"], Float32[np.ndarray, "h w"] | None]:
    """The flow with places beyond the picture folded back into the strip of hair along its edge.

    What a picture cuts off a head goes on as that strip, mirrored at the edge and drawn out the more, the
    further it is: mirrored again and again, hair would be a saw. Also how far beyond each was, in strips (0 below
    the picture, where clothes go on as they are); None if none was.
    """
    folded, beyond = flow.copy(), np.zeros(flow.shape[:2], np.float32)
    return folded, beyond if _fold(folded, beyond, margin) else None


@njit(cache=True, nogil=True)
@no_type_check
def _fold(flow, beyond, margin) -> bool:
    """Mirror places outside (0, w) x (0, h) at the edge they passed, no further in than `margin`; in place.

    Adds to `beyond` (h,w) how far outside the upper and side edges they were, in margins; says whether any was.
    """
    height, width = flow.shape[:2]
    any_beyond = False
    for y in range(height):
        for x in range(width):
            u, v = flow[y, x]
            if u < 0.0:
                any_beyond = True
                beyond[y, x] += -u / margin[0]
                flow[y, x, 0] = margin[0] * np.tanh(-u / margin[0])
            elif u > width:
                any_beyond = True
                beyond[y, x] += (u - width) / margin[2]
                flow[y, x, 0] = width - margin[2] * np.tanh((u - width) / margin[2])
            if v < 0.0:
                any_beyond = True
                beyond[y, x] += -v / margin[1]
                flow[y, x, 1] = margin[1] * np.tanh(-v / margin[1])
            elif v > height:
                flow[y, x, 1] = height - margin[3] * np.tanh((v - height) / margin[3])
    return any_beyond


def without_detail(
    pixels: Pixels, person: Float32[np.ndarray, "h w"] | None, face_width_px: float
) -> UInt8[np.ndarray, "s t 3"]:
    """The picture with no detail left, a small one; where the background is known, of the person alone."""
    if person is not None:
        pixels = fill_holes(pixels, person)
    height, width = np.maximum(np.rint(np.array(pixels.shape[:2]) * _SOFT_PX / face_width_px), 1).astype(int)
    small = cv2.resize(pixels, (int(width), int(height)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(small, (0, 0), 1.0))


_SOFT_PX = 12.0
"""Of what is beyond the picture so many pixels in a face's width are left."""


@njit(cache=True, nogil=True)
@no_type_check
def lose_detail(canvas, folded, beyond, soft):
    """Blend in `soft` (s,t,3), a small picture of the same region, where places were `beyond` it, wholly from 1 on.

    (Mirrored ears are worse than none.)
    """
    (height, width), (rows, columns) = beyond.shape, soft.shape[:2]
    for y in range(height):
        for x in range(width):
            if beyond[y, x] == 0.0:
                continue
            weight = min(beyond[y, x], 1.0)
            u = min(max(folded[y, x, 0] * columns / width - 0.5, 0.0), columns - 1.0)
            v = min(max(folded[y, x, 1] * rows / height - 0.5, 0.0), rows - 1.0)
            i, j = int(u), int(v)
            right, below = min(i + 1, columns - 1), min(j + 1, rows - 1)
            for c in range(3):
                upper = soft[j, i, c] + (u - i) * (float(soft[j, right, c]) - soft[j, i, c])
                lower = soft[below, i, c] + (u - i) * (float(soft[below, right, c]) - soft[below, i, c])
                value = (1.0 - weight) * canvas[y, x, c] + weight * (upper + (v - j) * (lower - upper))
                canvas[y, x, c] = np.uint8(value + 0.5)
