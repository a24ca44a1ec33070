"""`faceanime train dynamics`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

from faceanime.commands.terminal_progress import TerminalProgress
from faceanime.core.config import load_config
from faceanime.core.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class TrainDynamics:
    """Learn to imagine motion from the clips that `faceanime prepare` has made."""

    data: Path
    """The folder that `faceanime prepare` wrote."""
    out: Path
    """The folder that receives dynamics.safetensors, config.json, a checkpoint and TensorBoard's log."""
    config: Path | None = None
    """Settings as JSON, as in config.json; what it does not name keeps its default."""
    preset: Literal["flow", "paper"] | None = None
    """flow (the default): draws one of many futures; paper: the LSTM of arXiv 2105.14678. Not with --config."""
    resume: bool = False
    """Go on from the checkpoint in `out`, with the settings that it began with."""

    def run(self) -> None:
        from faceanime.train.dynamics.training import PAPER, DynamicsConfig, train_dynamics_on

        if self.preset is not None and self.config is not None:
            raise ConfigError(
                "--preset and --config exclude each other; put the preset's settings into the file"
            )
        begun = self.out / "config.json"
        if self.config is not None:
            config = load_config(DynamicsConfig, self.config)
        elif self.preset is None and self.resume and begun.exists():
            config = load_config(DynamicsConfig, begun)
        else:
            config = PAPER if self.preset == "paper" else DynamicsConfig()
        with TerminalProgress() as progress:
            print(train_dynamics_on(self.data, config, self.out, progress, self.resume))
