"""The common part of the trainings of all families of generators."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

from faceanime.core.errors import ConfigError
from faceanime.core.weights import read_header
from faceanime.generator.generator import Generator
from faceanime.generator.generator_file import load_generator
from faceanime.train.checkpoint import load_checkpoint
from faceanime.train.generator.pairs import PairOptions
from faceanime.train.generator.rendered_pairs import PairsConfig
from faceanime.train.loop import CHECKPOINT_FILE
from faceanime.train.precision import uses_bfloat16
from faceanime.train.processes import Processes
from faceanime.train.trainer import Trainer

GENERATOR_FILE = "generator.safetensors"
"""The file of the best weights in a run's folder."""
_KEPT_OF_A_START = ("step", "parts", "recogniser", "settings", "rights")
"""The entries that are kept of the header of weights that a run began with."""

GeneratorNetwork = TypeVar("GeneratorNetwork", bound=Generator)


@runtime_checkable
class GeneratorConfig(Protocol):
    """The settings of any generator's training that are used outside its trainer."""

    @property
    def kind(self) -> str:
        """The family of generators."""

    @property
    def pairs(self) -> PairsConfig:
        """The frames of clips that are rendered."""

    @property
    def pair_options(self) -> PairOptions:
        """The options with which the network sees the training pairs."""


class GeneratorTrainer(Trainer[GeneratorNetwork], ABC):
    """A generator in training.

    `began_with` is the header of the weights that the run began with; None if it began with random ones.
    """

    final_rate: ClassVar[float] = 0.05
    """Learning rate at the end, as a fraction of the highest one."""

    def __init__(self, config: Any, processes: Processes, network: GeneratorNetwork) -> None:
        super().__init__(config, network, processes.device)
        self.began_with: Mapping[str, Any] | None = None
        self._processes = processes
        self._low_precision = uses_bfloat16(config.precision, processes.device)

    @property
    def loaders(self) -> int:
        """Threads that draw batches in advance."""
        return self.config.loaders

    @property
    def starts_trained(self) -> bool:
        """Whether the run began with trained weights."""
        return self.began_with is not None

    @property
    def recogniser(self) -> str | None:
        """The face recognizer that an identity loss asks or has asked; a metric by the same one is biased."""
        return None if self.began_with is None else self.began_with.get("recogniser")

    def begin_with(self, path: Path) -> None:
        """Take the weights of a file, or those of a run's folder together with its critics.

        They may be of another face model, since networks see pictures. Raises WeightsError; ConfigError where they are
        of another network.
        """
        start, header = load_generator(path / GENERATOR_FILE if path.is_dir() else path, None)
        if start.network != self.network.network:
            raise ConfigError(
                f"{path} holds {start.network}, but the run's network is {self.network.network}"
            )
        for network in (self.network, self.average):
            try:
                network.load_state_dict(start.state_dict())
            except RuntimeError as error:
                raise ConfigError(f"{path} holds a network with other widths than the run's") from error
        if path.is_dir():
            own = (self.network, self.average)
            critics = {name: module for name, module in self.modules().items() if module not in own}
            load_checkpoint(path / CHECKPOINT_FILE, critics, {})
        self.began_with = {name: value for name, value in header.items() if name in _KEPT_OF_A_START}

    def save(self, path: Path, header: Mapping[str, Any] | None = None) -> None:
        """Write everything that the next step depends on; `header` holds further JSON values. Raises OutputError."""
        super().save(path, {"began_with": self.began_with, **(header or {})})

    def load(self, path: Path) -> None:
        """Continue from a checkpoint of the same settings. Raises WeightsError, ConfigError."""
        super().load(path)
        self.began_with = read_header(path).get("began_with")


@dataclass(frozen=True)
class GeneratorTraining:
    """The training of one family of generators: its settings, its trainer and its presets."""

    family: str
    config: type[Any]
    trainer: Callable[[Any, Processes], GeneratorTrainer[Any]]
    presets: Mapping[str, GeneratorConfig]
