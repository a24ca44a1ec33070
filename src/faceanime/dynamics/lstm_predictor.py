"""The paper's predictor: an LSTM that encodes the observed states and rolls one future out (3DDP).

Source: arXiv 2105.14678, sec. III-B. States are those of `state.py`, normalized; B sequences, D numbers a state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from faceanime.core.errors import ConfigError, check_range
from faceanime.dynamics.normaliser import Normaliser
from faceanime.dynamics.predictor import KnownStates
from faceanime.dynamics.predictor_network import PredictorNetwork
from faceanime.dynamics.rollout_config import FutureConfig
from faceanime.dynamics.state import FRAME_RATE


@dataclass(frozen=True)
class LstmConfig:
    """Size of the paper's predictor, and how a target enters it."""

    width: int = 256
    """Number of hidden units; the paper does not state it."""
    timer: bool = True
    """Reweight the target by a timer that counts down to it; without, the target enters as it is (an ablation)."""

    def __post_init__(self) -> None:
        check_range(self, "lstm", "width", least=1)


class LstmPredictor(PredictorNetwork):
    """An LSTM that predicts the next state from the observed ones, then from its own predictions.

    Our choices where the paper is silent: one layer; the network predicts the *change* of the state; a target d_T
    enters as (d_T - d_{t-1}) / (T - t + 1), the change per frame that would just reach it, with the timer
    (T - t) / 25 beside it.
    """

    network: ClassVar[str] = "lstm"
    """Its name in weights files."""

    def __init__(self, numbers: int, config: LstmConfig = LstmConfig()) -> None:
        super().__init__()
        self.config = config
        self.normaliser = Normaliser(numbers)
        self.lstm = nn.LSTMCell(2 * numbers + 2, config.width)
        self.change = nn.Linear(config.width, numbers)
        nn.init.zeros_(self.change.weight)
        nn.init.zeros_(self.change.bias)

    def forward(
        self, observed: Float[Tensor, "B N D"], frames: int, target: Float[Tensor, "B D"] | None = None
    ) -> Float[Tensor, "B T D"]:
        """The `frames` normalized states that follow the `observed` ones; the last is to reach `target`."""
        state = observed[:, 0]
        hidden = torch.zeros(2, len(observed), self.config.width, dtype=observed.dtype)
        memory: tuple[Tensor, Tensor] = (hidden[0], hidden[1])
        last = observed.shape[1] - 1 + frames
        futures = []
        for t in range(1, last + 1):
            given = torch.cat([state, self._target_features(state, target, last - t)], dim=1)
            memory = self.lstm(given, memory)
            predicted = state + self.change(memory[0])
            state = observed[:, t] if t < observed.shape[1] else predicted
            if t >= observed.shape[1]:
                futures.append(predicted)
        return torch.stack(futures, dim=1)

    def future(self, known: KnownStates, config: FutureConfig) -> Float[np.ndarray, "T D"]:
        """The one future of the observed states; it comes near the target but need not meet it.

        Raises ConfigError for a loop, or for another seed, style or energy than the default: this network has no
        noise and no style. Temperature and steps have nothing to act on.
        """
        _check_known_settings(config)
        normal = self.normaliser.normal(torch.tensor(known.states, dtype=torch.float32))[None]
        observed = known.observed_count
        target = normal[:, -1] if known.has_target else None
        with torch.inference_mode():
            future = self(normal[:, :observed], len(known.known) - observed, target)
            states = self.normaliser.plain(future)[0].numpy()
        return np.concatenate([known.states[:observed], states])

    def blinks_per_minute(self, seed: int) -> float:
        """0: it learned from motion with its blinks."""
        return 0.0

    def _target_features(
        self, state: Float[Tensor, "B D"], target: Float[Tensor, "B D"] | None, frames_left: int
    ) -> Float[Tensor, "B D2"]:
        """The target as the network reads it (B,D+2): reweighted target, whether there is one, timer."""
        if target is None:
            return torch.zeros(len(state), state.shape[1] + 2, dtype=state.dtype)
        if not self.config.timer:
            return torch.cat([target, torch.ones_like(target[:, :1]), torch.zeros_like(target[:, :1])], dim=1)
        timer = torch.full_like(target[:, :1], frames_left / float(FRAME_RATE))
        return torch.cat([(target - state) / (frames_left + 1), torch.ones_like(timer), timer], dim=1)


def _check_known_settings(config: FutureConfig) -> None:
    default = FutureConfig()
    for name in ("loop", "seed", "style", "energy"):
        if (value := getattr(config, name)) != getattr(default, name):
            raise ConfigError(
                f"{name} is {value}: the LSTM predictor knows one future alone, expected {getattr(default, name)}; "
                "a flow predictor has more"
            )
