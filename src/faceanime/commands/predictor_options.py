"""Options of the verbs that predict a motion."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PredictorOptions:
    """The network that predicts a motion."""

    predictor: Path | None = None
    """Weights written by `faceanime train dynamics`, to use instead of the bundled ones.
    The LSTM (preset paper) predicts one motion only: it refuses a loop and any seed, style or energy but the default.
    It ignores temperature and steps."""
