"""The choice of the inference engine: the one place that names the engine which runs the renderers' networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from faceanime.runtime.network import Network
from faceanime.runtime.torch_network import TorchFunction, TorchNetwork

Name = TypeVar("Name", bound=str)


def networks_of(functions: Mapping[Name, TorchFunction]) -> dict[Name, Network]:
    """Return networks that run the functions of a generator (`Generator.functions`), by the same names."""
    return {name: TorchNetwork(function) for name, function in functions.items()}
