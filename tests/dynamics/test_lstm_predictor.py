"""The paper's predictor, trained for some seconds: it lives on, arrives at a target, and knows one future alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faceanime.core.errors import ConfigError
from faceanime.dynamics.predictor import Predictor
from faceanime.dynamics.predictor_file import load_predictor
from faceanime.dynamics.rollout import imagine
from faceanime.dynamics.rollout_config import FutureConfig
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import Dynamics
from lstms import circling, in_plane


@pytest.fixture(scope="module")
def predictor(circling_lstm: Path, model: MorphableModel) -> Predictor:
    return load_predictor(circling_lstm, model)[0]


def speeds_of(motion: Dynamics) -> np.ndarray:
    return np.linalg.norm(np.diff(motion.expression, axis=0), axis=1)


def test_four_seconds_neither_freeze_nor_explode(predictor: Predictor, model: MorphableModel) -> None:
    """It learned half a second ahead, and goes on for eight times as long at the pace that it learned."""
    learned = circling(model, 0.5, frames=100)
    motion = imagine(predictor, learned[0], 256, FutureConfig(seconds=4.0), model)
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
    motion = imagine(predictor, face, 256, FutureConfig(seconds=seconds), model, target)
    away = np.linalg.norm(motion.expression - target.expression, axis=1)
    assert away[-1] < 0.4 * away[0]


@pytest.mark.parametrize("wrong", [{"seed": 1}, {"energy": 2.0}, {"style": "talk"}, {"loop": True}])
def test_settings_that_it_does_not_know_are_refused_by_name(
    predictor: Predictor, model: MorphableModel, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        imagine(predictor, circling(model, 0.0)[0], 256, FutureConfig(**wrong), model)


def test_noise_that_it_does_not_have_changes_nothing(predictor: Predictor, model: MorphableModel) -> None:
    face = circling(model, 0.0)[0]
    one, two = (
        imagine(predictor, face, 256, replace(FutureConfig(seconds=1.0), temperature=t, steps=n), model)
        for t, n in ((1.0, 3), (0.5, 9))
    )
    np.testing.assert_array_equal(one.expression, two.expression)
