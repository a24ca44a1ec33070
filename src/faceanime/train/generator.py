"""Train a generator: the flow-guided one on windows of what the geometric renderer draws, the paper's on whole faces.

Every step draws its windows from a seed of its own, (seed, step): a run that was stopped goes on from its checkpoint
as if it had not been, bit for bit on a CPU.
"""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeAlias, runtime_checkable

from faceanime.config import load_config, save_config
from faceanime.errors import ConfigError
from faceanime.files import make_folder
from faceanime.generator.flow_guided import QUALITY
from faceanime.generator.generator_file import Generator, load_generator, save_generator
from faceanime.generator.pgfg import HEAT_MAPS, PAPER, PAPER_SMALL, PgfgConfig
from faceanime.morphable.model import MorphableModel
from faceanime.pipeline import Animator
from faceanime.prior.texture import TextureConfig
from faceanime.progress import Progress, SilentProgress, watched
from faceanime.streaming import in_order
from faceanime.structures.frames import Pixels
from faceanime.train.checkpoint import Device
from faceanime.train.curve import Curve
from faceanime.train.generator_config import GeneratorConfig
from faceanime.train.generator_trainer import GeneratorTrainer
from faceanime.train.pairs import render_pairs
from faceanime.train.pgfg_trainer import PgfgTrainer, PgfgTraining
from faceanime.train.processes import ALONE, Processes
from faceanime.train.window_errors import Numbers
from faceanime.train.windows import Pairs

CHECKPOINT_FILE = "checkpoint.safetensors"
RESULT_FILE = "generator.safetensors"
CONFIG_FILE = "config.json"


@runtime_checkable
class Trainer(Protocol):
    """What the loop asks of a generator's trainer: `GeneratorTrainer`, `PgfgTrainer`."""

    loss_names: ClassVar[tuple[str, ...]]
    config: Any
    step: int
    network: Any
    average: Any

    @property
    def recogniser(self) -> str | None: ...

    def draw(self, pairs: Pairs, step: int) -> Any: ...
    def advance(self, drawn: Any) -> Numbers: ...
    def samples(self, pairs: Pairs) -> Any: ...
    def validate(self, samples: Any) -> Numbers: ...
    def look(self, samples: Any) -> Mapping[Any, Pixels]: ...
    def save(self, path: Path) -> None: ...
    def load(self, path: Path) -> None: ...


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


def trainer_of(
    config: TrainingConfig, processes: Processes = ALONE, start: Generator | None = None
) -> Trainer:
    """A run that has not begun, from the weights of `start` if they are given.

    Raises WeightsError where a loss's network is not there, ConfigError for a `start` of another network.
    """
    kind = PgfgTrainer if isinstance(config, PgfgTraining) else GeneratorTrainer
    trainer: Trainer = kind(config, processes)  # type: ignore[arg-type]  # each has its own
    if start is not None:
        for network in (trainer.network, trainer.average):
            try:
                network.load_state_dict(start.state_dict())
            except RuntimeError as error:
                raise ConfigError(
                    "--start names weights of a network with other widths than the run's"
                ) from error
    return trainer


def train_generator(
    trainer: Trainer,
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

    `note` is told the numbers and the validation samples every `validate_every` steps, in the first of the `processes`,
    which alone writes. `out`, a folder, also receives config.json and checkpoint.safetensors, from which `resume` goes
    on. Raises ConfigError, WeightsError, OutputError.
    """
    make_folder(out)
    checkpoint, best_path, config = out / CHECKPOINT_FILE, out / RESULT_FILE, trainer.config
    _check_free(out, resume)
    best = math.inf
    if resume and checkpoint.exists():
        if load_training(out / CONFIG_FILE) != config:
            raise ConfigError(
                f"{out} holds a run with other settings; leave --config and --preset out to go on with them"
            )
        trainer.load(checkpoint)
        if best_path.exists():
            best = float(load_generator(best_path, model)[1]["validation_score"])
    processes.wait()  # all have seen what is there
    if processes.first:
        save_config(config, out / CONFIG_FILE)
    samples = trainer.samples(validation)
    progress.stage("training the generator", config.steps - trainer.step)
    sums: Numbers = defaultdict(float)
    started, begun = time.monotonic(), trainer.step
    drawn = in_order(lambda step: trainer.draw(train, step), range(begun, config.steps), config.loaders)
    for batches in watched(drawn, progress):
        for name, value in trainer.advance(batches).items():
            sums[name] += value
        is_time = trainer.step % config.validate_every == 0 or trainer.step == config.steps
        if is_time and processes.first:
            numbers = trainer.validate(samples)
            # all losses, 0 for those that were not there: a table needs the same columns in every row
            means = {name: sums.get(name, 0.0) / config.validate_every for name in trainer.loss_names}
            seen = (
                processes.count
                * config.batch
                * config.accumulate
                * (trainer.step - begun)
                / (time.monotonic() - started)
            )
            note({**numbers, "pairs_per_s": seen, **means}, samples)
            sums.clear()
            if numbers["score"] < best:
                best = numbers["score"]
                header = {
                    "step": trainer.step,
                    "validation_score": best,
                    "validation": numbers,
                    "recogniser": trainer.recogniser,
                }
                save_generator(best_path, trainer.average, model, header)
            trainer.save(checkpoint)
    processes.wait()
    return best_path


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
) -> Path:
    """Train on the shards of `faceanime prepare`; the geometric renderer's pictures of them go to `rendered`.

    Without it, to `out`/pairs; what is there already is used. `out` also receives the numbers as curve.csv and,
    with pictures, for TensorBoard. Raises as `train_generator`, and ConfigError where `data` holds no train or val
    shards. Several `processes` of `device` learn together. A run that has not begun begins with the weights in `start`,
    of windows of any size.
    """
    together = Processes.begun(device, processes)
    if not together.first:
        progress = SilentProgress()
    make_folder(out)
    _check_free(out, resume)
    animator, folder = Animator(), rendered or out / "pairs"

    def render() -> list[list[Path]]:
        return [
            render_pairs(data, split, folder, animator, config.pairs, progress) for split in ("train", "val")
        ]

    if together.first:
        parts = render()
    together.wait()
    if not together.first:
        parts = render()  # all there
    model, network = animator.model, config.network
    if isinstance(network, PgfgConfig):
        seen: dict[str, Any] = {"texture": TextureConfig(network.prior.interval)}
    else:
        seen = {"sizes": network.windows}
    laid_on = isinstance(config, GeneratorConfig) and config.registration
    with (
        Pairs(parts[0], model, **seen, registration=laid_on) as train,
        Pairs(parts[1], model, **seen) as validation,
        Curve(out, resumed=(out / CHECKPOINT_FILE).exists()) if together.first else nullcontext() as curve,
    ):
        trainer = trainer_of(config, together, None if start is None else load_generator(start, model)[0])

        def note(numbers: Numbers, samples: Any) -> None:
            assert curve is not None  # the first process
            curve.note(trainer.step, numbers)
            for part, sheet in trainer.look(samples).items():
                curve.show(trainer.step, part, sheet)

        return train_generator(trainer, train, validation, model, out, progress, resume, note, together)
