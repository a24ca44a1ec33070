"""The paper's predictor: an LSTM that encodes the observed states and rolls one future out (3DDP).

Source: arXiv 2105.14678, sec. III-B. States are those of `state.py`, normalized; B sequences, D numbers a state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from faceanime.core.errors import ConfigError, check_range
from faceanime.dynamics.blinks import draw_blink_rate
from faceanime.dynamics.normaliser import Normaliser
from faceanime.dynamics.predictor import KnownStates
from faceanime.dynamics.predictor_network import PredictorNetwork
from faceanime.dynamics.rollout_config import FutureConfig
from faceanime.dynamics.state import FRAME_RATE

_SETTLING_FRAMES = 12
"""Frames before a target over which the noise fades out; chosen by eye."""
_WARM_FRAMES = 8
"""Frames after which the errors of a prediction are measured, since the LSTM has then seen how the face moves."""
_LEAST_VARIANCE = 1e-6
"""Least variance of a number's error, against division by zero."""
_KEPT_PERSISTENCE = 0.5
"""Fraction of the errors' correlation from frame to frame that the noise has: the rollout itself carries on from noisy
states, so that with all of it motion strays twice as far as people's. Measured on the validation people: with half of
it the mouth is 1.5 from its start after a second (people: 1.0; with all 2.1), at a jerkiness of 1.2 (1.0; with none
1.4)."""

Timer: TypeAlias = Literal["step", "linear", "inverse", "none"]


@dataclass(frozen=True)
class LstmConfig:
    """Size of the paper's predictor, and how a target enters it."""

    width: int = 128
    """Number of hidden units; the paper does not state it."""
    timer: Timer = "step"
    """How the timer, n = T - t frames to go, reweights the target d_T before the network reads it.
    step: (d_T - d) / (n + 1), the change per frame that would just reach it, which is also added to the network's own
    change: it learns the departure from the straight way. linear: d_T (1 - n / T).
    inverse: d_T / (n + 1). none: d_T as it is (an ablation)."""

    def __post_init__(self) -> None:
        check_range(self, "lstm", "width", least=1)


class LstmPredictor(PredictorNetwork):
    """An LSTM that predicts the next state from the observed ones, then from its own predictions.

    Our choices where the paper is silent: one layer; the network predicts the *change* of the state; a target d_T
    enters reweighted by `LstmConfig.timer`, with the timer (T - t) / 25 beside it.

    The losses make its rollout the mean of all futures, which hardly moves. It is a Gaussian autoregressive model as
    well, since a squared distance is the negative logarithm of a Gaussian's density: a future is drawn by adding to
    each predicted state noise with the covariance and the persistence of its errors on people that it was not trained
    on (`fit_noise`). Without noise (temperature 0) the future is the paper's.
    """

    network: ClassVar[str] = "lstm"
    """Its name in weights files."""
    noise_factor: Float[Tensor, "D D"]
    """Lower triangular factor of the covariance of the errors one frame ahead, in normalized states."""
    persistence: Float[Tensor, " D"]
    """Correlation of each number's noise with that of the frame before."""
    blink_rate: Float[Tensor, " 2"]
    """Mean and deviation over people of the logarithm of blinks per minute."""

    def __init__(self, numbers: int, config: LstmConfig = LstmConfig()) -> None:
        super().__init__()
        self.config = config
        self.normaliser = Normaliser(numbers)
        self.lstm = nn.LSTMCell(2 * numbers + 2, config.width)
        self.change = nn.Linear(config.width, numbers)
        nn.init.zeros_(self.change.weight)
        nn.init.zeros_(self.change.bias)
        self.register_buffer("noise_factor", torch.zeros(numbers, numbers))
        self.register_buffer("persistence", torch.zeros(numbers))
        self.register_buffer("blink_rate", torch.zeros(2))

    def forward(
        self,
        observed: Float[Tensor, "B N D"],
        frames: int,
        target: Float[Tensor, "B D"] | None = None,
        noise: Float[Tensor, "B T D"] | None = None,
    ) -> Float[Tensor, "B T D"]:
        """The `frames` normalized states that follow the `observed` ones; the last is to reach `target`.

        `noise` is added to each of them before the next one is predicted.
        """
        predicted = self._predictions(observed, frames, target, noise)
        return predicted[:, observed.shape[1] - 1 :]

    def _predictions(
        self,
        observed: Float[Tensor, "B N D"],
        frames: int,
        target: Float[Tensor, "B D"] | None,
        noise: Float[Tensor, "B T D"] | None,
    ) -> Float[Tensor, "B T2 D"]:
        """The predictions of all frames after the first, observed ones included."""
        state, known = observed[:, 0], observed.shape[1]
        memory = (torch.zeros(len(observed), self.config.width, dtype=observed.dtype),) * 2
        last = known - 1 + frames
        predictions = []
        for t in range(1, last + 1):
            features = self.target_features(state, target, last - t, last)
            memory = self.lstm(torch.cat([state, features], dim=1), memory)
            state = state + self.change(memory[0])
            if target is not None and self.config.timer == "step":
                state = state + features[:, : state.shape[1]]
            if noise is not None and t >= known:
                state = state + noise[:, t - known]
            predictions.append(state)
            if t < known:
                state = observed[:, t]
        return torch.stack(predictions, dim=1)

    def future(self, known: KnownStates, config: FutureConfig) -> Float[np.ndarray, "T D"]:
        """A future of the observed states; it comes near the target but need not meet it.

        Raises ConfigError for a loop, or for another style or energy than the default, which this network does not
        know. Steps have nothing to act on.
        """
        _check_known_settings(config)
        normal = self.normaliser.normal(torch.tensor(known.states, dtype=torch.float32))[None]
        observed = known.observed_count
        frames = len(known.known) - observed
        target = normal[:, -1] if known.has_target else None
        noise = config.temperature * self._noise(frames, config.seed)
        if target is not None:
            left = torch.arange(frames - 1, -1, -1.0)
            noise = noise * (left / _SETTLING_FRAMES).clamp(max=1.0)[:, None]
        with torch.inference_mode():
            future = self(normal[:, :observed], frames, target, noise[None])
            states = self.normaliser.plain(future)[0].numpy()
        return np.concatenate([known.states[:observed], states])

    def blinks_per_minute(self, seed: int) -> float:
        """A blink rate drawn from those of people; predicted states have no blinks of their own."""
        return draw_blink_rate(self.blink_rate.numpy(), seed)

    def fit_noise(self, states: Float[Tensor, "B N D"]) -> None:
        """Measure the errors one frame ahead on observed, normalized states, and draw futures with such errors."""
        with torch.no_grad():
            errors = states[:, 1:] - self._predictions(states[:, :-1], 1, None, None)
        errors = errors[:, _WARM_FRAMES:]
        flat = errors.flatten(0, 1)
        covariance = flat.mT @ flat / len(flat)
        product = (errors[:, 1:] * errors[:, :-1]).mean(dim=(0, 1))
        variance = covariance.diagonal().clamp_min(_LEAST_VARIANCE)
        self.persistence.copy_(_KEPT_PERSISTENCE * (product / variance).clamp(0.0, 1.0))
        self.noise_factor.copy_(
            torch.linalg.cholesky(covariance + _LEAST_VARIANCE * torch.eye(len(variance)))
        )

    def _noise(self, frames: int, seed: int) -> Float[Tensor, "T D"]:
        """Noise of a seed with the errors' covariance and persistence."""
        white = torch.randn(frames, len(self.persistence), generator=torch.Generator().manual_seed(seed))
        fresh = white @ self.noise_factor.mT
        noise = [fresh[0]]
        for each in fresh[1:]:
            noise.append(self.persistence * noise[-1] + (1.0 - self.persistence**2).sqrt() * each)
        return torch.stack(noise)

    def target_features(
        self, state: Float[Tensor, "B D"], target: Float[Tensor, "B D"] | None, frames_left: int, frames: int
    ) -> Float[Tensor, "B D2"]:
        """The target as the network reads it (B,D+2): reweighted target, whether there is one, timer."""
        if target is None:
            return torch.zeros(len(state), state.shape[1] + 2, dtype=state.dtype)
        given = torch.ones_like(target[:, :1])
        match self.config.timer:
            case "step":
                reweighted = (target - state) / (frames_left + 1)
            case "linear":
                reweighted = target * (1.0 - frames_left / frames)
            case "inverse":
                reweighted = target / (frames_left + 1)
            case "none":
                return torch.cat([target, given, torch.zeros_like(given)], dim=1)
        return torch.cat([reweighted, given, given * (frames_left / float(FRAME_RATE))], dim=1)


def _check_known_settings(config: FutureConfig) -> None:
    default = FutureConfig()
    for name in ("loop", "style", "energy"):
        if (value := getattr(config, name)) != getattr(default, name):
            raise ConfigError(
                f"{name} is {value}: the LSTM predictor knows only {getattr(default, name)}; a flow predictor has more"
            )
