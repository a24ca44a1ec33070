"""Train the predictors of `dynamics/predictor.py` on clips that `faceanime prepare` has made.

Every step draws its batch and its noise from a seed of its own, (seed, step): a run that was stopped goes on from its
checkpoint as if it had not been, bit for bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from faceanime.core.config import load_config, save_config
from faceanime.core.errors import ConfigError
from faceanime.core.files import make_folder
from faceanime.core.progress import Progress, watched
from faceanime.dataset.shards import read_samples
from faceanime.dynamics.flow_predictor import FlowConfig, FlowPredictor
from faceanime.dynamics.lstm_predictor import LstmConfig, LstmPredictor
from faceanime.dynamics.motion_prior import MotionPrior, States
from faceanime.dynamics.normaliser import Normaliser
from faceanime.dynamics.predictor_file import load_predictor, save_predictor
from faceanime.dynamics.state import HEAD_NUMBERS
from faceanime.dynamics.style_process import STYLES
from faceanime.morphable.model import MorphableModel, load_model
from faceanime.structures.coefficients import Dynamics
from faceanime.train.checkpoint import follow, load_checkpoint, save_checkpoint
from faceanime.train.curve import Curve
from faceanime.train.dynamics.calibration import calibrate
from faceanime.train.dynamics.windows import Clips, autocovariance, blink_rate, groups_of, style_of
from faceanime.train.losses import VertexDistance

Predictor: TypeAlias = LstmPredictor | FlowPredictor


@dataclass(frozen=True)
class DynamicsConfig:
    """How a predictor is trained."""

    kind: Literal["flow", "lstm"] = "flow"
    """flow: draws one of many futures; lstm: the paper's, which knows one."""
    flow: FlowConfig = field(default_factory=FlowConfig)
    lstm: LstmConfig = field(default_factory=LstmConfig)
    steps: int = 3000
    batch: int = 64
    learning_rate: float = 5e-4
    warm_up: int = 200
    """Steps over which the learning rate rises; after them it falls as a cosine."""
    weight_decay: float = 0.02
    ema: float = 0.998
    """Share of the running average of the weights that a step keeps."""
    vertex_weight: float = 0.2
    """Of the squared distance of the posed vertices, in (0.1 eye distances)^2."""
    speed_weight: float = 0.25
    """Of the squared error of the change from frame to frame, in its own deviations; flow only."""
    observed: int = 25
    """Most frames that are given at the start; at least one is."""
    future: int = 50
    """Frames that the lstm rolls out."""
    slowest: float = 0.8
    """Clips are slowed and quickened by up to this factor."""
    mixed: float = 0.3
    """Share of the windows whose mouth is another clip's; flow only."""
    seed: int = 0
    validate_every: int = 250

    def __post_init__(self) -> None:
        counts = (self.steps, self.batch, self.observed, self.future, self.validate_every)
        if min(counts) < 1:
            raise ConfigError("steps, batch, observed, future and validate_every must be at least 1")
        if not 0.0 < self.slowest <= 1.0 or not 0.0 <= self.ema < 1.0 or not 0.0 <= self.mixed <= 1.0:
            raise ConfigError("slowest must be in (0, 1], ema in [0, 1), mixed in [0, 1]")


PAPER = DynamicsConfig(
    kind="lstm", steps=1250, batch=32, speed_weight=0.0, slowest=1.0, mixed=0.0, validate_every=125
)
"""Squared coefficient distance and squared vertex distance, an LSTM, one future (arXiv 2105.14678, sec. III-B)."""


def new_predictor(config: DynamicsConfig, clips: Clips, model: MorphableModel) -> Predictor:
    """An untrained predictor that knows the training set's means and deviations."""
    torch.manual_seed(config.seed)
    numbers = model.expression_count + HEAD_NUMBERS
    rng = np.random.default_rng(config.seed)
    windows = clips.draw(rng, 2048, config.flow.window, config.slowest)
    states, there = windows.states, windows.there
    predictor: Predictor
    if config.kind == "lstm":
        predictor = LstmPredictor(numbers, config.lstm)
    else:
        predictor = FlowPredictor(numbers, config.flow)
        states = windows.calm  # blinks are added to what it imagines
        predictor.blink_rate.copy_(torch.tensor(blink_rate(clips.blinks)))
        styles = style_of(states, there, model)
        predictor.prior.group.copy_(torch.tensor(groups_of(model)))
        predictor.style_mean.copy_(torch.tensor(styles.mean(axis=0)))
        predictor.style_factor.copy_(
            torch.tensor(np.linalg.cholesky(np.cov(styles.T) + 1e-6 * np.eye(STYLES)))
        )
    normaliser: Normaliser = predictor.normaliser
    normaliser.mean.copy_(torch.tensor(states[there].mean(axis=0)))
    normaliser.deviation.copy_(torch.tensor(states[there].std(axis=0).clip(1e-6)))
    if isinstance(predictor, FlowPredictor):
        normal = normaliser.normal(torch.tensor(states)).numpy() * there[..., None]
        predictor.prior.autocovariance.copy_(torch.tensor(autocovariance(normal, there, groups_of(model))))
    return predictor


class DynamicsTrainer:
    """One predictor, its optimiser, its averaged weights, and the step that it has come to."""

    def __init__(
        self, config: DynamicsConfig, train: Clips, validation: Clips, model: MorphableModel
    ) -> None:
        self.config, self.train, self.validation, self.model = config, train, validation, model
        self.predictor = new_predictor(config, train, model)
        self.average = new_predictor(config, train, model)
        self.average.eval()
        self.optimiser = torch.optim.AdamW(
            self.predictor.parameters(), config.learning_rate, weight_decay=config.weight_decay
        )
        self._distance = VertexDistance(model)
        self._speed = _speed_of(train, self.predictor)
        self.step = 0

    def advance(self) -> dict[str, float]:
        """One step; returns the losses."""
        config = self.config
        rng = np.random.default_rng([config.seed, self.step])
        torch.manual_seed(int(rng.integers(2**31)))
        self.predictor.train()
        for group in self.optimiser.param_groups:
            group["lr"] = self._learning_rate()
        losses = self._losses(self.predictor, self.train, rng)
        total = torch.stack(list(losses.values())).sum()
        self.optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.predictor.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        follow(self.average, self.predictor, min(config.ema, (1 + self.step) / (10 + self.step)))
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def validate(self, batches: int = 4) -> float:
        """The averaged weights' loss on the validation clips; always on the same windows and noise."""
        torch.manual_seed(self.config.seed)
        rng = np.random.default_rng(self.config.seed)
        with torch.no_grad():
            totals = [
                sum(float(loss) for loss in self._losses(self.average, self.validation, rng).values())
                for _ in range(batches)
            ]
        return float(np.mean(totals))

    def _learning_rate(self) -> float:
        config = self.config
        rise = min(1.0, (self.step + 1) / max(config.warm_up, 1))
        fall = 0.5 * (1.0 + math.cos(math.pi * min(self.step / config.steps, 1.0)))
        return config.learning_rate * rise * (0.02 + 0.98 * fall)

    def _losses(self, predictor: Predictor, clips: Clips, rng: np.random.Generator) -> dict[str, Tensor]:
        if isinstance(predictor, LstmPredictor):
            return self._lstm_losses(predictor, clips, rng)
        return self._flow_losses(predictor, clips, rng)

    def _lstm_losses(
        self, predictor: LstmPredictor, clips: Clips, rng: np.random.Generator
    ) -> dict[str, Tensor]:
        """Squared coefficient distance and squared vertex distance (arXiv 2105.14678, sec. III-B)."""
        config = self.config
        observed = int(rng.integers(1, config.observed + 1))
        windows = clips.draw(rng, config.batch, observed + config.future, config.slowest)
        normal = predictor.normaliser.normal(torch.tensor(windows.states))
        target = normal[:, -1] if rng.random() < 0.5 else None
        future = predictor(normal[:, :observed], config.future, target)
        weight = torch.tensor(windows.there[:, observed:], dtype=future.dtype)
        weight = weight / weight.sum().clamp_min(1.0)
        truth = normal[:, observed:]
        coefficients = ((future - truth) ** 2).mean(dim=-1)
        losses = {"coefficients": (weight * coefficients).sum()}
        if config.vertex_weight:
            plain = predictor.normaliser.plain
            losses["vertices"] = (
                config.vertex_weight * (weight * self._distance(plain(future), plain(truth))).sum()
            )
        return losses

    def _flow_losses(
        self, predictor: FlowPredictor, clips: Clips, rng: np.random.Generator
    ) -> dict[str, Tensor]:
        """Conditional flow matching on the unknown frames, with the clean frames as the network's answer."""
        config = self.config
        frames = predictor.config.window
        windows = clips.draw(rng, config.batch, frames, config.slowest, config.mixed)
        there = windows.there
        known = _known_frames(rng, there, config.observed)
        states = windows.without_unseen_blinks(known)
        truth = gone_on(predictor.prior, predictor.normaliser.normal(torch.tensor(states)), there)
        is_known = torch.tensor(known)
        bridge = predictor.prior.given(truth, is_known)
        styles = whitened(predictor, torch.tensor(style_of(windows.calm, there, self.model)).float())
        noise = bridge.through(predictor.prior.draw(torch.randn_like(truth)))
        noise = bridge.mean + predictor.liveliness(styles) * (noise - bridge.mean)
        flow_time = torch.rand(config.batch)
        mean_only = torch.rand(config.batch) < _MEAN_SHARE  # answers with the mean of all futures
        flow_time = torch.where(mean_only, torch.zeros_like(flow_time), flow_time)
        noise = torch.where(mean_only[:, None, None], bridge.mean, noise)
        share = flow_time[:, None, None]
        clean = predictor(
            (1.0 - share) * noise + share * truth,
            flow_time,
            bridge,
            predictor.normaliser.normal(torch.tensor(windows.anchor)),
            styles,
            (torch.rand(config.batch) < _STYLED_SHARE) & ~mean_only,
        )
        asked = torch.tensor(there & ~known, dtype=clean.dtype)
        asked = (
            asked / asked.sum().clamp_min(1.0) / (1.1 - flow_time)[:, None]
        )  # late errors are small, and count
        losses = {"coefficients": (asked * ((clean - truth) ** 2).mean(dim=-1)).sum()}
        if config.speed_weight:
            strayed = (((clean - truth).diff(dim=1)) / self._speed).pow(2).mean(dim=-1)
            losses["speed"] = config.speed_weight * (asked[:, 1:] * strayed).sum()
        if config.vertex_weight:
            plain = predictor.normaliser.plain
            losses["vertices"] = (
                config.vertex_weight * (asked * self._distance(plain(clean), plain(truth))).sum()
            )
        return losses

    def save(self, path: Path) -> None:
        """Everything that the next step depends on. Raises OutputError."""
        save_checkpoint(path, self._modules(), {"optimiser": self.optimiser}, self.step)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint of the same settings. Raises WeightsError, ConfigError."""
        self.step = load_checkpoint(path, self._modules(), {"optimiser": self.optimiser})

    def _modules(self) -> dict[str, torch.nn.Module]:
        return {"predictor": self.predictor, "average": self.average}


def _speed_of(clips: Clips, predictor: Predictor) -> Float[Tensor, " D"]:
    """The deviation of the change from frame to frame, of normalised states."""
    changes = np.concatenate([np.diff(states, axis=0) for states in clips.states])
    return torch.tensor(changes.std(axis=0)) / predictor.normaliser.deviation


CHECKPOINT_FILE = "checkpoint.safetensors"
_MEAN_SHARE, _STYLED_SHARE = 0.3, 0.7


def whitened(predictor: FlowPredictor, styles: Float[Tensor, "B S"]) -> Float[Tensor, "B S"]:
    """Styles as independent numbers of unit deviation."""
    centred = (styles - predictor.style_mean).T
    return torch.linalg.solve_triangular(predictor.style_factor, centred, upper=False).T


def gone_on(prior: MotionPrior, normal: States, there: Bool[np.ndarray, "B T"]) -> States:
    """Normalised states that move on beyond their clip's end, as the prior does.

    A face that stops with its clip would be seen in training, through the noise too, and never again.
    """
    ends = torch.tensor(~there.all(axis=1))
    if not ends.any():
        return normal
    moving = normal.clone()
    some = prior.given(normal[ends], torch.tensor(there)[ends])
    moving[ends] = some.through(prior.draw(torch.randn_like(normal[ends])))
    return moving


def _known_frames(
    rng: np.random.Generator, there: Bool[np.ndarray, "B T"], observed: int
) -> Bool[np.ndarray, "B T"]:
    """Which frames a window gives: some at its start, and in half of the cases one or some later on."""
    known = np.zeros_like(there)
    for row, valid in zip(known, there, strict=True):
        start = 1 if rng.random() < 0.35 else int(rng.integers(1, observed + 1))
        row[:start] = True
        last = int(valid.sum()) - 1
        kind = rng.random()
        if kind < 0.35 and last > start:
            row[int(rng.integers(start + 1, last + 1))] = True
        elif kind < 0.5 and last > start + observed:
            end = int(rng.integers(start + observed, last + 1))
            row[end - int(rng.integers(1, observed)) : end + 1] = True
        row &= valid
    return known


def train_dynamics(
    config: DynamicsConfig,
    train: Sequence[Dynamics],
    validation: Sequence[Dynamics],
    model: MorphableModel,
    out: Path,
    progress: Progress,
    resume: bool = False,
    note: Callable[[int, dict[str, float]], None] = lambda step, numbers: None,
) -> Path:
    """Train, keep the best weights by validation, and return their path, `out`/dynamics.safetensors.

    `note` is told the losses every `validate_every` steps. `out`, a folder, also receives config.json and
    checkpoint.safetensors, from which `resume` goes on. Raises ConfigError, WeightsError, OutputError.
    """
    make_folder(out)
    checkpoint, best_path = out / CHECKPOINT_FILE, out / "dynamics.safetensors"
    if checkpoint.exists() and not resume:
        raise ConfigError(f"{out} holds a run already; go on with --resume, or choose another --out")
    trainer = DynamicsTrainer(config, Clips(train, model), Clips(validation, model), model)
    best = math.inf
    if resume and checkpoint.exists():
        if load_config(DynamicsConfig, out / "config.json") != config:
            raise ConfigError(
                f"{out} holds a run with other settings; leave --config and --preset out to go on with them"
            )
        trainer.load(checkpoint)
        if best_path.exists():
            best = float(load_predictor(best_path, model)[1]["validation_loss"])
    save_config(config, out / "config.json")
    progress.stage("training the predictor", config.steps - trainer.step)
    sums: dict[str, float] = {}
    started, begun = time.monotonic(), trainer.step
    noted = begun
    for _ in watched(range(trainer.step, config.steps), progress):
        for name, value in trainer.advance().items():
            sums[name] = sums.get(name, 0.0) + value
        if trainer.step % config.validate_every == 0 or trainer.step == config.steps:
            loss = trainer.validate()
            means = {name: value / (trainer.step - noted) for name, value in sums.items()}
            per_s = (trainer.step - begun) / (time.monotonic() - started)
            note(trainer.step, {**means, "validation": loss, "steps_per_s": per_s})
            sums, noted = {}, trainer.step
            if loss < best:
                best = loss
                if isinstance(trainer.average, FlowPredictor):
                    calibrate(trainer.average, trainer.validation, config.batch, config.observed, config.seed)
                header = {"step": trainer.step, "validation_loss": loss}
                save_predictor(best_path, trainer.average, model, header)
            trainer.save(checkpoint)
    return best_path


def train_dynamics_on(
    data: Path, config: DynamicsConfig, out: Path, progress: Progress, resume: bool = False
) -> Path:
    """Train on the shards of `faceanime prepare`; `out` also receives the losses, as curve.csv and for TensorBoard.

    Raises as `train_dynamics`; ConfigError too where `data` holds no train or val shards.
    """
    model = load_model()
    parts = []
    for split in ("train", "val"):
        progress.stage(f"reading {split}", None)
        parts.append([sample.motion() for sample in watched(read_samples(data, split), progress)])
    make_folder(out)  # before the first step, not after the first checkpoint
    with Curve(out, resumed=(out / CHECKPOINT_FILE).exists()) as curve:
        return train_dynamics(config, parts[0], parts[1], model, out, progress, resume, curve.note)
