"""The common part of both predictors' trainings."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from faceanime.dynamics.predictor_network import PredictorNetwork
from faceanime.morphable.model import MorphableModel
from faceanime.train.dynamics.config import DynamicsConfig
from faceanime.train.dynamics.excerpts import Clips, Excerpts
from faceanime.train.losses import VertexDistance
from faceanime.train.seeded import seeded
from faceanime.train.trainer import Numbers, Trainer

TrainedPredictor = TypeVar("TrainedPredictor", bound=PredictorNetwork)

STATISTICS_EXCERPTS = 2048
"""Excerpts over which means, deviations and styles of the training set are taken."""
_VALIDATION_BATCHES = 4
"""Batches of a validation; chosen by eye."""
_LARGEST_GRADIENT = 1.0
"""Norm to which gradients are clipped."""


@dataclass(frozen=True)
class DrawnStep:
    """The batch of one step, and the seed of the noise that torch draws in it."""

    batch: Any
    torch_seed: int


class DynamicsTrainer(Trainer[TrainedPredictor]):
    """A predictor that learns from excerpts of clips, by AdamW with clipped gradients."""

    final_rate: ClassVar[float] = 0.02
    """Learning rate at the end, as a fraction of the highest one."""

    def __init__(self, config: DynamicsConfig, predictor: TrainedPredictor, model: MorphableModel) -> None:
        super().__init__(config, predictor, torch.device("cpu"))
        parameters = [{"params": self.network.parameters(), "initial_lr": config.learning_rate}]
        self._optimiser = torch.optim.AdamW(
            parameters, config.learning_rate, weight_decay=config.weight_decay
        )
        self._model, self._distance = model, VertexDistance(model)

    @abstractmethod
    def _draw(self, clips: Clips, rng: np.random.Generator) -> Any:
        """Draw one batch."""

    @abstractmethod
    def _losses(self, predictor: TrainedPredictor, batch: Any) -> dict[str, Tensor]:
        """The weighted losses of a batch, by name; their sum is minimized."""

    def calibrate(self, clips: Clips) -> None:
        """Adjust the averaged weights to the validation clips before they are kept; by default not at all."""

    def draw(self, data: Clips, step: int) -> DrawnStep:
        """Draw the batch of a step."""
        rng = np.random.default_rng([self.config.seed, step])
        torch_seed = int(rng.integers(2**31))
        return DrawnStep(self._draw(data, rng), torch_seed)

    def advance(self, drawn: DrawnStep) -> Numbers:
        """Take one step and return its losses."""
        self._begin_step()
        self.network.train()
        with seeded(drawn.torch_seed):
            losses = self._losses(self.network, drawn.batch)
        self._optimiser.zero_grad()
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), _LARGEST_GRADIENT)
        self._optimiser.step()
        self._finish_step()
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def samples(self, data: Clips) -> list[Any]:
        """Draw the validation batches, always the same ones."""
        rng = np.random.default_rng(self.config.seed)
        return [self._draw(data, rng) for _ in range(_VALIDATION_BATCHES)]

    def validate(self, samples: list[Any]) -> Numbers:
        """The averaged weights' mean loss on the validation batches, always under the same noise."""
        with torch.no_grad(), seeded(self.config.seed):
            totals = [
                sum(float(loss) for loss in self._losses(self.average, batch).values()) for batch in samples
            ]
        return {"validation": float(np.mean(totals))}

    def modules(self) -> dict[str, nn.Module]:
        """The predictor and its averaged weights."""
        return {"predictor": self.network, "average": self.average}

    def optimisers(self) -> dict[str, Optimizer]:
        """The one optimizer."""
        return {"optimiser": self._optimiser}


def draw_statistics(config: DynamicsConfig, clips: Clips) -> Excerpts:
    """Excerpts from which the statistics of the training set are taken."""
    rng = np.random.default_rng(config.seed)
    return clips.draw(rng, STATISTICS_EXCERPTS, config.flow.window, config.slowest)


def fill_normaliser(predictor: PredictorNetwork, states: np.ndarray, there: np.ndarray) -> None:
    """Set a predictor's means and deviations to those of the states (B,T,D) that are `there` (B,T)."""
    normaliser = predictor.normaliser
    normaliser.mean.copy_(torch.tensor(states[there].mean(axis=0)))
    normaliser.deviation.copy_(torch.tensor(states[there].std(axis=0).clip(1e-6)))
