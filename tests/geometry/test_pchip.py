"""A monotone curve: through its points, never beyond them, and the same as SciPy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator

from faceanime.geometry.pchip import pchip

steps = st.lists(st.floats(0.01, 3.0), min_size=1, max_size=12)
values = st.sampled_from([-2.0, -1.0, -1.0, 0.0, 0.3, 0.3, 5.0])


@given(steps, st.data())
def test_it_is_scipys_curve(step: list[float], data: st.DataObject) -> None:
    x = np.cumsum([0.0, *step])
    y = np.array(data.draw(st.lists(values, min_size=len(x), max_size=len(x))))
    at = np.linspace(x[0], x[-1], 57)
    np.testing.assert_allclose(pchip(x, y, at), PchipInterpolator(x, y)(at), atol=1e-12)


@given(steps, st.data())
def test_it_passes_through_its_points_and_never_beyond_its_neighbors(
    step: list[float], data: st.DataObject
) -> None:
    x = np.cumsum([0.0, *step])
    y = np.array(data.draw(st.lists(values, min_size=len(x), max_size=len(x))))
    np.testing.assert_allclose(pchip(x, y, x), y, atol=1e-12)
    at = np.linspace(x[0], x[-1], 57)
    piece = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    low, high = np.minimum(y[piece], y[piece + 1]), np.maximum(y[piece], y[piece + 1])
    curve = pchip(x, y, at)
    assert (curve >= low - 1e-12).all()
    assert (curve <= high + 1e-12).all()


@pytest.mark.parametrize("shape", [(), (3,), (2, 4)])
def test_each_channel_is_a_curve_of_its_own(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x, y, at = np.arange(6.0), rng.normal(size=(6, *shape)), rng.uniform(0.0, 5.0, 20)
    found = pchip(x, y, at)
    assert found.shape == (20, *shape)
    for index in np.ndindex(shape):
        np.testing.assert_array_equal(found[:, *index], pchip(x, y[:, *index], at))
