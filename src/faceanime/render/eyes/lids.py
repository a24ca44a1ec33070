"""The skin of a closing upper lid.

What is seen of an open eye's upper lid is a thin fold full of lashes; stretched over the closed eye it would be a
smear. As the lid comes down, the stretched part is replaced by skin filled in from around the eye; the lash line
itself (see `prior/lashes.py`) stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32

from faceanime.geometry.flow import sample
from faceanime.morphable import topology
from faceanime.render.inpaint import fill_holes, soft_polygon
from faceanime.structures.frames import Pixels
from faceanime.structures.raster import WarpField

_LIDS = (
    (topology.RIGHT_EYE_UPPER, topology.RIGHT_EYE_LOWER, (247, 30, 29, 27, 28, 56, 190)),
    (topology.LEFT_EYE_UPPER, topology.LEFT_EYE_LOWER, (414, 286, 258, 257, 259, 260, 467)),
)
"""Lash line, lower lid, and the row of points above the fold; from the subject's right to the left."""
_BAND = 0.05
"""The lash line and what lies just above it stays as the source has it, in widths of the eye."""
_SHOWS_FROM, _SHOWS_FULLY = 0.25, 0.7
"""The filled skin comes in as the lids close by these shares of the source's gap."""
_MARGIN = 0.35
"""Skin around the eye that the filling may look at, in widths of the eye."""


class LidLayer:
    """Both upper lids of one source picture."""

    def __init__(self, source: Pixels, points: Float[np.ndarray, "N 2"]) -> None:
        """`points` (N,2) px: where the sheet's vertices lie in `source` (H,W,3); landmarks first."""
        lids = [_Lid.seen(source, points, *rows) for rows in _LIDS]
        self._lids = [lid for lid in lids if lid is not None]

    def paint(self, canvas: Pixels, field: WarpField) -> None:
        """Draw the skin of closing lids into `canvas` (h,w,3), the picture of the field's region, in place."""
        for lid in self._lids:
            lid.paint(canvas, field)


@dataclass(frozen=True, eq=False)
class _Lid:
    upper: tuple[int, ...]
    lower: tuple[int, ...]
    fold: tuple[int, ...]
    gap: float  # of the source's lids, in widths of the eye
    skin: Pixels  # the surroundings of the eye without lashes, lid and eye
    origin: Float[np.ndarray, "2"]  # of `skin` in the source, px

    @classmethod
    def seen(
        cls,
        source: Pixels,
        points: Float[np.ndarray, "N 2"],
        upper: tuple[int, ...],
        lower: tuple[int, ...],
        fold: tuple[int, ...],
    ) -> _Lid | None:
        """The lid of one eye; None where the picture does not show all of it."""
        width = float(np.linalg.norm(points[upper[-1]] - points[upper[0]]))
        around = points[list(upper + lower + fold)]
        low = np.floor(around.min(axis=0) - _MARGIN * width).astype(int)
        high = np.ceil(around.max(axis=0) + _MARGIN * width).astype(int)
        if (low < 0).any() or high[0] > source.shape[1] or high[1] > source.shape[0]:
            return None
        patch = source[low[1] : high[1], low[0] : high[0]]
        eye = points[list(lower + fold[::-1])] - low
        height, across = patch.shape[:2]
        hole = soft_polygon(eye.astype(np.float32), height, across, 0.0)
        reach = (
            2 * max(round(0.06 * width), 1) + 1
        )  # lashes stand out beyond the fold and below the lower lid
        hole = cv2.dilate(hole, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
        known = np.asarray(1.0 - cv2.GaussianBlur(hole, (0, 0), 0.02 * width + 0.3), np.float32)
        skin = fill_holes(patch, np.where(hole > 0.0, 0.0, known).astype(np.float32))
        return cls(upper, lower, fold, _gap(points, upper, lower), skin, low.astype(np.float64))

    def paint(self, canvas: Pixels, field: WarpField) -> None:
        corner = np.array([field.region.left, field.region.top], np.float32)
        points = np.asarray(field.target_points[:, :2] - corner, np.float32)
        closed = 1.0 - _gap(points, self.upper, self.lower) / max(self.gap, 1e-3)
        shown = np.clip((closed - _SHOWS_FROM) / (_SHOWS_FULLY - _SHOWS_FROM), 0.0, 1.0)
        outline = self._outline(points)
        low = np.maximum(np.floor(outline.min(axis=0)).astype(int) - 3, 0)
        high = np.minimum(np.ceil(outline.max(axis=0)).astype(int) + 3, canvas.shape[1::-1])
        if shown == 0.0 or (high <= low).any():
            return
        box = slice(low[1], high[1]), slice(low[0], high[0])
        width = float(np.linalg.norm(points[self.upper[-1]] - points[self.upper[0]]))
        height, across = int(high[1] - low[1]), int(high[0] - low[0])
        mask = soft_polygon((outline - low).astype(np.float32), height, across, 0.03 * width)
        skin = sample(self.skin, field.flow[box] + (corner - self.origin).astype(np.float32))
        weight = (shown * mask)[..., None]
        canvas[box] = np.rint(weight * skin + (1.0 - weight) * canvas[box]).astype(np.uint8)

    def _outline(self, points: Float32[np.ndarray, "N 2"]) -> Float[np.ndarray, "n 2"]:
        """Of the stretched skin: from just above the lash line to just below the fold."""
        lash, fold = points[list(self.upper)], points[list(self.fold)]
        width = float(np.linalg.norm(lash[-1] - lash[0]))
        up = fold - lash[1:-1]
        height = np.maximum(np.linalg.norm(up, axis=1, keepdims=True), 1e-6)
        above = lash[1:-1] + up * np.minimum(_BAND * width / height, 0.5)
        return np.concatenate([lash[:1], above, lash[-1:], fold[::-1]])


def _gap(points: Float[np.ndarray, "N 2"], upper: tuple[int, ...], lower: tuple[int, ...]) -> float:
    """Between the middles of the lids, in widths of the eye."""
    middle = slice(3, 6)
    apart = np.linalg.norm(points[list(upper[middle])] - points[list(lower[middle])], axis=1).mean()
    return float(apart / np.linalg.norm(points[upper[-1]] - points[upper[0]]))
