"""The seam for drivers, which supply a motion to a portrait.

A new kind of driver is one class that satisfies `DriverKind`, in a file of its own, and one entry of
`open_driver.DRIVERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

from faceanime.core.progress import Progress
from faceanime.face.found import FoundFaces
from faceanime.face.reader import FaceReader
from faceanime.structures.coefficients import Dynamics
from faceanime.structures.frames import Pixels

View: TypeAlias = Callable[[], Pixels]
"""A function that draws an image (H,W,3); it is called only if the image is shown."""


@runtime_checkable
class Driver(Protocol):
    """One driver, opened: its motion, what it looks like, and its sound."""

    @property
    def is_still(self) -> bool:
        """Whether its motion is known to be a goal (`Dynamics.is_goal`): a picture, or a motion file of one frame."""

    @property
    def sound(self) -> Path | None:
        """The file whose sound belongs to the motion, if any."""

    def dynamics(self, progress: Progress) -> Dynamics:
        """Return the motion. Raises FaceAnimeError."""

    def views(self) -> Iterator[View]:
        """Yield what the driver looks like in each frame, for side-by-side videos and contact sheets."""


@runtime_checkable
class ChoosesFace(Protocol):
    """A driver in which one of several faces may be chosen."""

    @property
    def choice(self) -> FoundFaces | None:
        """The faces of the picture among which one was chosen, or None if there was none to choose.

        A picture's are there after `dynamics` was called, also if there is but one.
        """


def choice_of(driver: Driver) -> FoundFaces | None:
    """Return the faces among which a driver has chosen one, if it has."""
    return driver.choice if isinstance(driver, ChoosesFace) else None


@runtime_checkable
class DriverKind(Protocol):
    """A class of drivers."""

    @staticmethod
    def accepts(source: Path) -> bool:
        """Whether a file is of this kind, judged cheaply by its name or first bytes."""

    def __call__(self, source: Path, reader: FaceReader) -> Driver:
        """Open the file. Raises FaceAnimeError for what can be found out cheaply."""
