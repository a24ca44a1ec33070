"""The kinds of renderers there are, and the one place that opens one."""

from __future__ import annotations

from pathlib import Path

from faceanime.core.config import nearest
from faceanime.core.errors import ConfigError, WeightsError
from faceanime.core.weights import read_header
from faceanime.generator.flow_renderer import FLOW
from faceanime.generator.pgfg_renderer import PGFG
from faceanime.morphable.model import MorphableModel
from faceanime.render.geometric import GeometricConfig
from faceanime.render.geometric_renderer import GEOMETRIC
from faceanime.render.renderer import Renderer, RendererConfig, RendererKind

RENDERERS: tuple[RendererKind, ...] = (FLOW, GEOMETRIC, PGFG)


def weights_of(config: RendererConfig) -> Path | None:
    """Return the weights file that a renderer draws with, None without networks.

    Reads the file's header alone. Raises ConfigError for settings that contradict each other, WeightsError for weights
    that are missing or belong to another renderer.
    """
    kind = _kind_of(config)
    path = kind.weights(config)
    if path is not None and (found := renderer_of(path)) != kind.name:
        raise WeightsError(f"{path} holds a generator of renderer {found}, not of {kind.name}")
    return path


def open_renderer(config: RendererConfig, geometric: GeometricConfig, model: MorphableModel) -> Renderer:
    """Make the renderer that the settings name, with its networks. Raises ConfigError, WeightsError."""
    weights_of(config)
    return _kind_of(config).open(config, geometric, model)


def renderer_of(generator: Path) -> str:
    """Return the name of the renderer that draws with these weights. Raises WeightsError."""
    network = read_header(generator).get("network")
    for kind in RENDERERS:
        if kind.network is not None and kind.network == network:
            return kind.name
    raise WeightsError(
        f"{generator} holds no generator; name the generator.safetensors that `faceanime train generator` wrote"
    )


def _kind_of(config: RendererConfig) -> RendererKind:
    names = [kind.name for kind in RENDERERS]
    if config.renderer not in names:
        raise ConfigError(
            f"unknown renderer {config.renderer}, expected one of {', '.join(names)}{nearest(config.renderer, names)}"
        )
    return RENDERERS[names.index(config.renderer)]
