"""Networks run by torch (see `runtime.network`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

TorchFunction: TypeAlias = Callable[..., Mapping[str, Tensor]]
"""A function of named tensors that returns named tensors."""


class TorchNetwork:
    """A torch function of named tensors that returns named tensors, run in inference mode on the CPU."""

    def __init__(self, function: TorchFunction) -> None:
        self._function = function

    def __call__(self, **arrays: np.ndarray) -> dict[str, np.ndarray]:
        """Run the function; see `runtime.network.Network`."""
        with torch.inference_mode():
            outputs = self._function(**{name: torch.from_numpy(array) for name, array in arrays.items()})
            return {name: tensor.numpy() for name, tensor in outputs.items()}
