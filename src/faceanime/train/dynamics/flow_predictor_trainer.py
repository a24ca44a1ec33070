"""The training of the flow-matching predictor (Lipman et al., arXiv 2210.02747; `dynamics/flow_predictor.py`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from faceanime.dynamics.flow_predictor import FlowPredictor
from faceanime.dynamics.motion_prior import Bridge, MotionPrior, StateBatch
from faceanime.dynamics.state import HEAD_NUMBERS
from faceanime.dynamics.style_process import STYLES
from faceanime.morphable.model import MorphableModel
from faceanime.train.dynamics.calibration import calibrate
from faceanime.train.dynamics.config import DynamicsConfig
from faceanime.train.dynamics.excerpts import (
    Clips,
    Excerpts,
    autocovariance,
    blink_rate,
    groups_of,
    style_of,
)
from faceanime.train.dynamics.trainer import DynamicsTrainer, draw_statistics, fill_normaliser
from faceanime.train.seeded import seeded


@dataclass(frozen=True)
class _Fractions:
    """Fractions of the training samples of each kind; chosen by eye."""

    mean_only: float = 0.3
    """Samples at flow time 0, on which the network answers with the mean of all futures."""
    styled: float = 0.7
    """Samples whose style the network is given."""
    first_frame_only: float = 0.35
    """Excerpts of which only the first frame is known at the start."""
    one_later_frame: float = 0.35
    """Excerpts of which one later frame is known, as in target-driven prediction."""
    later_stretch: float = 0.15
    """Excerpts of which several later frames in a row are known, as in a loop."""


_FRACTIONS = _Fractions()
_TIME_OFFSET = 1.1
"""Losses are divided by this constant minus the flow time, since errors late in the flow are small but visible; chosen
by eye."""


@dataclass(frozen=True, eq=False)
class FlowBatch:
    """Excerpts and which of their frames are `known` (B,T)."""

    excerpts: Excerpts
    known: Bool[np.ndarray, "B T"]


class FlowPredictorTrainer(DynamicsTrainer[FlowPredictor]):
    """Conditional flow matching on the unknown frames; the network predicts the clean frames."""

    loss_names: ClassVar[tuple[str, ...]] = ("coefficients", "speed", "vertices")

    def __init__(self, config: DynamicsConfig, clips: Clips, model: MorphableModel) -> None:
        super().__init__(config, untrained_flow(config, clips, model), model)
        changes = np.concatenate([np.diff(states, axis=0) for states in clips.states])
        # deviation of the change from frame to frame, in normalized states
        self._speed = torch.tensor(changes.std(axis=0)) / self.network.normaliser.deviation

    def calibrate(self, clips: Clips) -> None:
        """Measure on validation clips how far the averaged weights' mean can be trusted."""
        calibrate(self.average, clips, self.config.batch, self.config.observed, self.config.seed)

    def _draw(self, clips: Clips, rng: np.random.Generator) -> FlowBatch:
        config = self.config
        excerpts = clips.draw(rng, config.batch, config.flow.window, config.slowest, config.mixed)
        return FlowBatch(excerpts, _known_frames(rng, excerpts.there, config.observed))

    def _losses(self, predictor: FlowPredictor, batch: FlowBatch) -> dict[str, Tensor]:
        config, excerpts, known = self.config, batch.excerpts, batch.known
        states = torch.tensor(excerpts.without_unseen_blinks(known))
        truth = continue_past_end(predictor.prior, predictor.normaliser.normal(states), excerpts.there)
        bridge = predictor.prior.given(truth, torch.tensor(known))
        clean, flow_time = self._predict(predictor, excerpts, truth, bridge)
        wanted = torch.tensor(excerpts.there & ~known, dtype=clean.dtype)
        weight = wanted / wanted.sum().clamp_min(1.0) / (_TIME_OFFSET - flow_time)[:, None]
        losses = {"coefficients": (weight * ((clean - truth) ** 2).mean(dim=-1)).sum()}
        if config.speed_weight:
            error = ((clean - truth).diff(dim=1) / self._speed).pow(2).mean(dim=-1)
            losses["speed"] = config.speed_weight * (weight[:, 1:] * error).sum()
        if config.vertex_weight:
            plain = predictor.normaliser.plain
            distance = self._distance(plain(clean), plain(truth))
            losses["vertices"] = config.vertex_weight * (weight * distance).sum()
        return losses

    def _predict(
        self, predictor: FlowPredictor, excerpts: Excerpts, truth: StateBatch, bridge: Bridge
    ) -> tuple[StateBatch, Float[Tensor, " B"]]:
        """The clean frames that the network predicts from noisy ones, and the flow time of each sample."""
        count = len(truth)
        styles = torch.tensor(style_of(excerpts.unblinking, excerpts.there, self._model)).float()
        styles = whiten_styles(predictor, styles)
        noise = bridge.through(predictor.prior.draw(torch.randn_like(truth)))
        noise = bridge.mean + predictor.liveliness(styles) * (noise - bridge.mean)
        flow_time = torch.rand(count)
        mean_only = torch.rand(count) < _FRACTIONS.mean_only
        flow_time = torch.where(mean_only, torch.zeros_like(flow_time), flow_time)
        noise = torch.where(mean_only[:, None, None], bridge.mean, noise)
        time = flow_time[:, None, None]
        clean = predictor(
            (1.0 - time) * noise + time * truth,
            flow_time,
            bridge,
            predictor.normaliser.normal(torch.tensor(excerpts.anchor)),
            styles,
            (torch.rand(count) < _FRACTIONS.styled) & ~mean_only,
        )
        return clean, flow_time


def untrained_flow(config: DynamicsConfig, clips: Clips, model: MorphableModel) -> FlowPredictor:
    """An untrained predictor with the training set's means, deviations, styles and autocovariance."""
    with seeded(config.seed):
        predictor = FlowPredictor(model.expression_count + HEAD_NUMBERS, config.flow)
    excerpts = draw_statistics(config, clips)
    states, there = excerpts.unblinking, excerpts.there  # blinks are added to the predicted motion afterwards
    predictor.blink_rate.copy_(torch.tensor(blink_rate(clips.blinks)))
    styles = style_of(states, there, model)
    predictor.prior.group.copy_(torch.tensor(groups_of(model)))
    predictor.style_mean.copy_(torch.tensor(styles.mean(axis=0)))
    factor = np.linalg.cholesky(np.cov(styles.T) + 1e-6 * np.eye(STYLES))
    predictor.style_factor.copy_(torch.tensor(factor))
    fill_normaliser(predictor, states, there)
    normal = predictor.normaliser.normal(torch.tensor(states)).numpy() * there[..., None]
    predictor.prior.autocovariance.copy_(torch.tensor(autocovariance(normal, there, groups_of(model))))
    return predictor


def whiten_styles(predictor: FlowPredictor, styles: Float[Tensor, "B S"]) -> Float[Tensor, "B S"]:
    """Styles as independent numbers of unit deviation."""
    centered = (styles - predictor.style_mean).T
    return torch.linalg.solve_triangular(predictor.style_factor, centered, upper=False).T


def continue_past_end(prior: MotionPrior, normal: StateBatch, there: Bool[np.ndarray, "B T"]) -> StateBatch:
    """Normalized states that move on beyond their clip's end, as the motion prior does.

    A network trained on faces that freeze where their clip ends would learn the freezing.
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
    """Draw the known frames of each excerpt: some at its start, and in half of the cases one or more later."""
    known = np.zeros_like(there)
    stretch_until = _FRACTIONS.one_later_frame + _FRACTIONS.later_stretch
    for row, valid in zip(known, there, strict=True):
        start = 1 if rng.random() < _FRACTIONS.first_frame_only else int(rng.integers(1, observed + 1))
        row[:start] = True
        last = int(valid.sum()) - 1
        kind = rng.random()
        if kind < _FRACTIONS.one_later_frame and last > start:
            row[int(rng.integers(start + 1, last + 1))] = True
        elif kind < stretch_until and last > start + observed:
            end = int(rng.integers(start + observed, last + 1))
            row[end - int(rng.integers(1, observed)) : end + 1] = True
        row &= valid
    return known
