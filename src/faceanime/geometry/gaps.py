"""Gaps in a sequence: frames that are lost between frames that are known."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int


def valid_neighbours(valid: Bool[np.ndarray, " T"]) -> tuple[Int[np.ndarray, " T"], Int[np.ndarray, " T"]]:
    """The last valid frame up to each frame, and the first valid one from it on; beyond the ends, the only neighbor.

    At least one frame must be valid.

    >>> [each.tolist() for each in valid_neighbours(np.array([False, True, False, False, True]))]
    [[1, 1, 1, 1, 4], [1, 1, 4, 4, 4]]
    """
    known, frames = np.flatnonzero(valid), np.arange(len(valid))
    after = np.clip(np.searchsorted(known, frames), 0, len(known) - 1)
    before = np.clip(np.searchsorted(known, frames, side="right") - 1, 0, None)
    return known[before], known[after]


def nearest_valid(valid: Bool[np.ndarray, " T"]) -> Int[np.ndarray, " T"]:
    """The nearest valid frame to each frame; of two equally near ones, the earlier. At least one must be valid.

    >>> nearest_valid(np.array([False, True, False, False, False, True])).tolist()
    [1, 1, 1, 1, 5, 5]
    """
    before, after = valid_neighbours(valid)
    frames = np.arange(len(valid))
    return np.where(np.abs(before - frames) <= np.abs(after - frames), before, after)
