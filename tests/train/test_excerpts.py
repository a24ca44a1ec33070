"""Excerpts of clips: mirrored, mixed, relative to their anchors, and with the blinks that can be predicted."""

import dataclasses
from fractions import Fraction

import numpy as np
import pytest

from faceanime.core.errors import ConfigError, MorphableModelError
from faceanime.dynamics.blinks import SIDES, add_blinks, lids_apart
from faceanime.dynamics.editing import mirror, motion_from_keyframes
from faceanime.morphable.model import EYES_AND_BROWS, MorphableModel, Part
from faceanime.structures.coefficients import Dynamics
from faceanime.train.dynamics.excerpts import Clips, Excerpts, blink_rate
from waves import waving


@pytest.fixture(scope="module")
def still(model: MorphableModel) -> Dynamics:
    return motion_from_keyframes({"smile": [(0, 0.2)]}, 20.0, Fraction(25), model)


@pytest.fixture(scope="module")
def blinking(still: Dynamics, model: MorphableModel) -> Dynamics:
    return add_blinks(still, model, 30.0, seed=2)


def test_mirrored_excerpts_are_those_of_the_mirrored_clip(model: MorphableModel) -> None:
    clip = waving(model, 0)
    clips, twins = Clips([clip], model), Clips([mirror(clip, model)], model)
    np.testing.assert_allclose(clips.states[0] @ clips._mirror, twins.states[0], atol=1e-4)


def test_excerpts_are_counted_from_their_anchor(model: MorphableModel) -> None:
    excerpts = Clips([waving(model, 0)], model).draw(np.random.default_rng(0), 16, 20, mirrored=False)
    assert excerpts.there.all()
    assert (excerpts.anchor[:, -3:] == 0).all()
    started_here = (np.abs(excerpts.states[:, 0] - excerpts.anchor) < 1e-5).all(axis=1)
    assert 0 < started_here.sum() < 16


def test_mouths_are_mixed_and_nothing_else(model: MorphableModel) -> None:
    two = [waving(model, seed, frames=20) for seed in (0, 1)]
    clips = Clips(two, model)
    excerpts = clips.draw(np.random.default_rng(0), 64, 20, mixed=1.0, mirrored=False)
    mouth = np.zeros(excerpts.states.shape[2], bool)
    mouth[: len(model.part)] = model.part == Part.MOUTH

    def owner(numbers: np.ndarray) -> np.ndarray:
        return np.argmin(
            [np.abs(excerpts.states - s)[:, :, numbers].max(axis=(1, 2)) for s in clips.states], axis=0
        )

    assert 10 < (owner(mouth) != owner(~mouth)).sum() < 54


def test_blinks_are_found_and_taken_out(still: Dynamics, blinking: Dynamics, model: MorphableModel) -> None:
    clips = Clips([blinking], model)
    changed = (blinking.expression != still.expression).any(axis=1)
    blinks = int((np.diff(changed.astype(int)) == 1).sum())
    assert blinks >= 5
    assert clips.blinks == [(blinks, pytest.approx(1 / 3))]
    excerpts = clips.draw(np.random.default_rng(0), 8, 100, mirrored=False)
    eyes = np.flatnonzero(np.isin(model.part, EYES_AND_BROWS))
    usual = still.expression[0, eyes]
    moved = np.abs(excerpts.states[..., eyes] - usual).max(axis=2)
    left = np.abs(excerpts.unblinking[..., eyes] - usual).max(axis=2)
    assert moved.max() > 1.0
    assert left.max() < 0.25 * moved.max()


def test_eyes_that_stay_shut_do_not_blink(still: Dynamics, model: MorphableModel) -> None:
    shut = motion_from_keyframes(
        {f"blink_{side}": [(0, 0), (5, 0), (5.2, 1), (8, 1), (8.2, 0)] for side in SIDES},
        20.0,
        Fraction(25),
        model,
    )
    assert min(lids_apart(shut, "left", model)) < 0.3 * max(lids_apart(shut, "left", model))
    assert Clips([shut], model).blinks[0][0] == 0


def test_only_blinks_that_a_known_frame_shows_are_left() -> None:
    blink = np.array([[0, 1, 1, 1, 0, 0, 2, 2, 0]])
    states, unblinking = np.ones((1, 9, 2)), np.zeros((1, 9, 2))
    excerpts = Excerpts(states, unblinking, blink, np.ones((1, 9), bool), np.zeros((1, 2)))
    known = np.array([[1, 1, 0, 0, 0, 0, 0, 0, 1]], bool)
    np.testing.assert_array_equal(excerpts.without_unseen_blinks(known)[0, :, 0], [0, 1, 1, 1, 0, 0, 0, 0, 0])


def test_clips_of_another_rate_or_model_are_refused(still: Dynamics, model: MorphableModel) -> None:
    with pytest.raises(ConfigError, match="30 frames/s"):
        Clips([dataclasses.replace(still, frame_rate=Fraction(30))], model)
    with pytest.raises(MorphableModelError):
        Clips([dataclasses.replace(still, model_id="other")], model)


@pytest.mark.parametrize("spread", [0.0, 0.6])
def test_the_scatter_of_counts_is_not_that_of_people(spread: float) -> None:
    rng = np.random.default_rng(0)
    minutes = rng.uniform(0.05, 0.17, 4000)
    rates = np.exp(rng.normal(np.log(20.0), spread, 4000))
    counts = rng.poisson(rates * minutes)
    middle, deviation = blink_rate(list(zip(counts.tolist(), minutes.tolist(), strict=True)))
    assert np.exp(middle) == pytest.approx(20.0, rel=0.1)
    assert deviation == pytest.approx(spread, abs=0.15)
