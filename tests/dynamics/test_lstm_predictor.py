"""The paper's predictor, trained for some seconds: it lives on, arrives at a target, and draws one future a seed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from faceanime.core.errors import ConfigError
from faceanime.dynamics.lstm_predictor import LstmConfig, LstmPredictor, Timer
from faceanime.dynamics.predictor import KnownStates, Predictor
from faceanime.dynamics.predictor_file import load_predictor
from faceanime.dynamics.rollout import imagine
from faceanime.dynamics.rollout_config import FutureConfig
from faceanime.morphable.model import EYES_AND_BROWS, MorphableModel
from faceanime.structures.coefficients import Dynamics
from lstms import circling, in_plane

MEAN = FutureConfig(seconds=4.0, temperature=0.0)
"""The paper's single future."""


@pytest.fixture(scope="module")
def predictor(circling_lstm: Path, model: MorphableModel) -> Predictor:
    return load_predictor(circling_lstm, model)[0]


def speeds_of(motion: Dynamics) -> np.ndarray:
    return np.linalg.norm(np.diff(motion.expression, axis=0), axis=1)


def test_four_seconds_neither_freeze_nor_explode(predictor: Predictor, model: MorphableModel) -> None:
    """It learned half a second ahead, and goes on for eight times as long at the pace that it learned."""
    learned = circling(model, 0.5, frames=100)
    motion = imagine(predictor, learned[0], 256, MEAN, model)
    assert len(motion) == 100
    every_second = [part.mean() for part in np.array_split(speeds_of(motion), 4)]
    np.testing.assert_allclose(every_second / speeds_of(learned).mean(), 1.0, atol=0.3)
    assert np.abs(motion.expression).max() < 2.0 * np.abs(learned.expression).max()
    np.testing.assert_array_equal(motion.expression[0], learned.expression[0])


@pytest.mark.parametrize("seconds", [1.0, 2.0])
@pytest.mark.parametrize(("start", "goal"), [((-1.0, 0.0), (1.0, 0.5)), ((0.5, 1.0), (0.5, -1.0))])
def test_the_timer_leads_to_the_target(
    wandering_lstm: Path,
    model: MorphableModel,
    start: tuple[float, float],
    goal: tuple[float, float],
    seconds: float,
) -> None:
    predictor = load_predictor(wandering_lstm, model)[0]
    face, target = (in_plane(model, np.array([place]))[0] for place in (start, goal))
    motion = imagine(predictor, face, 256, replace(MEAN, seconds=seconds), model, target)
    away = np.linalg.norm(motion.expression - target.expression, axis=1)
    assert away[-1] < 0.4 * away[0]


@pytest.mark.parametrize("wrong", [{"energy": 2.0}, {"style": "talk"}, {"loop": True}])
def test_settings_that_it_does_not_know_are_refused_by_name(
    predictor: Predictor, model: MorphableModel, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        imagine(predictor, circling(model, 0.0)[0], 256, FutureConfig(**wrong), model)


def test_a_seed_is_a_future_and_without_noise_all_are_the_papers(
    predictor: Predictor, model: MorphableModel
) -> None:
    face = circling(model, 0.0)[0]

    def expression(seed: int, temperature: float, steps: int = 3) -> np.ndarray:
        config = FutureConfig(seconds=1.0, seed=seed, temperature=temperature, steps=steps)
        return imagine(predictor, face, 256, config, model).expression

    np.testing.assert_array_equal(expression(1, 1.0), expression(1, 1.0, steps=9))
    assert np.abs(expression(1, 1.0) - expression(2, 1.0)).max() > 1e-3
    lids = np.isin(model.part, EYES_AND_BROWS)  # a seed's blinks are added to the mean future too
    np.testing.assert_array_equal(expression(1, 0.0)[:, ~lids], expression(2, 0.0)[:, ~lids])


def test_the_noise_has_the_errors_covariance_and_persistence() -> None:
    """Measured on a network that predicts no change, whose errors are then the changes themselves."""
    predictor, generator = LstmPredictor(3), torch.Generator().manual_seed(0)
    factor = torch.tensor([[0.3, 0.0, 0.0], [0.2, 0.1, 0.0], [0.0, 0.0, 0.05]])
    changes = [torch.randn(64, 3, generator=generator) @ factor.mT]
    for _ in range(80):
        fresh = torch.randn(64, 3, generator=generator) @ factor.mT
        changes.append(0.6 * changes[-1] + 0.8 * fresh)
    predictor.fit_noise(torch.stack(changes, dim=1).cumsum(dim=1))
    expected = factor @ factor.mT
    torch.testing.assert_close(
        predictor.persistence, torch.full((3,), 0.3), atol=0.03, rtol=0.0
    )  # half of it
    found = predictor.noise_factor @ predictor.noise_factor.mT
    torch.testing.assert_close(found, expected, atol=0.1 * float(expected.max()), rtol=0.0)
    states = np.zeros((4000, 3))
    future = predictor.future(KnownStates(states, np.arange(4000) == 0), FutureConfig(seed=3))
    drawn = np.diff(future, axis=0)
    np.testing.assert_allclose(np.cov(drawn.T), expected.numpy(), atol=0.15 * float(expected.max()))
    lagged = (drawn[1:] * drawn[:-1]).mean(axis=0) / (drawn**2).mean(axis=0)
    np.testing.assert_allclose(lagged, 0.3, atol=0.06)


@pytest.mark.parametrize(
    ("timer", "expected"),
    [("step", 2.0 / 5), ("linear", 3.0 * (1 - 4 / 8)), ("inverse", 3.0 / 5), ("none", 3.0)],
)
def test_the_timer_reweights_the_target(timer: Timer, expected: float) -> None:
    """Of 8 frames 4 are left on the way from 1 to 3."""
    predictor = LstmPredictor(1, LstmConfig(timer=timer))
    read = predictor.target_features(torch.ones(1, 1), torch.full((1, 1), 3.0), frames_left=4, frames=8)
    torch.testing.assert_close(read, torch.tensor([[expected, 1.0, 0.0 if timer == "none" else 4 / 25]]))
