"""The kinds of predictors that weights files may hold.

A new family is one module with its configuration and network, and one entry of `PREDICTOR_FAMILIES`; its training is
one entry of `train.dynamics.training.TRAINERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from faceanime.dynamics.flow_predictor import FlowConfig, FlowPredictor
from faceanime.dynamics.lstm_predictor import LstmConfig, LstmPredictor
from faceanime.dynamics.predictor_network import PredictorNetwork


@dataclass(frozen=True)
class PredictorFamily:
    """One kind of predictor."""

    name: str
    """Its name in the headers of weights files."""
    config: type[Any]
    """The dataclass of its settings, which stand in the header as JSON."""
    build: Callable[[int, Any], PredictorNetwork]
    """Makes the untrained network for states of so many numbers, with some settings."""


PREDICTOR_FAMILIES = (
    PredictorFamily(LstmPredictor.network, LstmConfig, LstmPredictor),
    PredictorFamily(FlowPredictor.network, FlowConfig, FlowPredictor),
)
