"""Settings of an imagined motion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faceanime.core.errors import ConfigError, RangeError, check_range

Style = Literal["any", "talk", "idle", "look-around"]
SHORTEST_MOTION_S, LONGEST_MOTION_S = 0.2, 600
SHORTEST_LOOP_S = 1.28
"""Twice the `CONTEXT_FRAMES` of `windowed_rollout.py`: a loop's halves each contain the context of the other."""


@dataclass(frozen=True)
class FutureConfig:
    """Imagined motion; a predictor refuses settings that it does not support."""

    seconds: float = 4.0
    """Length of the motion in seconds, 0.2 to 600."""
    seed: int = 0
    """Random seed from 0, which selects one of many futures; the same seed gives the same motion."""
    loop: bool = False
    """Make the end of the motion continue into its beginning; the motion must last 1.28 s or more."""
    style: Style = "any"
    """Liveliness of mouth, eyes and head: talk, idle, look-around, or any, which the seed draws."""
    energy: float = 1.0
    """Factor on the speed of mouth and head, 0.2 to 3; above 2 the head turns far."""
    temperature: float = 1.0
    """Factor on the predictor's noise, 0 to 1.5: 1 gives motions as varied as people's, 0 the mean motion."""
    steps: int = 3
    """Number of integration steps from noise to motion, 1 to 100."""

    def __post_init__(self) -> None:
        check_range(self, "", "seconds", least=SHORTEST_MOTION_S, most=LONGEST_MOTION_S)
        if self.loop and self.seconds < SHORTEST_LOOP_S:
            raise ConfigError(
                f"a loop of {self.seconds} s is too short: expected {SHORTEST_LOOP_S} s or more"
            )
        if not 0 <= self.seed < 2**62:
            raise RangeError("seed", self.seed, "0 to 2^62 - 1")
        check_range(self, "", "energy", least=0.2, most=3)
        check_range(self, "", "temperature", least=0, most=1.5)
        check_range(self, "", "steps", least=1, most=100)
