"""Monotone cubic interpolation (PCHIP): a smooth curve through given values that never overshoots them.

Source: Fritsch and Butland, SIAM J. Sci. Stat. Comput. 5, 1984; the ends after Moler, Numerical Computing with MATLAB,
sec. 3.6. The same curve as SciPy's `PchipInterpolator`, whose import takes longer than all of its uses here.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def pchip(
    x: Float[np.ndarray, " K"], y: Float[np.ndarray, "K ..."], at: Float[np.ndarray, " N"]
) -> Float[np.ndarray, "N ..."]:
    """The curve through K >= 2 points, at N places from `x[0]` to `x[-1]`; `x` grows.

    >>> pchip(np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 1.0]), np.array([0.5, 1.0, 1.5])).tolist()
    [0.6875, 1.0, 1.0]
    """
    values = np.asarray(y, np.float64).reshape(len(y), -1)
    step = np.diff(x)[:, None]
    slope = np.diff(values, axis=0) / step
    derivative = _derivatives(step, slope)
    piece = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    along = (at - x[piece])[:, None]
    step, slope, begin, end = step[piece], slope[piece], derivative[:-1][piece], derivative[1:][piece]
    bend = (begin + end - 2.0 * slope) / step
    curve = ((bend / step * along + (slope - begin) / step - bend) * along + begin) * along + values[piece]
    return np.asarray(curve.reshape(len(at), *np.shape(y)[1:]))


def _derivatives(step: Float[np.ndarray, "S 1"], slope: Float[np.ndarray, "S C"]) -> Float[np.ndarray, "K C"]:
    """The curve's derivative at each point: the weighted harmonic mean of the slopes beside it, 0 at an extremum."""
    if len(slope) == 1:
        return np.concatenate([slope, slope])
    left, right = slope[:-1], slope[1:]
    before, after = 2.0 * step[1:] + step[:-1], step[1:] + 2.0 * step[:-1]
    monotone = left * right > 0.0
    safe_left, safe_right = np.where(monotone, left, 1.0), np.where(monotone, right, 1.0)
    mean = np.where(monotone, (before + after) / (before / safe_left + after / safe_right), 0.0)
    first = _end_derivative(step[0], step[1], slope[0], slope[1])
    last = _end_derivative(step[-1], step[-2], slope[-1], slope[-2])
    return np.concatenate([first[None], mean, last[None]])


def _end_derivative(
    step: Float[np.ndarray, "1"],
    next_step: Float[np.ndarray, "1"],
    slope: Float[np.ndarray, " C"],
    next_slope: Float[np.ndarray, " C"],
) -> Float[np.ndarray, " C"]:
    """The derivative at an end: of the parabola through three points, bounded so that the curve stays monotone."""
    derivative = ((2.0 * step + next_step) * slope - step * next_slope) / (step + next_step)
    overshoots = (np.sign(slope) != np.sign(next_slope)) & (np.abs(derivative) > 3.0 * np.abs(slope))
    bounded = np.where(overshoots, 3.0 * slope, derivative)
    return np.asarray(np.where(np.sign(derivative) != np.sign(slope), 0.0, bounded))
