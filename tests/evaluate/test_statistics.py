"""Intervals cover what they should, differences are paired, bins hold what belongs to them."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from faceanime.core.errors import ShapeError
from faceanime.evaluate.statistics import Bin, mean_over_clips, means_by_bin, paired_difference


def test_the_interval_is_that_of_scipy() -> None:
    values = np.random.default_rng(0).gamma(2.0, size=21)
    estimate = mean_over_clips(values)
    expected = bootstrap((values,), np.mean, method="percentile", n_resamples=20_000, random_state=1)
    width = estimate.high - estimate.low
    assert estimate.mean == pytest.approx(values.mean())
    assert estimate.low == pytest.approx(expected.confidence_interval.low, abs=0.03 * width)
    assert estimate.high == pytest.approx(expected.confidence_interval.high, abs=0.03 * width)


def test_the_same_input_gives_the_same_interval() -> None:
    values = np.random.default_rng(1).normal(size=12)
    assert mean_over_clips(values) == mean_over_clips(values.copy())


def test_the_interval_covers_the_true_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    covered = []
    for _ in range(200):
        estimate = mean_over_clips(rng.normal(3.0, 1.0, 20), confidence=0.9)
        covered.append(estimate.low <= 3.0 <= estimate.high)
    assert 0.8 < np.mean(covered) < 0.95


def test_more_clips_and_less_confidence_narrow_the_interval() -> None:
    values = np.random.default_rng(3).normal(size=160)
    wide, narrow = mean_over_clips(values[:10]), mean_over_clips(values)
    assert narrow.high - narrow.low < 0.5 * (wide.high - wide.low)
    loose = mean_over_clips(values, confidence=0.5)
    assert narrow.low < loose.low < loose.mean < loose.high < narrow.high


def test_one_clip_tells_nothing_of_others() -> None:
    estimate = mean_over_clips(np.array([4.0]))
    assert estimate.mean == 4.0
    assert np.isnan([estimate.low, estimate.high]).all()


def test_clips_without_a_number_are_an_error() -> None:
    for values in (np.zeros(0), np.array([1.0, np.nan])):
        with pytest.raises(ShapeError, match="one finite number each"):
            mean_over_clips(values)


def test_a_small_difference_shows_when_the_clips_are_paired() -> None:
    rng = np.random.default_rng(4)
    hardness = rng.normal(20.0, 5.0, 21)  # of the clips, for every method
    ours, theirs = hardness + rng.normal(0, 0.2, 21), hardness + 0.5 + rng.normal(0, 0.2, 21)
    a, b, apart = mean_over_clips(ours), mean_over_clips(theirs), paired_difference(ours, theirs)
    assert a.high > b.low  # the means alone do not tell
    assert apart.high < 0
    assert apart.mean == pytest.approx(a.mean - b.mean)
    swapped = paired_difference(theirs, ours)
    assert swapped.mean == pytest.approx(-apart.mean)


def test_no_difference_holds_zero() -> None:
    rng = np.random.default_rng(5)
    apart = paired_difference(rng.normal(size=30), rng.normal(size=30))
    assert apart.low < 0 < apart.high


def test_bins_are_closed_below_and_the_last_one_above() -> None:
    values = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, np.nan])
    keys = np.array([-1.0, 0.0, 4.9, 5.0, 10.0, 10.1, 3.0])
    assert means_by_bin(values, keys, [0.0, 5.0, 10.0]) == [Bin(0.0, 5.0, 2, 3.0), Bin(5.0, 10.0, 2, 12.0)]


def test_an_empty_bin_has_no_mean() -> None:
    (empty,) = means_by_bin(np.array([1.0]), np.array([7.0]), [0.0, 5.0])
    assert empty.count == 0
    assert np.isnan(empty.mean)


@pytest.mark.parametrize("edges", [[1.0], [0.0, 0.0], [2.0, 1.0]])
def test_edges_must_grow(edges: list[float]) -> None:
    with pytest.raises(ShapeError, match="two or more that grow"):
        means_by_bin(np.zeros(1), np.zeros(1), edges)
