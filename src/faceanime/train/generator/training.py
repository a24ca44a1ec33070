"""Train a generator on rendered pairs, and keep each of its networks as it was best."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from faceanime.core.config import to_json
from faceanime.core.errors import Cancelled, ConfigError
from faceanime.core.files import make_folder
from faceanime.core.progress import Progress, SilentProgress
from faceanime.dataset.shards import read_samples
from faceanime.generator.generator_file import load_generator, save_generator
from faceanime.morphable.model import MorphableModel
from faceanime.pipeline import Animator
from faceanime.train.curve import Curve
from faceanime.train.generator.albums import albums_with_drivers
from faceanime.train.generator.face_clips import clips_with_drivers
from faceanime.train.generator.generator_trainer import GENERATOR_FILE, GeneratorConfig, GeneratorTrainer
from faceanime.train.generator.pairs import RenderedPairs
from faceanime.train.generator.rendered_pairs import render_pairs
from faceanime.train.generator.trainings import new_trainer
from faceanime.train.loop import Run, run_training
from faceanime.train.processes import ALONE, Processes
from faceanime.train.trainer import Numbers

_SPLITS = ("train", "val")


class BestParts:
    """The best averaged weights of each of a generator's networks by validation, in one file.

    The networks learn at their own pace: mouths overfit while eyes still gain.
    """

    def __init__(
        self, path: Path, trainer: GeneratorTrainer[Any], model: MorphableModel, licences: list[str]
    ) -> None:
        self.path, self._trainer, self._model, self._licences = path, trainer, model, licences
        self._best, self._parts = copy.deepcopy(trainer.average), dict[str, Numbers]()

    def restore(self) -> None:
        """Read back the best weights and scores of an earlier part of the run."""
        if self.path.exists():
            best, header = load_generator(self.path, self._model)
            self._best.load_state_dict(best.state_dict())
            self._parts = dict(header["parts"])

    def keep(self, numbers: Numbers) -> None:
        """Keep a network when its score improves; one without a score is always replaced."""
        trainer, better = self._trainer, not self._parts
        for name, part in trainer.average.parts.items():
            score = numbers[f"{name} score"]
            if name in self._parts and not score < self._parts[name]["score"]:
                continue
            self._best.parts[name].load_state_dict(part.state_dict())
            if math.isfinite(score):
                better = True
                self._parts[name] = {"step": trainer.step, "score": score}
        if better:
            self._save(numbers)

    def _save(self, numbers: Numbers) -> None:
        trainer = self._trainer
        header = {
            "step": trainer.step,
            "parts": self._parts,
            "validation": {name: value for name, value in numbers.items() if math.isfinite(value)},
            "recogniser": trainer.recogniser,
            "settings": to_json(trainer.config),
            "rights": self._licences,
            "began_with": trainer.began_with,
        }
        save_generator(self.path, self._best, self._model, header)


def train_generator(
    trainer: GeneratorTrainer[Any],
    train: RenderedPairs,
    validation: RenderedPairs,
    run: Run,
    progress: Progress,
) -> Path:
    """Train a generator and return the file of its best weights, generator.safetensors in the run's folder.

    Raises as `run_training`.
    """
    best = BestParts(run.out / GENERATOR_FILE, trainer, train.model, train.licences)
    return run_training(trainer, train, validation, best, run, progress, train.id)


@dataclass(frozen=True)
class GeneratorRun:
    """The data, the first weights, the folder and the processes of one generator's training."""

    data: Path
    """Folder of shards that `faceanime prepare` wrote."""
    out: Path
    """Folder of the run."""
    portraits: Path | None = None
    """Folder of portraits.csv and its pictures."""
    rendered: Path | None = None
    """Folder of the geometric renderer's pictures; `out`/pairs where it is None."""
    start: Path | None = None
    """Weights to begin with, or the folder of a run, whose critics are taken too."""
    resume: bool = False
    processes: Processes = ALONE
    """The processes that train together, and their device."""


def train_generator_on(settings: GeneratorRun, config: GeneratorConfig, progress: Progress) -> Path:
    """Render the pairs that do not exist yet, train on them, and return the file of the best weights.

    The run's folder also receives the numbers as curve.csv and, with contact sheets, for TensorBoard. Raises as
    `run_training`; ConfigError too where the data lack train or val shards.
    """
    processes = settings.processes
    if settings.start is not None and settings.resume:
        raise ConfigError("start begins a run and resume continues one; leave one of them out")
    for split in _SPLITS:
        read_samples(settings.data, split)  # raises, before hours are spent
    make_folder(settings.out)
    run = Run(settings.out, settings.resume, processes=processes)
    run.check_free()
    animator = Animator()
    with _open_pairs(settings, config, animator, processes, progress) as (train, validation):
        trainer = new_trainer(config, processes)
        if settings.start is not None:
            trainer.begin_with(settings.start)
        log = Curve(run.out, resumed=run.checkpoint.exists()) if processes.first else nullcontext(run.log)
        with log as opened:
            return train_generator(trainer, train, validation, replace(run, log=opened), progress)


@contextmanager
def _open_pairs(
    settings: GeneratorRun,
    config: GeneratorConfig,
    animator: Animator,
    processes: Processes,
    progress: Progress,
) -> Iterator[tuple[RenderedPairs, RenderedPairs]]:
    """The training and the validation pairs; the first process renders those that do not exist yet."""
    if processes.first:
        paths = _render(settings, config, animator, progress)
    processes.wait()
    if not processes.first:
        paths = _render(settings, config, animator, SilentProgress())  # all exist by now
    options, model = config.pair_options, animator.model
    with (
        RenderedPairs.open(paths[0], model, options) as train,
        RenderedPairs.open(paths[1], model, replace(options, registration=False)) as validation,
    ):
        yield train, validation


def _render(
    settings: GeneratorRun, config: GeneratorConfig, animator: Animator, progress: Progress
) -> list[list[Path]]:
    """The files of rendered pairs of each split, of clips and of portraits."""
    folder, paths = settings.rendered or settings.out / "pairs", []
    for split in _SPLITS:
        clips = clips_with_drivers(settings.data, split)
        if settings.portraits is not None:
            clips = chain(clips, albums_with_drivers(settings.portraits, settings.data, split, animator))
        try:
            paths.append(render_pairs(clips, folder / split, animator, config.pairs, progress))
        except Cancelled as stopped:
            raise Cancelled(
                f"stopped while rendering; {folder} keeps what is done, and the same command goes on"
            ) from stopped
    return paths
