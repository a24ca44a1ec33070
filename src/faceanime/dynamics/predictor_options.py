"""Options of the verbs that predict a motion."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from faceanime.dynamics.predictor_path import predictor_path


@dataclass(frozen=True)
class PredictorOptions:
    """The network that predicts a motion."""

    predictor: Path | None = None
    """flow, paper, or weights written by `faceanime train dynamics`; by default flow.
    paper is the LSTM of arXiv 2105.14678 with noise; with temperature 0 it is the paper's single future, which hardly
    moves. It refuses a loop and any style or energy but the default, and ignores steps."""

    @property
    def weights(self) -> Path | None:
        """The weights file that is named, None where none is. Raises ConfigError, WeightsError."""
        return None if self.predictor is None else predictor_path(self.predictor)
