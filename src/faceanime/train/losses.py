"""The losses, each with its equation and its source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, l1_loss, normalize, relu

from faceanime.core.errors import check_range
from faceanime.dynamics.posed_vertices import PosedVertices
from faceanime.generator.blocks import GeneratedFace
from faceanime.morphable.model import MorphableModel

Pictures: TypeAlias = Float[Tensor, "B C H W"]
Weight: TypeAlias = Float[Tensor, "B 1 H W"]
CriticFunction: TypeAlias = Callable[[Tensor], Tensor]
"""Maps pairs [p_t, I] (B,C,H,W) of target prior and picture to a score each, (B,)."""
Embedding: TypeAlias = Callable[[Tensor], Tensor]
"""Maps pictures (B,3,H,W) in [-1, 1] to features (B,N); it aligns the faces as it needs."""
Scalar: TypeAlias = Float[Tensor, ""]

VERTEX_UNIT = 0.1
"""Unit of the vertex distance, in model units."""


class VertexDistance:
    """mean_v |V(d) - V(d')|^2 of the vertices V of two states d (arXiv 2105.14678, sec. III-B; see `PosedVertices`).

    In (`VERTEX_UNIT` model units)^2.
    """

    def __init__(self, model: MorphableModel) -> None:
        self._posed = PosedVertices(model)

    def __call__(self, a: Float[Tensor, "*B D"], b: Float[Tensor, "*B D"]) -> Float[Tensor, "*B"]:
        """Distance between the states of two batches; states are plain, not normalized."""
        apart = (self._posed(a) - self._posed(b)) / VERTEX_UNIT
        return apart.pow(2).sum(dim=-1).mean(dim=-1)


def weighted_l1(made: Pictures, real: Pictures, weight: Weight) -> Scalar:
    """Weighted L1, sum w |I - I'| / sum w, with w >= 0; 0 where all weights are 0."""
    return _weighted_mean((made - real).abs(), weight)


def laplacian_l1(made: Pictures, real: Pictures, weight: Weight, levels: int = 4) -> Scalar:
    """Weighted L1 of every band of a Laplacian pyramid: sum_j mean_w |L_j(I) - L_j(I')|.

    L_j = G_j - up(G_{j+1}), where G_{j+1} has half the size of G_j; the last band is the low-pass residual, so that the
    loss is 0 only for equal pictures.

    Source: Bojanowski et al., arXiv 1707.05776; their factor 4^j on sums is 1 on means. Ours: average pooling halves
    and bilinear interpolation doubles.
    """
    rest, bands = made - real, []  # the pyramid is linear, so that of the difference suffices
    for _ in range(levels):
        coarse = avg_pool2d(rest, 2)
        band = rest - interpolate(coarse, size=rest.shape[-2:], mode="bilinear")
        bands.append(_weighted_mean(band.abs(), weight))
        rest, weight = coarse, avg_pool2d(weight, 2)
    return torch.stack([*bands, _weighted_mean(rest.abs(), weight)]).sum()


def detail_l1(made: Pictures, real: Pictures, weight: Weight, levels: int = 2, near_px: int = 8) -> Scalar:
    """Difference in the amount of detail, wherever exactly it lies: sum_j mean_w |A(|L_j(I)|) - A(|L_j(I')|)|.

    L_j as in `laplacian_l1`, finest first; A is the weighted mean over squares of `near_px` pixels of a band. Teeth
    that lie a pixel off cost little, smeared teeth cost much. Ours; style losses likewise compare statistics of
    features, but of whole pictures (Gatys et al., arXiv 1505.07376).
    """
    losses = []
    for _ in range(levels):
        coarse = [avg_pool2d(picture, 2) for picture in (made, real)]
        coverage = avg_pool2d(weight, near_px)
        made_detail, real_detail = (
            avg_pool2d(
                weight * (fine - interpolate(small, size=fine.shape[-2:], mode="bilinear")).abs(), near_px
            )
            / coverage.clamp_min(_LEAST_WEIGHT)
            for fine, small in zip((made, real), coarse, strict=True)
        )
        losses.append(_weighted_mean((made_detail - real_detail).abs(), coverage))
        (made, real), weight = coarse, avg_pool2d(weight, 2)
    return torch.stack(losses).sum()


def _weighted_mean(values: Pictures, weight: Weight) -> Scalar:
    return (weight * values).sum() / (values.shape[1] * weight.sum()).clamp_min(_LEAST_WEIGHT)


_LEAST_WEIGHT = 1e-6
"""Least sum of weights to divide by, against division by zero."""


def identity_loss(embed: Embedding, made: Pictures, real: Pictures) -> Scalar:
    """Identity, E |e(I)/|e(I)| - e(I')/|e(I')||^2 / 512, of a face recognizer e: 2 (1 - cos) / 512.

    Source: arXiv 2105.14678; its release takes the mean over the 512 features of its recognizer. The same divisor for
    every recognizer makes the loss independent of the number of features.
    """
    with torch.no_grad():
        wanted = normalize(embed(real))
    return (normalize(embed(made)) - wanted).pow(2).sum(dim=1).mean() / _RELEASED_FEATURES


_RELEASED_FEATURES = 512
"""Features of the recognizer in the release of arXiv 2105.14678."""


def mask_sparsity(mask: Weight) -> Scalar:
    """L1 of the mask, mean |w|: keeps the source where it can (arXiv 2105.14678; FRGAN, Zhao et al., ECCV 2018)."""
    return mask.abs().mean()


def wasserstein_critic_loss(critic: CriticFunction, real: Pictures, fake: Pictures, penalty: float) -> Scalar:
    """E[D(I)] - E[D(I')] + penalty E[(|grad D| - 1)^2], with I generated and I' real.

    Source: Gulrajani et al., arXiv 1704.00028, eq. 3.
    """
    drawn = fake.detach()
    apart = critic(drawn).mean() - critic(real).mean()
    return apart + penalty * gradient_penalty(critic, real, drawn)


def gradient_penalty(critic: CriticFunction, real: Pictures, fake: Pictures) -> Scalar:
    """E[(|grad_x D(x)| - 1)^2], with x uniformly between a real and a generated pair (arXiv 1704.00028, eq. 3).

    The gradient is with respect to the whole pair, prior included, as in the release.
    """
    mixing = torch.rand(len(real), 1, 1, 1, device=real.device, dtype=real.dtype)
    between = torch.lerp(fake.detach(), real.detach(), mixing).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    slope = torch.linalg.vector_norm(gradient.flatten(1), dim=1)
    return (slope - 1.0).pow(2).mean()


def hinge_critic_loss(real_scores: Float[Tensor, "*A"], fake_scores: Float[Tensor, "*B"]) -> Scalar:
    """E[max(0, 1 - D(I'))] + E[max(0, 1 + D(I))], I generated, I' real (Lim and Ye, arXiv 1705.02894, sec. 3)."""
    return relu(1.0 - real_scores).mean() + relu(1.0 + fake_scores).mean()


def adversarial_loss(fake_scores: Float[Tensor, "*B"]) -> Scalar:
    """-E[D(I)]: the generator's loss, for both kinds of critic."""
    return -fake_scores.mean()


def feature_matching(made: list[Tensor], real: list[Tensor]) -> Scalar:
    """mean_i mean |D_i(I) - D_i(I')| over the layers i of a critic (Wang et al., arXiv 1711.11585, eq. 4).

    The mean over layers, not their sum, so that it does not grow with their number.
    """
    return torch.stack([l1_loss(a, b.detach()) for a, b in zip(made, real, strict=True)]).mean()


@dataclass(frozen=True)
class PaperWeights:
    """Weights of the paper's losses; the defaults are those of its release."""

    picture: float = 10_000.0
    """Weight of the L1 loss of the whole picture."""
    mask: float = 0.05
    """Weight of the mask's sparsity."""
    identity: float = 10_000.0
    """Weight of the identity loss; 0 needs no face recognizer."""
    penalty: float = 10.0
    """Weight of the critic's gradient penalty."""

    def __post_init__(self) -> None:
        check_range(self, "losses", *(field.name for field in fields(self)), least=0)


def paper_generator_losses(
    face: GeneratedFace,
    real: Pictures,
    fake_scores: Float[Tensor, " B"],
    embed: Embedding | None,
    weights: PaperWeights,
) -> dict[str, Tensor]:
    """-D + 10000 |I - I'| + 0.05 |w| + 10000 identity: the weighted terms, whose sum is the generator's loss.

    There is no identity term without `embed`.

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
