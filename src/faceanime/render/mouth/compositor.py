"""The pixels of a mouth's inside, back to front: dark, tongue, lower row, upper row, the lips' shadow.

One loop under numba over the few pixels of the opening. Lengths in model units.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit

from faceanime.render.mouth.teeth import LEFT, TOP

ARCH = 3.0
"""Curvature of the dental arch: z = -ARCH x^2, 1/units."""
ARCH_END = 0.4
"""Beyond this x the arch is flat."""
LIP_STEPS = 128
"""Samples of a lip's height over x, from -ARCH_END to ARCH_END."""
PICTURES = UPPER, UPPER_OWN, LOWER, LOWER_OWN = 0, 1, 2, 3
"""The order of the rows' pictures: drawn teeth and what the source shows, of either jaw."""
COLORS = BACK, FRONT, TONGUE, DIM = 0, 1, 2, 3
"""The order of the colours; DIM is the light (shares) on teeth behind lips that hardly part."""

_FRONT_REACH = 0.024
"""How far over the lower lip the light reaches into the cavity."""
_TONGUE_WIDTH, _TONGUE_HEIGHT = 0.21, 0.14
_TONGUE_DROP = 0.09
"""The tongue's middle below the lower incisors' edge."""
_TONGUE_LAGS = 0.47
"""Share of the jaw's motion that the tongue does not take."""
_LIT_GAP = 0.215
"""Openings of this height let in enough light to see all by."""
_UPPER_SHADOW, _UPPER_SHADOW_REACH = 0.47, 0.022
_LOWER_SHADOW, _LOWER_SHADOW_REACH = 0.24, 0.02
"""All three, with the colours of teeth and the light on them: half way between a search over opened mouths of clips and
a fit to 155 of training people, 34 of them smiling portraits; validation people like that best."""


@njit(cache=True, nogil=True)
@no_type_check
def on_arch(x, y, view):
    """The (x, y) on the arch that is seen at a place of the picture; `view` (4,2) by `mouth_arch.view_of`."""
    flat_x = view[0, 0] + view[1, 0] * x + view[1, 1] * y
    flat_y = view[0, 1] + view[2, 0] * x + view[2, 1] * y
    square = min(flat_x * flat_x, ARCH_END * ARCH_END)
    for _ in range(3):  # x = flat + slide x^2
        bent = flat_x + view[3, 0] * square
        square = min(bent * bent, ARCH_END * ARCH_END)
    return flat_x + view[3, 0] * square, flat_y + view[3, 1] * square


@njit(cache=True, nogil=True)
@no_type_check
def all_on_arch(places, view):
    """`on_arch` of many places (h,w,2)."""
    found = np.empty_like(places)
    for row in range(places.shape[0]):
        for column in range(places.shape[1]):
            found[row, column] = on_arch(places[row, column, 0], places[row, column, 1], view)
    return found


@njit(cache=True, nogil=True)
@no_type_check
def height_over(line, x):
    """A lip's height over x, from its samples (LIP_STEPS,)."""
    place = min(max((x + ARCH_END) * (LIP_STEPS - 1) / (2 * ARCH_END), 0.0), LIP_STEPS - 1.001)
    index = int(place)
    return line[index] + (place - index) * (line[index + 1] - line[index])


@njit(cache=True, nogil=True)
@no_type_check
def paint_inside(
    canvas, weight, left, top, upper_view, lower_view, lips, smile, jaw, pictures, density, colors
):
    """Blend the inside into `canvas` (h,w,3) uint8 by `weight` (h,w) in [0, 1].

    `left`, `top`: the canvas's corner in the picture, px; `*_view` (4,2); `lips` (2,LIP_STEPS), heights of the
    upper and lower lip; `smile`, the height of an opening that lets in as much light as stretched lips do; `jaw` (3,),
    its displacement from rest; `pictures` (4,H,W,4) premultiplied; `colors` (4,3).
    """
    color = np.empty(3)
    light = np.empty(3)
    for row in range(weight.shape[0]):
        for column in range(weight.shape[1]):
            alpha = weight[row, column]
            if alpha <= 0.0:
                continue
            x, y = left + column + 0.5, top + row + 0.5
            upper_x, upper_y = on_arch(x, y, upper_view)
            lower_x, lower_y = on_arch(x, y, lower_view)
            below = height_over(lips[0], upper_x) - upper_y
            above = upper_y - height_over(lips[1], upper_x)
            lit = _ramp((below + above + smile) / _LIT_GAP)
            shadow = 1.0 - _UPPER_SHADOW * np.exp(-max(below, 0.0) / _UPPER_SHADOW_REACH)
            shadow *= 1.0 - _LOWER_SHADOW * np.exp(-max(above, 0.0) / _LOWER_SHADOW_REACH)
            light[:] = shadow * (colors[DIM] + lit * (1.0 - colors[DIM]))
            front = np.exp(-max(above, 0.0) / _FRONT_REACH)
            color[:] = colors[BACK] + front * (colors[FRONT] - colors[BACK])
            _lay_tongue(
                color, colors[TONGUE], lower_x + _TONGUE_LAGS * jaw[0], lower_y + _TONGUE_LAGS * jaw[1]
            )
            _lay(color, pictures[LOWER], lower_x, lower_y, density, light)
            _lay(color, pictures[UPPER], upper_x, upper_y, density, light)
            light[:] = 1.0  # what the source shows carries its own light and shade
            _lay(color, pictures[LOWER_OWN], lower_x, lower_y, density, light)
            _lay(color, pictures[UPPER_OWN], upper_x, upper_y, density, light)
            for c in range(3):
                value = alpha * color[c] + (1.0 - alpha) * canvas[row, column, c]
                canvas[row, column, c] = np.uint8(min(max(value, 0.0), 255.0) + 0.5)


@njit(cache=True, nogil=True)
@no_type_check
def _lay(color, picture, x, y, density, light):
    """Lay a row's picture over a colour, looked up bilinearly."""
    u, v = (x - LEFT) * density - 0.5, (TOP - y) * density - 0.5
    height, width = picture.shape[:2]
    if not (0.0 <= u < width - 1 and 0.0 <= v < height - 1):
        return
    i, j = int(v), int(u)
    b, a = v - i, u - j
    p, q, r, s = (1 - b) * (1 - a), (1 - b) * a, b * (1 - a), b * a
    first, second = picture[i], picture[i + 1]
    open_share = 1.0 - (p * first[j, 3] + q * first[j + 1, 3] + r * second[j, 3] + s * second[j + 1, 3])
    for c in range(3):
        laid = p * first[j, c] + q * first[j + 1, c] + r * second[j, c] + s * second[j + 1, c]
        color[c] = laid * light[c] + open_share * color[c]


@njit(cache=True, nogil=True)
@no_type_check
def _lay_tongue(color, tongue, x, y):
    """A soft mound around (0, -_TONGUE_DROP)."""
    radius = (x / _TONGUE_WIDTH) ** 2 + ((y + _TONGUE_DROP) / _TONGUE_HEIGHT) ** 2
    alpha = _ramp((1.5 - radius) / 1.2)
    for c in range(3):
        color[c] += alpha * ((1.05 - 0.3 * min(radius, 1.5)) * tongue[c] - color[c])


@njit(cache=True, nogil=True)
@no_type_check
def _ramp(share):
    share = min(max(share, 0.0), 1.0)
    return share * share * (3.0 - 2.0 * share)
