"""The far cheek: skin for the part of a face that the portrait shows edge-on.

The landmarks of such a cheek lie on the person's outline or beyond it. Turned toward the viewer, it would show
pixels of the background. They are replaced by skin that is inpainted from the face.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32

from faceanime.geometry.interpolation import Ramp, linear_step
from faceanime.render.head.blending import blend_cheek
from faceanime.render.head.sheet import RING
from faceanime.render.inpaint import fill_holes
from faceanime.render.masks import soft_polygon
from faceanime.structures.frames import Pixels
from faceanime.structures.raster import WarpField


@dataclass(frozen=True)
class CheekLook:
    """Selection of the pixels that can be the face's; chosen by eye."""

    core_scale: float = 0.85
    """Scale of the face's outline about its middle within which all is face, even where the matte is 0."""
    core_blur: float = 0.02
    """Standard deviation of the blur of the shrunk outline, in face heights."""
    rim: float = 0.008
    """Width of the person's edge, where pixels mix with the background, in face heights."""
    person: Ramp = (0.5, 0.9)
    """Ramp of the matte, its edge shrunk by `rim`: 1 means that the pixel can be the face's."""
    edge_blur_px: float = 0.8
    """Standard deviation of the blur of the filled skin's weight, px."""


_LOOK = CheekLook()


class CheekLayer:
    """The region's picture with skin wherever it cannot show the face."""

    def __init__(
        self, pixels: Pixels, matte: Float32[np.ndarray, "h w"], oval: Float[np.ndarray, "R 2"]
    ) -> None:
        """`pixels` (h,w,3) and the network's `matte` (h,w) of the region; `oval`, the face's outline in it, px."""
        height, width = pixels.shape[:2]
        center, face_px = oval.mean(axis=0), float(np.ptp(oval[:, 1]))
        core_outline = (center + _LOOK.core_scale * (oval - center)).astype(np.float32)
        core = soft_polygon(core_outline, height, width, _LOOK.core_blur * face_px)
        rim_px = 2 * max(round(_LOOK.rim * face_px), 1) + 1
        person = cv2.erode(matte, np.ones((rim_px, rim_px), np.uint8))
        self._face = np.maximum(linear_step(person, *_LOOK.person), core).astype(np.float32)
        self._skin = fill_holes(pixels, self._face)

    def paint(self, canvas: Pixels, field: WarpField) -> Float32[np.ndarray, "h w"]:
        """Blend skin into `canvas` (h,w,3), in place; returns its weight in each pixel (h,w), in [0,1]."""
        weight = np.zeros(field.region.shape, np.float32)
        if blend_cheek(canvas, weight, self._face, self._skin, field.flow, field.region, RING):
            return np.asarray(cv2.GaussianBlur(weight, (0, 0), _LOOK.edge_blur_px), np.float32)
        return weight
