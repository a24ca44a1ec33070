"""Which future of a face is to be imagined: the settings of `rollout.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faceanime.core.errors import ConfigError

Style = Literal["any", "talk", "idle", "look-around"]
SHORTEST_S, LONGEST_S = 0.2, 600
SHORTEST_LOOP_S = 1.28
"""Two halves of as many frames as a window is shown of the one before (`rollout.CONTEXT`)."""


@dataclass(frozen=True)
class FutureConfig:
    """Which future is drawn."""

    seconds: float = 4.0
    """How long it is, 0.2 to 600."""
    seed: int = 0
    """Another seed, another future; the same seed, the same one."""
    loop: bool = False
    """Let its end flow into its beginning; 1.28 s or more."""
    style: Style = "any"
    """any: as lively as some clip of those that it learned from; which one depends on the seed."""
    energy: float = 1.0
    """How much livelier than that, 0.2 to 3: about a factor on the speed of mouth and head. Above 2 heads go far."""
    temperature: float = 1.0
    """Factor on the noise that it is drawn from: 1 as people that lively move, less is nearer to the mean."""
    steps: int = 3
    """Steps from noise to motion."""

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
