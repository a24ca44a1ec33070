"""The background: a still plate behind the moving person.

The person is cut out of the portrait and the hole is inpainted. Per frame the person's matte is warped like the
picture, and the plate shows where it is open. Beyond the picture's edges the matte is outpainted (`outpaint.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32

from faceanime.geometry.flow import sample
from faceanime.geometry.interpolation import Ramp, linear_step
from faceanime.render.head.blending import blend_plate
from faceanime.render.head.outpaint import OutpaintedFlow, crown_matte, reach_beyond_sides
from faceanime.render.inpaint import inpaint
from faceanime.structures.frames import Pixels


@dataclass(frozen=True)
class BackgroundLook:
    """Cutting out of the person, and outpainting of the matte beyond the picture; chosen by eye."""

    cutout_margin: float = 0.012
    """Margin of the hole around the person, in longer sides of the region."""
    hole: Ramp = (0.05, 0.25)
    """Ramp of the matte, grown by `cutout_margin`: the weight with which a pixel is inpainted."""
    head_radius: float = 0.62
    """Radius of a head with its hair, in face widths."""
    side_gap: float = 0.05
    """Half the largest distance of parts of the person along a side of the picture that are joined, in face widths."""


_LOOK = BackgroundLook()


@dataclass(frozen=True, eq=False)
class BackgroundLayer:
    """The plate, and the person's matte with what is outpainted.

    `plate` (h,w,3): the region without the person; `matte` (M,w): the person in the region, with `crown_rows` rows
    above it; `side_reach` (2,M): how far the person continues beyond the left and the right edge in each row, px.
    """

    plate: Pixels
    matte: Float32[np.ndarray, "M w"]
    crown_rows: int
    side_reach: Float32[np.ndarray, "2 M"]

    @classmethod
    def separate(
        cls, pixels: Pixels, person: Float32[np.ndarray, "h w"], face_width_px: float, *, at_top: bool
    ) -> BackgroundLayer:
        """Separate the person from the background of a region's `pixels` (h,w,3).

        `person` is the trusted matte; `at_top` says that the region's upper edge is the picture's own.
        """
        margin = max(1, round(_LOOK.cutout_margin * max(person.shape)))
        grown = cv2.dilate(person, np.ones((2 * margin + 1,) * 2, np.uint8))
        plate = inpaint(pixels, linear_step(grown, *_LOOK.hole).astype(np.float32))
        radius = _LOOK.head_radius * face_width_px
        crown = crown_matte(person, radius) if at_top else person[:0]
        matte = np.concatenate([crown, person])
        return cls(
            plate, matte, len(crown), reach_beyond_sides(matte, radius, _LOOK.side_gap * face_width_px)
        )

    def paint(
        self,
        canvas: Pixels,
        flow: Float32[np.ndarray, "h w 2"],
        outpainted: OutpaintedFlow,
        cheek: Float32[np.ndarray, "h w"],
    ) -> None:
        """Blend the plate into `canvas` (h,w,3), in place, wherever the moved person does not cover it.

        `flow` is the sheet's backward flow in px, `outpainted` the same folded into the picture; `cheek` (h,w) is the
        weight of filled skin.
        """
        alpha = self._warped_matte(flow, outpainted)
        blend_plate(canvas, alpha, cheek, self.plate, flow)

    def _warped_matte(
        self, flow: Float32[np.ndarray, "h w 2"], outpainted: OutpaintedFlow
    ) -> Float32[np.ndarray, "h w"]:
        """The person's matte at the target's geometry."""
        width = self.matte.shape[1]
        places = outpainted.flow.copy()
        above = flow[..., 1] < 0.0
        places[..., 1] = np.where(above, flow[..., 1], places[..., 1]) + self.crown_rows
        alpha = sample(self.matte[..., None], places)[..., 0]
        if outpainted.distance is not None:
            beside = (flow[..., 0] < 0.0) | (flow[..., 0] > width)
            x, y, rows = flow[beside, 0], places[beside, 1], np.arange(len(self.matte)) + 0.5
            left_reach, right_reach = (np.interp(y, rows, reach) for reach in self.side_reach)
            reach = np.where(x < 0.0, left_reach, right_reach)
            distance = np.maximum(-x, x - width)
            # where the mirrored pixels are background, the mirrored matte is open as well
            alpha[beside] = np.minimum(alpha[beside], np.clip(reach - distance + 0.5, 0.0, 1.0))
        return alpha
