"""For each loss: inputs with loss zero, inputs with a known loss, and changes that it ignores."""

import math
from collections.abc import Callable

import pytest
import torch

from faceanime.core.errors import ConfigError
from faceanime.generator.blocks import GeneratedFace
from faceanime.train.losses import (
    PaperWeights,
    adversarial_loss,
    detail_l1,
    feature_matching,
    gradient_penalty,
    hinge_critic_loss,
    identity_loss,
    laplacian_l1,
    mask_sparsity,
    paper_generator_losses,
    wasserstein_critic_loss,
    weighted_l1,
)

ONES = torch.ones(2, 1, 32, 32)


def pictures(count: int = 2) -> torch.Tensor:
    return torch.rand(count, 2, 3, 32, 32, generator=torch.Generator().manual_seed(5)) * 2 - 1


@pytest.mark.parametrize("distance", [weighted_l1, laplacian_l1])
def test_picture_losses_are_distances(distance: Callable[..., torch.Tensor]) -> None:
    a, b = pictures()
    assert float(distance(a, a, ONES)) == 0.0
    assert float(distance(a, b, ONES)) == float(distance(b, a, ONES)) > 0.1
    torch.testing.assert_close(distance(3.0 * a, 3.0 * b, ONES), 3.0 * distance(a, b, ONES))
    torch.testing.assert_close(distance(a, b, 7.0 * ONES), distance(a, b, ONES))
    assert float(distance(a, b, 0.0 * ONES)) == 0.0


def test_l1_counts_the_region_alone() -> None:
    a, weight = pictures(1)[0], torch.zeros_like(ONES)
    weight[:, :, 4:8, 4:8] = 0.5
    b = a.clone()
    b[:, :, 10:] += 9.0
    assert float(weighted_l1(a, b, weight)) == 0.0
    b[:, :, 4:8, 4:6] += 1.0
    assert float(weighted_l1(a, b, weight)) == pytest.approx(0.5, rel=1e-5)
    assert float(weighted_l1(a, b, ONES)) == pytest.approx(float((a - b).abs().mean()), rel=1e-5)


@pytest.mark.parametrize("levels", [0, 1, 3])
def test_a_shift_of_brightness_lies_in_the_last_band_alone(levels: int) -> None:
    a = pictures(1)[0]
    assert float(laplacian_l1(a + 0.25, a, ONES, levels)) == pytest.approx(0.25, abs=1e-5)


def test_detail_is_counted_wherever_it_lies() -> None:
    a = pictures(1)[0]
    moved = a.roll((3, 5), dims=(-2, -1))
    blurred = torch.nn.functional.avg_pool2d(a, 3, stride=1, padding=1)
    assert float(detail_l1(a, a, ONES)) == 0.0
    assert float(detail_l1(a + 0.5, a, ONES)) == pytest.approx(0.0, abs=1e-5)  # light is not detail
    assert 3.0 * float(detail_l1(moved, a, ONES)) < float(detail_l1(blurred, a, ONES))
    assert float(weighted_l1(blurred, a, ONES)) < float(weighted_l1(moved, a, ONES))  # which L1 prefers
    left = ONES.clone()
    left[..., 16:] = 0.0
    half = torch.cat([a[..., :16], blurred[..., 16:]], dim=-1)
    outside = detail_l1(half, a, left)
    assert float(outside) < 0.3 * float(detail_l1(half, a, ONES))
    assert float(detail_l1(a, blurred, 0.0 * ONES)) == 0.0


def test_each_band_of_a_pyramid_holds_its_own_detail() -> None:
    """Detail that is twice as coarse is in the next band: the finest stripes are in the first band only."""
    nothing, stripes = torch.zeros(2, 1, 32, 32), torch.ones(2, 1, 32, 32)
    stripes[..., ::2] = -1.0
    for levels in (1, 2, 3):
        assert float(laplacian_l1(stripes, nothing, ONES, levels)) == pytest.approx(1.0)
    blurred = torch.nn.functional.avg_pool2d(pictures(1)[0], 5, stride=1, padding=2)
    bands = [float(laplacian_l1(blurred, 0.0 * blurred, ONES, levels)) for levels in (0, 1, 2)]
    assert bands[0] < bands[1] < bands[2]


def test_the_pyramid_takes_odd_sizes() -> None:
    a, b = torch.rand(2, 1, 3, 27, 21)
    assert float(laplacian_l1(a, b, torch.ones(1, 1, 27, 21))) > 0.0


def test_identity_does_not_see_the_length_of_features() -> None:
    a, b = pictures()
    made = a.clone().requires_grad_()
    assert float(identity_loss(lambda x: x.flatten(1), 3.0 * a, a)) == pytest.approx(0.0, abs=1e-12)
    loss = identity_loss(lambda x: x.flatten(1), made, b)
    cosine = torch.nn.functional.cosine_similarity(a.flatten(1), b.flatten(1))
    assert float(loss.detach()) == pytest.approx(float((2.0 * (1.0 - cosine) / 512).mean()), rel=1e-4)
    loss.backward()
    assert made.grad is not None
    assert made.grad.any()
    opposite = identity_loss(lambda x: x.flatten(1), -a, a)
    assert float(opposite) == pytest.approx(4.0 / 512, rel=1e-5)


def test_identity_teaches_the_drawn_picture_alone() -> None:
    a, b = pictures()
    a.requires_grad_()
    b.requires_grad_()
    identity_loss(lambda x: x.flatten(1), a, b).backward()
    assert b.grad is None


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0, 3.0])
def test_the_gradient_penalty_of_a_linear_critic_is_known(slope: float) -> None:
    direction = torch.randn(3, 32, 32)
    direction *= slope / direction.norm()

    def critic(pair: torch.Tensor) -> torch.Tensor:
        return (pair * direction).sum(dim=(1, 2, 3)) + 5.0

    penalty = gradient_penalty(critic, *pictures())
    assert float(penalty) == pytest.approx((slope - 1.0) ** 2, abs=1e-5)


def test_the_gradient_penalty_pulls_a_slope_to_one() -> None:
    a, b = pictures()
    direction = torch.full((3, 32, 32), 0.001, requires_grad=True)
    optimiser = torch.optim.Adam([direction], 1e-3)
    for _ in range(100):
        optimiser.zero_grad()
        gradient_penalty(lambda pair: (pair * direction).sum(dim=(1, 2, 3)), a, b).backward()
        optimiser.step()
    assert float(direction.detach().norm()) == pytest.approx(1.0, abs=0.02)


def test_a_critics_loss_is_the_distance_that_it_sees_and_teaches_no_generator() -> None:
    real, fake = pictures()
    fake.requires_grad_()
    direction = torch.ones(3, 32, 32, requires_grad=True)

    def critic(pair: torch.Tensor) -> torch.Tensor:
        return (pair * direction).mean(dim=(1, 2, 3))

    loss = wasserstein_critic_loss(critic, real, fake, penalty=0.0)
    assert float(loss.detach()) == pytest.approx(float((fake.mean() - real.mean()).detach()), abs=1e-6)
    penalised = wasserstein_critic_loss(critic, real, fake, penalty=10.0)
    slope = 1.0 / math.sqrt(3 * 32 * 32)
    assert float((penalised - loss).detach()) == pytest.approx(10.0 * (slope - 1.0) ** 2, rel=1e-4)
    penalised.backward()
    assert fake.grad is None
    assert direction.grad is not None


def test_the_hinge_leaves_alone_what_is_told_apart() -> None:
    sure, unsure = torch.tensor([1.0, 4.0]), torch.zeros(2)
    assert float(hinge_critic_loss(sure, -sure)) == 0.0
    assert float(hinge_critic_loss(unsure, unsure)) == 2.0
    assert float(hinge_critic_loss(-sure, sure)) == 2.0 * (1.0 + 2.5)
    assert float(adversarial_loss(sure)) == -2.5


def test_feature_matching_is_a_mean_over_layers_and_teaches_the_drawn_alone() -> None:
    made = [torch.ones(2, 4, 8, 8, requires_grad=True), torch.ones(2, 8, 4, 4)]
    real = [torch.zeros(2, 4, 8, 8, requires_grad=True), torch.full((2, 8, 4, 4), 4.0)]
    loss = feature_matching(made, real)
    assert float(loss.detach()) == pytest.approx((1.0 + 3.0) / 2)
    loss.backward()
    assert made[0].grad is not None
    assert real[0].grad is None


def test_the_papers_terms_add_up() -> None:
    source, out = pictures()
    face = GeneratedFace.over(source, out, torch.full((2, 1, 32, 32), 0.25))
    scores = torch.tensor([1.0, 2.0])
    terms = paper_generator_losses(face, source, scores, lambda x: x.flatten(1), PaperWeights())
    assert {name: float(term) for name, term in terms.items()} == pytest.approx(
        {
            "adversarial": -1.5,
            "picture": 10_000 * 0.25 * float((source - out).abs().mean()),
            "mask": 0.05 * 0.25,
            "identity": 10_000 * float(identity_loss(lambda x: x.flatten(1), face.image, source)),
        },
        rel=1e-4,
    )
    assert float(mask_sparsity(face.mask)) == 0.25
    assert "identity" not in paper_generator_losses(face, source, scores, None, PaperWeights())


@pytest.mark.parametrize("wrong", [-1.0, math.inf, math.nan])
def test_senseless_weights_are_refused(wrong: float) -> None:
    with pytest.raises(ConfigError, match="expected 0 or more"):
        PaperWeights(mask=wrong)
