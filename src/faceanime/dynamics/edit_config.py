"""Settings of editing a motion."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from faceanime.core.errors import ConfigError, Remedy


@dataclass(frozen=True)
class EditConfig:
    """Edits of a motion, made in the order of these settings."""

    start: float | None = None
    """Start in s of the part to keep, by default the motion's beginning."""
    end: float | None = None
    """End in s of the part to keep, by default the motion's end."""
    speed: float = 1.0
    """Factor on the motion's speed, 0.1 to 10: 2 is twice as fast."""
    frame_rate: str | None = None
    """Frames per second of the result, such as 30 or 30000/1001; by default the motion's own rate."""
    mirror: bool = False
    """Mirror the motion: swap left and right."""
    amplify_lips: float = 1.0
    """Factor on the motion of mouth and jaw, 0 to 4: 1 keeps it, 0 freezes it as in the reference frame."""
    amplify_eyes: float = 1.0
    """Factor on the motion of lids, gaze and brows, 0 to 4."""
    amplify_head: float = 1.0
    """Factor on the turning and shifting of the head, 0 to 4."""
    blend_with: Path | None = None
    """Motion to blend in frame by frame: a file, or the name of a bundled motion."""
    share: float | None = None
    """Weight of the motion that is blended in, 0 to 1; by default 0.5."""
    axes: Path | None = None
    """JSON file of keyframes to add on named axes, as in {"smile": [[0, 0], [0.5, 1]], "yaw_deg": [[0, 10]]}.
    A keyframe is a time in s and a value."""
    hold_gaze: bool = False
    """Keep the eyes on the camera while the head turns."""
    blinks: float = 0.0
    """Blinks to add, per minute, 0 to 60; people blink about 15 times a minute."""
    seed: int = 0
    """Random seed of the times of the blinks, from 0; the same seed gives the same times."""
    loop: bool = False
    """Make the last frame continue into the first; the motion becomes shorter by the blend."""
    blend_s: float = 0.2
    """Length in s of the blends between appended motions and at the seam of a loop, 0 or more."""

    def __post_init__(self) -> None:
        if self.share is not None and self.blend_with is None:
            raise ConfigError(
                f"no motion to blend in with a weight of {self.share:g}", Remedy("blend_with", "{} MOTION")
            )
