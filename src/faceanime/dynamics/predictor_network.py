"""The seam for predictors that are networks of ours, which can be trained and saved."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float
from torch import nn

from faceanime.dynamics.normaliser import Normaliser
from faceanime.dynamics.predictor import KnownStates
from faceanime.dynamics.rollout_config import FutureConfig


class PredictorNetwork(nn.Module, ABC):
    """A `predictor.Predictor` of one family (`predictor_families.PredictorFamily`)."""

    network: ClassVar[str]
    """Name of the family in weights files."""
    config: Any
    """The dataclass of its settings."""
    normaliser: Normaliser
    """The training set's means and deviations."""

    @abstractmethod
    def future(self, known: KnownStates, config: FutureConfig) -> Float[np.ndarray, "T D"]:
        """Predict all states; see `predictor.Predictor`."""

    @abstractmethod
    def blinks_per_minute(self, seed: int) -> float:
        """Return the rate of the blinks to be added; see `predictor.Predictor`."""
