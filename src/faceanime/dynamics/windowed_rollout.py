"""Rollout of motions that are longer than a predictor's motion window.

A motion is completed window by window; each window begins with the last frames of the one before.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from faceanime.dynamics.normaliser import Normaliser
from faceanime.dynamics.predictor import KnownStates

CONTEXT_FRAMES = 16
"""Number of frames at the start of a motion window that repeat the end of the previous one; chosen by eye."""

FillWindow = Callable[
    [Float[Tensor, "1 W D"], Bool[Tensor, "1 W"], Float[Tensor, "1 D"], int], Float[Tensor, "1 W D"]
]
"""Completes a motion window of normalized states, given which of its frames are known, the state of the motion's first
frame, and the number of frames that will be used."""


def complete_in_windows(
    known: KnownStates, window: int, normaliser: Normaliser, fill: FillWindow
) -> Float[np.ndarray, "T D"]:
    """All states of a motion, completed by `fill` in windows of nearly equal numbers of new frames."""
    begin = known.observed_count
    unknown = int(np.flatnonzero(~known.known)[-1]) + 1 - begin
    after = min(len(known.known) - begin - unknown, CONTEXT_FRAMES)
    bounds = begin + window_bounds(unknown, after, window)
    states = normaliser.normal(torch.tensor(known.states, dtype=torch.float32))
    is_known = torch.tensor(known.known)
    anchor = states[:1].clone()
    with torch.inference_mode():
        for first, end in pairwise(bounds.tolist()):
            start = max(first - CONTEXT_FRAMES, 0)
            stop = min(start + window, len(states))
            part, shown = torch.zeros(1, window, states.shape[1]), torch.zeros(1, window, dtype=torch.bool)
            part[0, : stop - start], shown[0, : stop - start] = states[start:stop], is_known[start:stop]
            shown[0, : first - start] = True
            states[first:end] = fill(part, shown, anchor, end - first)[0, first - start : end - start]
    completed = normaliser.plain(states).numpy().astype(np.float64)
    return np.where(known.known[:, None], known.states, completed)


def window_bounds(unknown: int, after: int, window: int) -> Int[np.ndarray, " N"]:
    """First frame of each window and the end of the last, counted from the first unknown frame.

    The last window completes so few frames that all of the `after` known frames that follow them are in it.
    """
    most, most_at_last = window - CONTEXT_FRAMES, window - CONTEXT_FRAMES - after
    count = 1 + math.ceil(max(unknown - most_at_last, 0) / most)
    last = min(most_at_last, round(unknown / count))
    return np.append(np.linspace(0, unknown - last, count).round().astype(int), unknown)
