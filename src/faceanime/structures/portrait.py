"""The still image that is animated, with the 3D face in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32

from faceanime.core.errors import check_shape
from faceanime.structures.coefficients import FittedFace
from faceanime.structures.frames import Pixels
from faceanime.structures.landmarks import Landmarks

CoveredPart = Literal["eyes", "mouth"]
"""A part of a face that something may cover."""


@dataclass(frozen=True, eq=False)
class Portrait:
    """An image and the 3D face that was fitted in it.

    `pixels` (H,W,3) uint8 sRGB; `landmarks` and `face` in px of it; `matte` (H,W) in [0, 1], the probability that a
    pixel belongs to the person; `other_faces`, how many more faces the image shows; `covered`, the parts of the face
    that something covers, such as a mask; `quarter_turns`, by how many the given picture was turned counterclockwise to
    bring the face upright.
    """

    pixels: Pixels
    landmarks: Landmarks
    face: FittedFace
    matte: Float32[np.ndarray, "H W"]
    other_faces: int = 0
    covered: frozenset[CoveredPart] = frozenset()
    quarter_turns: int = 0

    def __post_init__(self) -> None:
        check_shape("Portrait.pixels", self.pixels, None, None, 3)
        check_shape("Portrait.matte", self.matte, *self.pixels.shape[:2])

    def __repr__(self) -> str:
        height, width = self.pixels.shape[:2]
        left, top, right, bottom = (round(edge) for edge in self.landmarks.box_px)
        face = f"face from ({left}, {top}) to ({right}, {bottom})"
        others = f", {self.other_faces} other faces" if self.other_faces else ""
        return f"Portrait({width}x{height} px, {face}{others})"

    @property
    def side_px(self) -> int:
        """The longer side of the image, px."""
        return max(self.pixels.shape[:2])
