"""The state of one training: networks, optimizers, averaged weights, and the number of steps taken."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

import torch
from torch import nn
from torch.optim import Optimizer

from faceanime.structures.frames import Pixels
from faceanime.train.checkpoint import load_checkpoint, save_checkpoint

Numbers: TypeAlias = dict[str, float]
"""Losses or measurements by name."""
TrainedNetwork = TypeVar("TrainedNetwork", bound=nn.Module)


class Trainer(ABC, Generic[TrainedNetwork]):
    """A network, its averaged weights, and the number of steps that both have been trained."""

    loss_names: ClassVar[tuple[str, ...]]
    """Names of the losses that `advance` returns; a step may lack some of them."""
    final_rate: ClassVar[float]
    """Learning rate of the last step as a fraction of the highest one; chosen by eye."""

    def __init__(self, config: Any, network: TrainedNetwork, device: torch.device) -> None:
        """`config` is a frozen dataclass with at least steps, batch, warm_up, ema, seed and validate_every."""
        self.config, self.step, self.device = config, 0, device
        self.network: TrainedNetwork = network.to(device)
        self.average: TrainedNetwork = copy.deepcopy(self.network).eval().requires_grad_(False)

    @property
    def loaders(self) -> int:
        """Threads that draw batches in advance."""
        return 1

    @property
    def starts_trained(self) -> bool:
        """Whether the first step began with trained weights rather than random ones."""
        return False

    @abstractmethod
    def draw(self, data: Any, step: int) -> Any:
        """Draw the batch of a step; it depends on the data, the seed and the step alone."""

    @abstractmethod
    def advance(self, drawn: Any) -> Numbers:
        """Take one step on a drawn batch and return its losses."""

    @abstractmethod
    def samples(self, data: Any) -> Any:
        """Choose the validation samples; the same data always give the same samples."""

    @abstractmethod
    def validate(self, samples: Any) -> Numbers:
        """Measure the averaged weights on the validation samples."""

    def contact_sheets(self, samples: Any) -> Mapping[str, Pixels]:
        """Pictures that show what the averaged weights make of the validation samples, by name."""
        return {}

    @abstractmethod
    def modules(self) -> dict[str, nn.Module]:
        """All networks that have state, by their name in checkpoints."""

    @abstractmethod
    def optimisers(self) -> dict[str, Optimizer]:
        """All optimizers; each parameter group holds its highest learning rate as `initial_lr`."""

    def save(self, path: Path, header: Mapping[str, Any] | None = None) -> None:
        """Write everything that the next step depends on; `header` holds further JSON values. Raises OutputError."""
        save_checkpoint(path, self.modules(), self.optimisers(), self.step, header)

    def load(self, path: Path) -> None:
        """Continue from a checkpoint of the same settings. Raises WeightsError, ConfigError."""
        self.step = load_checkpoint(path, self.modules(), self.optimisers())

    def _begin_step(self) -> None:
        """Set the learning rates of the step that begins."""
        factor = rate_factor(self.step, self.config.steps, self.config.warm_up, self.final_rate)
        for optimiser in self.optimisers().values():
            for group in optimiser.param_groups:
                group["lr"] = factor * group["initial_lr"]

    def _finish_step(self) -> None:
        """Count the step, and move the averaged weights toward the new ones."""
        self.step += 1
        keep = self.config.ema
        if not self.starts_trained:
            keep = min(keep, (1 + self.step) / (10 + self.step))  # random weights leave the average quickly
        follow(self.average, self.network, keep)


def rate_factor(step: int, steps: int, warm_up: int, final: float) -> float:
    """The learning rate of a step as a fraction of the highest.

    It rises linearly over `warm_up` steps and falls as half a cosine to `final` at step `steps`.
    """
    rise = min(1.0, (step + 1) / max(warm_up, 1))
    fall = 0.5 * (1.0 + math.cos(math.pi * min(step / steps, 1.0)))
    return rise * (final + (1.0 - final) * fall)


def follow(average: nn.Module, network: nn.Module, keep: float) -> None:
    """Move averaged weights and buffers toward a network's; the average keeps a fraction `keep` of itself."""
    state = network.state_dict()
    for name, mean in average.state_dict().items():
        if mean.is_floating_point():
            mean.lerp_(state[name], 1.0 - keep)
        else:
            mean.copy_(state[name])


def adam(network: nn.Module, rate: float, betas: tuple[float, float]) -> torch.optim.Adam:
    """Adam whose learning rate the trainer's schedule scales."""
    return torch.optim.Adam([{"params": network.parameters(), "initial_lr": rate}], rate, betas)
