"""How far a predictor's mean is to be trusted, on people that it has not learned from."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool

from faceanime.dynamics.flow_predictor import FlowPredictor
from faceanime.train.dynamics.windows import Clips

_BATCHES = 16


def calibrate(predictor: FlowPredictor, clips: Clips, batch: int, observed: int, seed: int) -> None:
    """Set `predictor.trust` to what makes the mean's squared error on these clips least, within 0 and 1.

    Draws `batch` windows at a time; in half of them up to `observed` first frames are known, in half both ends. On few
    people a network's additions to a mean are worth less than it learned to believe.
    """
    rng = np.random.default_rng(seed)
    agreed, added = (torch.zeros_like(predictor.trust) for _ in range(2))
    with torch.no_grad():
        for turn in range(_BATCHES):
            windows = clips.draw(rng, batch, predictor.config.window)
            there = windows.there
            if turn % 2:
                there, known = _ends_known(rng, there)
            else:
                known = _start_known(rng, there, observed)
            truth = predictor.normaliser.normal(torch.tensor(windows.without_unseen_blinks(known)))
            bridge = predictor.prior.given(truth, torch.tensor(known))
            anchor = predictor.normaliser.normal(torch.tensor(windows.anchor))
            asked = torch.tensor(there & ~known)[..., None]
            addition = asked * (predictor.mean_of(bridge, anchor, trusted=False) - bridge.mean)
            place = predictor.trust_index(bridge)
            agreed.index_put_(place, addition * (truth - bridge.mean), accumulate=True)
            added.index_put_(place, addition**2, accumulate=True)
    predictor.trust.copy_((agreed / added.clamp_min(1e-9)).clamp(0.0, 1.0))


def _start_known(
    rng: np.random.Generator, there: Bool[np.ndarray, "B T"], observed: int
) -> Bool[np.ndarray, "B T"]:
    """What prediction knows: the first frame, or some of the first."""
    return there & (np.arange(there.shape[1]) < rng.integers(1, observed + 1, len(there))[:, None])


def _ends_known(
    rng: np.random.Generator, there: Bool[np.ndarray, "B T"]
) -> tuple[Bool[np.ndarray, "B T"], Bool[np.ndarray, "B T"]]:
    """What is there and what target-driven prediction knows: the first frame and one later on, where it ends."""
    last = np.maximum((rng.random(len(there)) * there.sum(axis=1)).astype(int), 2)[:, None]
    frame = np.arange(there.shape[1])
    way = there & (frame <= last)
    return way, way & ((frame == 0) | (frame == last))
