"""Calibrate how far a predictor's mean is trusted, on people that it has not been trained on."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool

from faceanime.dynamics.flow_predictor import FlowPredictor
from faceanime.train.dynamics.excerpts import Clips

_BATCHES = 16
"""Batches that the calibration measures; chosen by eye."""


def calibrate(predictor: FlowPredictor, clips: Clips, batch: int, observed: int, seed: int) -> None:
    """Set `FlowPredictor.trust`, within 0 and 1, to the value of least squared error of the mean on these clips.

    Draws `batch` excerpts at a time; in half of them up to `observed` first frames are known, in half both ends. A
    network trained on few people overestimates what it can add to the mean.
    """
    rng = np.random.default_rng(seed)
    agreed, added = (torch.zeros_like(predictor.trust) for _ in range(2))
    with torch.no_grad():
        for turn in range(_BATCHES):
            excerpts = clips.draw(rng, batch, predictor.config.window)
            there = excerpts.there
            if turn % 2:
                there, known = _ends_known(rng, there)
            else:
                known = _start_known(rng, there, observed)
            truth = predictor.normaliser.normal(torch.tensor(excerpts.without_unseen_blinks(known)))
            bridge = predictor.prior.given(truth, torch.tensor(known))
            anchor = predictor.normaliser.normal(torch.tensor(excerpts.anchor))
            asked = torch.tensor(there & ~known)[..., None]
            addition = asked * (predictor.mean_of(bridge, anchor, trusted=False) - bridge.mean)
            place = predictor.trust_index(bridge)
            agreed.index_put_(place, addition * (truth - bridge.mean), accumulate=True)
            added.index_put_(place, addition**2, accumulate=True)
    predictor.trust.copy_((agreed / added.clamp_min(1e-9)).clamp(0.0, 1.0))


def _start_known(
    rng: np.random.Generator, there: Bool[np.ndarray, "B T"], observed: int
) -> Bool[np.ndarray, "B T"]:
    """The known frames of a prediction: the first, or some of the first."""
    return there & (np.arange(there.shape[1]) < rng.integers(1, observed + 1, len(there))[:, None])


def _ends_known(
    rng: np.random.Generator, there: Bool[np.ndarray, "B T"]
) -> tuple[Bool[np.ndarray, "B T"], Bool[np.ndarray, "B T"]]:
    """The frames and the known frames of a target-driven prediction: the first, and a later one where it ends."""
    last = np.maximum((rng.random(len(there)) * there.sum(axis=1)).astype(int), 2)[:, None]
    frame = np.arange(there.shape[1])
    until_last = there & (frame <= last)
    return until_last, until_last & ((frame == 0) | (frame == last))
