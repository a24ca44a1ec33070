"""Ramps between 0 and 1: the blending weights of the renderer, of motion editing and of smoothing."""

from __future__ import annotations

from typing import TypeAlias, TypeVar

import numpy as np

Values = TypeVar("Values", float, np.ndarray)
"""A number, or numbers of any shape."""
Ramp: TypeAlias = tuple[float, float]
"""Bounds (low, high) of a weight that is 0 up to low and 1 from high on, or the reverse where low is above high."""


def linear_step(value: Values, low: float, high: float) -> Values:
    """The straight ramp from 0 at `low` to 1 at `high`, constant outside; `low` above `high` ramps down.

    >>> linear_step(np.array([-1.0, 2.5, 9.0]), 2.0, 3.0).tolist()
    [0.0, 0.5, 1.0]
    """
    return np.clip((value - low) / (high - low), 0.0, 1.0)


def smoothstep(value: Values, low: float = 0.0, high: float = 1.0) -> Values:
    """The smooth ramp 3 s^2 - 2 s^3 from 0 at `low` to 1 at `high`, constant outside; flat at both ends.

    >>> smoothstep(np.array([-1.0, 0.25, 0.5, 9.0])).tolist()
    [0.0, 0.15625, 0.5, 1.0]
    """
    step = linear_step(value, low, high)
    return step * step * (3.0 - 2.0 * step)
