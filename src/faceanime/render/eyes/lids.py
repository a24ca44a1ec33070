"""The upper lids: skin for an eye that closes. Here a blink is closed.

An open eye shows its upper lid as a thin fold full of lashes, which the warp would stretch into a smear over the
closed eye. The eye, lid and lashes are removed from the portrait once and the hole is inpainted from the skin
around it; as the lid comes down, that skin replaces the stretched part. The lash line itself (`lashes.py`) stays.
Lengths are widths of the eye, corner to corner.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32

from faceanime.geometry.flow import sample
from faceanime.geometry.interpolation import Ramp, linear_step
from faceanime.morphable.landmark_schema import EyeLandmarks, LandmarkSchema
from faceanime.render.inpaint import fill_holes
from faceanime.render.masks import disc, soft_polygon
from faceanime.structures.frames import Pixels
from faceanime.structures.raster import WarpField


@dataclass(frozen=True)
class LidLook:
    """Replacement of the skin of the upper lids. Chosen by eye."""

    lash_band: float = 0.05
    """Height above the lash line that stays as the portrait shows it."""
    fade_in: Ramp = (0.25, 0.7)
    """Ramp of the fraction by which the portrait's opening has closed: the opacity of the skin."""
    margin: float = 0.35
    """Margin of skin around the eye from which the hole is inpainted."""
    lash_reach: float = 0.06
    """Length of the lashes beyond the fold and below the lower lid."""
    hole_blur: float = 0.02
    """Standard deviation of the blur of the hole's edge, to which `hole_blur_px` is added."""
    hole_blur_px: float = 0.3
    """Least standard deviation of the blur of the hole's edge, px."""
    edge_blur: float = 0.03
    """Standard deviation of the blur of the skin's edge."""


_LOOK = LidLook()


class LidLayer:
    """Both upper lids of one portrait."""

    def __init__(self, source: Pixels, points: Float[np.ndarray, "L 2"], schema: LandmarkSchema) -> None:
        """`source` (H,W,3); `points` (L,2) px, its landmarks."""
        lids = [_Lid.read(source, points, group) for group in schema.eyes]
        self._lids = [lid for lid in lids if lid is not None]

    def paint(self, canvas: Pixels, field: WarpField) -> None:
        """Draw the skin of closing lids into `canvas` (h,w,3), the picture of the field's region, in place."""
        for lid in self._lids:
            lid.paint(canvas, field)


@dataclass(frozen=True, eq=False)
class _Lid:
    """One upper lid of a portrait."""

    group: EyeLandmarks
    opening: float  # between the portrait's lids
    skin: Pixels  # the eye's surroundings without eye, lid and lashes
    origin: Float[np.ndarray, "2"]  # upper left corner of `skin` in the portrait, px

    @classmethod
    def read(cls, source: Pixels, points: Float[np.ndarray, "L 2"], group: EyeLandmarks) -> _Lid | None:
        """The lid of one eye; None where the picture does not show all of the eye's surroundings."""
        width = group.width(points)
        around = points[np.concatenate([group.upper, group.lower, group.fold])]
        low = np.floor(around.min(axis=0) - _LOOK.margin * width).astype(int)
        high = np.ceil(around.max(axis=0) + _LOOK.margin * width).astype(int)
        if (low < 0).any() or high[0] > source.shape[1] or high[1] > source.shape[0]:
            return None
        patch = source[low[1] : high[1], low[0] : high[0]]
        eye_and_lid = (points[np.concatenate([group.lower, group.fold[::-1]])] - low).astype(np.float32)
        hole = soft_polygon(eye_and_lid, patch.shape[0], patch.shape[1], 0.0)
        hole = cv2.dilate(hole, disc(max(round(_LOOK.lash_reach * width), 1)))
        known = 1.0 - cv2.GaussianBlur(hole, (0, 0), _LOOK.hole_blur * width + _LOOK.hole_blur_px)
        skin = fill_holes(patch, np.where(hole > 0.0, 0.0, known).astype(np.float32))
        return cls(group, _opening(points, group), skin, low.astype(np.float64))

    def paint(self, canvas: Pixels, field: WarpField) -> None:
        """Draw the lid's skin into `canvas` (h,w,3), as far as the eye has closed."""
        corner = np.array([field.box.left, field.box.top], np.float32)
        points = np.asarray(field.landmarks[:, :2] - corner, np.float32)
        closed = 1.0 - _opening(points, self.group) / max(self.opening, 1e-3)
        opacity = linear_step(closed, *_LOOK.fade_in)
        outline = self._outline(points)
        low = np.maximum(np.floor(outline.min(axis=0)).astype(int) - 3, 0)
        high = np.minimum(np.ceil(outline.max(axis=0)).astype(int) + 3, canvas.shape[1::-1])
        if opacity == 0.0 or (high <= low).any():
            return
        box = slice(low[1], high[1]), slice(low[0], high[0])
        width, height = (high - low).tolist()
        blur_px = _LOOK.edge_blur * self.group.width(points)
        mask = soft_polygon((outline - low).astype(np.float32), height, width, blur_px)
        skin = sample(self.skin, field.flow[box] + (corner - self.origin).astype(np.float32))
        weight = (opacity * mask)[..., None]
        canvas[box] = np.rint(weight * skin + (1.0 - weight) * canvas[box]).astype(np.uint8)

    def _outline(self, points: Float32[np.ndarray, "L 2"]) -> Float[np.ndarray, "n 2"]:
        """The outline of the stretched skin, px: from just above the lash line to just below the fold."""
        lash_line, fold = points[self.group.upper], points[self.group.fold]
        up = fold - lash_line[1:-1]
        height = np.maximum(np.linalg.norm(up, axis=1, keepdims=True), 1e-6)
        above = lash_line[1:-1] + up * np.minimum(_LOOK.lash_band * self.group.width(points) / height, 0.5)
        return np.concatenate([lash_line[:1], above, lash_line[-1:], fold[::-1]])


def _opening(points: Float[np.ndarray, "L 2"], group: EyeLandmarks) -> float:
    """The opening between the middles of the lids, in widths of the eye."""
    upper, lower = points[group.upper_middle], points[group.lower_middle]
    return float(np.linalg.norm(upper - lower, axis=1).mean() / group.width(points))
