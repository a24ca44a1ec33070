"""The one place that decides what kind of driver a file is."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image

from faceanime.core.errors import ConfigError, MediaError
from faceanime.core.files import check_input
from faceanime.drivers.driver import Driver, DriverKind
from faceanime.drivers.motion import MotionDriver, MotionFileDriver
from faceanime.drivers.picture import PictureDriver
from faceanime.drivers.video import VideoDriver
from faceanime.dynamics.motion_path import MOTION_SUFFIX, motion_path
from faceanime.face.reader import FaceReader
from faceanime.media.picture_source import PictureSource
from faceanime.structures.coefficients import Dynamics

DRIVERS: tuple[DriverKind, ...] = (MotionFileDriver, PictureDriver, VideoDriver)
"""The kinds of drivers; the first that accepts a file opens it."""
OTHER_KINDS = {
    ".glb": "a 3D model",
    ".gltf": "a 3D model",
    ".obj": "a 3D model",
    ".fbx": "a 3D model",
    ".usdz": "a 3D model",
    ".bvh": "the motion of a skeleton",
    ".json": "a text file",
    ".csv": "a text file",
    ".txt": "a text file",
    ".pkl": "a Python pickle, which is not opened since it may run code",
    ".npy": "an array",
    ".npz": "arrays",
}
"""Suffixes of files that are given as drivers, and what they hold instead of a motion."""
DriverSource: TypeAlias = PictureSource | Dynamics
"""A driver: the path of a video, a picture or a motion file; the name of a bundled motion; a motion; or a picture."""


def open_driver(source: DriverSource, reader: FaceReader, kinds: tuple[DriverKind, ...] = DRIVERS) -> Driver:
    """Open a video, a picture, a motion, or a bundled motion by its name.

    Raises ConfigError for a name that is neither a file nor a bundled motion, and for anything else that is no driver;
    MediaError for a file that cannot be read; MorphableModelError for the motion of another face model.
    """
    if isinstance(source, Dynamics):
        reader.model.require(source.model_id, "the motion")
        return MotionDriver(source, reader.model)
    if not isinstance(source, str | Path | np.ndarray | Image.Image):
        raise ConfigError(
            f"the driver is of type {type(source).__name__}, expected a path, the name of a bundled motion, a motion, "
            "an array or a Pillow image"
        )
    if not isinstance(source, str | Path):
        return PictureDriver(source, reader)
    path = motion_path(Path(source))
    kind = next(kind for kind in kinds if kind.accepts(path))
    other = OTHER_KINDS.get(path.suffix.lower())
    if kind is VideoDriver and other is not None:
        check_input(path)
        raise MediaError(
            f"cannot read a motion from {path}: it is {other}; a driver is a video, a picture, a motion file "
            f"(*{MOTION_SUFFIX}) or the name of a bundled motion"
        )
    return kind(path, reader)
