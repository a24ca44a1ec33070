"""The pixels of a mouth's inside, back to front: cavity, tongue, lower row, upper row, the lips' shadows.

One numba loop over the few pixels of the opening (`paint_inside`). Lengths are model units (1 unit = distance of the
outer eye corners, about 90 mm), colors sRGB 0 to 255.
"""

from __future__ import annotations

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Float32
from numba import njit

from faceanime.geometry.interpolation import Ramp
from faceanime.render.mouth.arch import arch_from_image, height_at
from faceanime.render.mouth.teeth import PLATE_WINDOW


class InsideLook(NamedTuple):
    """Light and tongue. A named tuple, since numba's kernels read it as constants.

    Shadows, light and lag of the tongue lie half way between a search over opened mouths of clips and a fit to 155
    mouths of training people, 34 of them smiling portraits; of several mixtures this one had the least error on
    validation people. Fields that say so were chosen by eye.
    """

    front_reach: float = 0.024
    """Reach of light into the cavity: at a height above the lower lip its weight is exp(-height / reach)."""
    tongue_width: float = 0.21
    """Horizontal half axis of the tongue's ellipse."""
    tongue_height: float = 0.14
    """Vertical half axis of the tongue's ellipse."""
    tongue_drop: float = 0.09
    """Distance of the tongue's middle below the lower incisors' edge."""
    tongue_lag: float = 0.47
    """Fraction of the jaw's motion that the tongue does not follow."""
    tongue_edge: Ramp = (1.5, 0.3)
    """Ramp of the squared elliptical radius: the tongue's opacity. Chosen by eye."""
    tongue_light: tuple[float, float] = (1.05, 0.3)
    """Brightness of the tongue's middle, and its fall per squared radius. Chosen by eye."""
    lit_height: float = 0.215
    """Height of an opening that lets in full light."""
    upper_shadow: float = 0.47
    """Depth of the upper lip's shadow at the lip, as a fraction of the light."""
    upper_shadow_reach: float = 0.022
    """Reach of the upper lip's shadow, which falls off by exp(-distance / reach)."""
    lower_shadow: float = 0.24
    """Depth of the lower lip's shadow at the lip, as a fraction of the light."""
    lower_shadow_reach: float = 0.02
    """Reach of the lower lip's shadow, which falls off by exp(-distance / reach)."""


_LOOK = InsideLook()


class MouthGeometry(NamedTuple):
    """Geometry of a target's mouth."""

    upper_view: Float[np.ndarray, "4 2"]
    """View of the upper arch, see `arch_view`."""
    lower_view: Float[np.ndarray, "4 2"]
    """View of the lower arch."""
    lips: Float[np.ndarray, "2 S"]
    """Heights of the upper and the lower lip over the upper arch, see `lip_heights`."""
    jaw: Float[np.ndarray, "3"]
    """The jaw's displacement from rest."""
    stretch_light: float
    """Light that stretched lips let in: the height of an opening that lets in as much."""


class MouthPlates(NamedTuple):
    """The rows of teeth as premultiplied RGBA in the window of `teeth`: drawn ones, and what the portrait shows."""

    upper_drawn: Float32[np.ndarray, "h w 4"]
    upper_source: Float32[np.ndarray, "h w 4"]
    lower_drawn: Float32[np.ndarray, "h w 4"]
    lower_source: Float32[np.ndarray, "h w 4"]
    density: float
    """Pixels per model unit."""


class InsideColors(NamedTuple):
    """The colors (3,) of what is behind the teeth; `dim_light` (3,) in [0,1], the light on teeth behind lips that
    hardly part.
    """

    back: Float[np.ndarray, "3"]
    front: Float[np.ndarray, "3"]
    tongue: Float[np.ndarray, "3"]
    dim_light: Float[np.ndarray, "3"]


@njit(cache=True, nogil=True)
@no_type_check
def paint_inside(canvas, weight, corner, mouth, plates, colors):
    """Blend the inside of a mouth into `canvas` (h,w,3) uint8 by `weight` (h,w) in [0, 1], in place.

    `corner`: the canvas's left and upper edge in the picture, px; `mouth`: MouthGeometry; `plates`: MouthPlates;
    `colors`: InsideColors.
    """
    color = np.empty(3)
    light = np.empty(3)
    for row in range(weight.shape[0]):
        for column in range(weight.shape[1]):
            alpha = weight[row, column]
            if alpha <= 0.0:
                continue
            x, y = corner[0] + column + 0.5, corner[1] + row + 0.5
            upper_x, upper_y = arch_from_image(x, y, mouth.upper_view)
            lower_x, lower_y = arch_from_image(x, y, mouth.lower_view)
            below = height_at(mouth.lips[0], upper_x) - upper_y
            above = upper_y - height_at(mouth.lips[1], upper_x)
            lit = smoothstep_scalar((below + above + mouth.stretch_light) / _LOOK.lit_height)
            shadow = 1.0 - _LOOK.upper_shadow * np.exp(-max(below, 0.0) / _LOOK.upper_shadow_reach)
            shadow *= 1.0 - _LOOK.lower_shadow * np.exp(-max(above, 0.0) / _LOOK.lower_shadow_reach)
            light[:] = shadow * (colors.dim_light + lit * (1.0 - colors.dim_light))
            front = np.exp(-max(above, 0.0) / _LOOK.front_reach)
            color[:] = colors.back + front * (colors.front - colors.back)
            tongue_x, tongue_y = (
                lower_x + _LOOK.tongue_lag * mouth.jaw[0],
                lower_y + _LOOK.tongue_lag * mouth.jaw[1],
            )
            _lay_tongue(color, colors.tongue, tongue_x, tongue_y)
            _lay_plate(color, plates.lower_drawn, lower_x, lower_y, plates.density, light)
            _lay_plate(color, plates.upper_drawn, upper_x, upper_y, plates.density, light)
            light[:] = 1.0  # what the portrait shows carries its own light and shade
            _lay_plate(color, plates.lower_source, lower_x, lower_y, plates.density, light)
            _lay_plate(color, plates.upper_source, upper_x, upper_y, plates.density, light)
            for c in range(3):
                value = alpha * color[c] + (1.0 - alpha) * canvas[row, column, c]
                canvas[row, column, c] = np.uint8(min(max(value, 0.0), 255.0) + 0.5)


@njit(cache=True, nogil=True)
@no_type_check
def _lay_plate(color, plate, x, y, density, light):
    """Lay a row's plate, looked up bilinearly at (x, y) and lit by `light` (3,), over a color (3,), in place."""
    u, v = (x - PLATE_WINDOW.left) * density - 0.5, (PLATE_WINDOW.top - y) * density - 0.5
    height, width = plate.shape[:2]
    if not (0.0 <= u < width - 1 and 0.0 <= v < height - 1):
        return
    i, j = int(v), int(u)
    b, a = v - i, u - j
    p, q, r, s = (1 - b) * (1 - a), (1 - b) * a, b * (1 - a), b * a
    first, second = plate[i], plate[i + 1]
    transparency = 1.0 - (p * first[j, 3] + q * first[j + 1, 3] + r * second[j, 3] + s * second[j + 1, 3])
    for c in range(3):
        laid = p * first[j, c] + q * first[j + 1, c] + r * second[j, c] + s * second[j + 1, c]
        color[c] = laid * light[c] + transparency * color[c]


@njit(cache=True, nogil=True)
@no_type_check
def _lay_tongue(color, tongue, x, y):
    """Lay the tongue, a soft mound of the color `tongue` (3,), over a color (3,) at (x, y) of its frame, in place."""
    radius = (x / _LOOK.tongue_width) ** 2 + ((y + _LOOK.tongue_drop) / _LOOK.tongue_height) ** 2
    outer, solid = _LOOK.tongue_edge
    alpha = smoothstep_scalar((outer - radius) / (outer - solid))
    middle, fall = _LOOK.tongue_light
    for c in range(3):
        color[c] += alpha * ((middle - fall * min(radius, outer)) * tongue[c] - color[c])


@njit(cache=True, nogil=True)
@no_type_check
def smoothstep_scalar(value):
    """`smoothstep` from 0 to 1 of one number, for these kernels."""
    step = min(max(value, 0.0), 1.0)
    return step * step * (3.0 - 2.0 * step)
