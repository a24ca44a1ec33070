"""Train a generator: the flow-guided one on windows of what the geometric renderer draws, the paper's on whole faces.

Every step draws its windows from a seed of its own, (seed, step): a run that was stopped goes on from its checkpoint
as if it had not been, bit for bit on a CPU.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import nullcontext, suppress
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

from faceanime.core.concurrency import map_ordered
from faceanime.core.config import load_config, save_config, to_json
from faceanime.core.errors import Cancelled, ConfigError
from faceanime.core.files import make_folder
from faceanime.core.progress import Progress, SilentProgress, watched
from faceanime.core.weights import read_header
from faceanime.dataset.shards import read_samples
from faceanime.generator.flow_guided import QUALITY
from faceanime.generator.generator_file import load_generator, save_generator
from faceanime.generator.pgfg import HEAT_MAPS, PAPER, PAPER_SMALL, PgfgConfig
from faceanime.morphable.model import MorphableModel
from faceanime.pipeline import Animator
from faceanime.prior.sparse_texture import TextureConfig
from faceanime.train.checkpoint import Device
from faceanime.train.curve import Curve
from faceanime.train.generator.albums import albums_with_drivers
from faceanime.train.generator.config import GeneratorConfig
from faceanime.train.generator.flow_trainer import GeneratorTrainer
from faceanime.train.generator.pgfg_trainer import PgfgTrainer, PgfgTraining
from faceanime.train.generator.rendered_pairs import clips_with_drivers, render_pairs
from faceanime.train.generator.trainer import CHECKPOINT_FILE, RESULT_FILE, Trainer
from faceanime.train.generator.window_errors import Numbers
from faceanime.train.generator.window_samples import Pairs
from faceanime.train.processes import ALONE, Processes, SharedProgress

CONFIG_FILE = "config.json"
_SAVE_EVERY_S = 180.0
_SPLITS = ("train", "val")


TrainingConfig: TypeAlias = GeneratorConfig | PgfgTraining


PRESETS: dict[str, TrainingConfig] = {
    "flow-fast": GeneratorConfig(),
    "flow-quality": GeneratorConfig(network=QUALITY),
    "paper": PgfgTraining(network=PAPER),
    "paper-small": PgfgTraining(network=PAPER_SMALL),
    "paper-heat-maps": PgfgTraining(network=HEAT_MAPS),
}


def load_training(path: Path) -> TrainingConfig:
    """Settings as JSON; `kind` says of which generator, flow-guided if it does not stand there. Raises ConfigError."""
    kind: str = GeneratorConfig.kind
    with suppress(OSError, ValueError, AttributeError):  # `load_config` says what is wrong
        kind = json.loads(path.read_text(encoding="utf-8")).get("kind", kind)
    if kind == PgfgTraining.kind:
        return load_config(PgfgTraining, path)
    return load_config(GeneratorConfig, path)


def trainer_of(config: TrainingConfig, processes: Processes = ALONE) -> Trainer[Any]:
    """A run that has not begun. Raises WeightsError where a loss's network is not there."""
    if isinstance(config, PgfgTraining):
        return PgfgTrainer(config, processes)
    return GeneratorTrainer(config, processes)


class _Run:
    """What a run has on disk, in a folder: its settings, its last state, and each part's best weights by validation.

    Parts learn at their own pace: mouths know their people by heart while eyes still gain.
    """

    def __init__(
        self, out: Path, trainer: Trainer[Any], model: MorphableModel, train: Pairs, processes: Processes
    ) -> None:
        self.out, self._trainer, self._model, self._rights = out, trainer, model, train.rights
        names = hashlib.sha256("\n".join(train.names).encode()).hexdigest()
        self._learns = {"pairs": names, "processes": processes.count}
        self.best_path, self._checkpoint = out / RESULT_FILE, out / CHECKPOINT_FILE
        self._best, self._parts = copy.deepcopy(trainer.average), dict[str, Numbers]()
        self._saved_s = time.monotonic()

    def go_on(self) -> None:
        """From where it was stopped, if it had begun. Raises ConfigError, WeightsError."""
        if not self._checkpoint.exists():
            return
        if load_training(self.out / CONFIG_FILE) != self._trainer.config:
            raise ConfigError(
                f"{self.out} holds a run with other settings; leave --config and --preset out to go on with them"
            )
        before = read_header(self._checkpoint)
        for what, now in self._learns.items():
            if before.get(what) != now:
                raise ConfigError(
                    f"{self.out} holds a run that learned from other {what}; "
                    "resume it with the --data, --portraits and --processes that it began with"
                )
        self._trainer.load(self._checkpoint)
        if self.best_path.exists():
            best, header = load_generator(self.best_path, self._model)
            self._best.load_state_dict(best.state_dict())
            self._parts = dict(header["parts"])

    def save(self) -> None:
        """The state, for `go_on`."""
        self._trainer.save(self._checkpoint, self._learns)
        self._saved_s = time.monotonic()

    def save_now_and_then(self) -> None:
        """The state, if it was not saved for minutes."""
        if time.monotonic() - self._saved_s > _SAVE_EVERY_S:
            self.save()

    def keep_the_best(self, numbers: Numbers) -> None:
        """The averaged weights of each part that had no lower score before; the newest of one that nobody can judge."""
        trainer, better = self._trainer, not self._parts
        for name, part in trainer.average.parts.items():
            score = numbers[f"{name} score"]
            if name in self._parts and not score < self._parts[name]["score"]:
                continue
            self._best.parts[name].load_state_dict(part.state_dict())
            if math.isfinite(score):
                better = True
                self._parts[name] = {"step": trainer.step, "score": score}
        if not better:
            return
        header = {
            "step": trainer.step,
            "parts": self._parts,
            "validation": {name: value for name, value in numbers.items() if math.isfinite(value)},
            "recogniser": trainer.recogniser,
            "settings": to_json(trainer.config),
            "rights": self._rights,
            "began_with": trainer.began_with,
        }
        save_generator(self.best_path, self._best, self._model, header)


def train_generator(
    trainer: Trainer[Any],
    train: Pairs,
    validation: Pairs,
    model: MorphableModel,
    out: Path,
    progress: Progress,
    resume: bool = False,
    note: Callable[[Numbers, Any], None] = lambda *_: None,
    processes: Processes = ALONE,
) -> Path:
    """Train, keep the best weights by validation, and return their path, `out`/generator.safetensors.

    `note` is told the numbers and the validation samples every `validate_every` steps, and before the first of a run
    that began with weights, in the first of the `processes`, which alone writes. `out`, a folder, also receives
    config.json and checkpoint.safetensors, from which `resume` goes on; it is written every few minutes and when the
    run is stopped. Raises ConfigError, WeightsError, OutputError, Cancelled.
    """
    make_folder(out)
    _check_free(out, resume)
    config, run = trainer.config, _Run(out, trainer, model, train, processes)
    if resume:
        run.go_on()
    processes.wait()  # all have seen what is there
    if processes.first:
        save_config(config, out / CONFIG_FILE)
    samples = trainer.samples(validation)
    progress = SharedProgress(progress, processes)
    progress.stage("training the generator", config.steps - trainer.step)
    drawn = map_ordered(
        lambda step: trainer.draw(train, step), range(trainer.step, config.steps), config.loaders
    )
    sums: Numbers = defaultdict(float)
    nothing = {"pairs_per_s": 0.0, **dict.fromkeys(trainer.loss_names, 0.0)}
    if processes.first and trainer.step == 0 and trainer.began_with is not None:
        numbers = trainer.validate(samples)  # a part that gets no better stays as the run began
        note({**numbers, **nothing}, samples)
        run.keep_the_best(numbers)
    last_step, last_s = trainer.step, time.monotonic()
    try:
        for batches in watched(drawn, progress):
            for name, value in trainer.advance(batches).items():
                sums[name] += value
            if not processes.first:
                continue
            if trainer.step % config.validate_every == 0 or trainer.step == config.steps:
                steps, seconds = trainer.step - last_step, time.monotonic() - last_s
                numbers = trainer.validate(samples)
                means = {name: total / steps for name, total in sums.items()}
                pairs = processes.count * config.batch * config.accumulate * steps
                # 0 for losses that were not there: a table needs the same columns in every row
                note({**numbers, **nothing, "pairs_per_s": pairs / seconds, **means}, samples)
                run.keep_the_best(numbers)
                run.save()
                sums.clear()
                last_step, last_s = trainer.step, time.monotonic()
            run.save_now_and_then()
    except Cancelled as stopped:
        if processes.first:
            run.save()
        raise Cancelled(f"stopped after step {trainer.step}; --resume goes on from there") from stopped
    processes.wait()
    return run.best_path


def _check_free(out: Path, resume: bool) -> None:
    if (out / CHECKPOINT_FILE).exists() and not resume:
        raise ConfigError(f"{out} holds a run already; go on with --resume, or choose another --out")


def train_generator_on(
    data: Path,
    config: TrainingConfig,
    out: Path,
    progress: Progress,
    resume: bool = False,
    device: Device = "cpu",
    rendered: Path | None = None,
    processes: int = 1,
    start: Path | None = None,
    portraits: Path | None = None,
) -> Path:
    """Train on the shards of `faceanime prepare`, and on the pictures of portraits.csv in `portraits` (`albums.py`).

    What the geometric renderer makes of them goes to `rendered`, or to `out`/pairs; what is there already is used.
    `out` also receives the numbers as curve.csv and, with pictures, for TensorBoard. Raises as `train_generator`, and
    ConfigError where `data` holds no train or val shards. Several `processes` of `device` learn together. A run that
    has not begun begins with the weights in `start`, of windows of any size; where that is a run's folder, with its
    critics too.
    """
    together = Processes.begun(device, processes)
    if start is not None and resume:
        raise ConfigError("--start begins a run and --resume goes on with one; leave one of them out")
    for split in _SPLITS:
        read_samples(data, split)  # raises, before hours are spent
    make_folder(out)
    _check_free(out, resume)
    animator, folder = Animator(), rendered or out / "pairs"

    def render(progress: Progress) -> list[list[Path]]:
        return [
            render_pairs(
                chain(
                    clips_with_drivers(data, split),
                    () if portraits is None else albums_with_drivers(portraits, data, split, animator),
                ),
                folder / split,
                animator,
                config.pairs,
                progress,
            )
            for split in _SPLITS
        ]

    if together.first:
        parts = render(progress)
    together.wait()
    if not together.first:
        parts = render(SilentProgress())  # all there
    model, network = animator.model, config.network
    if isinstance(network, PgfgConfig):
        seen: dict[str, Any] = {"texture": TextureConfig(network.prior.interval)}
    else:
        seen = {"sizes": network.windows, "texture": network.texture}
    laid_on = isinstance(config, GeneratorConfig) and config.registration and not config.temporal
    with (
        Pairs(parts[0], model, **seen, registration=laid_on) as train,
        Pairs(parts[1], model, **seen) as validation,
        Curve(out, resumed=(out / CHECKPOINT_FILE).exists()) if together.first else nullcontext() as curve,
    ):
        trainer = trainer_of(config, together)
        if start is not None:
            trainer.begin_with(start)

        def note(numbers: Numbers, samples: Any) -> None:
            assert curve is not None  # the first process
            curve.note(trainer.step, numbers)
            for part, sheet in trainer.look(samples).items():
                curve.show(trainer.step, part, sheet)

        return train_generator(trainer, train, validation, model, out, progress, resume, note, together)
