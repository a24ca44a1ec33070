"""The seam of motion prediction: known states in, all states out.

Any class that implements `Predictor` drives `faceanime predict` and `faceanime morph` through `rollout.imagine`. Two
networks do: `LstmPredictor`, the paper's (arXiv 2105.14678, sec. III-B), and `FlowPredictor`, the bundled one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from faceanime.core.errors import ConfigError, check_shape
from faceanime.dynamics.rollout_config import FutureConfig


@dataclass(frozen=True, eq=False)
class KnownStates:
    """A sequence of T states of which some are known.

    `states` (T,D) as in `state.py`, counted from frame 0, which must be known; they count where `known` (T,). A known
    last frame is a target.
    """

    states: Float[np.ndarray, "T D"]
    known: Bool[np.ndarray, " T"]

    def __post_init__(self) -> None:
        check_shape("known", self.known, len(self.states))
        if not self.known[0] or self.known.all():
            raise ConfigError("a prediction needs a known first frame and at least one unknown frame")

    @property
    def observed_count(self) -> int:
        """Number of known frames before the first unknown one."""
        return int(np.argmin(self.known))

    @property
    def has_target(self) -> bool:
        """Whether the last frame is known."""
        return bool(self.known[-1])


@runtime_checkable
class Predictor(Protocol):
    """Predicts the motion of a face, whoever it shows, at `state.FRAME_RATE`."""

    def future(self, known: KnownStates, config: FutureConfig) -> Float[np.ndarray, "T D"]:
        """All T states; the observed ones are returned as they are, the last one comes to the target if there is one.

        The same input gives the same bits on the same machine. Raises ConfigError for a setting that this predictor
        does not know.
        """

    def blinks_per_minute(self, seed: int) -> float:
        """Rate of the blinks to be added to a future; 0 if the predicted states contain them."""
