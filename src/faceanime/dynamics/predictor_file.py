"""Predictors on disk: half-precision weights, and a header that names the network and its size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from faceanime.core.config import from_json, to_json
from faceanime.core.errors import WeightsError
from faceanime.core.weights import family_of, load_weights, save_weights
from faceanime.dynamics.predictor_families import PREDICTOR_FAMILIES
from faceanime.dynamics.predictor_network import PredictorNetwork
from faceanime.dynamics.state import HEAD_NUMBERS
from faceanime.morphable.model import MorphableModel

PREDICTOR_KIND = "dynamics"

_RENAMED_LAYERS = {
    "enter": "patch_embed",
    "place": "pos_embed",
    "condition": "cond_mlp",
    "leave": "norm",
    "tell": "unpatch",
    "gather": "frame_conv",
    "weigh": "frame_scale",
    "add": "head",
    "carry": "skip_gain",
}
"""Layers of the flow predictor by their names in files of version 1, such as the bundled one."""
_RENAMED_IN_BLOCK = {"told": "modulation", "query_key_value": "qkv", "mix": "proj", "think": "mlp"}
"""Layers of a transformer block by their names in files of version 1."""


def save_predictor(
    path: Path, predictor: PredictorNetwork, model: MorphableModel, header: Mapping[str, Any]
) -> None:
    """Write a predictor of `model`'s coefficients; `header` (JSON values) is added to its own. Raises OutputError."""
    tensors = {name: value.numpy() for name, value in predictor.state_dict().items()}
    tensors |= {name: tensors[name].astype(np.float16) for name, _ in predictor.named_parameters()}
    full = {**header, "network": predictor.network, "config": to_json(predictor.config), "model_id": model.id}
    save_weights(path, tensors, kind=PREDICTOR_KIND, header=full)


def load_predictor(path: Path, model: MorphableModel) -> tuple[PredictorNetwork, Mapping[str, Any]]:
    """A predictor, ready to use, and its file's header.

    Raises WeightsError when the file is missing, damaged or of another kind; MorphableModelError when it belongs to
    another morphable model.
    """
    tensors, header = load_weights(path, PREDICTOR_KIND)
    model.require(str(header.get("model_id")), str(path))
    family = family_of(header, PREDICTOR_FAMILIES, path)
    settings = from_json(family.config, str(header.get("config")), f"the header of {path}")
    predictor = family.build(model.expression_count + HEAD_NUMBERS, settings)
    try:
        predictor.load_state_dict({current_key(key): torch.tensor(value) for key, value in tensors.items()})
    except RuntimeError as error:
        raise WeightsError(f"{path} is damaged: its tensors do not fit its header") from error
    return predictor.eval(), header


def current_key(key: str) -> str:
    """The name of a tensor in the networks of today, from its name in a file of any version."""
    layer, *rest = key.split(".")
    if layer == "blocks":
        index, inner, *rest = rest
        return ".".join([layer, index, _RENAMED_IN_BLOCK.get(inner, inner), *rest])
    return ".".join([_RENAMED_LAYERS.get(layer, layer), *rest])
