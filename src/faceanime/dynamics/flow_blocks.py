"""Building blocks of the flow-matching predictor's transformer."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

TIME_FEATURES = 16
"""Sines and cosines of the flow time."""


class ModulatedBlock(nn.Module):
    """Attention and an MLP, both scaled, shifted and gated by a condition (adaLN-Zero).

    Source: Peebles and Xie, arXiv 2212.09748, sec. 3.2.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width, elementwise_affine=False)
        self.norm2 = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = nn.Linear(width, 6 * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, tokens: Float[Tensor, "B N W"], condition: Float[Tensor, "B W"]
    ) -> Float[Tensor, "B N W"]:
        scale1, shift1, gate1, scale2, shift2, gate2 = self.modulation(condition)[:, None].chunk(6, dim=-1)
        batch, count, width = tokens.shape
        qkv = self.qkv((1.0 + scale1) * self.norm1(tokens) + shift1)
        query, key, value = qkv.reshape(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        attended = nn.functional.scaled_dot_product_attention(query, key, value)
        attended = attended.transpose(1, 2).reshape(batch, count, width)
        tokens = tokens + gate1 * self.dropout(self.proj(attended))
        expanded: Tensor = self.mlp((1.0 + scale2) * self.norm2(tokens) + shift2)
        return tokens + gate2 * self.dropout(expanded)


def time_features(time: Float[Tensor, " B"]) -> Float[Tensor, "B N"]:
    """The flow time as sines and cosines."""
    angles = time[:, None] * math.pi * 2.0 ** torch.arange(TIME_FEATURES // 2, dtype=time.dtype)
    return torch.cat([angles.sin(), angles.cos()], dim=1)
