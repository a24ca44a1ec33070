"""A smooth bound on how far a value may depart from zero."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def soft_limit(
    value: Float[np.ndarray, "*B"],
    knee: float | Float[np.ndarray, "..."],
    limit: float | Float[np.ndarray, "..."],
) -> Float[np.ndarray, "*B"]:
    """The identity up to +-`knee`, then bent smoothly toward +-`limit`, which it never passes.

    >>> soft_limit(np.array([0.5, -0.5]), 1.0, 2.0).tolist()
    [0.5, -0.5]
    """
    room = np.asarray(limit - np.asarray(knee))
    size = np.abs(value)
    bent = room * np.tanh(np.maximum(size - knee, 0.0) / np.maximum(room, 1e-12))
    return np.asarray(np.sign(value) * (np.minimum(size, knee) + bent))
