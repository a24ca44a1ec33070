"""Settings of the geometric renderer, apart from its code: reading a command's options loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class WarpConfig:
    """Warp of hair, neck and background around the face."""

    # Chosen by eye, fade and depth with docs/log/training.md, "The background": with a fade below 0.25 necks shear in a
    # roll; at this depth the error of hair on validation clips is near its minimum, and foreheads do not fold.
    reach: float = 2.8
    """Side of the moving region in sizes of the face; it ends at the picture's edge."""
    rings: int = 6
    """Number of rings of vertices between the last rigid ring and the still border."""
    fade: float = 0.5
    """Fraction of the way from the rigid part to the border over which the motion fades out, 0 to 1.
    Less warps the background less, but below 0.25 necks shear."""
    depth: float = 0.75
    """Depth of hair and neck behind the face's outline, as a fraction of the depth of the rigid rings.
    With more, foreheads fold under hair in a nod."""


@dataclass(frozen=True)
class GeometricConfig:
    """Geometric renderer, which the other renderers build on."""

    warp: WarpConfig = field(default_factory=WarpConfig)
    """Warp of hair, neck and background around the face."""
    still_background: bool = True
    """Keep the background still behind the person; without this it moves with the head nearby."""
