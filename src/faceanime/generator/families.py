"""The kinds of generators that weights files may hold.

A new family is one module with its configuration and network, and one entry of `FAMILIES`; its training is one entry of
the trainings in `train.generator`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from faceanime.generator.flow_guided import FlowGuided, FlowGuidedConfig
from faceanime.generator.generator import Generator
from faceanime.generator.pgfg import Pgfg, PgfgConfig
from faceanime.morphable.landmark_schema import LandmarkSchema


@dataclass(frozen=True)
class GeneratorFamily:
    """One kind of generator."""

    name: str
    """Name in the headers of weights files."""
    config: type[Any]
    """The dataclass of its settings, which stand in the header as JSON."""
    build: Callable[[Any, LandmarkSchema], Generator]
    """Makes the untrained network of some settings, for a face model with landmarks of a schema."""
    oldest_version: int
    """The oldest version of weights files that still fits the network."""


FAMILIES = (
    GeneratorFamily(
        FlowGuided.network, FlowGuidedConfig, lambda config, _: FlowGuided(config), oldest_version=4
    ),
    GeneratorFamily(Pgfg.network, PgfgConfig, Pgfg, oldest_version=3),
)
"""The families of generators; a new one is a line here."""
