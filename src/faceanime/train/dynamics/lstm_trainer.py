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
from faceanime.train.dynamics.excerpts import Clips, Excerpts
from faceanime.train.dynamics.trainer import DynamicsTrainer, draw_statistics, fill_normaliser
from faceanime.train.seeded import seeded

_TARGET_FRACTION = 0.5
"""Fraction of the batches that are predicted toward their last state; chosen by eye."""


@dataclass(frozen=True, eq=False)
class LstmBatch:
    """Excerpts whose first `observed` frames are given and, if `toward_target`, the last one too."""

    excerpts: Excerpts
    observed: int
    toward_target: bool


class LstmTrainer(DynamicsTrainer[LstmPredictor]):
    """The squared coefficient distance and the squared vertex distance of a single predicted future."""

    loss_names: ClassVar[tuple[str, ...]] = ("coefficients", "vertices")

    def __init__(self, config: DynamicsConfig, clips: Clips, model: MorphableModel) -> None:
        super().__init__(config, untrained_lstm(config, clips, model), model)

    def _draw(self, clips: Clips, rng: np.random.Generator) -> LstmBatch:
        config = self.config
        observed = int(rng.integers(1, config.observed + 1))
        excerpts = clips.draw(rng, config.batch, observed + config.future, config.slowest)
        return LstmBatch(excerpts, observed, bool(rng.random() < _TARGET_FRACTION))

    def _losses(self, predictor: LstmPredictor, batch: LstmBatch) -> dict[str, Tensor]:
        config, observed = self.config, batch.observed
        normal = predictor.normaliser.normal(torch.tensor(batch.excerpts.states))
        target = normal[:, -1] if batch.toward_target else None
        future = predictor(normal[:, :observed], config.future, target)
        weight = torch.tensor(batch.excerpts.there[:, observed:], dtype=future.dtype)
        weight = weight / weight.sum().clamp_min(1.0)
        truth = normal[:, observed:]
        losses = {"coefficients": (weight * ((future - truth) ** 2).mean(dim=-1)).sum()}
        if config.vertex_weight:
            plain = predictor.normaliser.plain
            distance = self._distance(plain(future), plain(truth))
            losses["vertices"] = config.vertex_weight * (weight * distance).sum()
        return losses


def untrained_lstm(config: DynamicsConfig, clips: Clips, model: MorphableModel) -> LstmPredictor:
    """An untrained LSTM with the training set's means and deviations."""
    with seeded(config.seed):
        predictor = LstmPredictor(model.expression_count + HEAD_NUMBERS, config.lstm)
    excerpts = draw_statistics(config, clips)
    fill_normaliser(predictor, excerpts.states, excerpts.there)
    return predictor
