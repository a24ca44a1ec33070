"""Drivers of which a part is used."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Protocol, runtime_checkable

from faceanime.core.errors import ConfigError
from faceanime.core.progress import Progress, SilentProgress
from faceanime.drivers.driver import Driver, View
from faceanime.drivers.span_config import DriverSpan
from faceanime.dynamics.timeline import cut
from faceanime.structures.coefficients import Dynamics


@runtime_checkable
class HasParts(Protocol):
    """A driver that knows a quicker way to a part of its motion than to compute all of it."""

    def part(self, span: DriverSpan) -> Driver:
        """Return the driver of that part."""


def part_of(driver: Driver, span: DriverSpan) -> Driver:
    """Return the part of a driver. Raises ConfigError for a picture, and, when it is used, for times outside it."""
    if span.is_whole:
        return driver
    if driver.is_still:
        raise ConfigError("the driver is a single picture, which has no part from one time to another")
    return driver.part(span) if isinstance(driver, HasParts) else _Part(driver, span)


class _Part:
    """A part of the motion of any driver."""

    is_still = False

    def __init__(self, driver: Driver, span: DriverSpan) -> None:
        self._driver, self._span = driver, span

    @property
    def sound(self) -> Path | None:
        return self._driver.sound

    def dynamics(self, progress: Progress) -> Dynamics:
        return cut(self._driver.dynamics(progress), self._span.start, self._span.end)

    def views(self) -> Iterator[View]:
        first = round(self._span.start * float(self._driver.dynamics(SilentProgress()).frame_rate))
        return islice(self._driver.views(), first, None)
