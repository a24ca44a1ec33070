"""Ramps run from 0 to 1 without a jump, and numba's twin is the same function."""

import numpy as np
import pytest

from faceanime.geometry.interpolation import linear_step, smoothstep
from faceanime.render.mouth.compositor import smoothstep_scalar

VALUES = np.linspace(-0.5, 1.5, 201)


@pytest.mark.parametrize("ramp", [linear_step, smoothstep])
@pytest.mark.parametrize(("low", "high"), [(0.2, 0.9), (0.9, 0.2)])
def test_a_ramp_rises_from_low_to_high(ramp, low: float, high: float) -> None:
    ramped = ramp(VALUES, low, high)
    rising = ramped if low < high else ramped[::-1]
    assert (np.diff(rising) >= 0.0).all()
    beyond_low, beyond_high = (VALUES - low) * (high - low) <= 0.0, (VALUES - high) * (high - low) >= 0.0
    np.testing.assert_array_equal(ramped[beyond_low], 0.0)
    np.testing.assert_array_equal(ramped[beyond_high], 1.0)
    assert ramp((low + high) / 2, low, high) == pytest.approx(0.5)


def test_a_smooth_ramp_is_symmetric_and_flat_at_both_ends() -> None:
    inside = np.linspace(0.0, 1.0, 101)
    np.testing.assert_allclose(smoothstep(inside) + smoothstep(1.0 - inside), 1.0, atol=1e-12)
    slope = np.diff(smoothstep(inside)) * 100.0
    assert max(slope[0], slope[-1]) < 0.05
    assert slope.max() == pytest.approx(1.5, abs=1e-3)


def test_the_kernels_ramp_is_the_same_function() -> None:
    np.testing.assert_array_equal([smoothstep_scalar(value) for value in VALUES], smoothstep(VALUES))


def test_single_precision_stays_so() -> None:
    assert smoothstep(VALUES.astype(np.float32), 0.1, 0.4).dtype == np.float32
