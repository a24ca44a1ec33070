"""`faceanime train dynamics`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

from faceanime.config import load_config
from faceanime.terminal import TerminalProgress


@dataclasses.dataclass(frozen=True)
class TrainDynamics:
    """Learn to imagine motion from the clips that `faceanime prepare` has made."""

    data: Path
    """The folder that `faceanime prepare` wrote."""
    out: Path
    """The folder that receives dynamics.safetensors, config.json, a checkpoint and TensorBoard's log."""
    config: Path | None = None
    """Settings as JSON, as in config.json; what it does not name keeps its default."""
    preset: Literal["flow", "paper"] = "flow"
    """flow: draws one of many futures; paper: the LSTM of arXiv 2105.14678. Not together with --config."""
    resume: bool = False
    """Go on from the checkpoint in `out`."""

    def run(self) -> None:
        from faceanime.train.dynamics import PAPER, DynamicsConfig, train_dynamics_on

        config = PAPER if self.preset == "paper" else DynamicsConfig()
        if self.config is not None:
            config = load_config(DynamicsConfig, self.config)
        with TerminalProgress() as progress:
            print(train_dynamics_on(self.data, config, self.out, progress, self.resume))
