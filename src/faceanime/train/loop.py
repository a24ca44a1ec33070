"""The training loop that predictors and generators share: steps, validation, checkpoints, exact resumption.

A step's batch is drawn from a seed of its own, (seed, step), so that a run that was stopped continues from its
checkpoint as if it had not been: bit for bit on a CPU.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from faceanime.core.concurrency import map_ordered
from faceanime.core.config import load_config, save_config
from faceanime.core.errors import Cancelled, ConfigError, Remedy
from faceanime.core.files import make_folder
from faceanime.core.progress import Progress, watched
from faceanime.core.weights import read_header
from faceanime.structures.frames import Pixels
from faceanime.train.processes import ALONE, Processes, SharedProgress
from faceanime.train.trainer import Numbers, Trainer

CONFIG_FILE, CHECKPOINT_FILE = "config.json", "checkpoint.safetensors"
SAVE_EVERY_S = 180.0
"""Least time between two checkpoints, so that a run that is killed loses a few minutes."""


@runtime_checkable
class TrainingLog(Protocol):
    """Receives the numbers and pictures of a run, as `curve.Curve` does."""

    def note(self, step: int, numbers: Mapping[str, float]) -> None:
        """Record the numbers of a step; every call names the same numbers."""

    def show(self, step: int, name: str, picture: Pixels) -> None:
        """Record a picture of a step."""


@runtime_checkable
class BestWeights(Protocol):
    """The best averaged weights of a run by validation, in a file."""

    @property
    def path(self) -> Path:
        """The file."""

    def keep(self, numbers: Numbers) -> None:
        """Write the weights whose score has improved, by the numbers of a validation."""

    def restore(self) -> None:
        """Read back the weights that an earlier part of the run has kept, if any."""


class NoLog:
    """A log that records nothing."""

    def note(self, step: int, numbers: Mapping[str, float]) -> None:
        """Record nothing."""

    def show(self, step: int, name: str, picture: Pixels) -> None:
        """Record nothing."""


@dataclass(frozen=True)
class Run:
    """One training run."""

    out: Path
    """Folder of the run."""
    resume: bool = False
    """Whether the run continues from the folder's checkpoint."""
    log: TrainingLog = field(default_factory=NoLog)
    """Log of the numbers and pictures."""
    processes: Processes = ALONE
    """Processes that train together."""

    @property
    def checkpoint(self) -> Path:
        """The file from which the run can be resumed."""
        return self.out / CHECKPOINT_FILE

    def check_free(self) -> None:
        """Raise ConfigError where the folder holds a run that is not to be resumed."""
        if self.checkpoint.exists() and not self.resume:
            raise ConfigError(
                f"{self.out} holds a run already",
                Remedy("resume", "{} to continue it"),
                Remedy("out", "another {}"),
            )


def run_training(
    trainer: Trainer[Any],
    train: Any,
    validation: Any,
    best: BestWeights,
    run: Run,
    progress: Progress,
    data_id: str = "",
) -> Path:
    """Train to the last step of the trainer's settings and return the file of the best weights.

    The run's folder receives config.json and checkpoint.safetensors, written every few minutes and when the run is
    stopped, be it in the middle of a step. The first of the processes alone writes. A run is resumed only with the
    settings, the number of processes and the data (`data_id`) that it began with. Raises ConfigError, WeightsError,
    OutputError, Cancelled.
    """
    make_folder(run.out)
    run.check_free()
    header = {"data": data_id, "processes": run.processes.count}
    if run.resume and run.checkpoint.exists():
        _resume(trainer, best, run, header)
    run.processes.wait()  # no process may write before all have read
    if run.processes.first:
        save_config(trainer.config, run.out / CONFIG_FILE)
    record = _Record(trainer, trainer.samples(validation), best, run, header)
    progress = SharedProgress(progress, run.processes)
    progress.stage("training", trainer.config.steps - trainer.step)
    steps = range(trainer.step, trainer.config.steps)
    batches = map_ordered(lambda step: trainer.draw(train, step), steps, trainer.loaders)
    if trainer.step == 0 and trainer.starts_trained:
        record.validate()  # so that a start that nothing improves on is kept
    try:
        for batch in watched(batches, progress):
            record.add(trainer.advance(batch))
            if trainer.step % trainer.config.validate_every == 0 or trainer.step == trainer.config.steps:
                record.validate()
                record.save()
            record.save_if_due()
    except (Cancelled, KeyboardInterrupt) as stopped:
        # A second Ctrl-C may interrupt a step: it is taken again, from weights of which some have moved already.
        record.save()
        done = f"stopped after step {trainer.step} of {trainer.config.steps}, which {run.out} keeps"
        raise Cancelled(done, Remedy("resume", "the same command with {} to go on")) from stopped
    run.processes.wait()
    return best.path


def _resume(trainer: Trainer[Any], best: BestWeights, run: Run, header: Mapping[str, Any]) -> None:
    """Restore the trainer and the best weights of a stopped run. Raises ConfigError for other settings or data."""
    if load_config(type(trainer.config), run.out / CONFIG_FILE) != trainer.config:
        raise ConfigError(
            f"{run.out} holds a run with other settings; leave config and preset out to continue with them"
        )
    before = read_header(run.checkpoint)
    for what, now in header.items():
        if before.get(what) != now:
            raise ConfigError(
                f"{run.out} holds a run with other {what}; "
                "resume it with the data, portraits and processes that it began with"
            )
    trainer.load(run.checkpoint)
    best.restore()


class _Record:
    """The records of a run that the first process writes: mean losses, validations, best weights, checkpoints."""

    def __init__(
        self, trainer: Trainer[Any], samples: Any, best: BestWeights, run: Run, header: Mapping[str, Any]
    ) -> None:
        self._trainer, self._samples, self._best, self._run = trainer, samples, best, run
        self._header = header
        self._saved_s = time.monotonic()
        self._restart()

    def _restart(self) -> None:
        """Begin to add up losses and time anew."""
        self._sums: Numbers = defaultdict(float)
        self._first_step, self._first_s = self._trainer.step, time.monotonic()

    def add(self, losses: Numbers) -> None:
        """Add the losses of one step."""
        for name, value in losses.items():
            self._sums[name] += value

    def validate(self) -> None:
        """Measure, log, and keep what is best."""
        if not self._run.processes.first:
            return
        trainer, log = self._trainer, self._run.log
        steps, seconds = trainer.step - self._first_step, time.monotonic() - self._first_s
        numbers = trainer.validate(self._samples)
        # A table needs the same columns in every row: a loss that no step had is 0.
        losses = {name: self._sums[name] / max(steps, 1) for name in trainer.loss_names}
        speed = self._run.processes.count * trainer.config.batch * steps / seconds
        log.note(trainer.step, {**numbers, "samples_per_s": speed, **losses})
        for name, sheet in trainer.contact_sheets(self._samples).items():
            log.show(trainer.step, name, sheet)
        self._best.keep(numbers)
        self._restart()

    def save(self) -> None:
        """Write the checkpoint."""
        if self._run.processes.first:
            self._trainer.save(self._run.checkpoint, self._header)
            self._saved_s = time.monotonic()

    def save_if_due(self) -> None:
        """Write the checkpoint if the last one is minutes old."""
        if time.monotonic() - self._saved_s > SAVE_EVERY_S:
            self.save()
