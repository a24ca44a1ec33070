"""The seam for generators: networks that can be trained, saved, and run by a renderer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import nn

from faceanime.runtime.torch_network import TorchFunction


class Generator(nn.Module, ABC):
    """A generator of one family (`families.GeneratorFamily`)."""

    network: ClassVar[str]
    """Name of the family in weights files."""
    config: Any
    """The dataclass of its settings."""

    @property
    @abstractmethod
    def parts(self) -> dict[str, nn.Module]:
        """The modules that are trained separately, by name."""

    @abstractmethod
    def functions(self) -> Mapping[Any, TorchFunction]:
        """The functions that a renderer calls, by name; `runtime.engine.networks_of` makes networks of them."""
