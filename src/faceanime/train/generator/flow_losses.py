"""The losses of the flow-guided generator's windows, and of the patch critics that judge them.

Each network first learns pictures: L1 by region, a Laplacian pyramid, the mask's sparsity; the light network learns by
L1 alone. From step `adversarial_from` on, patch critics judge the middle of mouths and of eyes, and the part of a face
within its gate.
"""

from __future__ import annotations

from collections.abc import Callable
from types import EllipsisType
from typing import NamedTuple, TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from faceanime.generator.blocks import GeneratedFace
from faceanime.generator.conditions import EYE, INSIDE, SKIN
from faceanime.generator.windows import WindowPart
from faceanime.train.generator.flow_training import FlowTraining
from faceanime.train.generator.window_errors import BatchTensors
from faceanime.train.losses import (
    adversarial_loss,
    detail_l1,
    feature_matching,
    hinge_critic_loss,
    laplacian_l1,
    mask_sparsity,
    weighted_l1,
)

ImageSlices: TypeAlias = tuple[EllipsisType, slice, slice]
"""Index of a part of all pictures of a batch."""

JUDGED: dict[WindowPart, float] = {"mouth": 0.625, "eye": 0.75, "face": 1.0}
"""Fraction of a window's side, around its middle, that a critic sees; chosen by eye."""
_LARGEST_BALANCE = 1e4
"""Largest factor by which a critic's gradient is raised; from the release of arXiv 2012.09841."""


class Term(NamedTuple):
    """A loss and its weight; it is not computed where the weight is 0."""

    name: str
    weight: float
    loss: Callable[[], Tensor]


def weighted(terms: list[Term]) -> BatchTensors:
    """The losses times their weights, by name."""
    return {term.name: term.weight * term.loss() for term in terms if term.weight}


def picture_terms(
    config: FlowTraining, part: WindowPart, face: GeneratedFace, batch: BatchTensors, judged: bool
) -> list[Term]:
    """The losses of a part's windows beside those of its critic; `judged`, whether a critic sees them."""
    truth = batch["truth"]
    if part == "light":
        return [Term("picture", 1.0, lambda: weighted_l1(face.image, truth, _skin_weight(batch)))]
    inside = config.inside_adversarial if judged else config.inside
    weight = _region_weight(batch, inside)
    return [
        Term("picture", config.picture, lambda: _picture_l1(face, batch, weight, inside, config.taught)),
        Term("synthesis", config.synthesis, lambda: weighted_l1(face.out, truth, weight)),
        Term("laplacian", config.laplacian, lambda: laplacian_l1(face.image, truth, weight)),
        Term("mask", config.mask, lambda: mask_sparsity(face.mask)),
        Term("detail", config.detail if judged else 0.0, lambda: detail_l1(face.image, truth, weight)),
    ]


def _picture_l1(
    face: GeneratedFace, batch: BatchTensors, weight: Tensor, inside: float, taught: float
) -> Tensor:
    """L1 to the truth and, with a teacher, to its pictures, which also exist for windows without a truth."""
    to_truth = weighted_l1(face.image, batch["truth"], weight)
    if "taught" not in batch:
        return to_truth
    everywhere = _region_weight({**batch, "paired": torch.ones_like(batch["paired"])}, inside)
    return (1.0 - taught) * to_truth + taught * weighted_l1(face.image, batch["taught"], everywhere)


class Judgement:
    """The pictures of a part's windows that a critic sees, and the losses of both sides."""

    def __init__(self, critic: nn.Module, part: WindowPart, image: Tensor, batch: BatchTensors) -> None:
        self._critic, self._paired, self.image = critic, paired_windows(batch), image
        self.view = _middle(image.shape[-1], JUDGED[part])
        through = (batch["gate"][self.view] > 0) if part == "face" else 1.0
        self._prior = batch["target_prior"][self.view]
        self._real, self._made = through * batch["truth"][self.view], through * image[self.view]
        self._real_features: list[Tensor] = []

    def critic_loss(self) -> Tensor:
        """The critic's own loss; only pairs with a truth are real."""
        real = torch.cat([self._prior, self._real], dim=1)[self._paired]
        real_scores, self._real_features = self._critic(real)
        made_scores, _ = self._critic(torch.cat([self._prior, self._made.detach()], dim=1))
        return hinge_critic_loss(real_scores, made_scores)

    def generator_losses(self, matching: float) -> BatchTensors:
        """The generator's losses against the critic, which learns nothing from them; `critic_loss` comes first."""
        self._critic.requires_grad_(False)
        scores, features = self._critic(torch.cat([self._prior, self._made], dim=1))
        self._critic.requires_grad_(True)
        matched = feature_matching([layer[self._paired] for layer in features], self._real_features)
        return {"believed": adversarial_loss(scores), "matched": matching * matched}

    def balance(self, picture_loss: Tensor, critic_loss: Tensor) -> Tensor:
        """The ratio of the lengths of two losses' gradients at the middle of the picture, bounded.

        Source: Esser et al., arXiv 2012.09841, eq. 7, at the last layer; ours: at the picture, where both meet.
        """
        lengths = [
            torch.autograd.grad(loss, self.image, retain_graph=True)[0][self.view].norm()
            for loss in (picture_loss, critic_loss)
        ]
        return (lengths[0] / lengths[1].clamp_min(1e-12)).clamp_max(_LARGEST_BALANCE).detach()


def paired_windows(batch: BatchTensors) -> Bool[Tensor, " B"]:
    """Whether each window has a truth."""
    return batch["paired"][:, 0, 0, 0] > 0


def _region_weight(batch: BatchTensors, inside: float) -> Float[Tensor, "B 1 S S"]:
    """`inside` in the mouth and between the lids, 1 elsewhere, 0 where the gate is shut or the truth is unknown."""
    held = batch["maps"][:, [INSIDE, EYE]].sum(dim=1, keepdim=True)
    return batch["paired"] * (batch["gate"] > 0) * (1.0 + (inside - 1.0) * held)


def _skin_weight(batch: BatchTensors) -> Float[Tensor, "B 1 S S"]:
    """The gate over skin: light is not learned from lips and lids, which other networks repair."""
    return batch["paired"] * batch["gate"] * batch["maps"][:, SKIN : SKIN + 1]


def _middle(side: int, fraction: float) -> ImageSlices:
    """The middle of pictures of a `side` in px, as large as a `fraction` of it."""
    margin = round((1.0 - fraction) / 2.0 * side)
    return ..., slice(margin, side - margin), slice(margin, side - margin)
