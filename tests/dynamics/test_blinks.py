"""Blinks shut the lids, move nothing else, come at the rate that was asked for, and the same each time."""

from fractions import Fraction

import numpy as np
import pytest

from faceanime.core.errors import ConfigError
from faceanime.dynamics.blinks import SIDES, add_blinks, blinks_of, lids_apart, part_lids
from faceanime.dynamics.editing import motion_from_keyframes
from faceanime.dynamics.motion_file import bundled_motion
from faceanime.morphable.model import MorphableModel, Part
from faceanime.structures.coefficients import Dynamics

EYE_PARTS = (Part.RIGHT_EYE, Part.LEFT_EYE)


def still(model: MorphableModel, seconds: float, rate: Fraction = Fraction(25)) -> Dynamics:
    return motion_from_keyframes({"smile": [(0, 0.2)], "yaw_deg": [(0, 3)]}, seconds, rate, model)


def shut_runs(motion: Dynamics, model: MorphableModel) -> list[np.ndarray]:
    """The frames of each blink: runs in which an eye is less than half open."""
    apart = np.minimum(*(lids_apart(motion, side, model) for side in SIDES))
    return runs_of(apart < 0.5 * np.percentile(apart, 75))


def runs_of(marked: np.ndarray) -> list[np.ndarray]:
    frames = np.flatnonzero(marked)
    return [run for run in np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1) if len(run)]


@pytest.mark.parametrize("per_minute", [6.0, 15.0, 30.0])
def test_they_come_at_their_rate(model: MorphableModel, per_minute: float) -> None:
    minutes = 5
    motion = add_blinks(still(model, 60.0 * minutes), model, per_minute, seed=3)
    expected = per_minute * minutes
    assert abs(len(shut_runs(motion, model)) - expected) < 3.0 * np.sqrt(expected)


@pytest.mark.parametrize("rate", [Fraction(10), Fraction(25), Fraction(30000, 1001), Fraction(60)])
def test_lids_close_wholly_and_open_again(model: MorphableModel, rate: Fraction) -> None:
    before = still(model, 60.0, rate)
    motion = add_blinks(before, model, 20.0, seed=1)
    runs = shut_runs(motion, model)
    assert runs
    for side in SIDES:
        apart, usual = (lids_apart(m, side, model) for m in (motion, before))
        assert (apart >= -1e-6).all()
        assert (apart <= usual + 1e-6).all()
        for run in runs:
            assert apart[run].min() < 0.05 * usual[0]
    for run in runs_of((motion.expression != before.expression).any(axis=1)):
        assert 0.15 < len(run) / rate < 0.52


def test_nothing_else_moves(model: MorphableModel) -> None:
    before = bundled_motion("look-around")
    motion = add_blinks(before, model, 60.0, seed=1)
    assert (motion.expression != before.expression).any()
    others = ~np.isin(model.part, EYE_PARTS)
    np.testing.assert_array_equal(motion.expression[:, others], before.expression[:, others])
    np.testing.assert_array_equal(motion.pose.rotation, before.pose.rotation)
    np.testing.assert_array_equal(motion.pose.translation_px, before.pose.translation_px)


def test_the_same_seed_gives_the_same_bits(model: MorphableModel) -> None:
    before = still(model, 30.0)
    one, two, other = (add_blinks(before, model, 20.0, seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(one.expression, two.expression)
    assert (one.expression != other.expression).any()


def test_no_blinks_change_nothing(model: MorphableModel) -> None:
    before = still(model, 10.0)
    np.testing.assert_array_equal(add_blinks(before, model, 0.0).expression, before.expression)


@pytest.mark.parametrize("seed", range(5))
def test_they_keep_away_from_eyes_that_are_shut(model: MorphableModel, seed: int) -> None:
    track = [(0.0, 0.0)]
    for start_s in np.arange(0.5, 29.0, 1.5):
        track += [(start_s, 0.0), (start_s + 0.1, 1.0), (start_s + 0.3, 0.0)]
    shut = {"blink_left": track, "blink_right": track}
    before = motion_from_keyframes(shut, 30.0, Fraction(25), model)
    motion = add_blinks(before, model, 40.0, seed)
    own = lids_apart(before, "left", model) < 0.6 * lids_apart(before, "left", model)[0]
    near = np.convolve(own, np.ones(5), mode="same") > 0
    np.testing.assert_allclose(motion.expression[near], before.expression[near], atol=1e-6)
    assert len(shut_runs(motion, model)) > len(shut_runs(before, model))


def test_closed_eyes_get_none(model: MorphableModel) -> None:
    asleep = motion_from_keyframes(
        {"blink_left": [(0, 1)], "blink_right": [(0, 1)]}, 20.0, Fraction(25), model
    )
    np.testing.assert_array_equal(add_blinks(asleep, model, 60.0).expression, asleep.expression)


def test_times_between_blinks_are_not_regular(model: MorphableModel) -> None:
    runs = shut_runs(add_blinks(still(model, 300.0), model, 15.0, seed=2), model)
    waits = np.diff([run[0] for run in runs]) / 25
    assert 0.3 < waits.std() / waits.mean() < 1.0
    assert waits.min() > 0.4


def test_lids_part_as_told(model: MorphableModel) -> None:
    motion = bundled_motion("talk")
    wanted = np.linspace(0.0, 0.1, len(motion))
    parted = part_lids(motion, "left", wanted, model)
    np.testing.assert_allclose(lids_apart(parted, "left", model), wanted, atol=1e-6)
    right = [lids_apart(m, "right", model) for m in (motion, parted)]
    np.testing.assert_allclose(right[0], right[1], atol=1e-6)


def test_senseless_blinks_are_refused(model: MorphableModel) -> None:
    for rate in (-1.0, 61.0, float("nan")):
        with pytest.raises(ConfigError, match="blinks is"):
            add_blinks(still(model, 1.0), model, rate)
    with pytest.raises(ConfigError, match="seed"):
        add_blinks(still(model, 1.0), model, 10.0, seed=-1)


def test_blinks_are_runs_under_half_the_open_gap() -> None:
    gap = np.full(100, 0.08) + 0.01 * np.sin(np.arange(100) / 7)
    for start, end in ((0, 2), (20, 24), (60, 61), (97, 100)):
        gap[start:end] = 0.02
    gap[40:44] = 0.05  # half lowered is none
    assert blinks_of(gap, 25.0) == [(0, 2), (20, 24), (60, 61), (97, 100)]
    assert blinks_of(1000.0 * gap, 25.0) == blinks_of(gap, 25.0)
    assert blinks_of(np.full(30, 0.08), 25.0) == []
    assert blinks_of(np.zeros(0), 25.0) == []


def test_eyes_that_stay_closed_are_no_blink() -> None:
    gap = np.where(np.arange(100) < 50, 0.08, 0.0)
    gap[70] = 0.08
    assert blinks_of(gap, 25.0) == []
    assert blinks_of(gap, 60.0) == [(50, 70), (71, 100)]
