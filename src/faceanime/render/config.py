"""Settings of the renderers, apart from their code, so that reading the options of a command loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from faceanime.core.config import nearest
from faceanime.core.errors import ConfigError

Quality: TypeAlias = Literal["fast", "quality"]
RENDERERS = {
    "flow": "faceanime.generator.flow_renderer",
    "geometric": "faceanime.render.geometric_renderer",
    "pgfg": "faceanime.generator.pgfg_renderer",
}
"""Renderers by name, and the module that holds the `KIND` of each (`render.renderer.RendererKind`); modules are loaded
when a renderer is opened, so that a wrong name is noticed at once."""


@dataclass(frozen=True)
class RendererConfig:
    """Renderer and its networks."""

    renderer: str = "flow"
    """flow draws by geometry and repairs mouth, eyes and light by networks.
    geometric uses no network and is more than twice as fast.
    pgfg is the paper's generator and needs weights that you have trained."""
    quality: Quality = "fast"
    """Bundled networks of renderer flow; quality works on mouth and eyes at a higher resolution and is slower."""
    generator: Path | None = None
    """Weights written by `faceanime train generator`, to use instead of the bundled ones."""

    def __post_init__(self) -> None:
        if self.renderer not in RENDERERS:
            known = list(RENDERERS)
            raise ConfigError(
                f"unknown renderer {self.renderer}, expected one of {', '.join(known)}{nearest(self.renderer, known)}"
            )


@dataclass(frozen=True)
class WarpConfig:
    """Warp of hair, neck and background around the face."""

    reach: float = 2.8
    """Side of the moving region in sizes of the face; it ends at the picture's edge. Chosen by eye."""
    rings: int = 6
    """Number of rings of vertices between the last rigid ring and the still border. Chosen by eye."""
    fade: float = 0.5
    """Fraction of the way from the rigid part to the border over which the motion fades out, 0 to 1.
    Less warps the background less, but below 0.25 necks shear in a roll (docs/log/training.md, "The background")."""
    depth: float = 0.75
    """Depth of hair and neck behind the face's outline, as a fraction of the depth of the rigid rings.
    The error of hair on validation clips is near its minimum, and foreheads do not fold under hair.
    See docs/log/training.md, "The background"."""


@dataclass(frozen=True)
class GeometricConfig:
    """Geometric renderer, which the other renderers build on."""

    warp: WarpConfig = field(default_factory=WarpConfig)
    still_background: bool = True
    """Keep the background still behind the person; without this it moves with the head nearby."""
