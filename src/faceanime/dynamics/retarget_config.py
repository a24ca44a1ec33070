"""Settings of retargeting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faceanime.core.errors import RangeError, check_range

MovingPart = Literal["all", "expression", "head", "lips", "eyes"]
STRONGEST = 4.0
"""Largest factor on a motion; beyond it expressions are unlike any that the model has learned. Chosen by eye."""


@dataclass(frozen=True)
class MotionStrength:
    """Choice and strength of the motion."""

    parts: MovingPart = "all"
    """Parts that move: all, the expression without the head, the head only, mouth and jaw, or eyes and brows."""
    lips: float = 1.0
    """Factor on the motion of mouth and jaw, 0 to 4."""
    eyes: float = 1.0
    """Factor on the motion of lids, gaze and brows, 0 to 4."""
    head: float = 1.0
    """Factor on the turning and shifting of the head, 0 to 4."""

    def __post_init__(self) -> None:
        check_range(self, "", "lips", "eyes", "head", least=0, most=STRONGEST)


@dataclass(frozen=True)
class MotionTransfer(MotionStrength):
    """Choice and strength of the driver's motion."""

    motion: Literal["relative", "absolute"] = "relative"
    """relative adds the driver's departure from its reference frame to the portrait's own face.
    absolute gives the portrait the driver's expression and head angles as they are."""
    reference: Literal["auto"] | int = "auto"
    """Index of the driver's reference frame, from 0; auto chooses one with the driver's usual face."""
    rest: bool = True
    """Close the portrait's open mouth, or its lips over a smile's teeth, as far as the driver's close in speech, and
    open eyes that it shows shut. Without it the portrait's openings are added to the driver's."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.reference, int) and self.reference < 0:
            raise RangeError("reference", self.reference, "auto or a frame number from 0")


@dataclass(frozen=True)
class MotionLimits:
    """How far the head may go from its pose in the portrait."""

    yaw_limit_deg: float | None = None
    """Largest turn of the head to either side of the portrait's own pose in degrees, 0 or more; approached smoothly.
    By default 30; less where the picture's edge cuts the head off or the portrait is half turned."""
    pitch_limit_deg: float | None = None
    """Largest nod up or down from the portrait's own pose in degrees, 0 or more; approached smoothly.
    By default 22; less where the picture's edge cuts the head off or the portrait looks far up or down."""
    roll_limit_deg: float | None = None
    """Largest tilt of the head to either side of the portrait's own pose in degrees, 0 or more; approached smoothly.
    By default 45; less where the picture's edge cuts the head off."""
    shift_limit: float | None = None
    """Largest shift of the head from its place in the portrait in distances of the outer eye corners, 0 or more.
    By default 0.6; less where the picture's edge cuts the head off, and upward where it shows little body below the
    chin. Never further than an edge that cuts the head off allows."""
    scale_limit: float | None = None
    """Largest factor by which the head may grow or shrink, above 1.
    By default 1.35; less where the picture's edge cuts the head off; it shrinks less where the picture shows little
    body below the chin."""

    def __post_init__(self) -> None:
        for name in ("yaw_limit_deg", "pitch_limit_deg", "roll_limit_deg", "shift_limit"):
            if getattr(self, name) is not None:
                check_range(self, "", name, least=0)
        if self.scale_limit is not None:
            check_range(self, "", "scale_limit", above=1)


@dataclass(frozen=True)
class RetargetConfig(MotionLimits, MotionTransfer):
    """Retargeting: transfer of the driver's motion to the portrait, within limits."""

    def __post_init__(self) -> None:
        MotionTransfer.__post_init__(self)
        MotionLimits.__post_init__(self)
