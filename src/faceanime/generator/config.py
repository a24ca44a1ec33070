"""Choice of a renderer and of its networks, apart from their code: reading a command's options loads nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from faceanime.core.config import nearest
from faceanime.core.errors import ConfigError

Quality: TypeAlias = Literal["fast", "quality"]


@dataclass(frozen=True)
class RendererEntry:
    """What is known of a kind of renderer before its code is loaded."""

    module: str
    """Module that holds its `KIND` (`renderer_kind.RendererKind`)."""
    qualities: tuple[Quality, ...] = ()
    """Qualities among which its bundled networks are chosen; none without bundled networks."""


RENDERERS: Mapping[str, RendererEntry] = {
    "flow": RendererEntry("faceanime.generator.flow_renderer", ("fast", "quality")),
    "geometric": RendererEntry("faceanime.generator.geometric_kind"),
    "pgfg": RendererEntry("faceanime.generator.pgfg_renderer"),
}
"""Renderers by name. They are listed apart from their code so that a wrong name is refused at once."""


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
