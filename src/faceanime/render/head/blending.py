"""Kernels that blend layers into the warped picture of the head.

All work in place on `canvas` (h,w,3) uint8, the warped region. The plate of the background and the skin of an occluded
cheek are blended in only where the warp moves pixels: at rest the portrait's own pixels stay.
"""

from __future__ import annotations

from typing import NamedTuple, no_type_check

import numpy as np
from numba import njit


class BlendLook(NamedTuple):
    """Thresholds of the blending, chosen by eye. A named tuple, since numba's kernels read it as constants."""

    opaque: float = 0.996
    """Matte above which a pixel is opaque: the rest would be less than one level of 255."""
    still_px: float = 0.2
    """Displacement by the warp up to which a pixel shows the portrait alone, px."""
    ramp_px: float = 1.3
    """Displacement above `still_px` over which layers fade in, px."""
    cheek_edge: float = 0.2
    """Difference of the filled skin's weight between neighboring pixels above which its edge lies between them."""
    fold: float = 0.03
    """Distance in the portrait of neighboring pixels above which a fold lies between them, model units."""


_LOOK = BlendLook()


@njit(cache=True, nogil=True)
@no_type_check
def _displacement_weight(x, y, u, v):
    """0 where pixel (x, y) reads its own place (u, v) in the source, 1 where it reads one far enough away."""
    dx, dy = u - (x + 0.5), v - (y + 0.5)
    return min(max((np.sqrt(dx * dx + dy * dy) - _LOOK.still_px) / _LOOK.ramp_px, 0.0), 1.0)


@njit(cache=True, nogil=True)
@no_type_check
def blend_plate(canvas, matte, cheek, plate, flow):
    """Blend the background `plate` (h,w,3) in where the warped `matte` (h,w) is open.

    `cheek` (h,w) is the weight of filled skin, which hides the background; `flow` (h,w,2) the backward flow, px.
    """
    height, width = matte.shape
    for y in range(height):
        for x in range(width):
            alpha = max(matte[y, x], cheek[y, x])
            if alpha >= _LOOK.opaque:
                continue
            weight = (1.0 - alpha) * _displacement_weight(x, y, flow[y, x, 0], flow[y, x, 1])
            for c in range(3):
                value = (1.0 - weight) * canvas[y, x, c] + weight * plate[y, x, c]
                canvas[y, x, c] = np.uint8(value + 0.5)


@njit(cache=True, nogil=True)
@no_type_check
def blend_cheek(canvas, weight, face, skin, flow, part, ring) -> bool:
    """Blend `skin` (h,w,3) in where the face reads pixels that are not the person's.

    `face` (h,w): the probability that a pixel of the source shows the person; `flow` (h,w,2), px; `part` (h,w), the
    region of each pixel, of which `ring` is no face. Writes the blend's weights into `weight` (h,w), all zero
    before, and returns whether there are any.
    """
    height, width = part.shape
    any_blended = False
    for y in range(height):
        for x in range(width):
            if part[y, x] == ring:
                continue
            fx, fy = flow[y, x]
            u, v = min(max(int(fx), 0), width - 1), min(max(int(fy), 0), height - 1)
            if face[v, u] >= _LOOK.opaque:
                continue
            alpha = (1.0 - face[v, u]) * _displacement_weight(x, y, fx, fy)
            weight[y, x] = alpha
            any_blended = True
            for c in range(3):
                canvas[y, x, c] = np.uint8((1.0 - alpha) * canvas[y, x, c] + alpha * skin[v, u, c] + 0.5)
    return any_blended


@njit(cache=True, nogil=True)
@no_type_check
def soften_folds(canvas, flow, unit_px, cheek):
    """Blur the hard edges where one part of the sheet occludes another, or filled skin ends.

    An edge lies between neighboring pixels whose places in the portrait, by `flow` (h,w,2), are far apart, or whose
    weights of filled skin, `cheek` (h,w), differ. Pixels on it are mixed half and half with the mean of their four
    neighbors. `unit_px` is the length of a model unit in the portrait, px.
    """
    height, width = flow.shape[:2]
    jump_px = _LOOK.fold * unit_px
    edge = np.zeros((height, width), np.bool_)
    for y in range(height - 1):
        for x in range(width - 1):
            across = abs(flow[y, x + 1, 0] - flow[y, x, 0] - 1.0) + abs(flow[y, x + 1, 1] - flow[y, x, 1])
            down = abs(flow[y + 1, x, 0] - flow[y, x, 0]) + abs(flow[y + 1, x, 1] - flow[y, x, 1] - 1.0)
            if across > jump_px or abs(cheek[y, x + 1] - cheek[y, x]) > _LOOK.cheek_edge:
                edge[y, x] = edge[y, x + 1] = True
            if down > jump_px or abs(cheek[y + 1, x] - cheek[y, x]) > _LOOK.cheek_edge:
                edge[y, x] = edge[y + 1, x] = True
    before = canvas[0].copy()
    for y in range(1, height - 1):
        row = canvas[y].copy()
        for x in range(1, width - 1):
            if edge[y, x]:
                for c in range(3):
                    around = int(before[x, c]) + row[x - 1, c] + row[x + 1, c] + canvas[y + 1, x, c]
                    canvas[y, x, c] = (4 * int(row[x, c]) + around + 4) // 8
        before = row
