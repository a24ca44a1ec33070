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
    """Which renderer draws, and with which networks."""

    renderer: str = "flow"
    """Renderer. flow: geometry, repaired by networks; geometric: no network, more than twice as fast; pgfg: the paper's
    generator, for which you need weights of your own."""
    quality: Quality = "fast"
    """Bundled networks of the flow renderer. quality: they see mouth and eyes at a higher resolution and are slower."""
    generator: Path | None = None
    """Weights written by `faceanime train generator`, instead of the bundled ones."""

    def __post_init__(self) -> None:
        if self.renderer not in RENDERERS:
            known = list(RENDERERS)
            raise ConfigError(
                f"unknown renderer {self.renderer}, expected one of {', '.join(known)}{nearest(self.renderer, known)}"
            )


@dataclass(frozen=True)
class WarpConfig:
    """How the picture around the face follows the head."""

    reach: float = 2.8
    """Side of the moving region, in sizes of the face; cut at the picture's edge. Chosen by eye."""
    rings: int = 6
    """Rings of vertices between the last rigid ring and the still border. Chosen by eye."""
    fade: float = 0.5
    """Fraction of the way from the rigid part to the border over which the motion fades to nothing. Less warps films
    less, but below 0.25 necks shear when a head rolls (docs/log/training.md, "The background")."""
    depth: float = 0.75
    """How far back hair and neck lie behind the face's outline, as a fraction of the rigid rings: hair's error on
    validation clips is near its least, and foreheads do not fold under hair (docs/log/training.md, "The
    background")."""


@dataclass(frozen=True)
class GeometricConfig:
    """The renderer without a network."""

    warp: WarpConfig = field(default_factory=WarpConfig)
    still_background: bool = True
    """Separate the person from the background, which stands still; otherwise it moves along near the head."""
