"""A picture as a driver: its expression and head angles are the goal of a movement."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cached_property
from pathlib import Path

from faceanime.core.progress import Progress
from faceanime.drivers.driver import View
from faceanime.face.found import FoundFaces
from faceanime.face.reader import FaceReader
from faceanime.media.image import is_image_file
from faceanime.media.picture_source import PictureSource, name_of, read_picture
from faceanime.structures.coefficients import Dynamics
from faceanime.structures.frames import Pixels

PICTURE_FRAME_RATE = Fraction(25)
"""Frames a second of the movement toward a picture."""


class PictureDriver:
    """The face in a picture, as a motion of one frame."""

    is_still = True
    sound = None

    def __init__(self, source: PictureSource, reader: FaceReader) -> None:
        self._source, self._reader = source, reader
        self.choice: FoundFaces | None = None

    @staticmethod
    def accepts(source: Path) -> bool:
        """Accept a file that begins as a picture."""
        return is_image_file(source)

    @cached_property
    def _pixels(self) -> Pixels:
        return read_picture(self._source, "the driver")

    def dynamics(self, progress: Progress) -> Dynamics:
        """Fit the face, upright. Raises MediaError, NoFaceError."""
        where = name_of(self._source, "the driver")
        motion, found = self._reader.still(self._pixels, where, PICTURE_FRAME_RATE)
        self.choice = found.as_given
        return motion

    def views(self) -> Iterator[View]:
        """Yield the picture once."""
        yield lambda: self._pixels
