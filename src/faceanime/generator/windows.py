"""Windows: squares of a picture that move with the head, and what is put back through them.

A network looks at the few small places that geometry cannot carry: aligned to the head's roll, as large as its scale
says, S px wide whatever the picture's size. The left eye's window is mirrored, so that one network serves both; that of
light sees the whole face, small: how bright skin is changes slowly across it. Where they stand, and what the 3D face
tells of them: `conditions.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import cv2
import numpy as np
from jaxtyping import Float, Float32, Float64, UInt8

from faceanime.core.errors import ConfigError, check_shape
from faceanime.geometry.flow import identity_flow, sample
from faceanime.geometry.similarity import ANTIALIAS_BELOW, apply_affine, invert_affine, warp_image
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
WINDOWS: tuple[WindowName, ...] = tuple(PART_OF)
PARTS: tuple[WindowPart, ...] = ("face", "mouth", "eye", "light")
"""In the order in which they are mended: where gates overlap, the next sees what is mended already. Light comes last:
the others have learned on pictures without it."""

_REPLACES = 16.0
"""Levels of 255: a pixel that changes by so much shows something else."""


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

    def of(self, part: WindowPart) -> int:
        """The side of a part's window, px."""
        sides = {"mouth": self.mouth_px, "eye": self.eye_px, "face": self.face_px, "light": self.light_px}
        return sides[part]


@dataclass(frozen=True, eq=False)
class Window:
    """A square of a picture: `window_from_picture` (2,3) px, a similarity unless it is `jittered`; seen in a mirror if
    `mirrored`."""

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
        return self._oriented(seen)

    def paste(self, canvas: Pixels, change: Float32[np.ndarray, "S S 3"]) -> None:
        """Add a change (levels of 255) to a picture, in place; where it is 0, pixels stay as they are.

        A change, not a picture: what it leaves alone keeps the detail that the picture has beyond the window's. Where
        it reaches `_REPLACES` levels, something else is there now, and the detail of what was there goes.
        """
        check_shape("change", change, self.size_px, self.size_px, 3)
        seen = _antialiased(np.ascontiguousarray(self._oriented(change)), 1.0 / self._scale)
        changed = Box.around(seen.any(axis=-1))
        if changed is None:
            return
        box, near, places = self._under(canvas, changed)
        added = sample(seen, places)
        inside = canvas[box.slices]
        if self._scale < ANTIALIAS_BELOW:
            held = self._oriented(near.cut(inside)).astype(np.float32)
            gone = (np.abs(added).max(axis=-1, keepdims=True) / _REPLACES).clip(0.0, 1.0)
            added += gone * (sample(held, places) - inside)
        inside[:] = np.rint(inside + added).clip(0, 255).astype(np.uint8)

    def apply_gain(self, canvas: Pixels, gain: Float32[np.ndarray, "S S"]) -> None:
        """Multiply a picture by a gain, in place; where it is 1, pixels stay as they are.

        The picture's finer detail stays, as that of skin in another light.
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
        """Blend a picture into the part of `canvas` (H,W,3) that the window sees, in place; `weight` in [0, 1].

        The weight must be 0 along the window's edge. Where it is 0, pixels stay as they are.
        """
        check_shape("picture", picture, self.size_px, self.size_px, 3)
        check_shape("weight", weight, self.size_px, self.size_px)
        box, _, places = self._under(canvas, self._whole)
        both = np.concatenate([weight[..., None] * picture, weight[..., None]], axis=-1)
        seen = sample(np.ascontiguousarray(self._oriented(both)), places)
        inside = canvas[box.slices]
        inside[:] = np.rint(seen[..., :3] + (1.0 - seen[..., 3:]) * inside).astype(np.uint8)

    def _under(self, canvas: Pixels, part: Box) -> tuple[Box, Window, Float32[np.ndarray, "h w 2"]]:
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
        return self._oriented(render_texture(texture, self.placed(points), self.size_px, self.size_px))

    def within(self, box: Box) -> Window:
        """The same window on the part of the picture that `box` cuts out."""
        moved = self.window_from_picture.copy()
        moved[:, 2] = apply_affine(moved, np.array([float(box.left), float(box.top)]))
        return replace(self, window_from_picture=moved)

    def jittered(self, linear: Float64[np.ndarray, "2 2"], shift: Float64[np.ndarray, "2"]) -> Window:
        """The same window, its content mapped about its middle by `linear` and moved, in shares of its side."""
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
        """What of a picture is under a part of the window, and a little around it; one pixel at least."""
        corners = [(x, y) for x in (part.left, part.right) for y in (part.top, part.bottom)]
        seen = apply_affine(invert_affine(self.window_from_picture), np.array(corners, np.float64))
        margin = 3.0 + 3.0 / self._scale
        low = np.clip(np.floor(seen.min(axis=0) - margin), 0, [width - 1, height - 1]).astype(int)
        high = np.clip(np.ceil(seen.max(axis=0) + margin), low + 1, [width, height]).astype(int)
        return Box(int(low[0]), int(low[1]), int(high[0]), int(high[1]))


def _antialiased(change: Float32[np.ndarray, "S S 3"], scale: float) -> Float32[np.ndarray, "S S 3"]:
    """A change without the details that a picture `scale` times as fine cannot show (as `warp_image` does)."""
    if scale >= ANTIALIAS_BELOW:
        return change
    sigma = 0.5 * float(np.sqrt(scale**-2 - 1.0))
    return np.asarray(cv2.GaussianBlur(change, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE))
