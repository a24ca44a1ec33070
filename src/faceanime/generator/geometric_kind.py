"""The geometric renderer as a kind of renderer: no network, the fastest."""

from __future__ import annotations

from pathlib import Path

from faceanime.core.errors import ConfigError
from faceanime.generator.config import RendererConfig
from faceanime.generator.renderer_kind import RendererKind
from faceanime.morphable.model import MorphableModel
from faceanime.render.config import GeometricConfig
from faceanime.render.geometric_renderer import GeometricRenderer


def _weights(config: RendererConfig) -> Path | None:
    if config.generator is not None or config.quality != "fast":
        raise ConfigError("the geometric renderer has no networks; leave quality and generator out")
    return None


def _open(config: RendererConfig, geometric: GeometricConfig, model: MorphableModel) -> GeometricRenderer:
    _weights(config)
    return GeometricRenderer(model, geometric)


KIND = RendererKind("geometric", None, _weights, _open)
