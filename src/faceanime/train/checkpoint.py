"""Checkpoints: networks, optimizers and the number of steps taken, as safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from faceanime.core.errors import ConfigError
from faceanime.core.weights import load_weights, save_weights

CHECKPOINT_KIND = "checkpoint"


def save_checkpoint(
    path: Path,
    modules: Mapping[str, nn.Module],
    optimisers: Mapping[str, Optimizer],
    step: int,
    header: Mapping[str, Any] | None = None,
) -> None:
    """Write everything that the next step depends on; `header` holds further JSON values. Raises OutputError."""
    tensors: dict[str, Tensor] = {}
    for name, module in modules.items():
        tensors |= {f"{name}.{key}": value for key, value in module.state_dict().items()}
    for name, optimiser in optimisers.items():
        for index, state in optimiser.state_dict()["state"].items():
            tensors |= {f"{name}.{index}.{key}": value for key, value in state.items()}
    arrays = {name: value.detach().cpu().numpy() for name, value in tensors.items()}
    save_weights(path, arrays, kind=CHECKPOINT_KIND, header={**(header or {}), "step": step})


def load_checkpoint(path: Path, modules: Mapping[str, nn.Module], optimisers: Mapping[str, Optimizer]) -> int:
    """Restore a training's state and return its step. Raises WeightsError; ConfigError for networks of other sizes."""
    arrays, header = load_weights(path, CHECKPOINT_KIND)
    tensors = {name: torch.tensor(value) for name, value in arrays.items()}
    try:
        for name, module in modules.items():
            module.load_state_dict(_under(tensors, name))
    except RuntimeError as error:
        raise ConfigError(
            f"{path} holds networks of another size; use the settings that the run began with"
        ) from error
    for name, optimiser in optimisers.items():
        states: dict[int, dict[str, Tensor]] = {}
        for key, value in _under(tensors, name).items():
            index, _, entry = key.partition(".")
            states.setdefault(int(index), {})[entry] = value
        groups = optimiser.state_dict()["param_groups"]
        optimiser.load_state_dict({"state": states, "param_groups": groups})
    return int(header["step"])


def _under(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key[len(name) + 1 :]: value for key, value in tensors.items() if key.startswith(f"{name}.")}
