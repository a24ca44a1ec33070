"""What the 3D face tells of a window, and where a network may change anything in it.

`WindowMaker` places the windows of a face and draws for each:

- `maps`: a normalised picture of the target's geometry (mean-face coordinates of what each pixel shows: PNCC of
  Zhu et al., arXiv 1511.07212, sec. 3.2), how far the warp stretches the source, whether the source shows it at
  all, and which part of the face it is;
- `gate`: where a network may change anything. Elsewhere, and everywhere while the face stands as in the source, the
  picture stays bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int32, UInt8

from faceanime.generator.windows import PART_OF, WINDOWS, Points, Window, WindowName, WindowPart, WindowSizes
from faceanime.geometry.flow import area_ratio
from faceanime.geometry.rasterize import rasterize_attributes
from faceanime.morphable import topology
from faceanime.morphable.model import MorphableModel, Region
from faceanime.structures.coefficients import HeadPose

MAPS = ("x", "y", "z", "stretch", "shown", "lips", "inside", "lids", "eye", "skin")
"""Channels of `Conditions.maps`: the first three in [-1, 1], as is the fourth; the others are 0 or 1."""
STRETCH, SHOWN, LIPS, INSIDE, LIDS, EYE, SKIN = range(3, len(MAPS))

_SIDE: dict[WindowPart, float] = {"mouth": 1.03, "eye": 0.62, "face": 2.2, "light": 2.2}
"""Sides of the windows, model units: the mouth's is 0.66 of the mean face's width, an eye's twice its eye's."""
_RIGHT_EYE = topology.RIGHT_EYE_LOWER + topology.RIGHT_EYE_UPPER[1:-1]
_LEFT_EYE = topology.LEFT_EYE_LOWER + topology.LEFT_EYE_UPPER[1:-1]
_LIPS = topology.OUTER_LIPS + topology.INNER_LIPS_LOWER + topology.INNER_LIPS_UPPER[1:-1]
_SKULL = (10, 109, 338, 67, 297, 54, 284, 21, 251, 162, 389)
"""The outline of forehead and temples: no expression of the model moves it by more than 0.6 % of a face's window."""
_LANDMARKS: dict[WindowName, tuple[int, ...]] = {
    "light": _SKULL,
    "face": topology.OVAL,
    "mouth": _LIPS,
    "right_eye": _RIGHT_EYE + topology.RIGHT_IRIS,
    "left_eye": _LEFT_EYE + topology.LEFT_IRIS,
}
_CENTRE: dict[WindowName, tuple[int, ...]] = {
    "light": topology.OVAL,
    "face": topology.OVAL,
    "mouth": topology.OUTER_LIPS,
    "right_eye": _RIGHT_EYE,
    "left_eye": _LEFT_EYE,
}

# Lengths in shares of a window's side.
_GROW: dict[WindowPart, float] = {"mouth": 6 / 128, "eye": 4 / 64, "face": 4 / 128, "light": 1 / 64}
_SOFT: dict[WindowPart, float] = {"mouth": 1.5 / 128, "eye": 1 / 64, "face": 2.5 / 128, "light": 5 / 64}
_BORDER = 3 / 64
"""Along a window's edge its gate is shut."""
_REST: dict[WindowPart, tuple[float, float]] = {
    "mouth": (0.001, 0.012),
    "eye": (0.002, 0.02),
    "light": (0.006, 0.03),
}
"""A gate begins to open when its landmarks have moved so far, in the window, from where the source has them, and is
open from the second on: at rest the source shows."""
_STRETCHED = (1.7, 2.4)
"""A face's gate begins to open where skin covers so many times the area that it has in the source, and is open from the
second on: a threshold would open it from one frame to the next."""
_STRETCH_OCTAVES = 3.0
_SEEN_BROAD = (0.62, 0.95)
"""An eye's gate is shut where it is less than so many times as broad as in the source, and may be open from the second
on: networks have seen few eyes that turn away, and blacken them; geometry foreshortens what the source shows."""
_SHUT_OPEN = (0.0, 1.0)
_CORNERS: dict[WindowName, list[int]] = {"right_eye": [33, 133], "left_eye": [263, 362]}


@dataclass(frozen=True, eq=False)
class Conditions:
    """What the 3D face tells of one window.

    `maps` (S,S,C) float32, see `MAPS`; `gate` (S,S) float32 in [0,1]; `is_open`, whether the gate is anywhere.
    """

    maps: Float32[np.ndarray, "S S C"]
    gate: Float32[np.ndarray, "S S"]

    @property
    def is_open(self) -> bool:
        return bool(self.gate.any())


class WindowMaker:
    """Places windows and draws their conditions for one model."""

    def __init__(self, model: MorphableModel, sizes: WindowSizes) -> None:
        self.sizes = sizes
        face = model.region != Region.RING
        self._triangles = model.triangles[face]
        self._label = _labels(model)[face]
        self._attributes = np.zeros_like(model.mean)
        landmarks = model.mean[: model.landmark_count]
        low, high = landmarks.min(axis=0), landmarks.max(axis=0)
        self._attributes[:] = (2.0 * model.mean - low - high) / (high - low)

    def windows(self, points: Points, pose: HeadPose) -> dict[WindowName, Window]:
        """The windows on a face: `points` (V,3) are all vertices of the model, px; `pose` is theirs."""
        up = np.array([pose.rotation[0, 1], -pose.rotation[1, 1]])  # of the head, in the picture
        up = up / max(float(np.linalg.norm(up)), 1e-6)
        turn = np.array([[-up[1], up[0]], [-up[0], -up[1]]])  # takes `up` to (0, -1)
        found: dict[WindowName, Window] = {}
        for name in WINDOWS:
            part = PART_OF[name]
            size_px = self.sizes.of(part)
            linear = size_px / (_SIDE[part] * float(pose.scale)) * turn
            outline = points[list(_CENTRE[name]), :2] @ linear.T
            offset = size_px / 2 - (outline.min(axis=0) + outline.max(axis=0)) / 2
            found[name] = Window(np.column_stack([linear, offset]), size_px, name == "left_eye")
        return found

    def conditions(
        self,
        name: WindowName,
        source: tuple[Window, Points],
        target: tuple[Window, Points],
        own: Float32[np.ndarray, "S S"] | None = None,
    ) -> Conditions:
        """What is to be known of a target's window; both (V,3) points in px of their pictures.

        `own`, how far the window shows the source's own teeth (`OwnTeeth.opacity` at `Window.places`): they stay.
        """
        window, size_px, part = target[0], target[0].size_px, PART_OF[name]
        before, after = source[0].placed(source[1]), window.placed(target[1])
        drawn, triangle = rasterize_attributes(after, self._triangles, self._attributes, size_px, size_px)
        ratio = area_ratio(before[:, :2], after[:, :2], self._triangles)
        stretch = np.log2(np.maximum(ratio, 2.0**-_STRETCH_OCTAVES)) / _STRETCH_OCTAVES
        told = np.zeros((len(self._triangles) + 1, len(MAPS) - 3), np.float32)  # the last for triangle -1
        told[:-1, 0] = np.where(ratio > 0.0, stretch.clip(-1.0, 1.0), 1.0)
        told[:-1, 1] = ratio > 0.0
        told[np.arange(len(self._label)), self._label - 3] = 1.0
        maps = np.concatenate([drawn, told[triangle]], axis=-1)
        gate = _gate(part, maps, triangle >= 0, _opening(name, before, after, size_px))
        if own is not None:
            gate *= 1.0 - own * maps[..., INSIDE]
        if window.mirrored:
            maps, gate = np.ascontiguousarray(maps[:, ::-1]), np.ascontiguousarray(gate[:, ::-1])
            maps[..., 0] *= -1.0
        return Conditions(maps, gate)


def mirrored_maps(maps: Float32[np.ndarray, "*B S S C"]) -> Float32[np.ndarray, "*B S S C"]:
    """The maps of the mirror image of a face (its mouth, or all of it)."""
    turned = np.ascontiguousarray(maps[..., ::-1, :])
    turned[..., 0] *= -1.0
    return turned


def _labels(model: MorphableModel) -> Int32[np.ndarray, " F"]:
    """The channel of `MAPS` that says what each triangle is."""
    label = np.full(len(model.triangles), SKIN, np.int32)
    skin = model.region == Region.SKIN
    outline = np.ascontiguousarray(model.mean[list(topology.OUTER_LIPS), :2], np.float32)
    middles = model.mean[model.triangles].mean(axis=1)
    lips = [cv2.pointPolygonTest(outline, (float(x), float(y)), False) > 0 for x, y, _ in middles]
    label[skin & np.array(lips)] = LIPS
    label[skin & np.isin(model.triangles, _RIGHT_EYE + _LEFT_EYE).any(axis=1)] = LIDS
    label[model.region == Region.MOUTH] = INSIDE
    label[np.isin(model.region, (Region.RIGHT_EYE, Region.LEFT_EYE))] = EYE
    return label


def _opening(name: WindowName, before: Points, after: Points, size_px: int) -> float:
    """How far a gate opens, in [0, 1], by how the face has moved: (V,3) points in the windows, px.

    A face's is open: it shows where skin is stretched, and at rest none is.
    """
    part = PART_OF[name]
    if part == "face":
        return 1.0
    shift = (after - before)[list(_LANDMARKS[name]), :2]
    if part == "light":  # its window goes with the chin, and light changes where the head turns
        shift = shift - shift.mean(axis=0)
    opening = float(np.interp(np.linalg.norm(shift, axis=1).max() / size_px, _REST[part], _SHUT_OPEN))
    if part == "eye":
        was, now = (
            float(np.linalg.norm(np.diff(mesh[_CORNERS[name], :2], axis=0))) for mesh in (before, after)
        )
        opening *= float(np.interp(now / max(was, 1e-6), _SEEN_BROAD, _SHUT_OPEN))
    return opening


_CHANGEABLE: Mapping[WindowPart, tuple[int, ...]] = {
    "mouth": (LIPS, INSIDE),
    "eye": (LIDS, EYE),
    "light": (LIDS, SKIN),
}
"""What a network may change when its gate is open."""
_KEPT: Mapping[WindowPart, list[int]] = {"light": [LIPS, INSIDE, EYE]}
"""What it may not, however near. Light is learned from skin: on lips it would raise the error by a tenth."""


def _gate(
    part: WindowPart, maps: Float32[np.ndarray, "S S C"], face: Bool[np.ndarray, "S S"], opening: float
) -> Float32[np.ndarray, "S S"]:
    """Where a network may paint: soft, shut along the window's edge; `face` (S,S) where the mesh is."""
    side = len(maps)
    if part == "face":
        least, most = np.log2(_STRETCHED) / _STRETCH_OCTAVES
        lost = opening * np.interp(maps[..., STRETCH], (least, most), _SHUT_OPEN) * maps[..., SKIN]
    else:
        lost = opening * maps[..., _CHANGEABLE[part]].max(axis=-1)
    shut = np.zeros((side, side), np.float32)
    if not lost.any():
        return shut
    # a mean over what is near, not a maximum: a sliver of skin that comes into sight opens little
    near = 2 * max(round(_GROW[part] * side), 1) + 1
    grown = (2.0 * cv2.blur(lost.astype(np.float32), (near, near))).clip(0.0, 1.0)
    # what lies beside the face is not its own: neither background nor neck
    within = cv2.erode(face.astype(np.uint8), _disc(_SOFT[part] * side)) > 0
    if part == "face":
        within = within & (maps[..., SKIN] > 0)
    soft = max(round(_SOFT[part] * side), 1)
    border = max(round(_BORDER * side), soft + 1)
    inner = slice(border, side - border)
    shut[inner, inner] = (grown * within)[inner, inner]
    box = (2 * soft + 1, 2 * soft + 1)  # not a gaussian: it ends
    gate = np.asarray(cv2.blur(shut, box, borderType=cv2.BORDER_CONSTANT), np.float32)
    if part in _KEPT:
        kept = cv2.dilate(maps[..., _KEPT[part]].max(axis=-1), np.ones((3, 3), np.uint8))
        gate *= 1.0 - cv2.blur(kept, (3, 3))
    return gate


def _disc(radius_px: float) -> UInt8[np.ndarray, "d d"]:
    size = 2 * max(round(radius_px), 1) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
