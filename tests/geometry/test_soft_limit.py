"""A soft limit changes nothing below its knee, and is never passed."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from faceanime.geometry.soft_limit import soft_limit

limits = st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 2.0)).map(lambda pair: (pair[0] * pair[1], pair[1]))
values = st.floats(-1e3, 1e3)


@given(values, values, limits)
def test_soft_limit_is_monotone_odd_and_bounded(a: float, b: float, bounds: tuple[float, float]) -> None:
    knee, limit = bounds
    low, high = soft_limit(np.array(sorted([a, b])), knee, limit)
    assert low <= high + 1e-12
    assert abs(high) <= limit * (1 + 1e-12)
    np.testing.assert_array_equal(
        soft_limit(np.array([-a]), knee, limit), -soft_limit(np.array([a]), knee, limit)
    )


@given(st.floats(-1.0, 1.0), limits)
def test_soft_limit_changes_nothing_below_the_knee(share: float, bounds: tuple[float, float]) -> None:
    knee, limit = bounds
    assert soft_limit(np.array(share * knee), knee, limit) == share * knee


@given(st.floats(0.0, 1.0), st.floats(0.1, 2.0))
def test_a_soft_limit_has_no_kink_at_its_knee(knee: float, room: float) -> None:
    """A head that turns evenly must not change its speed at once: the slope there is 1 on both sides."""
    step = 0.01 * room
    np.testing.assert_allclose(
        soft_limit(np.array(knee + step), knee, knee + room), knee + step, atol=1e-5 * room
    )
