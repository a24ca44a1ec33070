"""Laws of the normalization of states."""

import torch

from faceanime.dynamics.normaliser import Normaliser


def test_states_of_the_training_set_become_normal_and_come_back() -> None:
    states = torch.randn(500, 3, generator=torch.Generator().manual_seed(1)) * torch.tensor([0.1, 1.0, 7.0])
    states += torch.tensor([3.0, -2.0, 0.5])
    normaliser = Normaliser(3)
    normaliser.mean.copy_(states.mean(dim=0))
    normaliser.deviation.copy_(states.std(dim=0))
    normal = normaliser.normal(states)
    torch.testing.assert_close(normal.mean(dim=0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(normal.std(dim=0), torch.ones(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(normaliser.plain(normal), states)
