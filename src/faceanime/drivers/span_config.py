"""The part of a driver that is used, as options."""

from __future__ import annotations

import math
from dataclasses import dataclass

from faceanime.core.errors import RangeError, check_range


@dataclass(frozen=True)
class DriverSpan:
    """Part of the driver that is used."""

    start: float = 0.0
    """Time in the driver, in s, at which the motion and its sound begin."""
    end: float | None = None
    """Time in the driver, in s, at which they end; by default its end."""

    def __post_init__(self) -> None:
        check_range(self, "", "start", least=0)
        if self.end is not None and not self.start < self.end < math.inf:
            raise RangeError("end", self.end, f"a time after {self.start:g} s, where the part begins")

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out."""
        return self.start == 0.0 and self.end is None


WHOLE = DriverSpan()
"""All of the driver."""
