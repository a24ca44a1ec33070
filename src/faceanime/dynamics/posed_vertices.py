"""The vertices of a face in given states: what predictions are compared by, in training and in evaluation."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from faceanime.dynamics.state import HEAD_NUMBERS, LOG_SCALE, PLACE, ROTATION
from faceanime.morphable.model import MorphableModel

VERTEX_INTERVAL = 16
"""Only every n-th landmark is posed; chosen for speed."""


class PosedVertices:
    """V(d) = exp(l) R (mean + A_exp e) + t of states d, differentiable (arXiv 2105.14678, sec. III-B).

    For every `VERTEX_INTERVAL`-th landmark of the mean face.
    """

    def __init__(self, model: MorphableModel, dtype: torch.dtype = torch.float32) -> None:
        some = np.arange(0, model.landmark_count, VERTEX_INTERVAL)
        self._mean = torch.tensor(model.landmark_mean[some], dtype=dtype)
        self._basis = torch.tensor(model.landmark_expression_basis[some], dtype=dtype)

    def __call__(self, states: Float[Tensor, "*B D"]) -> Float[Tensor, "*B V 3"]:
        """The posed vertices in the picture: x right, y down, in model units at the anchor state's scale."""
        shape = self._mean + torch.einsum("...k,vck->...vc", states[..., :-HEAD_NUMBERS], self._basis)
        turned = _rotated(shape, states[..., ROTATION])
        turned = turned * states[..., LOG_SCALE, None, None].exp()
        flat = torch.stack([turned[..., 0], -turned[..., 1], turned[..., 2]], dim=-1)
        place = torch.nn.functional.pad(states[..., PLACE], (0, 1))
        return flat + place[..., None, :]


def _rotated(points: Float[Tensor, "*B V 3"], vector: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B V 3"]:
    """Rotate points by a rotation vector (Rodrigues' formula, smooth at 0)."""
    angle_2 = (vector**2).sum(dim=-1)[..., None, None].clamp_min(1e-12)
    angle = angle_2.sqrt()
    x, y, z = vector.unbind(dim=-1)
    nothing = torch.zeros_like(x)
    cross = torch.stack([nothing, -z, y, z, nothing, -x, -y, x, nothing], dim=-1).reshape(*x.shape, 3, 3)
    rotation = (
        torch.eye(3, dtype=points.dtype)
        + torch.sin(angle) / angle * cross
        + (1 - torch.cos(angle)) / angle_2 * (cross @ cross)
    )
    return points @ rotation.mT
