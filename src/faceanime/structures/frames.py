"""Frames of videos, and what is known of a video before it is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import UInt8

from faceanime.core.errors import ShapeError, check_shape
from faceanime.core.short_repr import short_repr

Pixels = UInt8[np.ndarray, "H W 3"]
"""A picture, uint8 sRGB."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a video: `pixels` (H,W,3) uint8 sRGB, shown from `time_s` on."""

    pixels: Pixels
    time_s: Fraction

    __repr__ = short_repr

    def __post_init__(self) -> None:
        check_shape("Frame.pixels", self.pixels, None, None, 3)
        if self.pixels.dtype != np.uint8:
            raise ShapeError(f"Frame.pixels is {self.pixels.dtype}, expected uint8")


@dataclass(frozen=True, eq=False)
class VideoInfo:
    """Size and length of a video, after its rotation tag is applied.

    `frame_rate` is exact, as in 30000/1001; `frame_count` is None where the file does not give it.
    """

    width_px: int
    height_px: int
    frame_rate: Fraction
    frame_count: int | None
