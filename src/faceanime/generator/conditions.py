"""Conditioning maps and gates of windows.

`WindowMaker` places the windows of a face and draws for each:

- `maps`: the target's geometry as normalized coordinates (PNCC, the mean face's coordinates of the surface point that
  each pixel shows; Zhu et al., arXiv 1511.07212, sec. 3.2), the stretch of the warp, the visibility of the surface in
  the source, and the part of the face;
- `gate`: where a network may change pixels. Elsewhere, and everywhere while the face is as in the source, the picture
  stays bit-exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int32

from faceanime.generator.windows import PART_OF, WINDOWS, Points, Window, WindowName, WindowPart, WindowSizes
from faceanime.geometry.flow import area_ratio
from faceanime.geometry.rasterize import rasterize_attributes
from faceanime.morphable.landmark_schema import EyeLandmarks, Group, LandmarkSchema
from faceanime.morphable.model import MorphableModel, Region
from faceanime.render.masks import disc
from faceanime.structures.coefficients import HeadPose

MAPS = ("x", "y", "z", "stretch", "shown", "lips", "inside", "lids", "eye", "skin")
"""Channels of `Conditions.maps`: the first four in [-1, 1], the others 0 or 1."""
STRETCH, LIPS, INSIDE, LIDS, EYE, SKIN = map(MAPS.index, ("stretch", "lips", "inside", "lids", "eye", "skin"))
"""Indices of channels of `MAPS`."""

_SIDE: dict[WindowPart, float] = {"mouth": 1.03, "eye": 0.62, "face": 2.2, "light": 2.2}
"""Sides of the windows in model units: the mouth's is 0.66 of the mean face's width, an eye's twice the eye's width."""

_GROW: dict[WindowPart, float] = {"mouth": 6 / 128, "eye": 4 / 64, "face": 4 / 128, "light": 1 / 64}
"""Dilation of a gate beyond the changed region, as a fraction of the window's side; chosen by eye."""
_SOFT: dict[WindowPart, float] = {"mouth": 1.5 / 128, "eye": 1 / 64, "face": 2.5 / 128, "light": 5 / 64}
"""Radius of the box filter that softens a gate's edge, as a fraction of the window's side; chosen by eye."""
_BORDER = 3 / 64
"""Width of the closed border of a gate, as a fraction of the window's side; chosen by eye."""
_REST: dict[WindowPart, tuple[float, float]] = {
    "mouth": (0.001, 0.012),
    "eye": (0.002, 0.02),
    "light": (0.006, 0.03),
}
"""Ramp of the largest displacement of a part's landmarks from the source, as a fraction of the window's side: the
opening of the part's gate; chosen by eye. While the face is as in the source, the source is shown."""
_STRETCHED = (1.7, 2.4)
"""Ramp of the ratio of a skin triangle's area to that in the source: the opening of the face's gate; chosen by eye. A
single threshold would open it from one frame to the next."""
_STRETCH_OCTAVES = 3.0
"""Binary logarithm of the area ratio that the map of the stretch shows as 1."""
_EYE_WIDTH_RATIO = (0.62, 0.95)
"""Ramp of the ratio of an eye's width to that in the source: the largest opening of the eye's gate; chosen by eye. The
networks were trained on few eyes that turn away, and darken them; geometry foreshortens the source's eye."""
_CLOSED_OPEN = (0.0, 1.0)
"""Openings of a gate at the two bounds of a ramp."""
_LEAST_WIDTH_PX = 1e-6
"""Least width to divide by, so that ratios of widths stay finite."""


@dataclass(frozen=True, eq=False)
class Conditions:
    """Conditioning maps and gate of one window: `maps` (S,S,C) float32, see `MAPS`; `gate` (S,S) float32 in [0,1]."""

    maps: Float32[np.ndarray, "S S C"]
    gate: Float32[np.ndarray, "S S"]

    @property
    def is_open(self) -> bool:
        """Whether the gate is open anywhere."""
        return bool(self.gate.any())


class WindowMaker:
    """Places windows and draws their conditions, for one morphable model."""

    def __init__(self, model: MorphableModel, sizes: WindowSizes) -> None:
        self.sizes = sizes
        self._landmarks_of, schema = model.landmarks_of, model.schema
        self._traced, self._centered, self._eyes = _traced(schema), _centered(schema), _eyes(schema)
        self._triangles, self._label = model.triangles, _labels(model)
        landmarks = model.landmark_mean
        low, high = landmarks.min(axis=0), landmarks.max(axis=0)
        self._attributes = (2.0 * model.mean - low - high) / (high - low)

    def windows(self, points: Points, pose: HeadPose) -> dict[WindowName, Window]:
        """The windows of a face: `points` (V,3) are the model's vertices in px, `pose` is their pose."""
        up = np.array([pose.rotation[0, 1], -pose.rotation[1, 1]])  # the head's up direction in the picture
        up = up / max(float(np.linalg.norm(up)), 1e-6)
        turn = np.array([[-up[1], up[0]], [-up[0], -up[1]]])  # rotates `up` to (0, -1)
        landmarks = self._landmarks_of(points)[:, :2]
        found: dict[WindowName, Window] = {}
        for name in WINDOWS:
            part = PART_OF[name]
            size_px = self.sizes.of(part)
            linear = size_px / (_SIDE[part] * float(pose.scale)) * turn
            outline = landmarks[self._centered[name]] @ linear.T
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
        """The conditions of a target's window; the points (V,3) of source and target in px of their pictures.

        `own` is the fraction in [0, 1] to which a pixel shows the source's own teeth (`OwnTeeth.opacity` at
        `Window.pixel_positions`); the gate is closed there.
        """
        window, size_px, part = target[0], target[0].size_px, PART_OF[name]
        before, after = source[0].to_window_px(source[1]), window.to_window_px(target[1])
        drawn, triangle = rasterize_attributes(after, self._triangles, self._attributes, size_px, size_px)
        ratio = area_ratio(before[:, :2], after[:, :2], self._triangles)
        stretch = np.log2(np.maximum(ratio, 2.0**-_STRETCH_OCTAVES)) / _STRETCH_OCTAVES
        facts = np.zeros(
            (len(self._triangles) + 1, len(MAPS) - 3), np.float32
        )  # the last row is for triangle -1
        facts[:-1, 0] = np.where(ratio > 0.0, stretch.clip(-1.0, 1.0), 1.0)
        facts[:-1, 1] = ratio > 0.0
        facts[np.arange(len(self._label)), self._label - 3] = 1.0
        maps = np.concatenate([drawn, facts[triangle]], axis=-1)
        gate = _gate(part, maps, triangle >= 0, self._opening(name, before, after, size_px))
        if own is not None:
            gate *= 1.0 - own * maps[..., INSIDE]
        if window.mirrored:
            maps, gate = np.ascontiguousarray(maps[:, ::-1]), np.ascontiguousarray(gate[:, ::-1])
            maps[..., 0] *= -1.0
        return Conditions(maps, gate)

    def _opening(self, name: WindowName, before: Points, after: Points, size_px: int) -> float:
        """Opening of a gate, in [0, 1], by the motion of the face from `before` to `after` (V,3), window px.

        A face's gate is always open here: it follows the stretch of the skin, which vanishes without motion.
        """
        part = PART_OF[name]
        if part == "face":
            return 1.0
        before, after = (self._landmarks_of(mesh)[:, :2] for mesh in (before, after))
        shift = (after - before)[self._traced[name]]
        if part == "light":  # its window moves with the chin, but the light changes with the head's rotation
            shift = shift - shift.mean(axis=0)
        opening = float(np.interp(np.linalg.norm(shift, axis=1).max() / size_px, _REST[part], _CLOSED_OPEN))
        if part == "eye":
            corners = [self._eyes[name].outer_corner, self._eyes[name].inner_corner]
            was, now = (float(np.linalg.norm(np.diff(mesh[corners], axis=0))) for mesh in (before, after))
            opening *= float(np.interp(now / max(was, _LEAST_WIDTH_PX), _EYE_WIDTH_RATIO, _CLOSED_OPEN))
        return opening


def mirrored_maps(maps: Float32[np.ndarray, "*B S S C"]) -> Float32[np.ndarray, "*B S S C"]:
    """The maps of a mirrored face, for the windows of mouth and face."""
    turned = np.ascontiguousarray(maps[..., ::-1, :])
    turned[..., 0] *= -1.0
    return turned


def _eyes(schema: LandmarkSchema) -> dict[WindowName, EyeLandmarks]:
    """The eye that each window of an eye shows."""
    return {"right_eye": schema.right_eye, "left_eye": schema.left_eye}


def _traced(schema: LandmarkSchema) -> dict[WindowName, Group]:
    """The landmarks whose motion opens each window's gate.

    Those of light are the outline of forehead and temples: no expression of the bundled model moves it by more than
    0.6 % of a face's window.
    """
    eyes = {name: eye.whole for name, eye in _eyes(schema).items()}
    return {"light": schema.skull_outline, "face": schema.oval, "mouth": schema.mouth, **eyes}


def _centered(schema: LandmarkSchema) -> dict[WindowName, Group]:
    """The landmarks in whose middle each window is centered."""
    eyes = {name: eye.lids for name, eye in _eyes(schema).items()}
    return {"light": schema.oval, "face": schema.oval, "mouth": schema.outer_lips, **eyes}


def _labels(model: MorphableModel) -> Int32[np.ndarray, " F"]:
    """The channel of `MAPS` that marks the part of the face to which each triangle belongs."""
    label = np.full(len(model.triangles), SKIN, np.int32)
    skin = model.region == Region.SKIN
    outline = np.ascontiguousarray(model.landmark_mean[model.schema.outer_lips, :2], np.float32)
    middles = model.mean[model.triangles].mean(axis=1)
    lips = [cv2.pointPolygonTest(outline, (float(x), float(y)), False) > 0 for x, y, _ in middles]
    label[skin & np.array(lips)] = LIPS
    lids = model.embedding.nearest_vertex[model.schema.lids]
    label[skin & np.isin(model.triangles, lids).any(axis=1)] = LIDS
    label[model.region == Region.MOUTH] = INSIDE
    label[np.isin(model.region, (Region.RIGHT_EYE, Region.LEFT_EYE))] = EYE
    return label


_CHANGEABLE: Mapping[WindowPart, tuple[int, ...]] = {
    "mouth": (LIPS, INSIDE),
    "eye": (LIDS, EYE),
    "light": (LIDS, SKIN),
}
"""Maps of the parts of the face that a network may change."""
_KEPT: Mapping[WindowPart, list[int]] = {"light": [LIPS, INSIDE, EYE]}
"""Maps of the parts that a network may not change, even nearby. The light network is trained on skin; on lips it would
raise the error by a tenth."""


def _gate(
    part: WindowPart, maps: Float32[np.ndarray, "S S C"], face: Bool[np.ndarray, "S S"], opening: float
) -> Float32[np.ndarray, "S S"]:
    """The soft gate, closed along the window's edge; `face` (S,S) is where the mesh is."""
    side = len(maps)
    if part == "face":
        least, most = np.log2(_STRETCHED) / _STRETCH_OCTAVES
        lost = opening * np.interp(maps[..., STRETCH], (least, most), _CLOSED_OPEN) * maps[..., SKIN]
    else:
        lost = opening * maps[..., _CHANGEABLE[part]].max(axis=-1)
    gate = np.zeros((side, side), np.float32)
    if not lost.any():
        return gate
    # a local mean, not a maximum, so that a sliver of skin that becomes visible opens little
    near = 2 * max(round(_GROW[part] * side), 1) + 1
    grown = (2.0 * cv2.blur(lost.astype(np.float32), (near, near))).clip(0.0, 1.0)
    soft = max(round(_SOFT[part] * side), 1)
    # eroded, so that neither background nor neck beside the face is changed
    within = cv2.erode(face.astype(np.uint8), disc(soft)) > 0
    if part == "face":
        within = within & (maps[..., SKIN] > 0)
    border = max(round(_BORDER * side), soft + 1)
    inner = slice(border, side - border)
    gate[inner, inner] = (grown * within)[inner, inner]
    box = (2 * soft + 1, 2 * soft + 1)  # not a Gaussian: its support is finite
    gate = np.asarray(cv2.blur(gate, box, borderType=cv2.BORDER_CONSTANT), np.float32)
    if part in _KEPT:
        kept = cv2.dilate(maps[..., _KEPT[part]].max(axis=-1), np.ones((3, 3), np.uint8))
        gate *= 1.0 - cv2.blur(kept, (3, 3))
    return gate
