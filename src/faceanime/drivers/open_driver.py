"""The one place that decides what kind of driver a file is."""

from __future__ import annotations

from pathlib import Path

from faceanime.drivers.driver import Driver, DriverKind
from faceanime.drivers.motion import MotionFileDriver
from faceanime.drivers.picture import PictureDriver
from faceanime.drivers.video import VideoDriver
from faceanime.dynamics.motion_path import motion_path
from faceanime.face.reader import FaceReader

DRIVERS: tuple[DriverKind, ...] = (MotionFileDriver, PictureDriver, VideoDriver)
"""The kinds of drivers; the first that accepts a file opens it."""


def open_driver(source: Path, reader: FaceReader, kinds: tuple[DriverKind, ...] = DRIVERS) -> Driver:
    """Open a video, a picture, a motion file, or a bundled motion by its name.

    Raises ConfigError for a name that is neither a file nor a bundled motion, MediaError for a file that cannot be
    read.
    """
    path = motion_path(source)
    return next(kind for kind in kinds if kind.accepts(path))(path, reader)
