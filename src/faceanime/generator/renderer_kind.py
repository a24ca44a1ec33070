"""Kinds of renderers: how one is chosen by its name, finds its weights and is made.

A new kind is one file with a renderer (`render.renderer`) and a `RendererKind` called `KIND`, and one entry of
`config.RENDERERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from faceanime.generator.config import RendererConfig
from faceanime.morphable.model import MorphableModel
from faceanime.render.config import GeometricConfig
from faceanime.render.renderer import Renderer


@dataclass(frozen=True)
class RendererKind:
    """One kind of renderer."""

    name: str
    """Name by which users choose the renderer."""
    network: str | None
    """Name in weights files of the networks that the renderer draws with; None without networks."""
    weights: Callable[[RendererConfig], Path | None]
    """Finds the weights file of some settings; raises ConfigError for settings that contradict each other."""
    open: Callable[[RendererConfig, GeometricConfig, MorphableModel], Renderer]
    """Makes the renderer and loads its networks; raises ConfigError, WeightsError."""
