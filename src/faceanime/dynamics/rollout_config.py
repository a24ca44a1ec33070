"""Settings of an imagined motion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faceanime.core.errors import ConfigError

Style = Literal["any", "talk", "idle", "look-around"]
SHORTEST_S, LONGEST_S = 0.2, 600
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
        if not SHORTEST_S <= self.seconds <= LONGEST_S:
            raise ConfigError(f"seconds is {self.seconds}, expected {SHORTEST_S} to {LONGEST_S}")
        if self.loop and self.seconds < SHORTEST_LOOP_S:
            raise ConfigError(
                f"a loop of {self.seconds} s is too short: expected {SHORTEST_LOOP_S} s or more"
            )
        if not 0 <= self.seed < 2**62:
            raise ConfigError(f"seed is {self.seed}, expected 0 to 2^62 - 1")
        if not 0.2 <= self.energy <= 3.0:
            raise ConfigError(f"energy is {self.energy}, expected 0.2 to 3")
        if not 0.0 <= self.temperature <= 1.5:
            raise ConfigError(f"temperature is {self.temperature}, expected 0 to 1.5")
        if not 1 <= self.steps <= 100:
            raise ConfigError(f"steps is {self.steps}, expected 1 to 100")
