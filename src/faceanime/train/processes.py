"""Several processes that train one network together, each on batches of its own, by Lightning Fabric.

Gradients are averaged over the processes before each step, so that all keep the same weights. Modules are not wrapped,
because a process may lack samples for one of several networks in a step. The first process alone validates, saves and
logs; batch norm's running statistics are its own.
"""

from __future__ import annotations

import os
from typing import Any, Literal

import torch
from torch import nn

from faceanime.core.errors import ConfigError, RangeError
from faceanime.core.progress import Progress

Device = Literal["cpu", "cuda"]
"""The kind of device on which networks learn."""


class Processes:
    """This process among all that train together: its `rank` from 0, their `count`, and its `device`."""

    def __init__(self, device: torch.device, fabric: Any = None) -> None:
        self.device, self._fabric = device, fabric
        self.rank: int = fabric.global_rank if fabric else 0
        self.count: int = fabric.world_size if fabric else 1

    @classmethod
    def start(cls, device: Device, count: int) -> Processes:
        """Start `count` processes on this machine or, under torchrun, join those that it has started.

        Each further process runs the same command again. Raises ConfigError where torch finds no such device, or for
        more than one process without the extra `train`.
        """
        if device == "cuda" and not torch.cuda.is_available():
            raise ConfigError("device is cuda, but torch finds no such device here; use cpu")
        if count < 1:
            raise RangeError("processes", count, "1 or more")
        here = int(os.environ.get("LOCAL_WORLD_SIZE", count))  # set by torchrun
        machines = int(os.environ.get("WORLD_SIZE", here)) // here
        if here * machines == 1:
            return cls(torch.device(device))
        try:
            from lightning_fabric import Fabric
        except ImportError as error:
            raise ConfigError('several processes need Lightning; pip install "faceanime[train]"') from error
        fabric = Fabric(accelerator=device, devices=here, num_nodes=machines, strategy="ddp")
        fabric.launch()
        return cls(fabric.device, fabric)

    @property
    def first(self) -> bool:
        """Whether this is the process that validates, saves and logs."""
        return self.rank == 0

    def seeds(self, *numbers: int) -> list[int]:
        """Return seeds that differ between processes; the first process has the numbers themselves."""
        return [*numbers, self.rank] if self.rank else list(numbers)

    def average_gradients(self, *networks: nn.Module) -> None:
        """Replace each gradient by its mean over all processes."""
        if self._fabric is None:
            return
        for network in networks:
            for parameter in network.parameters():
                own = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                parameter.grad = self._fabric.all_reduce(own, reduce_op="mean")

    def any(self, mine: bool) -> bool:
        """Whether the statement is true in any process; all processes must call this."""
        if self._fabric is None:
            return mine
        return bool(
            self._fabric.all_reduce(torch.tensor(float(mine), device=self.device), reduce_op="sum") > 0
        )

    def wait(self) -> None:
        """Wait until all processes have called this."""
        if self._fabric is not None:
            self._fabric.barrier()


ALONE = Processes(torch.device("cpu"))
"""A single process on the CPU."""


class SharedProgress:
    """The progress of steps that all processes take together: the first reports it, and all stop at the same step."""

    def __init__(self, progress: Progress, processes: Processes) -> None:
        self._progress, self._processes = progress, processes

    def stage(self, name: str, total: int | None) -> None:
        """Begin a stage of the first process's progress."""
        if self._processes.first:
            self._progress.stage(name, total)

    def advance(self, steps: int = 1) -> None:
        """Report steps to the first process's progress."""
        if self._processes.first:
            self._progress.advance(steps)

    @property
    def cancelled(self) -> bool:
        """Whether any process was cancelled; all processes must ask equally often."""
        return self._processes.any(self._progress.cancelled)
