"""Losses, each under its equation."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from faceanime.dynamics.state import HEAD_NUMBERS, LOG_SCALE, PLACE, ROTATION
from faceanime.morphable.model import MorphableModel

VERTEX_INTERVAL = 16
VERTEX_UNIT = 0.1
"""Vertex distances are told in this many distances of the outer eye corners."""


class VertexDistance:
    """mean_v |V(d) - V(d')|^2 with V(d) = exp(l) R (mean + A_exp e) + t (arXiv 2105.14678, sec. III-B).

    Over every sixteenth landmark of the mean person, in units of (`VERTEX_UNIT` eye distances)^2.
    """

    def __init__(self, model: MorphableModel) -> None:
        some = np.arange(0, model.landmark_count, VERTEX_INTERVAL)
        self._mean = torch.tensor(model.mean[some])
        self._basis = torch.tensor(model.expression_basis[some])

    def __call__(self, a: Float[Tensor, "*B D"], b: Float[Tensor, "*B D"]) -> Float[Tensor, "*B"]:
        """Of two states (plain, not normalised) each."""
        apart = (self.posed(a) - self.posed(b)) / VERTEX_UNIT
        return apart.pow(2).sum(dim=-1).mean(dim=-1)

    def posed(self, states: Float[Tensor, "*B D"]) -> Float[Tensor, "*B V 3"]:
        """The vertices as they stand in the picture; x right, y down, in eye distances of the anchor."""
        shape = self._mean + torch.einsum("...k,vck->...vc", states[..., :-HEAD_NUMBERS], self._basis)
        turned = _rotated(shape, states[..., ROTATION])
        turned = turned * states[..., LOG_SCALE, None, None].exp()
        flat = torch.stack([turned[..., 0], -turned[..., 1], turned[..., 2]], dim=-1)
        place = torch.nn.functional.pad(states[..., PLACE], (0, 1))
        return flat + place[..., None, :]


def _rotated(points: Float[Tensor, "*B V 3"], vector: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B V 3"]:
    """Rodrigues' formula, smooth at 0."""
    axis = vector[..., None, :].expand_as(points)
    angle_2 = (vector**2).sum(dim=-1)[..., None, None].clamp_min(1e-12)
    angle = angle_2.sqrt()
    once = torch.linalg.cross(axis, points)
    return (
        points
        + torch.sin(angle) / angle * once
        + (1 - torch.cos(angle)) / angle_2 * torch.linalg.cross(axis, once)
    )
