"""`faceanime train dynamics`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro

from faceanime.core.config import load_config
from faceanime.core.errors import ConfigError
from faceanime.dataset.splits import check_split


@dataclasses.dataclass(frozen=True)
class TrainDynamics:
    """Train a motion predictor."""

    data: Path
    """Folder that `faceanime prepare` wrote."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Folder for dynamics.safetensors, config.json, a checkpoint and a TensorBoard log."""
    config: Path | None = None
    """JSON file of settings, in the form of config.json; missing settings keep their defaults."""
    preset: Literal["flow", "paper"] | None = None
    """Named settings, instead of --config.
    flow samples one of many futures; paper is the LSTM of arXiv 2105.14678."""
    steps: int | None = None
    """Number of training steps, 1 or more, instead of that of the settings."""
    resume: bool = False
    """Continue from the checkpoint in --out with the settings of the run."""

    def run(self) -> None:
        """Run the command; see `cli.Command.run`. Raises FaceAnimeError; ConfigError for two sets of settings."""
        if self.preset is not None and self.config is not None:
            raise ConfigError(
                "--preset and --config cannot be given together; put the preset's settings into the file"
            )
        for split in ("train", "val"):
            check_split(self.data, split)
        # heavy to load, so after the checks
        from faceanime.commands.terminal_progress import TerminalProgress
        from faceanime.morphable.model import load_model
        from faceanime.train.dynamics.config import PAPER_DYNAMICS, DynamicsConfig
        from faceanime.train.dynamics.training import train_dynamics_on
        from faceanime.train.loop import CONFIG_FILE, Run

        earlier = self.out / CONFIG_FILE
        if self.config is not None:
            config = load_config(DynamicsConfig, self.config)
        elif self.preset is None and self.resume and earlier.exists():
            config = load_config(DynamicsConfig, earlier)
        else:
            config = PAPER_DYNAMICS if self.preset == "paper" else DynamicsConfig()
        if self.steps is not None:
            config = dataclasses.replace(config, steps=self.steps)
        with TerminalProgress() as progress:
            path = train_dynamics_on(self.data, config, load_model(), Run(self.out, self.resume), progress)
        print(path)
