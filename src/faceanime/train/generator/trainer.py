"""What both generators' trainers have in common: averaged weights, their state on disk, their course."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import nn
from torch.optim import Optimizer

from faceanime.core.errors import ConfigError
from faceanime.core.weights import read_header
from faceanime.generator.flow_guided import FlowGuided
from faceanime.generator.generator_file import load_generator
from faceanime.generator.pgfg import Pgfg
from faceanime.structures.frames import Pixels
from faceanime.train.checkpoint import follow, load_checkpoint, save_checkpoint
from faceanime.train.generator.recogniser import DlibRecogniser
from faceanime.train.generator.window_errors import Numbers
from faceanime.train.generator.window_samples import Pairs
from faceanime.train.processes import Processes
from faceanime.train.stepping import multiplies_bfloat16, pace

CHECKPOINT_FILE = "checkpoint.safetensors"
RESULT_FILE = "generator.safetensors"
"""What a run has in its folder."""

_TOLD_OF_A_START = ("step", "parts", "recogniser", "settings", "rights")
"""Of the header of the weights that a run began with, what is kept."""

Network = TypeVar("Network", Pgfg, FlowGuided)


class Trainer(ABC, Generic[Network]):
    """A generator, its averaged weights, and the step that they have come to.

    `began_with` is the header of the weights that the run began with, None if it began with random ones.
    """

    loss_names: ClassVar[tuple[str, ...]]
    """Of what `advance` returns."""

    def __init__(self, config: Any, processes: Processes, network: Network, watches_identity: bool) -> None:
        """Raises WeightsError where there is an identity loss and the extra `identity` is not installed."""
        self.config, self.step = config, 0
        self.began_with: Mapping[str, Any] | None = None
        self._processes, self._device = processes, processes.device
        self._low_precision = multiplies_bfloat16(config.precision, self._device)
        self.network: Network = network.to(self._device)
        self.average: Network = copy.deepcopy(self.network).eval().requires_grad_(False)
        self._recogniser = DlibRecogniser().to(self._device) if watches_identity else None

    @property
    def recogniser(self) -> str | None:
        """Which face recogniser an identity loss asks, or has asked: a measure by it is flattered."""
        before = None if self.began_with is None else self.began_with.get("recogniser")
        return before if self._recogniser is None else self._recogniser.name

    @abstractmethod
    def draw(self, pairs: Pairs, step: int) -> list[Any]:
        """What is seen in a step; depends on the seed and the step alone."""

    @abstractmethod
    def advance(self, drawn: list[Any]) -> Numbers:
        """One step; returns the losses."""

    @abstractmethod
    def samples(self, pairs: Pairs) -> Any:
        """What is measured and looked at: always the same, spread evenly over all pairs."""

    @abstractmethod
    def validate(self, samples: Any) -> Numbers:
        """How well the averaged weights do: "PART score" for each of the network's parts, the less, the better."""

    @abstractmethod
    def look(self, samples: Any) -> Mapping[Any, Pixels]:
        """Contact sheets of the averaged weights' pictures."""

    @abstractmethod
    def _modules(self) -> dict[str, nn.Module]:
        """All that has state."""

    @abstractmethod
    def _optimisers(self) -> dict[str, Optimizer]:
        """All of them; each has its learning rate as `initial_lr`."""

    def begin_with(self, path: Path) -> None:
        """Take a file's weights, or those that a run in a folder kept, and its critics as they stood when it ended.

        They may be of another face model: what networks see are pictures. Raises WeightsError, ConfigError where it
        holds another network.
        """
        start, header = load_generator(path / RESULT_FILE if path.is_dir() else path, None)
        if start.network != self.network.network:
            raise ConfigError(f"{path} holds {start.network}; the run's network is {self.network.network}")
        for network in (self.network, self.average):
            try:
                network.load_state_dict(start.state_dict())
            except RuntimeError as error:
                raise ConfigError(f"{path} holds a network with other widths than the run's") from error
        if path.is_dir():
            judges = {n: m for n, m in self._modules().items() if m not in (self.network, self.average)}
            load_checkpoint(path / CHECKPOINT_FILE, judges, {})
        self.began_with = {name: value for name, value in header.items() if name in _TOLD_OF_A_START}

    def save(self, path: Path, told: Mapping[str, Any] | None = None) -> None:
        """Everything that the next step depends on; what is `told` (JSON values) stands beside. Raises OutputError."""
        kept = {"began_with": self.began_with, **(told or {})}
        save_checkpoint(path, self._modules(), self._optimisers(), self.step, kept)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint of the same settings. Raises WeightsError, ConfigError."""
        self.step = load_checkpoint(path, self._modules(), self._optimisers())
        self.began_with = read_header(path).get("began_with")

    def _set_pace(self) -> None:
        """The learning rates of the step that begins."""
        share = pace(self.step, self.config.steps, self.config.warm_up)
        for optimiser in self._optimisers().values():
            for group in optimiser.param_groups:
                group["lr"] = share * group["initial_lr"]

    def _finish_step(self) -> None:
        self.step += 1
        keep = self.config.ema
        if self.began_with is None:  # random weights are soon forgotten
            keep = min(keep, (1 + self.step) / (10 + self.step))
        follow(self.average, self.network, keep)


def adam(network: nn.Module, rate: float, moments: tuple[float, float]) -> torch.optim.Adam:
    """Adam, with the learning rate that `Trainer` lets rise and fall."""
    return torch.optim.Adam([{"params": network.parameters(), "initial_lr": rate}], rate, moments)
