"""Style of an imagined motion: how lively mouth, eyes and head are, from motion window to motion window."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from faceanime.dynamics.rollout_config import Style

STYLES = 3
"""Numbers of a style: log liveliness of the mouth, of the eyes and brows, of the head."""


@dataclass(frozen=True)
class StyleNumbers:
    """Distribution of styles over people, seeds and windows."""

    presets: tuple[tuple[Style, tuple[float, float, float]], ...] = (
        ("talk", (1.4, 0.2, 0.2)),
        ("idle", (-2.6, -0.6, -1.4)),
        ("look-around", (-2.2, 1.0, 1.2)),
    )
    """Liveliness of mouth, eyes and head, in standard deviations from the mean clip; chosen by eye."""
    correlation: float = 0.8
    """Correlation of the styles of two windows that begin `correlation_frames` apart; measured on 91 clips of training
    people: a person at rest mostly stays at rest."""
    correlation_frames: int = 80
    """Frames between the windows that `correlation` was measured on."""
    preset_spread: float = 0.3
    """Spread of a preset over seeds and windows, as a fraction of the spread over people; chosen by eye."""


_NUMBERS = StyleNumbers()


class StyleProcess:
    """A first-order autoregressive process of whitened styles, one for each window."""

    def __init__(self, factor: Float[Tensor, "S S"], style: Style, generator: torch.Generator) -> None:
        """`factor` is the Cholesky factor of the styles' covariance over clips."""
        self._generator, self._spread, self._mean = generator, 1.0, torch.zeros(STYLES)
        if style != "any":
            deviation = factor.pow(2).sum(dim=1).sqrt()
            self._mean = whitened_style(factor, deviation * torch.tensor(dict(_NUMBERS.presets)[style]))
            self._spread = _NUMBERS.preset_spread
        self._departure = self._spread * torch.randn(STYLES, generator=generator)

    def next(self, frames: int) -> Float[Tensor, " S"]:
        """The style of the next window, which has `frames` new frames."""
        style = self._mean + self._departure
        kept = _NUMBERS.correlation ** (frames / _NUMBERS.correlation_frames)
        new = self._spread * torch.randn(STYLES, generator=self._generator)
        self._departure = kept * self._departure + math.sqrt(1.0 - kept**2) * new
        return style


def whitened_style(factor: Float[Tensor, "S S"], log_liveliness: Float[Tensor, " S"]) -> Float[Tensor, " S"]:
    """The style, in independent numbers of unit deviation, of a liveliness relative to the mean clip's."""
    return torch.linalg.solve_triangular(factor, log_liveliness[:, None], upper=False)[:, 0]
