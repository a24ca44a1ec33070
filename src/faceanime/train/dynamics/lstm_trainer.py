"""The training of the paper's predictor, an LSTM (arXiv 2105.14678, sec. III-B)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from faceanime.dynamics.lstm_predictor import LstmPredictor
from faceanime.dynamics.state import HEAD_NUMBERS
from faceanime.morphable.model import MorphableModel
from faceanime.train.dynamics.config import DynamicsConfig
from faceanime.train.dynamics.excerpts import Clips, Excerpts, blink_rate
from faceanime.train.dynamics.trainer import DynamicsTrainer, draw_statistics, fill_normaliser
from faceanime.train.seeded import seeded

_TARGET_FRACTION = 0.5
"""Fraction of the batches that are predicted toward their last state; chosen by eye."""

_NOISE_EXCERPTS = 128
"""Excerpts on which the noise of futures is measured."""


@dataclass(frozen=True, eq=False)
class LstmBatch:
    """Excerpts whose first `observed` frames are given and, if `toward_target`, the last one too."""

    excerpts: Excerpts
    observed: int
    toward_target: bool


class LstmTrainer(DynamicsTrainer[LstmPredictor]):
    """The paper's losses of a single predicted future: |d - d'|^2 of the coefficients, and the vertices' distance."""

    loss_names: ClassVar[tuple[str, ...]] = ("coefficients", "vertices")

    def __init__(self, config: DynamicsConfig, clips: Clips, model: MorphableModel) -> None:
        super().__init__(config, untrained_lstm(config, clips, model), model)

    def calibrate(self, clips: Clips) -> None:
        """Measure the noise of futures on validation clips."""
        rng = np.random.default_rng(self.config.seed)
        excerpts = clips.draw(rng, _NOISE_EXCERPTS, self.config.observed + self.config.future, mirrored=False)
        whole = excerpts.there.all(axis=1)
        states = torch.tensor(excerpts.unblinking[whole if whole.any() else slice(None)])
        self.average.fit_noise(self.average.normaliser.normal(states))

    def _draw(self, clips: Clips, rng: np.random.Generator) -> LstmBatch:
        config = self.config
        observed = int(rng.integers(1, config.observed + 1))
        excerpts = clips.draw(rng, config.batch, observed + config.future, config.slowest)
        return LstmBatch(excerpts, observed, bool(rng.random() < _TARGET_FRACTION))

    def _losses(self, predictor: LstmPredictor, batch: LstmBatch) -> dict[str, Tensor]:
        config, observed = self.config, batch.observed
        frame = np.arange(observed + config.future)
        known = frame < observed if not batch.toward_target else (frame < observed) | (frame == frame[-1])
        known = np.broadcast_to(known, batch.excerpts.there.shape)
        truth = torch.tensor(batch.excerpts.without_unseen_blinks(known))
        normal = predictor.normaliser.normal(truth)
        target = normal[:, -1] if batch.toward_target else None
        future = predictor.normaliser.plain(predictor(normal[:, :observed], config.future, target))
        truth = truth[:, observed:]
        weight = torch.tensor(batch.excerpts.there[:, observed:], dtype=future.dtype)
        weight = weight / weight.sum().clamp_min(1.0)
        return {
            "coefficients": (weight * (future - truth).pow(2).sum(dim=-1)).sum(),
            "vertices": config.vertex_weight * (weight * self._distance(future, truth)).sum(),
        }


def untrained_lstm(config: DynamicsConfig, clips: Clips, model: MorphableModel) -> LstmPredictor:
    """An untrained LSTM with the training set's means and deviations."""
    with seeded(config.seed):
        predictor = LstmPredictor(model.expression_count + HEAD_NUMBERS, config.lstm)
    excerpts = draw_statistics(config, clips)
    predictor.blink_rate.copy_(torch.tensor(blink_rate(clips.blinks)))
    fill_normaliser(
        predictor, excerpts.unblinking, excerpts.there
    )  # blinks are added to the predicted motion
    return predictor
