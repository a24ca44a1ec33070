"""Drawn rows of teeth: plates seen from the front, drawn once per portrait, then moved as rigid things.

`draw_row` makes of a `TeethRow` (crown widths, biting edges), colors and a density a premultiplied RGBA plate in
`PLATE_WINDOW`. Crown widths and proportions follow Wheeler's tables (Nelson, "Wheeler's Dental Anatomy", 10th ed., ch.
1), foreshortened as a dental arch shows them from the front. Lengths are model units (1 unit = distance of the
outer eye corners, about 90 mm).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, Float32

PlateMap = Float32[np.ndarray, "h w"]


class PlateWindow(NamedTuple):
    """A plate's window in the arch's frame; large enough for an open mouth. Chosen by eye.

    A named tuple, since numba's kernels read it as constants.
    """

    left: float = -0.44
    """x of the left edge, model units."""
    top: float = 0.22
    """y of the upper edge, model units."""
    width: float = 0.88
    """Width, model units."""
    height: float = 0.56
    """Height, model units."""


PLATE_WINDOW = PlateWindow()


@dataclass(frozen=True)
class TeethRow:
    """Half a row of teeth, from the middle outward."""

    widths: tuple[float, ...]
    """Width of each crown, after Wheeler."""
    edges: tuple[float, ...]
    """Height of each tooth's biting edge over that of the first. Chosen by eye."""
    height: float
    """Height of the first crown, after Wheeler."""
    points_up: bool
    """Whether biting edges point up (the lower row)."""
    relief: float
    """Darkening of a crown toward its sides, a fraction. Chosen by eye."""
    dim_at: float
    """Distance from the middle at which a row in the shade of the cheeks is half as bright. Chosen by eye."""
    blur: float
    """Standard deviation of the row's blur. Chosen by eye."""


UPPER_TEETH = TeethRow(
    widths=(0.090, 0.068, 0.062, 0.046, 0.038, 0.030),
    edges=(0.0, 0.014, 0.012, 0.030, 0.042, 0.056),
    height=0.115,
    points_up=False,
    relief=0.2,
    dim_at=0.30,
    blur=0.0,
)
"""The upper row."""
LOWER_TEETH = TeethRow(
    widths=(0.056, 0.060, 0.060, 0.048, 0.042, 0.032),
    edges=(0.0, 0.0, 0.004, -0.008, -0.014, -0.02),
    height=0.095,
    points_up=True,
    relief=0.15,
    dim_at=0.20,
    blur=0.003,
)
"""The lower row."""


@dataclass(frozen=True)
class CrownLook:
    """The shape and the light of a crown, and of the gums between crowns. Chosen by eye."""

    supersampling: int = 3
    """Factor on the density at which rows are drawn before they are averaged."""
    contact: float = 0.002
    """Widening of a crown on each side, so that only the notches at the biting edge let the dark through."""
    canine: int = 2
    """Index of the canine, whose biting edge is pointed."""
    canine_slope: float = 0.18
    """Slope of the canine's biting edge on both sides of its point."""
    corner: float = 0.35
    """Radius of the rounded corners at the biting edge, in half widths."""
    neck: float = 0.18
    """Narrowing of a crown at the gums, a fraction of its width."""
    gum_arch: float = 0.25
    """Drop of the gum line from a crown's middle to its sides, in heights of the crown."""
    gums_from: float = 0.6
    """Height from which on gums fill the spaces between crowns, in heights of the first crown."""
    gums_end: float = 0.02
    """Width over which the gums fade out beyond the last tooth."""
    gum_light: float = 0.8
    """Brightness of the gums."""
    edge_light: float = 0.88
    """Brightness of a crown without its belly."""
    belly_light: float = 0.12
    """Additional brightness of a crown's belly."""
    belly_shift: float = 0.15
    """Distance of a crown's belly from its middle toward the biting edge, in heights of the crown."""
    cheek_exponent: int = 4
    """Exponent that sets how steeply the shade of the cheeks begins."""


_LOOK = CrownLook()
GUM = np.array([0.80, 0.47, 0.45], np.float32)
"""Color of the gums, fractions of the teeth's. Chosen by eye."""


def window(density: float) -> Float32[np.ndarray, "h w 2"]:
    """The (x, y) in the arch's frame of each pixel of a plate at `density` px per model unit."""
    step = np.float32(density)
    x = PLATE_WINDOW.left + (np.arange(round(PLATE_WINDOW.width * density), dtype=np.float32) + 0.5) / step
    y = PLATE_WINDOW.top - (np.arange(round(PLATE_WINDOW.height * density), dtype=np.float32) + 0.5) / step
    return np.stack(np.meshgrid(x, y), axis=-1)


def draw_row(
    row: TeethRow, color: Float[np.ndarray, "3"], gum: Float[np.ndarray, "3"], density: float
) -> Float32[np.ndarray, "h w 4"]:
    """The row as premultiplied RGBA, 0 to 255 and alpha 0 to 1; the first tooth's edge lies at y = 0.

    `color` of the teeth; `gum`, that of the gums in fractions of it; `density`, px per model unit.
    """
    fine = window(density * _LOOK.supersampling)
    pixel = 0.5 / density  # width of antialiased edges
    direction = -1.0 if row.points_up else 1.0
    side, up = np.abs(fine[..., 0]), np.float32(direction) * fine[..., 1]
    crowns, light = np.zeros(side.shape, np.float32), np.zeros(side.shape, np.float32)
    start = 0.0
    for index, (width, edge) in enumerate(zip(row.widths, row.edges, strict=True)):
        rise = up - direction * edge - _canine_rise(index, side - start - width / 2)
        inside, crown_light = _crown(row, side - start - width / 2, rise, width, pixel)
        crowns, light = np.maximum(crowns, inside), np.maximum(light, inside * crown_light)
        start += width
    gums = np.clip((up - _LOOK.gums_from * row.height) / pixel, 0, 1) * np.clip(
        (start - side) / _LOOK.gums_end, 0, 1
    )
    alpha = np.maximum(crowns, gums)
    cheek_shade = 1.0 / (1.0 + (side / row.dim_at) ** _LOOK.cheek_exponent)
    tint = light[..., None] + ((alpha - crowns) * _LOOK.gum_light)[..., None] * gum.astype(np.float32)
    plate = np.dstack([tint * cheek_shade[..., None] * color.astype(np.float32), alpha])
    if row.blur > 0.0:
        plate = cv2.GaussianBlur(plate, (0, 0), row.blur * density * _LOOK.supersampling)
    height, width_px = window(density).shape[:2]
    return np.asarray(cv2.resize(plate, (width_px, height), interpolation=cv2.INTER_AREA), np.float32)


def _canine_rise(index: int, across: PlateMap) -> PlateMap | float:
    """Recession of a tooth's biting edge beside its middle."""
    return _LOOK.canine_slope * np.abs(across) if index == _LOOK.canine else 0.0


def _crown(
    row: TeethRow, across: PlateMap, rise: PlateMap, width: float, pixel: float
) -> tuple[PlateMap, PlateMap]:
    """One crown: the coverage of each place, and its brightness there, both 0 to 1.

    `across`: distance from the crown's middle line; `rise`: height over its biting edge.
    """
    half = 0.5 * width + _LOOK.contact
    beside = np.abs(across)
    radius = _LOOK.corner * half
    corner = np.hypot(np.maximum(beside - half + radius, 0.0), np.maximum(radius - rise, 0.0)) - radius
    height = np.clip(rise / row.height, 0.0, 1.0)
    neck = beside - half * (1.0 - _LOOK.neck * height**2)
    gum_line = rise - row.height * (1.0 - _LOOK.gum_arch * (across / half) ** 2)
    distance = np.maximum(np.maximum(corner, neck), gum_line)
    coverage = np.clip(0.5 - distance / pixel, 0.0, 1.0).astype(np.float32)
    relief = 1.0 - row.relief * np.clip(beside / half, 0.0, 1.0) ** 4
    belly = np.sin(np.pi * np.clip(height + _LOOK.belly_shift, 0, 1))
    light = relief * (_LOOK.edge_light + _LOOK.belly_light * belly)
    return coverage, light.astype(np.float32)
