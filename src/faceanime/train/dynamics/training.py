"""Train the predictors of motion on clips that `faceanime prepare` has made."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from faceanime.core.files import make_folder
from faceanime.core.progress import Progress, watched
from faceanime.dataset.shards import read_samples
from faceanime.dynamics.predictor_file import load_predictor, save_predictor
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import Dynamics
from faceanime.train.curve import Curve
from faceanime.train.dynamics.config import DynamicsConfig
from faceanime.train.dynamics.excerpts import Clips
from faceanime.train.dynamics.flow_predictor_trainer import FlowPredictorTrainer
from faceanime.train.dynamics.lstm_trainer import LstmTrainer
from faceanime.train.dynamics.trainer import DynamicsTrainer
from faceanime.train.loop import Run, run_training
from faceanime.train.trainer import Numbers

PREDICTOR_FILE = "dynamics.safetensors"
TRAINERS: dict[str, Callable[[DynamicsConfig, Clips, MorphableModel], DynamicsTrainer[Any]]] = {
    "flow": FlowPredictorTrainer,
    "lstm": LstmTrainer,
}
"""The trainers by `DynamicsConfig.kind`."""


class BestPredictor:
    """The averaged weights of least validation loss, in a file."""

    def __init__(
        self, path: Path, trainer: DynamicsTrainer[Any], validation: Clips, model: MorphableModel
    ) -> None:
        self.path, self._trainer, self._validation, self._model = path, trainer, validation, model
        self._least = math.inf

    def restore(self) -> None:
        """Read back the least loss of an earlier part of the run."""
        if self.path.exists():
            self._least = float(load_predictor(self.path, self._model)[1]["validation_loss"])

    def keep(self, numbers: Numbers) -> None:
        """Write the averaged weights if their validation loss is the least so far."""
        loss = numbers["validation"]
        if loss < self._least:
            self._least = loss
            self._trainer.calibrate(self._validation)
            header = {"step": self._trainer.step, "validation_loss": loss}
            save_predictor(self.path, self._trainer.average, self._model, header)


def train_dynamics(
    config: DynamicsConfig,
    train: Sequence[Dynamics],
    validation: Sequence[Dynamics],
    model: MorphableModel,
    run: Run,
    progress: Progress,
) -> Path:
    """Train a predictor and return the file of its best weights, dynamics.safetensors in the run's folder.

    Raises as `run_training`.
    """
    make_folder(run.out)
    run.check_free()
    clips, validation_clips = Clips(train, model), Clips(validation, model)
    trainer = TRAINERS[config.kind](config, clips, model)
    best = BestPredictor(run.out / PREDICTOR_FILE, trainer, validation_clips, model)
    return run_training(trainer, clips, validation_clips, best, run, progress)


def train_dynamics_on(
    data: Path, config: DynamicsConfig, model: MorphableModel, run: Run, progress: Progress
) -> Path:
    """Train on the shards of `faceanime prepare`; the losses are logged to the run's folder.

    Raises as `run_training`; ConfigError too where `data` holds no train or val shards.
    """
    parts = []
    for split in ("train", "val"):
        progress.stage(f"reading {split}", None)
        parts.append([sample.motion() for sample in watched(read_samples(data, split), progress)])
    make_folder(run.out)  # before the first step, not after the first checkpoint
    with Curve(run.out, resumed=run.checkpoint.exists()) as curve:
        return train_dynamics(config, parts[0], parts[1], model, replace(run, log=curve), progress)
