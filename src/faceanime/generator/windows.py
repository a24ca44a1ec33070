"""Windows: the parts of a picture that a network looks at closely, and what the 3D face tells of them.

Geometry carries what it can at native resolution; what it cannot (the inside of a mouth, a closing lid, a far cheek)
lies in few small places. A window is a square around such a place that moves with the head: aligned to its roll, as
large as its scale says, S px wide whatever the picture's size. `WindowMaker` places the windows and draws for each:

- `maps`: a normalised picture of the target's geometry (mean-face coordinates of what each pixel shows: PNCC of
  Zhu et al., arXiv 1511.07212, sec. 3.2), how far the warp stretches the source, whether the source shows it at
  all, and which part of the face it is;
- `gate`: where a network may change anything. Elsewhere, and everywhere while the face stands as in the source, the
  picture stays bit for bit.

The window of light sees the whole face, small: how bright skin is changes slowly across it.

The left eye's window is mirrored, so that one network serves both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int32, UInt8

from faceanime.errors import ConfigError, check_shape
from faceanime.geometry.flow import area_ratio, identity_flow, sample
from faceanime.geometry.rasterize import rasterize_attributes
from faceanime.geometry.similarity import ANTIALIAS_BELOW, apply_affine, invert_affine, warp_image
from faceanime.morphable import topology
from faceanime.morphable.model import MorphableModel, Region
from faceanime.prior.texture import render_texture
from faceanime.structures.coefficients import HeadPose
from faceanime.structures.frames import Pixels
from faceanime.structures.prior import Box, SparseTexture

WindowName = Literal["face", "mouth", "right_eye", "left_eye", "light"]
Part = Literal["face", "mouth", "eye", "light"]
Points: TypeAlias = Float[np.ndarray, "V 3"]

PART_OF: dict[WindowName, Part] = {
    "face": "face",
    "mouth": "mouth",
    "right_eye": "eye",
    "left_eye": "eye",
    "light": "light",
}
WINDOWS: tuple[WindowName, ...] = tuple(PART_OF)
PARTS: tuple[Part, ...] = ("face", "mouth", "eye", "light")
"""In the order in which they are mended: where gates overlap, the next sees what is mended already. Light comes last:
the others have learned on pictures without it."""

MAPS = ("x", "y", "z", "stretch", "shown", "lips", "inside", "lids", "eye", "skin")
"""Channels of `Conditions.maps`: the first three in [-1, 1], as is the fourth; the others are 0 or 1."""
STRETCH, SHOWN, LIPS, INSIDE, LIDS, EYE, SKIN = range(3, len(MAPS))

_SIDE: dict[Part, float] = {"mouth": 1.03, "eye": 0.62, "face": 2.2, "light": 2.2}
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

_REPLACES = 16.0
"""Levels of 255: a pixel that changes by so much shows something else."""

# Lengths in shares of a window's side.
_GROW: dict[Part, float] = {"mouth": 6 / 128, "eye": 4 / 64, "face": 4 / 128, "light": 1 / 64}
_SOFT: dict[Part, float] = {"mouth": 1.5 / 128, "eye": 1 / 64, "face": 2.5 / 128, "light": 5 / 64}
_BORDER = 3 / 64
"""Along a window's edge its gate is shut."""
_REST: dict[Part, tuple[float, float]] = {
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
_FORESHORTENED = (0.6, 0.8)
"""An eye's gate begins to close where it is so many times as broad as in the source, and is shut from the first on."""
_EYE_CORNERS: dict[WindowName, list[int]] = {"right_eye": [33, 133], "left_eye": [263, 362]}


@dataclass(frozen=True)
class WindowSizes:
    """Sides of the windows, px; multiples of 16 from 32 to 512."""

    mouth_px: int = 128
    eye_px: int = 64
    face_px: int = 128
    light_px: int = 64

    def __post_init__(self) -> None:
        for name in ("mouth_px", "eye_px", "face_px", "light_px"):
            if not 32 <= getattr(self, name) <= 512 or getattr(self, name) % 16:
                raise ConfigError(
                    f"{name} is {getattr(self, name)}, expected a multiple of 16 from 32 to 512"
                )

    def of(self, part: Part) -> int:
        """The side of a part's window, px."""
        sides = {"mouth": self.mouth_px, "eye": self.eye_px, "face": self.face_px, "light": self.light_px}
        return sides[part]


@dataclass(frozen=True, eq=False)
class Window:
    """A square of a picture: `window_from_picture` (2,3) a similarity, px; seen in a mirror if `mirrored`."""

    window_from_picture: Float64[np.ndarray, "2 3"]
    size_px: int
    mirrored: bool = False

    def cut(self, picture: Pixels) -> UInt8[np.ndarray, "S S 3"]:
        """What the window shows of a picture (H,W,3), smoothed first where it shrinks."""
        box = self._box(self._whole, *picture.shape[:2])
        near = self.within(box)
        seen = warp_image(
            np.ascontiguousarray(picture[box.slices]),
            near.window_from_picture,
            self.size_px,
            self.size_px,
            "cubic",
        )
        return self._turned(seen)

    def paste(self, canvas: Pixels, change: Float32[np.ndarray, "S S 3"]) -> None:
        """Add a change (levels of 255) to a picture, in place; where it is 0, pixels stay as they are.

        A change, not a picture: what it leaves alone keeps the detail that the picture has beyond the window's. Where
        it reaches `_REPLACES` levels, something else is there now, and the detail of what was there goes.
        """
        check_shape("change", change, self.size_px, self.size_px, 3)
        seen = _shown_smaller(np.ascontiguousarray(self._turned(change)), 1.0 / self._scale)
        changed = Box.around(seen.any(axis=-1))
        if changed is None:
            return
        box, near, places = self._on(canvas, changed)
        added = sample(seen, places)
        inside = canvas[box.slices]
        if self._scale < ANTIALIAS_BELOW:
            held = self._turned(near.cut(inside)).astype(np.float32)
            gone = (np.abs(added).max(axis=-1, keepdims=True) / _REPLACES).clip(0.0, 1.0)
            added += gone * (sample(held, places) - inside)
        inside[:] = np.rint(inside + added).clip(0, 255).astype(np.uint8)

    def shine(self, canvas: Pixels, gain: Float32[np.ndarray, "S S"]) -> None:
        """Multiply a picture by a gain, in place; where it is 1, pixels stay as they are.

        The picture's finer detail stays, as that of skin in another light.
        """
        check_shape("gain", gain, self.size_px, self.size_px)
        turned = self._turned(gain)
        lit = Box.around(turned != 1.0)
        if lit is None:
            return
        box, _, places = self._on(canvas, lit)
        inside = canvas[box.slices]
        more = sample(np.ascontiguousarray(turned[..., None] - np.float32(1.0)), places)
        inside[:] = np.rint(inside * (1.0 + more)).clip(0, 255)

    def show(
        self, canvas: Pixels, picture: UInt8[np.ndarray, "S S 3"], weight: Float32[np.ndarray, "S S"]
    ) -> None:
        """Blend a picture into the part of `canvas` (H,W,3) that the window sees, in place; `weight` in [0, 1].

        The weight must be 0 along the window's edge. Where it is 0, pixels stay as they are.
        """
        check_shape("picture", picture, self.size_px, self.size_px, 3)
        check_shape("weight", weight, self.size_px, self.size_px)
        box, _, places = self._on(canvas, self._whole)
        both = np.concatenate([weight[..., None] * picture, weight[..., None]], axis=-1)
        seen = sample(np.ascontiguousarray(self._turned(both)), places)
        inside = canvas[box.slices]
        inside[:] = np.rint(seen[..., :3] + (1.0 - seen[..., 3:]) * inside).astype(np.uint8)

    def _on(self, canvas: Pixels, part: Box) -> tuple[Box, Window, Float32[np.ndarray, "h w 2"]]:
        """What of a picture is under a part of the window, the window on that, and where its pixels are in it, px."""
        box = self._box(part, *canvas.shape[:2])
        near = self.within(box)
        flow = identity_flow(box.height, box.width)
        return box, near, apply_affine(near.window_from_picture, flow).astype(np.float32)

    @property
    def places(self) -> Float64[np.ndarray, "S S 2"]:
        """Where each pixel of the window is in the picture, px, before it is mirrored."""
        line = np.arange(self.size_px) + 0.5
        return apply_affine(
            invert_affine(self.window_from_picture), np.stack(np.meshgrid(line, line), axis=-1)
        )

    def placed(self, points: Points) -> Points:
        """A mesh's points (V,3), px of the picture, in px of the window before it is mirrored."""
        xy = apply_affine(self.window_from_picture, points[:, :2])
        return np.concatenate([xy, self._scale * points[:, 2:]], axis=1)

    def texture(self, texture: SparseTexture, points: Points) -> Float32[np.ndarray, "S S 3"]:
        """The sparse texture prior in the window, at the geometry of `points` (V,3), px of the picture."""
        return self._turned(render_texture(texture, self.placed(points), self.size_px, self.size_px))

    def within(self, box: Box) -> Window:
        """The same window on the part of the picture that `box` cuts out."""
        moved = self.window_from_picture.copy()
        moved[:, 2] = apply_affine(moved, np.array([float(box.left), float(box.top)]))
        return replace(self, window_from_picture=moved)

    def nudged(self, zoom: float, right: float, down: float) -> Window:
        """The same window, its content magnified about its middle and moved, in shares of its side."""
        moved, middle = zoom * self.window_from_picture, self.size_px / 2
        moved[:, 2] += (1.0 - zoom) * middle + self.size_px * np.array([right, down])
        return replace(self, window_from_picture=moved)

    @property
    def _scale(self) -> float:
        return float(np.sqrt(np.linalg.det(self.window_from_picture[:, :2])))

    def _turned(self, picture: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(picture[:, ::-1]) if self.mirrored else picture

    @property
    def _whole(self) -> Box:
        return Box(0, 0, self.size_px, self.size_px)

    def _box(self, part: Box, height: int, width: int) -> Box:
        """What of a picture is under a part of the window, and a little around it; one pixel at least."""
        corners = [(x, y) for x in (part.left, part.right) for y in (part.top, part.bottom)]
        seen = apply_affine(invert_affine(self.window_from_picture), np.array(corners, np.float64))
        margin = 3.0 + 3.0 / self._scale
        low = np.clip(np.floor(seen.min(axis=0) - margin), 0, [width - 1, height - 1]).astype(int)
        high = np.clip(np.ceil(seen.max(axis=0) + margin), low + 1, [width, height]).astype(int)
        return Box(int(low[0]), int(low[1]), int(high[0]), int(high[1]))


def _shown_smaller(change: Float32[np.ndarray, "S S 3"], scale: float) -> Float32[np.ndarray, "S S 3"]:
    """A change without the details that a picture `scale` times as fine cannot show (as `warp_image` does)."""
    if scale >= ANTIALIAS_BELOW:
        return change
    sigma = 0.5 * float(np.sqrt(scale**-2 - 1.0))
    return np.asarray(cv2.GaussianBlur(change, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE))


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

        `own`, how far the window shows the source's own teeth (`OwnInside.seen` at `Window.places`): they stay.
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
        shift = (after - before)[list(_LANDMARKS[name]), :2]
        if part == "light":
            shift = shift - shift.mean(
                axis=0
            )  # its window goes with the chin; only a head that turns meets other light
        moved = np.linalg.norm(shift, axis=1).max() / size_px
        gate = _gate(part, maps, triangle >= 0, float(moved))
        if part == "eye":
            gate *= _seen_broad(before[_EYE_CORNERS[name]], after[_EYE_CORNERS[name]])
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


_CHANGEABLE: Mapping[Part, tuple[int, ...]] = {
    "mouth": (LIPS, INSIDE),
    "eye": (LIDS, EYE),
    "light": (LIDS, SKIN),
}


def _gate(
    part: Part, maps: Float32[np.ndarray, "S S C"], face: Bool[np.ndarray, "S S"], moved: float
) -> Float32[np.ndarray, "S S"]:
    """Where a network may paint: soft, shut along the window's edge; `face` (S,S) where the mesh is, `moved`
    as in `_REST`."""
    side = len(maps)
    if part == "face":
        least, most = np.log2(_STRETCHED) / _STRETCH_OCTAVES
        lost = ((maps[..., STRETCH] - least) / (most - least)).clip(0.0, 1.0) * maps[..., SKIN]
    else:
        first, full = _REST[part]
        opening = min(max((moved - first) / (full - first), 0.0), 1.0)
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
    return gate * _skin_alone(maps) if part == "light" else gate


def _seen_broad(before: Float[np.ndarray, "2 3"], after: Float[np.ndarray, "2 3"]) -> np.float32:
    """1 for an eye that is nearly as broad as in the source, 0 for one that has turned away (its corners, px).

    Networks have seen few of those, and blacken them; geometry foreshortens what the source shows.
    """
    was, is_now = (float(np.linalg.norm(ends[1, :2] - ends[0, :2])) for ends in (before, after))
    least, most = _FORESHORTENED
    return np.float32(min(max((is_now / max(was, 1e-6) - least) / (most - least), 0.0), 1.0))


def _skin_alone(maps: Float32[np.ndarray, "S S C"]) -> Float32[np.ndarray, "S S"]:
    """0 on lips, in the mouth and on the eyeballs, 1 from two pixels beyond.

    Light is learned from skin: on lips what it says of the skin around raises their error by a tenth.
    """
    held = cv2.dilate(maps[..., [LIPS, INSIDE, EYE]].max(axis=-1), np.ones((3, 3), np.uint8))
    return np.asarray(1.0 - cv2.blur(held, (3, 3)), np.float32)


def _disc(radius_px: float) -> UInt8[np.ndarray, "d d"]:
    size = 2 * max(round(radius_px), 1) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
