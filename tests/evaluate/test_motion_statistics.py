"""Statistics of motions, and the classifier that tells motions apart, with known answers."""

import numpy as np
import pytest

from faceanime.dynamics.blinks import add_blinks
from faceanime.dynamics.state import HEAD_NUMBERS, ROTATION
from faceanime.evaluate.classifier_test import classifier_accuracy
from faceanime.evaluate.motion_benchmark import MotionBenchmark, States, states_of_motion
from faceanime.evaluate.motion_statistics import (
    blink_rate_and_length,
    change_sizes,
    feature_distance,
    jerkiness,
    mean_distance,
    mean_speeds,
    relative_wasserstein_distance,
    spectrum_difference_db,
    state_masks,
    window_features,
)
from faceanime.morphable.model import MorphableModel
from waves import waving


@pytest.fixture(scope="module")
def motions(model: MorphableModel) -> list[States]:
    return [states_of_motion(waving(model, seed, 120)) for seed in range(16)]


def test_the_parts_share_no_number_and_hold_face_and_rotation(model: MorphableModel) -> None:
    masks = np.stack(list(state_masks(model).values()))
    assert masks.sum(axis=0).max() == 1
    assert masks.any(axis=0).sum() == model.expression_count + 3
    assert masks[2, ROTATION].all()
    assert not masks[:, -HEAD_NUMBERS + 3 :].any()


def test_motion_does_not_differ_from_itself(benchmark: MotionBenchmark, motions: list[States]) -> None:
    features = window_features(motions, benchmark)
    assert feature_distance(features, features) == pytest.approx(0.0, abs=1e-4)
    for mask in state_masks(benchmark.model).values():
        assert spectrum_difference_db(motions, motions, mask, benchmark) == 0.0
        sizes = change_sizes(motions, mask, 1)
        assert relative_wasserstein_distance(sizes, sizes) == 0.0


def test_twice_the_motion_is_twice_as_fast_and_6_decibels_louder(
    benchmark: MotionBenchmark, motions: list[States]
) -> None:
    twice = [2.0 * states for states in motions]
    np.testing.assert_allclose(
        mean_speeds(twice, benchmark.model) / mean_speeds(motions, benchmark.model), 2.0
    )
    assert jerkiness(twice) == pytest.approx(jerkiness(motions))
    for mask in state_masks(benchmark.model).values():
        for order in (1, 2):
            sizes, usual = (change_sizes(some, mask, order) for some in (twice, motions))
            assert relative_wasserstein_distance(sizes, usual) == pytest.approx(1.0)
        if not mask[ROTATION].any():  # rotations are not relative to a window's first frame
            difference_db = spectrum_difference_db(twice, motions, mask, benchmark)
            assert difference_db == pytest.approx(20 * np.log10(2), abs=0.01)
    assert feature_distance(window_features(twice, benchmark), window_features(motions, benchmark)) > 1.0


def test_shaking_is_jerky(motions: list[States]) -> None:
    """The acceleration of a step back and forth is twice its speed."""
    back_and_forth = np.where(np.arange(60) % 2, 0.1, -0.1)[:, None] * np.ones(motions[0].shape[1])
    assert jerkiness([back_and_forth]) == pytest.approx(2.0)
    assert jerkiness(motions) < 0.5


def test_added_blinks_are_counted(model: MorphableModel) -> None:
    resting = waving(model, 0, 500)
    resting.expression[:] = 0.0
    assert blink_rate_and_length([states_of_motion(resting)], model) == (0.0, 0.0)
    blinking = states_of_motion(add_blinks(resting, model, 30.0, 1))
    per_minute, length_s = blink_rate_and_length([blinking], model)
    assert per_minute == pytest.approx(30.0, abs=9.0)  # ten blinks at random intervals
    assert 0.05 < length_s < 0.3


def test_spread_is_a_root_mean_square(benchmark: MotionBenchmark) -> None:
    """Two motions two deviations apart in every number; a single motion has no spread."""
    still = np.zeros((30, len(benchmark.deviation)))
    assert mean_distance([still, still + 2.0 * benchmark.deviation], benchmark) == pytest.approx(2.0)
    assert np.isnan(mean_distance([still], benchmark))


def test_a_classifier_tells_trembling_from_calm_motion_but_not_two_sets_of_a_kind(
    benchmark: MotionBenchmark, model: MorphableModel, motions: list[States]
) -> None:
    rng = np.random.default_rng(0)
    trembling = [[states + 0.3 * rng.normal(size=states.shape)] for states in motions]
    people = [[states] for states in motions]
    assert classifier_accuracy(trembling, people, benchmark, 0) > 0.95
    alike = [[states_of_motion(waving(model, seed, 120))] for seed in range(100, 116)]
    accuracies = [classifier_accuracy(alike, people, benchmark, seed) for seed in range(3)]
    assert np.mean(accuracies) == pytest.approx(0.5, abs=0.2)
