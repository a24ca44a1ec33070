"""Train the flow-guided generator on windows of what the geometric renderer draws, against the true frames.

Every step draws its windows from a seed of its own, (seed, step): a run that was stopped goes on from its checkpoint
as if it had not been, bit for bit on a CPU.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import torch

from faceanime.config import save_config
from faceanime.errors import ConfigError
from faceanime.files import make_folder
from faceanime.generator.generator_file import load_generator, save_generator
from faceanime.generator.windows import PART_OF, Part
from faceanime.morphable.model import MorphableModel
from faceanime.pipeline import Animator
from faceanime.progress import Progress, watched
from faceanime.streaming import in_order
from faceanime.train.curve import Curve
from faceanime.train.generator_trainer import Device, GeneratorConfig, GeneratorTrainer
from faceanime.train.pairs import render_pairs
from faceanime.train.window_errors import Numbers
from faceanime.train.windows import Pairs, WindowSample

CHECKPOINT_FILE = "checkpoint.safetensors"
RESULT_FILE = "generator.safetensors"


def validation_samples(pairs: Pairs, count: int) -> dict[Part, list[WindowSample]]:
    """The open windows of about `count` pairs, spread evenly over all, always the same."""
    every = max(sum(1 for _ in pairs.all(1)) // count, 1)
    found: dict[Part, list[WindowSample]] = {}
    for pair in pairs.all(every):
        for name, sample in pairs.windows(pair):
            found.setdefault(PART_OF[name], []).append(sample)
    return found


def train_generator(
    config: GeneratorConfig,
    train: Pairs,
    validation: Pairs,
    model: MorphableModel,
    out: Path,
    progress: Progress,
    resume: bool = False,
    device: Device = "cpu",
    note: Callable[[GeneratorTrainer, Numbers, dict[Part, list[WindowSample]]], None] = lambda *_: None,
) -> Path:
    """Train, keep the best weights by validation, and return their path, `out`/generator.safetensors.

    `note` is told the numbers every `validate_every` steps. `out`, a folder, also receives config.json and
    checkpoint.safetensors, from which `resume` goes on. Raises ConfigError, WeightsError, OutputError.
    """
    make_folder(out)
    checkpoint, best_path = out / CHECKPOINT_FILE, out / RESULT_FILE
    _check_free(out, resume)
    trainer, best = GeneratorTrainer(config, device), math.inf
    if resume and checkpoint.exists():
        trainer.load(checkpoint)
        if best_path.exists():
            best = float(load_generator(best_path, model)[1]["validation_score"])
    save_config(config, out / "config.json")
    samples = validation_samples(validation, config.validation_windows)
    progress.stage("training the generator", config.steps - trainer.step)
    sums: Numbers = defaultdict(float)
    started, begun = time.monotonic(), trainer.step
    drawn = in_order(lambda step: trainer.draw(train, step), range(begun, config.steps), config.loaders)
    for batches in watched(drawn, progress):
        for name, value in trainer.advance(batches).items():
            sums[name] += value
        if trainer.step % config.validate_every == 0 or trainer.step == config.steps:
            numbers = trainer.validate(samples)
            means = {name: value / config.validate_every for name, value in sums.items()}
            seen = config.batch * config.accumulate * (trainer.step - begun) / (time.monotonic() - started)
            note(trainer, {**numbers, "pairs_per_s": seen, **_loss_table(means)}, samples)
            sums.clear()
            if numbers["score"] < best:
                best = numbers["score"]
                header = {"step": trainer.step, "validation_score": best, "validation": numbers}
                save_generator(best_path, trainer.average, model, header)
            trainer.save(checkpoint)
    return best_path


_LOSSES = ("picture", "synthesis", "laplacian", "mask", "critic", "believed", "matched")


def _loss_table(means: Numbers) -> Numbers:
    """All losses of all parts, 0 for those that were not there: a table needs the same columns in every row."""
    return {
        f"{part}/{loss}": means.get(f"{part}/{loss}", 0.0)
        for part in ("mouth", "eye", "face")
        for loss in _LOSSES
    }


def _check_free(out: Path, resume: bool) -> None:
    if (out / CHECKPOINT_FILE).exists() and not resume:
        raise ConfigError(f"{out} holds a run already; go on with --resume, or choose another --out")


def train_generator_on(
    data: Path,
    config: GeneratorConfig,
    out: Path,
    progress: Progress,
    resume: bool = False,
    device: Device = "cpu",
    rendered: Path | None = None,
) -> Path:
    """Train on the shards of `faceanime prepare`; the geometric renderer's pictures of them go to `rendered`.

    Without it, to `out`/pairs; what is there already is used. `out` also receives the numbers as curve.csv and,
    with pictures, for TensorBoard. Raises as `train_generator`, and ConfigError where `data` holds no train or val
    shards.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device is cuda, and torch finds none here; use cpu")
    make_folder(out)
    _check_free(out, resume)
    animator, folder = Animator(), rendered or out / "pairs"
    parts = [
        render_pairs(data, split, folder, animator, config.pairs, progress) for split in ("train", "val")
    ]
    model, sizes = animator.model, config.network.windows
    with (
        Pairs(parts[0], model, sizes) as train,
        Pairs(parts[1], model, sizes) as validation,
        Curve(out, resumed=(out / CHECKPOINT_FILE).exists()) as curve,
    ):

        def note(
            trainer: GeneratorTrainer, numbers: Numbers, samples: dict[Part, list[WindowSample]]
        ) -> None:
            curve.note(trainer.step, numbers)
            for part, sheet in trainer.look(samples).items():
                curve.show(trainer.step, part, sheet)

        return train_generator(config, train, validation, model, out, progress, resume, device, note)
