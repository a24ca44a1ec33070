"""A row of teeth as a picture: seen from the front, drawn once, then moved as a rigid thing.

Crown widths and proportions follow Wheeler's tables (Nelson, "Wheeler's Dental Anatomy", 10th ed., ch. 1),
foreshortened as a dental arch shows them from the front.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32

LEFT, TOP, WIDTH, HEIGHT = -0.44, 0.22, 0.88, 0.56
"""The picture's window in the frame of a row, model units: x to the subject's left, y up."""
_SUPERSAMPLING = 3


@dataclass(frozen=True)
class Row:
    """Half a row of teeth, from the middle outward, model units (1 unit = about 90 mm)."""

    widths: tuple[float, ...]
    edges: tuple[float, ...]
    """Height of each tooth's biting edge over that of the first."""
    height: float
    """Of the first crown."""
    points_up: bool
    """Whether biting edges look up (the lower row)."""
    relief: float
    """How much darker a crown is at its sides."""
    dim_at: float
    """Sideways the row sinks into the shade of the cheeks: half dark about here."""
    blur: float


UPPER = Row(
    widths=(0.090, 0.068, 0.062, 0.046, 0.038, 0.030),
    edges=(0.0, 0.014, 0.012, 0.030, 0.042, 0.056),
    height=0.115,
    points_up=False,
    relief=0.2,
    dim_at=0.30,
    blur=0.0,
)
LOWER = Row(
    widths=(0.056, 0.060, 0.060, 0.048, 0.042, 0.032),
    edges=(0.0, 0.0, 0.004, -0.008, -0.014, -0.02),
    height=0.095,
    points_up=True,
    relief=0.15,
    dim_at=0.20,
    blur=0.003,
)

_CONTACT = 0.002
"""Neighbours overlap by twice this: only the notches at the biting edge let the dark through."""
GUM = np.array([0.80, 0.47, 0.45], np.float32)
"""Colour of the gums, in shares of the teeth's."""


def window(density: float) -> Float32[np.ndarray, "h w 2"]:
    """The (x, y) in model units of each pixel of a row's picture at `density` px per unit."""
    x = LEFT + (np.arange(round(WIDTH * density), dtype=np.float32) + 0.5) / np.float32(density)
    y = TOP - (np.arange(round(HEIGHT * density), dtype=np.float32) + 0.5) / np.float32(density)
    return np.stack(np.meshgrid(x, y), axis=-1)


def draw_row(
    row: Row, color: Float[np.ndarray, "3"], gum: Float[np.ndarray, "3"], density: float
) -> Float32[np.ndarray, "h w 4"]:
    """The row as premultiplied RGBA, 0 to 255 and alpha 0 to 1, the first edge's height at y = 0.

    `color` of the teeth; `gum`: that of the gums in shares of it.
    """
    fine = window(density * _SUPERSAMPLING)
    soft = 0.5 / density
    side, up = np.abs(fine[..., 0]), fine[..., 1] if not row.points_up else -fine[..., 1]
    edges = row.edges if not row.points_up else tuple(-e for e in row.edges)
    crowns, light = np.zeros(side.shape, np.float32), np.zeros(side.shape, np.float32)
    near = 0.0
    for index, (width, edge) in enumerate(zip(row.widths, edges, strict=True)):
        inside, shine = _crown(row, side - near - width / 2, up - edge, width, soft, index == 2)
        crowns, light = np.maximum(crowns, inside), np.maximum(light, inside * shine)
        near += width
    gums = np.clip((up - 0.6 * row.height) / soft, 0, 1) * np.clip((near - side) / 0.02, 0, 1)
    alpha = np.maximum(crowns, gums)
    shade = 1.0 / (1.0 + (side / row.dim_at) ** 4)
    tint = light[..., None] + ((alpha - crowns) * 0.8)[..., None] * gum.astype(np.float32)
    picture = np.dstack([tint * shade[..., None] * color.astype(np.float32), alpha])
    if row.blur > 0.0:
        picture = cv2.GaussianBlur(picture, (0, 0), row.blur * density * _SUPERSAMPLING)
    height, width_px = window(density).shape[:2]
    return np.asarray(cv2.resize(picture, (width_px, height), interpolation=cv2.INTER_AREA), np.float32)


def _crown(
    row: Row,
    across: Float32[np.ndarray, "h w"],
    up: Float32[np.ndarray, "h w"],
    width: float,
    soft: float,
    pointed: bool,
) -> tuple[Float32[np.ndarray, "h w"], Float32[np.ndarray, "h w"]]:
    """One crown: how far each place lies in it, and how bright it is there, both 0 to 1."""
    half = 0.5 * width + _CONTACT
    rise = up - (0.18 * np.abs(across) if pointed else 0.0)
    radius = 0.35 * half
    out = (
        np.hypot(np.maximum(np.abs(across) - half + radius, 0.0), np.maximum(radius - rise, 0.0)) - radius
    )  # a rounded corner at the biting edge
    neck = np.abs(across) - half * (1.0 - 0.18 * np.clip(rise / row.height, 0.0, 1.0) ** 2)
    gum_line = rise - row.height * (1.0 - 0.25 * (across / half) ** 2)
    distance = np.maximum(np.maximum(out, neck), gum_line)
    inside = np.clip(0.5 - distance / soft, 0.0, 1.0).astype(np.float32)
    round_side = 1.0 - row.relief * np.clip(np.abs(across) / half, 0.0, 1.0) ** 4
    along = np.clip(rise / row.height, 0.0, 1.0)
    return inside, (round_side * (0.88 + 0.12 * np.sin(np.pi * np.clip(along + 0.15, 0, 1)))).astype(
        np.float32
    )
