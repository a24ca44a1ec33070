"""The geometric renderer: the source picture moved by its 3D face alone, no network.

Layers, back to front: a still background plate; the person, carried by the warp sheet; eyeballs and the inside
of the mouth, seen through the openings.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from typing import no_type_check

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8
from numba import njit

from faceanime.core.weights import bundled
from faceanime.geometry.camera import project
from faceanime.geometry.flow import sample
from faceanime.morphable import topology
from faceanime.morphable.model import MorphableModel, Region
from faceanime.render.eyes.eyeball import EyeLayer
from faceanime.render.eyes.lids import LidLayer
from faceanime.render.head.hair_strands import strands_beside
from faceanime.render.head.outpaint import (
    beyond_sides,
    crown_above,
    folded_back,
    hair_margin,
    lose_detail,
    without_detail,
)
from faceanime.render.head.sheet import WarpConfig, WarpSheet, source_shape
from faceanime.render.inpaint import fill_holes, inpaint, soft_polygon
from faceanime.render.mouth.layer import MouthLayer
from faceanime.structures.coefficients import FaceCoefficients, FittedFace, HeadPose
from faceanime.structures.frames import Pixels
from faceanime.structures.raster import Box, WarpField

DRAWINGS = "geometric_drawings.json"
"""The bundled record of the renderer's golden pictures, and the version of what is drawn."""


@cache
def drawing_version() -> str:
    """The version of what this renderer draws: generators do not go on learning from pictures of another version.

    It follows from the golden pictures (`tests/golden`): `--update-golden` replaces it when one of them changes.
    """
    return str(json.loads(bundled(DRAWINGS).read_text(encoding="utf-8"))["version"])


@dataclass(frozen=True)
class GeometricConfig:
    """The renderer without a network."""

    warp: WarpConfig = field(default_factory=WarpConfig)
    still_background: bool = True
    """A background that stands still: the person is separated from it; without, it moves along near the head."""


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
        person = carried = None
        if matte is not None and config.still_background:
            points = project(source_shape(face, model), face.coefficients.pose)
            trusted = _trusted_person(matte, points)
            if trusted is not None:
                face_px = float(np.ptp(points[list(topology.OVAL), 1]))
                strands = strands_beside(source, matte, face_px)
                person, carried = (np.maximum(part, strands) for part in trusted)
        self._sheet = WarpSheet(face, model, width, height, carried, config.warp)
        self._region_pixels = np.ascontiguousarray(source[self.region.slices])
        seen = None if person is None else person[self.region.slices]
        self._background = None if seen is None else self._separate(seen)
        self._skin = None if person is None or matte is None else self._beyond_the_cheek(matte)
        self._fold_px = _FOLD * float(face.coefficients.pose.scale)
        points = self._sheet.source_points
        self._margin = hair_margin(points[list(topology.OVAL)], self.region)
        face_width_px = float(np.ptp(points[list(topology.OVAL), 0]))
        self._soft = without_detail(self._region_pixels, seen, face_width_px)
        self._lids = LidLayer(source, points)
        self._eyes = EyeLayer(source, face, model, points)
        self.mouth = MouthLayer(source, face, model, points)

    @property
    def region(self) -> Box:
        """The part of the picture that moves; all else stays as it is."""
        return self._sheet.region

    def render(self, target: FaceCoefficients, hair: HeadPose | None = None) -> Pixels:
        """The region's pixels (h,w,3) uint8 with the face of `target`, its pose in picture px.

        `hair`: the pose of what is not face, in a film that of `hair_pose`; None: the face's own.
        """
        warp = self._sheet.field(target, hair)
        folded, beyond = folded_back(warp.flow, self._margin)
        canvas = sample(self._region_pixels, folded, "cubic")
        if beyond is not None:
            lose_detail(canvas, folded, beyond, self._soft)
        cheek = self._paint_cheek(canvas, warp)
        self._paint_background(canvas, warp, folded, beyond is not None, cheek)
        _soften_folds(canvas, warp.flow, self._fold_px, cheek)
        self._lids.paint(canvas, warp)
        self._eyes.paint(canvas, warp, target)
        self.mouth.paint(canvas, warp, target)
        return canvas

    def _paint_cheek(self, canvas: Pixels, warp: WarpField) -> Float32[np.ndarray, "h w"]:
        """Put skin where the face would show background; returns how much of it each pixel shows."""
        shown = np.zeros(warp.part.shape, np.float32)
        if self._skin is not None:
            known, skin = self._skin
            if _show_skin(canvas, shown, known, skin, warp.flow, warp.part, int(Region.RING)):
                return np.asarray(cv2.GaussianBlur(shown, (0, 0), _CHEEK_BLUR_PX), np.float32)
        return shown

    def _paint_background(
        self,
        canvas: Pixels,
        warp: WarpField,
        folded: Float32[np.ndarray, "h w 2"],
        any_beyond: bool,
        cheek: Float32[np.ndarray, "h w"],
    ) -> None:
        """Let the still background show around the moved person."""
        if self._background is None:
            return
        matte, far, crown, plate = self._background
        places = folded.copy()
        places[..., 1] = np.where(warp.flow[..., 1] < 0.0, warp.flow[..., 1], places[..., 1]) + crown
        alpha = sample(matte[..., None], places)[..., 0]
        if any_beyond:
            outside = (warp.flow[..., 0] < 0.0) | (warp.flow[..., 0] > matte.shape[1])
            x, y, rows = warp.flow[outside, 0], places[outside, 1], np.arange(len(matte)) + 0.5
            reach = np.where(x < 0.0, *(np.interp(y, rows, side) for side in far))
            beyond = np.maximum(-x, x - matte.shape[1])
            # where the mirrored pixels are the background's, so is the person's matte
            alpha[outside] = np.minimum(alpha[outside], np.clip(reach - beyond + 0.5, 0.0, 1.0))
        _show_background(canvas, alpha, cheek, plate, warp.flow)

    def _separate(
        self, person: Float32[np.ndarray, "h w"]
    ) -> tuple[Float32[np.ndarray, "M w"], Float32[np.ndarray, "2 M"], int, Pixels]:
        """The person's matte, how far they go on beyond left and right, how many rows are above, the background."""
        size = max(1, round(_GROW * max(person.shape)))
        grown = cv2.dilate(person, np.ones((2 * size + 1,) * 2, np.uint8))
        plate = inpaint(self._region_pixels, np.clip((grown - 0.05) / 0.2, 0.0, 1.0).astype(np.float32))
        width = float(np.ptp(self._sheet.source_points[list(topology.OVAL), 0]))
        radius = _HEAD_RADIUS * width
        crown = crown_above(person, radius) if self.region.top == 0 else person[:0]
        whole = np.concatenate([crown, person])
        far = beyond_sides(whole, radius, _CUT * width)
        return whole, far, len(crown), plate

    def _beyond_the_cheek(
        self, matte: Float32[np.ndarray, "H W"]
    ) -> tuple[Float32[np.ndarray, "h w"], UInt8[np.ndarray, "h w 3"]]:
        """Which of the region's pixels can be the face's, and the region with skin wherever they cannot.

        A cheek that the source shows edge-on is landmarked on, or beyond, the person's edge: turned to the viewer
        it would show what is behind the person.
        """
        height, width = self._region_pixels.shape[:2]
        oval = self._sheet.source_points[list(topology.OVAL)] - (self.region.left, self.region.top)
        centre, size = oval.mean(axis=0), float(np.ptp(oval[:, 1]))
        inner = (centre + _SURE_FACE * (oval - centre)).astype(np.float32)
        sure = soft_polygon(inner, height, width, 0.02 * size)
        rim_px = 2 * max(round(_RIM * size), 1) + 1
        person = cv2.erode(matte[self.region.slices], np.ones((rim_px, rim_px), np.uint8))
        known = np.maximum(np.clip((person - 0.5) / 0.4, 0.0, 1.0), sure).astype(np.float32)
        return known, fill_holes(self._region_pixels, known)


_CUT = 0.05
"""What a side cuts off has one outline if gaps between its parts are no wider than twice this, in face widths."""
_HEAD_RADIUS = 0.62
"""Radius of a head with its hair, in widths of the face."""


def _trusted_person(
    matte: Float32[np.ndarray, "H W"], points: Float[np.ndarray, "V 3"]
) -> tuple[Float32[np.ndarray, "H W"], Float32[np.ndarray, "H W"]] | None:
    """What is the person's, and what moves with it, the face made sure; None where the matte misses the face.

    (It misses statues and drawings.) From the mouth down what is doubtful, and gaps, are the person's: collars, straps,
    scarves are often half taken for background and would tear off. There, between neck and shoulders too, all moves
    with it: a sheet that fades evenly does not fold.
    """
    oval = points[list(topology.OVAL), :2]
    size = float(np.ptp(oval[:, 1]))
    height, width = matte.shape
    face = soft_polygon(oval.astype(np.float32), height, width, 0.03 * size)
    if (matte * face).sum() < _TRUSTED * face.sum():
        return None
    rows = np.arange(len(matte), dtype=np.float32)[:, None] + 0.5
    below = np.clip((rows - oval[:, 1].max()) / (0.25 * size) + 1.6, 0.0, 1.0)
    sure_from = _SURE * float((matte * face).sum() / face.sum())
    sharp = np.clip((matte - 0.2) / 0.6, 0.0, 1.0) * _near(matte >= sure_from, _HALO * size)
    edge = min(max(round(_EDGE * size), 1), height - 1)
    sharp[:edge] = np.maximum(sharp[:edge], sharp[edge])  # networks miss hair in the outermost rows
    sure = np.maximum(sharp, np.minimum(1.0, 2.0 * face))
    body = below * _closed(np.clip(matte / _DOUBTFUL, 0.0, 1.0), _GAP * size)
    return np.maximum(sure, body).astype(np.float32), np.maximum(sure, below).astype(np.float32)


def _near(sure: Bool[np.ndarray, "H W"], reach_px: float) -> Float32[np.ndarray, "H W"]:
    """1 near what is surely the person's, 0 further away: what is doubtful there is somebody behind."""
    away = cv2.distanceTransform((~sure).astype(np.uint8), cv2.DIST_L2, 5)
    return np.clip(2.0 - away / reach_px, 0.0, 1.0).astype(np.float32)


def _closed(matte: Float32[np.ndarray, "H W"], gap_px: float) -> Float32[np.ndarray, "H W"]:
    """The matte without gaps narrower than that, found where `_GAP_PX` pixels span one."""
    height, width = matte.shape
    factor = min(_GAP_PX / gap_px, 1.0)
    size = (max(round(width * factor), 1), max(round(height * factor), 1))
    around = max(round(0.5 * factor * gap_px), 1)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * around + 1, 2 * around + 1))
    small = cv2.resize(matte, size, interpolation=cv2.INTER_AREA)
    wide = cv2.copyMakeBorder(small, around, around, around, around, cv2.BORDER_REPLICATE)
    closed = cv2.morphologyEx(wide, cv2.MORPH_CLOSE, disc)[around:-around, around:-around]
    gaps = cv2.resize(closed - small, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.minimum(matte + gaps, 1.0)


_SURE = 0.8
"""From this matte on, in shares of the face's own, a pixel is surely the person's, ..."""
_HALO = 0.05
"""... and so may be what is less sure within this of it, in heights of the face; beyond twice that it is not."""
_DOUBTFUL = 0.1
"""From this matte on what lies beside neck and shoulders is wholly the person's."""
_GAP = 0.2
"""Gaps beside neck and shoulders that are the person's, in heights of the face ..."""
_GAP_PX = 20.0
"""... and how many pixels are enough to find them."""
_EDGE = 0.02
_SURE_FACE = 0.85
"""A face's outline shrunk to this is the face, whatever the matte says."""
_RIM = 0.008
"""A person's edge is mixed with the background for so much of the face's height."""
_CHEEK_BLUR_PX = 0.8
_CHEEK_EDGE = 0.2
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
def _show_background(canvas, matte, cheek, plate, flow):
    """Blend the plate in where the warped matte is open and the sheet moves (at rest the source shows).

    What `cheek` (h,w) covers stays.
    """
    height, width = matte.shape
    for y in range(height):
        for x in range(width):
            alpha = max(matte[y, x], cheek[y, x])
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
def _show_skin(canvas, shown, known, skin, flow, part, ring) -> bool:
    """Show skin where the face reads what is not the person's and the sheet moves.

    Writes into `canvas` and, how much of it, into `shown` (h,w), which must be 0; says whether there was any.
    """
    height, width = part.shape
    any_shown = False
    for y in range(height):
        for x in range(width):
            if part[y, x] == ring:
                continue
            fx, fy = flow[y, x]
            u, v = min(max(int(fx), 0), width - 1), min(max(int(fy), 0), height - 1)
            if known[v, u] >= _OPAQUE:
                continue
            dx, dy = fx - (x + 0.5), fy - (y + 0.5)
            moved = min(max((np.sqrt(dx * dx + dy * dy) - 0.2) / 1.3, 0.0), 1.0)
            weight = (1.0 - known[v, u]) * moved
            shown[y, x] = weight
            any_shown = True
            for c in range(3):
                canvas[y, x, c] = np.uint8((1.0 - weight) * canvas[y, x, c] + weight * skin[v, u, c] + 0.5)
    return any_shown


@njit(cache=True, nogil=True)
@no_type_check
def _soften_folds(canvas: np.ndarray, flow: np.ndarray, jump_px: float, cheek: np.ndarray) -> None:
    """Blend pixels across edges where one part of the sheet hides another, or invented skin ends: they are hard."""
    height, width = flow.shape[:2]
    edge = np.zeros((height, width), np.bool_)
    for y in range(height - 1):
        for x in range(width - 1):
            across = abs(flow[y, x + 1, 0] - flow[y, x, 0] - 1.0) + abs(flow[y, x + 1, 1] - flow[y, x, 1])
            down = abs(flow[y + 1, x, 0] - flow[y, x, 0]) + abs(flow[y + 1, x, 1] - flow[y, x, 1] - 1.0)
            if across > jump_px or abs(cheek[y, x + 1] - cheek[y, x]) > _CHEEK_EDGE:
                edge[y, x] = edge[y, x + 1] = True
            if down > jump_px or abs(cheek[y + 1, x] - cheek[y, x]) > _CHEEK_EDGE:
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
