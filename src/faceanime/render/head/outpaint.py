"""Outpainting: the hair and head beyond the picture's edge, which appear when the head moves away from that edge.

Three things are invented. *Outline*: the person's matte continues beyond an edge as the cap of a circle
(`crown_matte`, `reach_beyond_sides`). *Pixels*: places beyond an edge are folded back into the strip of hair along
that edge, mirrored once and stretched (`Outpainter.fold`). *Detail*: mirrored pixels fade with distance to a
thumbnail of the person, since mirrored ears are worse than none (`Outpainter.fade_detail`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import no_type_check

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8
from numba import njit

from faceanime.render.inpaint import fill_holes
from faceanime.structures.frames import Pixels
from faceanime.structures.raster import Box


@dataclass(frozen=True)
class OutpaintLook:
    """Outpainting of a cropped head."""

    strip: tuple[float, float, float, float] = (0.5, 0.2, 0.5, 0.5)
    """Depth of the strip of hair along the left, upper, right and lower edge, in distances between that edge and the
    face's outline. Less above, where foreheads reach up. Chosen by eye (docs/log/training.md, "Curls at the picture's
    edge")."""
    thumbnail_px: float = 12.0
    """Resolution far beyond an edge: pixels across the face's width. Chosen by eye; fading to it over half a strip was
    no nearer to cropped films (docs/log/training.md, below "Heads that a side cuts off")."""
    flattest_cap: float = 1.05
    """Least radius of a cap's circle, in half lengths of the cut. Chosen by eye."""
    highest_crown: float = 2.0
    """Largest height of a crown, in radii of the head. Chosen by eye."""


_LOOK = OutpaintLook()


@dataclass(frozen=True, eq=False)
class OutpaintedFlow:
    """A backward flow (h,w,2) px whose places all lie in the picture.

    `distance` (h,w): how far beyond the upper or side edges each place was, in strips; 0 below the picture, where
    clothes continue in full detail. None if no place was beyond.
    """

    flow: Float32[np.ndarray, "h w 2"]
    distance: Float32[np.ndarray, "h w"] | None


class Outpainter:
    """Pixels beyond the edges of one portrait's region."""

    def __init__(
        self,
        pixels: Pixels,
        person: Float32[np.ndarray, "h w"] | None,
        oval: Float[np.ndarray, "R 2"],
        region: Box,
    ) -> None:
        """`pixels` (h,w,3) and the trusted matte of the region; `oval`, the face's outline in the picture, px."""
        self._strips_px = hair_strips(oval, region)
        self._thumbnail = person_thumbnail(pixels, person, float(np.ptp(oval[:, 0])))

    def fold(self, flow: Float32[np.ndarray, "h w 2"]) -> OutpaintedFlow:
        """Fold the places of a flow that lie beyond the picture back into the strips along its edges."""
        return fold_into_strips(flow, self._strips_px)

    def fade_detail(self, canvas: Pixels, outpainted: OutpaintedFlow) -> None:
        """Blend the thumbnail into `canvas` (h,w,3), in place: with a weight that grows with the distance beyond an
        edge and is 1 from one strip on.
        """
        if outpainted.distance is not None:
            _blend_thumbnail(canvas, outpainted.flow, outpainted.distance, self._thumbnail)


def crown_matte(person: Float32[np.ndarray, "h w"], radius_px: float) -> Float32[np.ndarray, "c w"]:
    """Outpaint the person's matte above the picture's upper edge: rows to put on top of it.

    `radius_px` is that of a head. A person who reaches a corner continues beside it as well. The uppermost row is
    empty, so that places further up read no person. There are no rows if the person does not reach the edge.
    """
    cut = person[0] > 0.5
    with_corners = reach_beyond_edge(np.concatenate([cut[::-1], cut, cut[::-1]]), radius_px)
    height = np.minimum(with_corners[len(cut) : 2 * len(cut)], _LOOK.highest_crown * radius_px)
    rows = int(np.ceil(height.max(initial=0.0))) + int(person[0].any())
    above = np.arange(rows, 0, -1)[:, None] - 0.5
    return np.clip(height - above + 0.5, 0.0, 1.0).astype(np.float32)


def reach_beyond_sides(
    matte: Float32[np.ndarray, "M w"], radius_px: float, gap_px: float
) -> Float32[np.ndarray, "2 M"]:
    """Extent of the person beyond the left and the right edge in each row, px.

    Parts of the person along an edge that are at most twice `gap_px` apart are joined. A person who reaches a lower
    corner continues below it.
    """
    column = np.ones((2 * max(round(gap_px), 1) + 1, 1), np.uint8)
    cuts = cv2.morphologyEx((matte[:, [0, -1]] > 0.5).astype(np.uint8), cv2.MORPH_CLOSE, column) > 0
    with_corners = np.concatenate([cuts, cuts[::-1]])
    return np.stack([reach_beyond_edge(cut, radius_px)[: len(matte)] for cut in with_corners.T])


def reach_beyond_edge(cut: Bool[np.ndarray, " N"], radius_px: float) -> Float32[np.ndarray, " N"]:
    """Extent of a person beyond an edge of N pixels that crops them where `cut` is true, px.

    Each run of cut pixels carries the cap of a circle of `radius_px`, or of a larger one if the run is longer.
    """
    starts, ends = np.flatnonzero(np.diff(np.pad(cut, 1).astype(np.int8))).reshape(-1, 2).T
    along = np.arange(len(cut)) + 0.5
    reach = np.zeros(len(cut), np.float32)
    for start, end in zip(starts, ends, strict=True):
        half = (end - start) / 2
        radius = max(radius_px, _LOOK.flattest_cap * half)
        circle = np.sqrt(np.maximum(radius**2 - (along - (start + end) / 2) ** 2, 0.0))
        reach = np.maximum(reach, circle - np.sqrt(radius**2 - half**2)).astype(np.float32)
    return reach


def hair_strips(oval: Float[np.ndarray, "R 2"], region: Box) -> Float[np.ndarray, "4"]:
    """Depths of the strips along the region's left, upper, right and lower edge without face, px; 1 at least.

    `oval`: the face's outline in the picture, px.
    """
    (left, top), (right, bottom) = oval.min(axis=0), oval.max(axis=0)
    margins = np.array([left - region.left, top - region.top, region.right - right, region.bottom - bottom])
    return np.maximum(np.array(_LOOK.strip) * margins, 1.0)


def fold_into_strips(flow: Float32[np.ndarray, "h w 2"], strips_px: Float[np.ndarray, "4"]) -> OutpaintedFlow:
    """Mirror places beyond the picture at the edge that they passed, into the strip along it.

    A place far outside reads the strip's inner border: mirrored again and again, the outline of hair would be a saw.
    """
    folded, distance = flow.copy(), np.zeros(flow.shape[:2], np.float32)
    return OutpaintedFlow(folded, distance if _fold(folded, distance, strips_px) else None)


@njit(cache=True, nogil=True)
@no_type_check
def _fold(flow, distance, strips_px) -> bool:
    """Fold places outside (0, w) x (0, h) into the strips, in place; returns whether any was above or beside.

    Adds to `distance` (h,w) how far beyond the upper and the side edges they were, in strips.
    """
    left, top, right, bottom = strips_px
    height, width = flow.shape[:2]
    any_beyond = False
    for y in range(height):
        for x in range(width):
            u, v = flow[y, x]
            if u < 0.0:
                any_beyond = True
                distance[y, x] += -u / left
                flow[y, x, 0] = left * np.tanh(-u / left)
            elif u > width:
                any_beyond = True
                distance[y, x] += (u - width) / right
                flow[y, x, 0] = width - right * np.tanh((u - width) / right)
            if v < 0.0:
                any_beyond = True
                distance[y, x] += -v / top
                flow[y, x, 1] = top * np.tanh(-v / top)
            elif v > height:
                flow[y, x, 1] = height - bottom * np.tanh((v - height) / bottom)
    return any_beyond


def person_thumbnail(
    pixels: Pixels, person: Float32[np.ndarray, "h w"] | None, face_width_px: float
) -> UInt8[np.ndarray, "s t 3"]:
    """A small, blurred copy of the picture; with a matte, of the person alone."""
    if person is not None:
        pixels = fill_holes(pixels, person)
    size = np.rint(np.array(pixels.shape[:2]) * _LOOK.thumbnail_px / face_width_px)
    height, width = np.maximum(size, 1).astype(int)
    small = cv2.resize(pixels, (int(width), int(height)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(small, (0, 0), 1.0))


@njit(cache=True, nogil=True)
@no_type_check
def _blend_thumbnail(canvas, flow, distance, thumbnail):
    """Blend `thumbnail` (s,t,3), looked up bilinearly at the places of `flow`, in by `distance`; in place."""
    (height, width), (rows, columns) = distance.shape, thumbnail.shape[:2]
    for y in range(height):
        for x in range(width):
            if distance[y, x] == 0.0:
                continue
            weight = min(distance[y, x], 1.0)
            u = min(max(flow[y, x, 0] * columns / width - 0.5, 0.0), columns - 1.0)
            v = min(max(flow[y, x, 1] * rows / height - 0.5, 0.0), rows - 1.0)
            i, j = int(u), int(v)
            right, below = min(i + 1, columns - 1), min(j + 1, rows - 1)
            for c in range(3):
                upper = thumbnail[j, i, c] + (u - i) * (float(thumbnail[j, right, c]) - thumbnail[j, i, c])
                lower = thumbnail[below, i, c] + (u - i) * (
                    float(thumbnail[below, right, c]) - thumbnail[below, i, c]
                )
                value = (1.0 - weight) * canvas[y, x, c] + weight * (upper + (v - j) * (lower - upper))
                canvas[y, x, c] = np.uint8(value + 0.5)
