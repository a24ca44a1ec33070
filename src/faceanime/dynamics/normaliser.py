"""Normalization of states by the statistics of a training set."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Normaliser(nn.Module):
    """States to and from zero mean and unit deviation over the training set."""

    mean: Float[Tensor, " D"]
    deviation: Float[Tensor, " D"]

    def __init__(self, numbers: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(numbers))
        self.register_buffer("deviation", torch.ones(numbers))

    def normal(self, states: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        """Normalize states."""
        return (states - self.mean) / self.deviation

    def plain(self, normal: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        """Undo `normal`."""
        return normal * self.deviation + self.mean
