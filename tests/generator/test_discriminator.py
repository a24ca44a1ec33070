"""Laws of the critics, and that a generator and a critic learn from each other."""

import pytest
import torch

from faceanime.core.errors import ConfigError, ShapeError
from faceanime.generator.discriminator import Critic, CriticConfig, PatchCritic, PatchCriticConfig
from faceanime.generator.pgfg import Pgfg, PgfgConfig
from faceanime.train.losses import (
    PaperWeights,
    adversarial_loss,
    feature_matching,
    hinge_critic_loss,
    paper_generator_losses,
    wasserstein_critic_loss,
)

TINY = CriticConfig(size_px=16, width=4, widest=8)


def test_a_pair_is_one_number_whatever_stands_beside_it() -> None:
    torch.manual_seed(0)
    critic, pairs = Critic(TINY), torch.randn(3, 6, 16, 16)
    scores = critic(pairs)
    assert scores.shape == (3,)
    torch.testing.assert_close(scores[1:2], critic(pairs[1:2]))


def test_the_papers_critic_is_as_large_as_it_says() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in Critic().parameters()) == pytest.approx(20.4e6, rel=2e-3)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_patches_are_judged_by_themselves(layers: int) -> None:
    torch.manual_seed(0)
    critic = PatchCritic(PatchCriticConfig(width=4, layers=layers))
    scores, features = critic(torch.randn(2, 6, 64, 64))
    side = 64 >> layers
    assert scores.shape == (2, side, side)
    assert [f.shape[1] for f in features] == [4 << i for i in range(layers)] + [4 << (layers - 1)]


def test_a_patch_does_not_see_the_other_side() -> None:
    """But for the mean and deviation that instance norm takes of the whole; without it, a score sees 54 px."""
    torch.manual_seed(0)
    critic = PatchCritic(PatchCriticConfig(width=4))
    for module in critic.modules():
        if isinstance(module, torch.nn.InstanceNorm2d):
            module.register_forward_hook(lambda _, inputs, __: inputs[0])
    pair = torch.randn(1, 6, 128, 128, requires_grad=True)
    critic(pair)[0][0, 8, 8].backward()
    assert pair.grad is not None
    rows = pair.grad[0].abs().amax(dim=(0, 2)).nonzero()
    assert int(rows.max() - rows.min()) + 1 == 54


def test_a_pair_of_another_size_is_refused() -> None:
    with pytest.raises(ShapeError, match="pair has shape"):
        Critic(TINY)(torch.zeros(1, 6, 32, 32))
    with pytest.raises(ShapeError, match="pair has shape"):
        PatchCritic()(torch.zeros(1, 3, 32, 32))


def test_senseless_sizes_are_refused() -> None:
    with pytest.raises(ConfigError, match="size_px is 100"):
        CriticConfig(size_px=100)
    with pytest.raises(ConfigError, match=r"critic\.channels is 0"):
        CriticConfig(channels=0)
    with pytest.raises(ConfigError, match=r"critic\.layers is 0"):
        PatchCriticConfig(layers=0)


def faces(batch: int = 4) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Source, its prior, the target's prior, target: each a bright square somewhere on grey."""
    pictures = torch.zeros(2, batch, 3, 16, 16)
    for side, start in enumerate((2, 7)):
        for row in range(batch):
            pictures[side, row, :, start : start + 6, start + row % 3 : start + 6] = 0.2 * row + 0.3
    source, target = pictures
    return source, source.round(decimals=0), target.round(decimals=0), target


def test_the_papers_step_lowers_the_loss_on_a_fixed_batch() -> None:
    torch.manual_seed(0)
    source, before, after, target = faces()
    generator, critic = Pgfg(PgfgConfig(16, 8, 16, 16)), Critic(TINY)
    of_generator = torch.optim.Adam(generator.parameters(), 2e-3, betas=(0.0, 0.9))
    of_critic = torch.optim.Adam(critic.parameters(), 2e-3, betas=(0.0, 0.9))
    weights, history = PaperWeights(), []
    for _ in range(30):
        face = generator(source, before, after)
        real, fake = torch.cat([after, target], dim=1), torch.cat([after, face.image], dim=1)
        of_critic.zero_grad()
        wasserstein_critic_loss(critic, real, fake, weights.penalty).backward()
        of_critic.step()
        losses = paper_generator_losses(face, target, critic(fake), lambda x: x.flatten(1), weights)
        of_generator.zero_grad()
        total = torch.stack(list(losses.values())).sum()
        total.backward()
        of_generator.step()
        history.append(float(total.detach()))
    assert history[-1] < 0.5 * history[0]


def test_a_patch_critic_tells_real_from_drawn_and_the_drawn_follows() -> None:
    torch.manual_seed(0)
    source, _, after, target = faces()
    drawn = torch.nn.Parameter(source.clone())
    critic = PatchCritic(PatchCriticConfig(width=8, layers=2))
    of_critic, of_drawn = torch.optim.Adam(critic.parameters(), 2e-3), torch.optim.Adam([drawn], 2e-2)
    real, history = torch.cat([after, target], dim=1), []
    for _ in range(30):
        of_critic.zero_grad()
        told = hinge_critic_loss(critic(real)[0], critic(torch.cat([after, drawn.detach()], dim=1))[0])
        told.backward()
        of_critic.step()
        history.append(float(told.detach()))
    assert history[-1] < 0.5 * history[0]
    history = []
    for _ in range(30):
        of_drawn.zero_grad()
        scores, features = critic(torch.cat([after, drawn], dim=1))
        loss = adversarial_loss(scores) + 10.0 * feature_matching(features, critic(real)[1])
        loss.backward()
        of_drawn.step()
        history.append(float(loss.detach()))
    assert history[-1] < 0.7 * history[0]
