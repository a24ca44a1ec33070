"""Generators on disk: half-precision weights, and a header that says which network they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

from faceanime.core.config import from_json, to_json
from faceanime.core.errors import ConfigError, WeightsError
from faceanime.core.weights import load_weights, save_weights
from faceanime.generator.flow_guided import FlowGuided, FlowGuidedConfig
from faceanime.generator.pgfg import Pgfg, PgfgConfig
from faceanime.morphable.model import MorphableModel

KIND, VERSION = "generator", 4
_OLDEST = {Pgfg.network: 3, FlowGuided.network: 4}
"""The versions from which on files hold the networks that there are now."""

Generator: TypeAlias = Pgfg | FlowGuided


def save_generator(
    path: Path, generator: Generator, model: MorphableModel, header: Mapping[str, Any]
) -> None:
    """Write a generator whose priors are drawn with `model`; `header` (JSON values) is kept beside.

    Raises OutputError, WeightsError for weights that are not finite.
    """
    tensors = {name: value.cpu().numpy() for name, value in generator.state_dict().items()}
    tensors |= {name: tensors[name].astype(np.float16) for name, _ in generator.named_parameters()}
    full = {**header, "network": generator.network, "config": to_json(generator.config), "model_id": model.id}
    save_weights(path, tensors, kind=KIND, header=full, version=VERSION)


def load_generator(path: Path, model: MorphableModel | None) -> tuple[Generator, Mapping[str, Any]]:
    """A generator, ready to use, and its file's header; where `model` is None, of any face model, to learn on.

    Raises WeightsError when the file is missing, damaged or of another kind; MorphableModelError when it belongs to
    another morphable model.
    """
    tensors, header = load_weights(path, KIND, VERSION)
    if header["version"] < _OLDEST.get(str(header.get("network")), VERSION):
        raise WeightsError(
            f"{path} holds a network of version {header['version']}, which this faceanime no longer has; "
            "train it again (faceanime train generator), or use the one that comes along"
        )
    if model is not None:
        model.require(str(header.get("model_id")), str(path))
    ready = {name: torch.tensor(value) for name, value in tensors.items()}
    ready = {name: value.float() if value.is_floating_point() else value for name, value in ready.items()}
    try:
        with torch.device("meta"):  # what a header says takes no memory before it is known to be true
            generator = _untrained(path, header)
        generator.load_state_dict(ready, assign=True)
    except (ConfigError, RuntimeError, OverflowError) as error:
        reason = str(error).splitlines()[0]
        raise WeightsError(f"{path} is damaged: its tensors do not fit its header ({reason})") from error
    return generator.eval(), header


def _untrained(path: Path, header: Mapping[str, Any]) -> Generator:
    """The network that the header names."""
    text, where = str(header.get("config")), f"the header of {path}"
    match header.get("network"):
        case Pgfg.network:
            return Pgfg(from_json(PgfgConfig, text, where))
        case FlowGuided.network:
            return FlowGuided(from_json(FlowGuidedConfig, text, where))
        case other:
            expected = f"{Pgfg.network} or {FlowGuided.network}"
            raise WeightsError(f"{path} holds a network '{other}', expected {expected}")
