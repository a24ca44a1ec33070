"""A classifier two-sample test: how well a small network tells two kinds of motions apart.

Source: Lopez-Paz and Oquab, Revisiting Classifier Two-Sample Tests, arXiv 1610.06545 (ICLR 2017).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from faceanime.evaluate.motion_benchmark import MotionBenchmark, States
from faceanime.evaluate.motion_statistics import WINDOW_FRAMES, normalised_windows

People = list[list[States]]
"""Motions grouped by person, because a network that has seen one motion of a person knows the others a little."""
_CHANNELS, _KERNEL = 48, 5
"""Channels, and frames under the kernel, of the network's convolutions; chosen by eye."""
_DROPOUT, _LEARNING_RATE, _WEIGHT_DECAY = 0.3, 2e-3, 0.05
"""Probability with which a feature is dropped, and AdamW's rate and decay; chosen by eye."""
_STEPS, _BATCH = 250, 48
"""Training steps, and windows of each kind in a step; chosen by eye."""
_CHANGE_GAIN = 5.0
"""Factor on the change between frames, which makes it about as large as the states."""


def classifier_accuracy(people: People, usual: People, benchmark: MotionBenchmark, seed: int) -> float:
    """The accuracy in [0, 1] of a network trained to tell motions of `people` from motions of `usual` people.

    It is trained on the windows of half of the people and tested on those of the other half, both kinds weighing the
    same: 0.5 means that it cannot tell them apart. The same seed gives the same number.
    """
    rng = np.random.default_rng(seed)
    usual_windows, usual_test = _split_windows(usual, benchmark, rng)
    other_windows, other_test = _split_windows(people, benchmark, rng)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _trained_network(usual_windows, other_windows)
    with torch.no_grad():
        correct = [
            (_scores(network, usual_test) > 0).float().mean(),
            (_scores(network, other_test) < 0).float().mean(),
        ]
    return float(sum(correct) / 2)


def _split_windows(people: People, benchmark: MotionBenchmark, rng: np.random.Generator) -> list[Tensor]:
    """The windows (N,D,T) of a random half of the people, and of the other half."""
    long_enough = [long for motions in people if (long := [m for m in motions if len(m) >= WINDOW_FRAMES])]
    halves = np.array_split(rng.permutation(len(long_enough)), 2)
    windows = [
        normalised_windows([motion for i in half for motion in long_enough[i]], benchmark) for half in halves
    ]
    return [torch.tensor(w, dtype=torch.float32).transpose(1, 2) for w in windows]


def _trained_network(usual: Tensor, other: Tensor) -> torch.nn.Module:
    """A network whose scores are positive for usual windows, trained with a logistic loss."""
    network = torch.nn.Sequential(
        torch.nn.Conv1d(2 * usual.shape[1], _CHANNELS, _KERNEL, stride=2), torch.nn.ReLU(),
        torch.nn.Conv1d(_CHANNELS, _CHANNELS, _KERNEL, stride=2), torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool1d(1), torch.nn.Flatten(), torch.nn.Dropout(_DROPOUT), torch.nn.Linear(_CHANNELS, 1),
    )  # fmt: skip
    optimiser = torch.optim.AdamW(network.parameters(), _LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    for _ in range(_STEPS):
        usual_batch, other_batch = (kind[torch.randint(len(kind), (_BATCH,))] for kind in (usual, other))
        scores = torch.cat([-_scores(network, usual_batch), _scores(network, other_batch)])
        loss = functional.softplus(scores).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return network.eval()


def _scores(network: torch.nn.Module, windows: Tensor) -> Tensor:
    """The network's score of each window, from its centered states and their changes."""
    change = functional.pad(windows[..., 1:] - windows[..., :-1], (1, 0))
    centered = windows - windows.mean(dim=-1, keepdim=True)
    scores: Tensor = network(torch.cat([centered, _CHANGE_GAIN * change], dim=1))
    return scores[:, 0]
