"""Laws of the motion prior and of what the network may add to it."""

import pytest
import torch

from faceanime.dynamics.flow_predictor import FlowConfig, FlowPredictor
from faceanime.dynamics.motion_prior import MotionPrior

WINDOW, NUMBERS = 32, 4


@pytest.fixture
def prior() -> MotionPrior:
    prior = MotionPrior(2, WINDOW, NUMBERS)
    lag = torch.arange(WINDOW)
    prior.autocovariance.copy_(torch.stack([torch.exp(-lag / 4.0), 2.0 * torch.exp(-((lag / 10.0) ** 2))]))
    prior.group.copy_(torch.tensor([0, 1, 0, 1]))
    return prior


def some_known(batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Frames of each row's own choosing; rows know different numbers of frames."""
    known = torch.zeros(batch, WINDOW, dtype=torch.bool)
    for row in range(batch):
        known[row, :: 5 + row] = True
    return torch.randn(batch, WINDOW, NUMBERS), known


def test_passes_through_what_is_known(prior: MotionPrior) -> None:
    states, known = some_known(3)
    bent = prior.given(states, known).through(prior.draw(torch.randn(3, WINDOW, NUMBERS)))
    assert torch.equal(bent[known], states[known])


def test_a_motion_that_passes_already_is_left_alone(prior: MotionPrior) -> None:
    states, known = some_known(2)
    torch.testing.assert_close(prior.given(states, known).through(states), states)


def test_draws_have_the_mean_and_deviation_that_it_tells(prior: MotionPrior) -> None:
    count = 4000
    states, known = torch.zeros(count, WINDOW, NUMBERS), torch.zeros(count, WINDOW, dtype=torch.bool)
    states[:, [0, 3, 20]], known[:, [0, 3, 20]] = 1.5, True
    bridge = prior.given(states, known)
    drawn = bridge.through(prior.draw(torch.randn(count, WINDOW, NUMBERS)))
    torch.testing.assert_close(drawn.mean(dim=0), bridge.mean[0], atol=0.12, rtol=0.0)
    torch.testing.assert_close(drawn.std(dim=0), bridge.deviation[0], atol=0.08, rtol=0.0)


def test_nothing_is_left_open_at_known_frames_and_nearly_all_far_off(prior: MotionPrior) -> None:
    states, known = torch.randn(1, WINDOW, NUMBERS), torch.arange(WINDOW)[None] == 0
    deviation = prior.given(states, known).deviation[0]
    assert (deviation[0] == 0.0).all()
    assert (deviation.diff(dim=0) > -1e-4).all()
    torch.testing.assert_close(deviation[-1], torch.tensor([1.0, 2.0, 1.0, 2.0]).sqrt(), atol=0.01, rtol=0.0)


def test_an_untrained_network_answers_as_the_gaussian_does(prior: MotionPrior) -> None:
    predictor = FlowPredictor(NUMBERS, FlowConfig(window=WINDOW, width=16, layers=1, heads=2)).eval()
    predictor.prior.group = prior.group
    states, known = some_known(1)
    bridge = predictor.prior.given(states, known)
    anything, nothing = torch.randn(1, NUMBERS), torch.zeros(1, 3)
    clean = predictor(
        bridge.mean, torch.zeros(1), bridge, anything, nothing, torch.zeros(1, dtype=torch.bool)
    )
    torch.testing.assert_close(clean, bridge.mean)


def test_the_network_never_moves_what_is_known(prior: MotionPrior) -> None:
    torch.manual_seed(0)
    predictor = FlowPredictor(NUMBERS, FlowConfig(window=WINDOW, width=16, layers=1, heads=2)).eval()
    for parameter in predictor.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    states, known = some_known(2)
    bridge = predictor.prior.given(states, known)
    noisy = bridge.through(torch.randn(2, WINDOW, NUMBERS))
    styled = torch.ones(2, dtype=torch.bool)
    clean = predictor(
        noisy, torch.tensor([0.3, 0.9]), bridge, torch.randn(2, NUMBERS), torch.randn(2, 3), styled
    )
    assert torch.equal(clean[known], states[known])
    assert (clean - noisy)[~known].abs().max() > 0.1
