"""The one place that opens a renderer by its name."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from faceanime.core.errors import WeightsError
from faceanime.core.weights import read_header
from faceanime.generator.config import RENDERERS, RendererConfig
from faceanime.generator.renderer_kind import RendererKind
from faceanime.morphable.model import MorphableModel
from faceanime.render.config import GeometricConfig
from faceanime.render.renderer import Renderer


def weights_of(config: RendererConfig) -> Path | None:
    """Return the weights file that a renderer draws with, None without networks.

    Reads the file's header alone. Raises ConfigError for settings that contradict each other, WeightsError for weights
    that are missing or belong to another renderer.
    """
    kind = _kind(config.renderer)
    path = kind.weights(config)
    if path is not None and (found := renderer_of(path)) != kind.name:
        raise WeightsError(f"{path} holds a generator of renderer {found}, not of {kind.name}")
    return path


def open_renderer(config: RendererConfig, geometric: GeometricConfig, model: MorphableModel) -> Renderer:
    """Make the renderer that the settings name, with its networks. Raises ConfigError, WeightsError."""
    weights_of(config)
    return _kind(config.renderer).open(config, geometric, model)


def renderer_of(generator: Path) -> str:
    """Return the name of the renderer that draws with these weights. Raises WeightsError."""
    network = read_header(generator).get("network")
    for kind in map(_kind, RENDERERS):
        if kind.network is not None and kind.network == network:
            return kind.name
    raise WeightsError(
        f"{generator} holds no generator; name the generator.safetensors that `faceanime train generator` wrote"
    )


def ready_renderers() -> list[str]:
    """Return the names of the renderers that need no weights of the user's."""
    return [name for name, entry in RENDERERS.items() if entry.qualities or _kind(name).network is None]


def _kind(name: str) -> RendererKind:
    """Return the kind of renderer of a name that `RENDERERS` lists."""
    kind: RendererKind = import_module(RENDERERS[name].module).KIND
    return kind
