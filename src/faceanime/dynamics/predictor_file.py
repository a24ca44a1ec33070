"""Predictors on disk: half-precision weights, and a header that says which network they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from faceanime.core.config import from_json, to_json
from faceanime.core.errors import WeightsError
from faceanime.core.weights import load_weights, save_weights
from faceanime.dynamics.predictor import FlowConfig, FlowPredictor, LstmConfig, LstmPredictor
from faceanime.dynamics.state import HEAD_NUMBERS
from faceanime.morphable.model import MorphableModel

KIND = "dynamics"
NETWORKS = ("lstm", "flow")


def save_predictor(
    path: Path, predictor: LstmPredictor | FlowPredictor, model: MorphableModel, header: Mapping[str, Any]
) -> None:
    """Write a predictor of `model`'s coefficients; `header` (JSON values) is kept beside. Raises OutputError."""
    tensors = {name: value.numpy() for name, value in predictor.state_dict().items()}
    tensors |= {name: tensors[name].astype(np.float16) for name, _ in predictor.named_parameters()}
    network = "lstm" if isinstance(predictor, LstmPredictor) else "flow"
    full = {**header, "network": network, "config": to_json(predictor.config), "model_id": model.id}
    save_weights(path, tensors, kind=KIND, header=full)


def load_predictor(
    path: Path, model: MorphableModel
) -> tuple[LstmPredictor | FlowPredictor, Mapping[str, Any]]:
    """A predictor, ready to use, and its file's header.

    Raises WeightsError when the file is missing, damaged or of another kind; MorphableModelError when it belongs to
    another morphable model.
    """
    tensors, header = load_weights(path, KIND)
    model.require(str(header.get("model_id")), str(path))
    name = header.get("network")
    if name not in NETWORKS:
        raise WeightsError(f"{path} holds a network '{name}', expected one of {', '.join(NETWORKS)}")
    numbers, text, where = (
        model.expression_count + HEAD_NUMBERS,
        str(header.get("config")),
        f"the header of {path}",
    )
    predictor: LstmPredictor | FlowPredictor
    if name == "lstm":
        predictor = LstmPredictor(numbers, from_json(LstmConfig, text, where))
    else:
        predictor = FlowPredictor(numbers, from_json(FlowConfig, text, where))
    try:
        predictor.load_state_dict({key: torch.tensor(value) for key, value in tensors.items()})
    except RuntimeError as error:
        raise WeightsError(f"{path} is damaged: its tensors do not fit its header") from error
    return predictor.eval(), header
