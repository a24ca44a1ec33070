"""The geometric renderer: the source picture moved by its 3D face alone, no network.

Layers, back to front: a still background plate; the person, carried by the warp sheet; eyeballs and the inside
of the mouth, seen through the openings.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import no_type_check

import cv2
import numpy as np
from jaxtyping import Float, Float32
from numba import njit

from faceanime.geometry.camera import project
from faceanime.geometry.flow import sample
from faceanime.morphable import topology
from faceanime.morphable.model import MorphableModel
from faceanime.prior.eyes import EyeLayer
from faceanime.prior.fill import crown_above, inpaint, soft_polygon
from faceanime.prior.lids import LidLayer
from faceanime.prior.mouth import MouthLayer
from faceanime.prior.warp import WarpConfig, WarpSheet, source_shape
from faceanime.structures.coefficients import FaceCoefficients, FittedFace
from faceanime.structures.frames import Pixels
from faceanime.structures.prior import Box


@dataclass(frozen=True)
class GeometricConfig:
    """The renderer without a network."""

    warp: WarpConfig = field(default_factory=WarpConfig)
    still_background: bool = True
    """Keep the background still: the person is separated from it. Off: it moves along near the head."""


class GeometricRenderer:
    """Everything that can be prepared once for a portrait; then a picture for each target."""

    def __init__(
        self,
        source: Pixels,
        face: FittedFace,
        matte: Float32[np.ndarray, "H W"] | None,
        model: MorphableModel,
        config: GeometricConfig,
    ) -> None:
        """`matte` (H,W) in [0,1] says which pixels are the person's; None: all move with the sheet."""
        height, width = source.shape[:2]
        person = None
        if matte is not None and config.still_background:
            person = _trusted_person(matte, project(source_shape(face, model), face.coefficients.pose))
        self._sheet = WarpSheet(face, model, width, height, person, config.warp)
        self._region_pixels = np.ascontiguousarray(source[self.region.slices])
        self._background = None if person is None else self._separate(person[self.region.slices])
        self._open_rows = 0 if person is None else _open_rows(person[self.region.slices])
        self._fold_px = _FOLD * float(face.coefficients.pose.scale)
        points = self._sheet.source_points
        self._lids = LidLayer(source, points)
        self._eyes = EyeLayer(source, face, model, points)
        self._mouth = MouthLayer(source, face, model, points)

    @property
    def region(self) -> Box:
        """The part of the picture that moves; all else stays as it is."""
        return self._sheet.region

    def render(self, target: FaceCoefficients) -> Pixels:
        """The region's pixels (h,w,3) uint8 with the face of `target`, its pose in picture px."""
        warp = self._sheet.field(target)
        canvas = sample(self._region_pixels, warp.flow, "cubic", "mirror")
        _soften_folds(canvas, warp.flow, self._fold_px)
        if self._background is not None:
            matte, crown, plate = self._background
            shift = np.abs(warp.target_points[:, 1] - self._sheet.source_points[:, 1]).max()
            rows = slice(0, self._open_rows + int(shift) + 2)  # what is read below is all the person's
            alpha = sample(matte[..., None], warp.flow[rows] + np.array([0, crown], np.float32))[..., 0]
            _show_background(canvas, alpha, plate, warp.flow)
        self._lids.paint(canvas, warp)
        self._eyes.paint(canvas, warp, target)
        self._mouth.paint(canvas, warp, target)
        return canvas

    def _separate(self, person: Float32[np.ndarray, "h w"]) -> tuple[Float32[np.ndarray, "M w"], int, Pixels]:
        """The person's matte, how many rows of it lie above the picture, and the background without a person."""
        size = max(1, round(_GROW * max(person.shape)))
        grown = cv2.dilate(person, np.ones((2 * size + 1,) * 2, np.uint8))
        plate = inpaint(self._region_pixels, np.clip((grown - 0.05) / 0.2, 0.0, 1.0).astype(np.float32))
        crown = crown_above(person) if self.region.top == 0 else np.zeros((0, person.shape[1]), np.float32)
        return np.concatenate([crown, person]), len(crown), plate


def _open_rows(matte: Float32[np.ndarray, "h w"]) -> int:
    """How many rows there are above those that are the person's from side to side."""
    rows = np.flatnonzero((matte < _OPAQUE).any(axis=1))
    return int(rows[-1]) + 1 if len(rows) else 0


def _trusted_person(
    matte: Float32[np.ndarray, "H W"], points: Float[np.ndarray, "V 3"]
) -> Float32[np.ndarray, "H W"] | None:
    """The matte with the face itself made sure; None where it misses the face (a statue, a drawing).

    From the mouth down all counts as the person's: there little moves, and what surrounds a neck (collars,
    straps, scarves) is often taken for background and would tear off.
    """
    oval = points[list(topology.OVAL), :2]
    size = float(np.ptp(oval[:, 1]))
    height, width = matte.shape
    face = soft_polygon(oval.astype(np.float32), height, width, 0.03 * size)
    if (matte * face).sum() < _TRUSTED * face.sum():
        return None
    rows = np.arange(len(matte), dtype=np.float32)[:, None] + 0.5
    body = np.clip((rows - oval[:, 1].max()) / (0.25 * size) + 1.6, 0.0, 1.0)
    sharp = np.clip((matte - 0.2) / 0.6, 0.0, 1.0)
    return np.maximum(np.maximum(sharp, body), np.minimum(1.0, 2.0 * face)).astype(np.float32)


_TRUSTED = 0.6
"""Share of the face that the matte must call a person's to be believed at all."""
_FOLD = 0.03
"""Neighbouring pixels that come from places so far apart (model units) lie on two sides of a fold."""
_OPAQUE = 0.996
"""From this matte on nothing shines through."""
_GROW = 0.012
"""The person is cut out of the background with a margin, in sides of the region."""


@njit(cache=True, nogil=True)
@no_type_check
def _show_background(canvas: np.ndarray, matte: np.ndarray, plate: np.ndarray, flow: np.ndarray) -> None:
    """Blend the plate in where the warped matte is open and the sheet moves (at rest the source shows)."""
    height, width = matte.shape
    for y in range(height):
        for x in range(width):
            alpha = matte[y, x]
            if alpha >= _OPAQUE:
                continue
            dx, dy = flow[y, x, 0] - (x + 0.5), flow[y, x, 1] - (y + 0.5)
            moved = min(max((np.sqrt(dx * dx + dy * dy) - 0.2) / 1.3, 0.0), 1.0)
            weight = (1.0 - alpha) * moved
            for c in range(3):
                value = (1.0 - weight) * canvas[y, x, c] + weight * plate[y, x, c]
                canvas[y, x, c] = np.uint8(value + 0.5)


@njit(cache=True, nogil=True)
@no_type_check
def _soften_folds(canvas: np.ndarray, flow: np.ndarray, jump_px: float) -> None:
    """Blend pixels across edges where one part of the sheet hides another: the rasteriser cuts them hard."""
    height, width = flow.shape[:2]
    edge = np.zeros((height, width), np.bool_)
    for y in range(height - 1):
        for x in range(width - 1):
            across = abs(flow[y, x + 1, 0] - flow[y, x, 0] - 1.0) + abs(flow[y, x + 1, 1] - flow[y, x, 1])
            down = abs(flow[y + 1, x, 0] - flow[y, x, 0]) + abs(flow[y + 1, x, 1] - flow[y, x, 1] - 1.0)
            if across > jump_px:
                edge[y, x] = edge[y, x + 1] = True
            if down > jump_px:
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
