"""Losses, each under its equation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass
from math import inf
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, l1_loss, normalize, relu

from faceanime.core.errors import ConfigError
from faceanime.dynamics.state import HEAD_NUMBERS, LOG_SCALE, PLACE, ROTATION
from faceanime.generator.blocks import GeneratedFace
from faceanime.morphable.model import MorphableModel

Pictures: TypeAlias = Float[Tensor, "B C H W"]
Weight: TypeAlias = Float[Tensor, "B 1 H W"]
Places: TypeAlias = Float[Tensor, "B K 2"]
Critic: TypeAlias = Callable[[Tensor], Tensor]
"""Pairs [p_t, I] (B,C,H,W) in, a score each (B,) out."""
Embedding: TypeAlias = Callable[[Tensor], Tensor]
"""Pictures (B,3,H,W) in [-1, 1] in, features (B,N) out; it aligns the faces as it needs."""
Scalar: TypeAlias = Float[Tensor, ""]

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


def weighted_l1(made: Pictures, real: Pictures, weight: Weight) -> Scalar:
    """L1 by region, sum w |I - I'| / sum w: the mean over the regions of `weight` (>= 0); 0 where there are none."""
    return _weighted_mean((made - real).abs(), weight)


def laplacian_l1(made: Pictures, real: Pictures, weight: Weight, levels: int = 4) -> Scalar:
    """L1 of every band of a Laplacian pyramid, weighted by region: sum_j mean |L_j(I) - L_j(I')|.

    L_j = G_j - up(G_{j+1}), G_{j+1} half of G_j; the last band is what is left, so that only equal pictures have none.

    Source: Bojanowski et al., arXiv 1707.05776, whose factor 4^j on sums is the 1 on means here. Ours: halves
    by average pooling and doubles bilinearly.
    """
    rest, bands = made - real, []  # the pyramid is linear: that of the difference is the difference of both
    for _ in range(levels):
        coarse = avg_pool2d(rest, 2)
        band = rest - interpolate(coarse, size=rest.shape[-2:], mode="bilinear")
        bands.append(_weighted_mean(band.abs(), weight))
        rest, weight = coarse, avg_pool2d(weight, 2)
    return torch.stack([*bands, _weighted_mean(rest.abs(), weight)]).sum()


def detail_l1(made: Pictures, real: Pictures, weight: Weight, levels: int = 2, near_px: int = 8) -> Scalar:
    """How much detail there is, wherever exactly it lies: sum_j mean_w |A(|L_j(I)|) - A(|L_j(I')|)|.

    L_j as in `laplacian_l1`, finest first; A is the mean over squares of `near_px` of a band, weighted by region. Teeth
    that lie a pixel off cost little here, teeth that are smeared much. Ours; as style losses, which compare statistics
    of features (Gatys et al., arXiv 1505.07376), compare those of whole pictures.
    """
    losses = []
    for _ in range(levels):
        coarse = [avg_pool2d(picture, 2) for picture in (made, real)]
        share = avg_pool2d(weight, near_px)
        made_detail, real_detail = (
            avg_pool2d(
                weight * (fine - interpolate(small, size=fine.shape[-2:], mode="bilinear")).abs(), near_px
            )
            / share.clamp_min(_LEAST_WEIGHT)
            for fine, small in zip((made, real), coarse, strict=True)
        )
        losses.append(_weighted_mean((made_detail - real_detail).abs(), share))
        (made, real), weight = coarse, avg_pool2d(weight, 2)
    return torch.stack(losses).sum()


def _weighted_mean(values: Pictures, weight: Weight) -> Scalar:
    return (weight * values).sum() / (values.shape[1] * weight.sum()).clamp_min(_LEAST_WEIGHT)


_LEAST_WEIGHT = 1e-6


def temporal_l1(
    made: Pictures, made_next: Pictures, real: Pictures, real_next: Pictures, weight: Weight
) -> Scalar:
    """L1 of changes, sum w |(I_{t+1} - I_t) - (I'_{t+1} - I'_t)| / sum w: a steady error costs nothing, a flicker does.

    I and I' are drawn and real; t and t + 1 neighbouring frames of one clip. Ours; as Lai et al., arXiv 1808.00449,
    compare a frame with the one before, but against the change of the real ones in place of a flow.
    """
    return weighted_l1(made_next - made, real_next - real, weight)


def landmark_l1(read: Places, places: Places) -> Scalar:
    """Mean |r(I) - p|: what a reader r sees of a picture's landmarks, and where the geometry has put them."""
    return l1_loss(read, places)


def identity_loss(embed: Embedding, made: Pictures, real: Pictures) -> Scalar:
    """Identity, E |e(I)/|e(I)| - e(I')/|e(I')||^2 / 512, of a face recogniser e: 2 (1 - cos) / 512.

    Source: arXiv 2105.14678; its release takes the mean over the 512 features of its recogniser. Others, with more
    features or fewer, pull as hard.
    """
    with torch.no_grad():
        wanted = normalize(embed(real))
    return (normalize(embed(made)) - wanted).pow(2).sum(dim=1).mean() / _RELEASED_FEATURES


_RELEASED_FEATURES = 512


def mask_sparsity(mask: Weight) -> Scalar:
    """L1 of the mask, mean |w|: what can stay the source's, does (arXiv 2105.14678; FRGAN, Zhao et al., ECCV 2018)."""
    return mask.abs().mean()


def wasserstein_critic_loss(critic: Critic, real: Pictures, fake: Pictures, penalty: float) -> Scalar:
    """E[D(I)] - E[D(I')] + penalty E[(|grad D| - 1)^2], I drawn and I' real.

    Source: Gulrajani et al., arXiv 1704.00028, eq. 3.
    """
    drawn = fake.detach()
    apart = critic(drawn).mean() - critic(real).mean()
    return apart + penalty * gradient_penalty(critic, real, drawn)


def gradient_penalty(critic: Critic, real: Pictures, fake: Pictures) -> Scalar:
    """E[(|grad_x D(x)| - 1)^2], x somewhere between a real and a drawn pair (arXiv 1704.00028, eq. 3).

    The gradient is with respect to the whole pair, its prior too, as in the release.
    """
    share = torch.rand(len(real), 1, 1, 1, device=real.device, dtype=real.dtype)
    between = torch.lerp(fake.detach(), real.detach(), share).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    slope = torch.linalg.vector_norm(gradient.flatten(1), dim=1)
    return (slope - 1.0).pow(2).mean()


def hinge_critic_loss(real_scores: Float[Tensor, "*A"], fake_scores: Float[Tensor, "*B"]) -> Scalar:
    """E[max(0, 1 - D(I'))] + E[max(0, 1 + D(I))], I drawn and I' real (Lim and Ye, arXiv 1705.02894, sec. 3)."""
    return relu(1.0 - real_scores).mean() + relu(1.0 + fake_scores).mean()


def adversarial_loss(fake_scores: Float[Tensor, "*B"]) -> Scalar:
    """-E[D(I)]: the generator's part, for both kinds of critic."""
    return -fake_scores.mean()


def feature_matching(made: list[Tensor], real: list[Tensor]) -> Scalar:
    """mean_i mean |D_i(I) - D_i(I')| over a critic's layers i (Wang et al., arXiv 1711.11585, eq. 4).

    The mean of the layers, not their sum: its size does not depend on how many there are.
    """
    return torch.stack([l1_loss(a, b.detach()) for a, b in zip(made, real, strict=True)]).mean()


@dataclass(frozen=True)
class PaperWeights:
    """How much each of the paper's losses counts, as in its release."""

    picture: float = 10_000.0
    mask: float = 0.05
    identity: float = 10_000.0
    penalty: float = 10.0
    """Of the critic's gradient."""

    def __post_init__(self) -> None:
        if not all(0.0 <= weight < inf for weight in astuple(self)):
            raise ConfigError(f"weights of losses are {astuple(self)}, expected finite ones of at least 0")


def paper_generator_losses(
    face: GeneratedFace,
    real: Pictures,
    fake_scores: Float[Tensor, " B"],
    embed: Embedding | None,
    weights: PaperWeights,
) -> dict[str, Tensor]:
    """-D + 10000 |I - I'| + 0.05 |w| + 10000 identity: the terms, weighted; their sum is the generator's loss.

    Without `embed`, no identity term.

    Source: arXiv 2105.14678 and the weights of its release.
    """
    losses = {
        "adversarial": adversarial_loss(fake_scores),
        "picture": weights.picture * l1_loss(face.image, real),
        "mask": weights.mask * mask_sparsity(face.mask),
    }
    if embed is not None:
        losses["identity"] = weights.identity * identity_loss(embed, face.image, real)
    return losses
