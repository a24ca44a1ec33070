"""A driver whose motion is found once, for several portraits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from faceanime.core.progress import Progress
from faceanime.drivers.driver import Driver, View, choice_of
from faceanime.face.found import FoundFaces
from faceanime.structures.coefficients import Dynamics


class RememberedDriver:
    """Another driver, which is asked for its motion only once."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._dynamics: Dynamics | None = None

    @property
    def is_still(self) -> bool:
        """That of the driver."""
        return self._driver.is_still

    @property
    def sound(self) -> Path | None:
        """That of the driver."""
        return self._driver.sound

    @property
    def choice(self) -> FoundFaces | None:
        """That of the driver."""
        return choice_of(self._driver)

    def dynamics(self, progress: Progress) -> Dynamics:
        """Return the motion, of which the first call reports its progress. Raises FaceAnimeError."""
        if self._dynamics is None:
            self._dynamics = self._driver.dynamics(progress)
        return self._dynamics

    def views(self) -> Iterator[View]:
        """Yield those of the driver."""
        return self._driver.views()
