"""Windows: square crops of a picture that move with the head, and how a repaired window is pasted back.

Networks repair the few small regions that geometry cannot draw. Each region has a window, aligned with the head's roll
and in proportion to its scale, of S px a side at any size of the picture. The left eye's window is mirrored, so that
one network serves both eyes. The light window shows the whole face at low resolution: the brightness of skin changes
slowly across it. `conditions.py` places the windows and draws their conditioning maps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import cv2
import numpy as np
from jaxtyping import Float, Float32, Float64, UInt8

from faceanime.core.errors import RangeError, check_shape
from faceanime.geometry.flow import identity_flow, sample
from faceanime.geometry.similarity import (
    ANTIALIAS_BELOW,
    antialiasing_sigma,
    apply_affine,
    invert_affine,
    warp_image,
)
from faceanime.prior.sparse_texture import render_texture
from faceanime.structures.frames import Pixels
from faceanime.structures.raster import Box, SparseTexture

WindowName = Literal["face", "mouth", "right_eye", "left_eye", "light"]
WindowPart = Literal["face", "mouth", "eye", "light"]
Points: TypeAlias = Float[np.ndarray, "V 3"]

PART_OF: dict[WindowName, WindowPart] = {
    "face": "face",
    "mouth": "mouth",
    "right_eye": "eye",
    "left_eye": "eye",
    "light": "light",
}
"""The part of each window; a part has one network."""
WINDOWS: tuple[WindowName, ...] = tuple(PART_OF)
PARTS: tuple[WindowPart, ...] = ("face", "mouth", "eye", "light")
"""The parts in the order of their repair: where gates overlap, a network sees the repairs of the parts before it. Light
is last, since the other networks were trained on pictures without its gain."""

_REPLACEMENT_LEVELS = 16.0
"""Least change of a pixel, in levels of 255, that shows another surface, whose fine detail is replaced too; chosen by
eye."""
_LEAST_WINDOW_PX, _LARGEST_WINDOW_PX, _WINDOW_STEP_PX = 32, 512, 16
"""The networks halve a window four times, so its side is a multiple of 16."""
_MARGIN_PX = 3.0
"""Margin around the part of a picture under a window, in pixels of both, for the support of cubic interpolation."""


@dataclass(frozen=True)
class WindowSizes:
    """Sides of the windows in px, multiples of 16 from 32 to 512."""

    mouth_px: int = 128
    """Side of the mouth's window."""
    eye_px: int = 64
    """Side of the window of each eye."""
    face_px: int = 128
    """Side of the face's window."""
    light_px: int = 64
    """Side of the light window, which shows the whole face."""

    def __post_init__(self) -> None:
        for name in ("mouth_px", "eye_px", "face_px", "light_px"):
            side_px = getattr(self, name)
            if not _LEAST_WINDOW_PX <= side_px <= _LARGEST_WINDOW_PX or side_px % _WINDOW_STEP_PX:
                steps = f"a multiple of {_WINDOW_STEP_PX} from {_LEAST_WINDOW_PX} to {_LARGEST_WINDOW_PX}"
                raise RangeError(name, side_px, steps)

    def of(self, part: WindowPart) -> int:
        """The side of a part's window in px."""
        sides = {"mouth": self.mouth_px, "eye": self.eye_px, "face": self.face_px, "light": self.light_px}
        return sides[part]


@dataclass(frozen=True, eq=False)
class Window:
    """A square crop: `window_from_picture` (2,3) maps px of the picture to px of the window, before it is mirrored.

    The map is a similarity unless the window is `jittered`.
    """

    window_from_picture: Float64[np.ndarray, "2 3"]
    size_px: int
    mirrored: bool = False

    def cut(self, picture: Pixels) -> UInt8[np.ndarray, "S S 3"]:
        """The window's crop of a picture (H,W,3), low-pass filtered first if it shrinks."""
        box = self._box(self._whole, *picture.shape[:2])
        near = self.relative_to(box)
        seen = warp_image(
            np.ascontiguousarray(picture[box.slices]),
            near.window_from_picture,
            self.size_px,
            self.size_px,
            "cubic",
        )
        return self._oriented(seen)

    def paste(self, canvas: Pixels, change: Float32[np.ndarray, "S S 3"]) -> None:
        """Add a change (levels of 255) to a picture, in place; where it is 0, pixels keep their values.

        Unchanged regions thus keep the detail that exceeds the window's resolution. Where the change reaches
        `_REPLACEMENT_LEVELS`, another surface is shown and the old one's detail is removed.
        """
        check_shape("change", change, self.size_px, self.size_px, 3)
        seen = _low_passed(np.ascontiguousarray(self._oriented(change)), 1.0 / self._scale)
        changed = Box.around(seen.any(axis=-1))
        if changed is None:
            return
        box, near, places = self._under(canvas, changed)
        added = sample(seen, places)
        inside = canvas[box.slices]
        if self._scale < ANTIALIAS_BELOW:
            held = self._oriented(near.cut(inside)).astype(np.float32)
            gone = (np.abs(added).max(axis=-1, keepdims=True) / _REPLACEMENT_LEVELS).clip(0.0, 1.0)
            added += gone * (sample(held, places) - inside)
        inside[:] = np.rint(inside + added).clip(0, 255).astype(np.uint8)

    def apply_gain(self, canvas: Pixels, gain: Float32[np.ndarray, "S S"]) -> None:
        """Multiply a picture by a gain, in place; where it is 1, pixels keep their values.

        Detail that exceeds the window's resolution is kept, as it is on skin in another light.
        """
        check_shape("gain", gain, self.size_px, self.size_px)
        turned = self._oriented(gain)
        lit = Box.around(turned != 1.0)
        if lit is None:
            return
        box, _, places = self._under(canvas, lit)
        inside = canvas[box.slices]
        more = sample(np.ascontiguousarray(turned[..., None] - np.float32(1.0)), places)
        inside[:] = np.rint(inside * (1.0 + more)).clip(0, 255)

    def blend(
        self, canvas: Pixels, picture: UInt8[np.ndarray, "S S 3"], weight: Float32[np.ndarray, "S S"]
    ) -> None:
        """Blend a picture into the part of `canvas` (H,W,3) under the window, in place; `weight` is in [0, 1].

        The weight must be 0 along the window's edge. Where it is 0, pixels keep their values.
        """
        check_shape("picture", picture, self.size_px, self.size_px, 3)
        check_shape("weight", weight, self.size_px, self.size_px)
        box, _, places = self._under(canvas, self._whole)
        both = np.concatenate([weight[..., None] * picture, weight[..., None]], axis=-1)
        seen = sample(np.ascontiguousarray(self._oriented(both)), places)
        inside = canvas[box.slices]
        inside[:] = np.rint(seen[..., :3] + (1.0 - seen[..., 3:]) * inside).astype(np.uint8)

    def _under(self, canvas: Pixels, part: Box) -> tuple[Box, Window, Float32[np.ndarray, "h w 2"]]:
        """The box of a picture under a part of the window, the window relative to that box, and the positions of the
        box's pixels in the window, px."""
        box = self._box(part, *canvas.shape[:2])
        near = self.relative_to(box)
        flow = identity_flow(box.height, box.width)
        return box, near, apply_affine(near.window_from_picture, flow).astype(np.float32)

    @property
    def pixel_positions(self) -> Float64[np.ndarray, "S S 2"]:
        """The position in the picture, px, of each pixel of the window before it is mirrored."""
        line = np.arange(self.size_px) + 0.5
        return apply_affine(
            invert_affine(self.window_from_picture), np.stack(np.meshgrid(line, line), axis=-1)
        )

    def to_window_px(self, points: Points) -> Points:
        """Transform points (V,3) from px of the picture to px of the window before it is mirrored."""
        xy = apply_affine(self.window_from_picture, points[:, :2])
        return np.concatenate([xy, self._scale * points[:, 2:]], axis=1)

    def texture(self, texture: SparseTexture, points: Points) -> Float32[np.ndarray, "S S 3"]:
        """The sparse texture prior drawn in the window, at the geometry `points` (V,3), px of the picture."""
        return self._oriented(render_texture(texture, self.to_window_px(points), self.size_px, self.size_px))

    def relative_to(self, box: Box) -> Window:
        """The same window relative to the part of the picture that `box` crops."""
        moved = self.window_from_picture.copy()
        moved[:, 2] = apply_affine(moved, np.array([float(box.left), float(box.top)]))
        return replace(self, window_from_picture=moved)

    def jittered(self, linear: Float64[np.ndarray, "2 2"], shift: Float64[np.ndarray, "2"]) -> Window:
        """The window with its content mapped about its center by `linear` and shifted by fractions of its side."""
        middle = np.full(2, self.size_px / 2)
        moved = linear @ self.window_from_picture
        moved[:, 2] += middle - linear @ middle + self.size_px * shift
        return replace(self, window_from_picture=moved)

    @property
    def _scale(self) -> float:
        return float(np.sqrt(np.linalg.det(self.window_from_picture[:, :2])))

    def _oriented(self, picture: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(picture[:, ::-1]) if self.mirrored else picture

    @property
    def _whole(self) -> Box:
        return Box(0, 0, self.size_px, self.size_px)

    def _box(self, part: Box, height: int, width: int) -> Box:
        """The box of a picture under a part of the window, with a margin; at least one pixel."""
        corners = [(x, y) for x in (part.left, part.right) for y in (part.top, part.bottom)]
        seen = apply_affine(invert_affine(self.window_from_picture), np.array(corners, np.float64))
        margin = _MARGIN_PX + _MARGIN_PX / self._scale
        low = np.clip(np.floor(seen.min(axis=0) - margin), 0, [width - 1, height - 1]).astype(int)
        high = np.clip(np.ceil(seen.max(axis=0) + margin), low + 1, [width, height]).astype(int)
        return Box(int(low[0]), int(low[1]), int(high[0]), int(high[1]))


def _low_passed(change: Float32[np.ndarray, "S S 3"], scale: float) -> Float32[np.ndarray, "S S 3"]:
    """A change, low-pass filtered for a picture of `scale` times the window's resolution, as in `warp_image`."""
    if scale >= ANTIALIAS_BELOW:
        return change
    return np.asarray(
        cv2.GaussianBlur(change, (0, 0), antialiasing_sigma(scale), borderType=cv2.BORDER_REPLICATE)
    )


def channels_first(picture: Float[np.ndarray, "S S C"]) -> Float32[np.ndarray, "C S S"]:
    """A window's picture or maps as networks take them."""
    return np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32)
