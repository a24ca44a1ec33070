"""A motion as a driver: from a motion file, or one that was imagined."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from faceanime.core.progress import Progress
from faceanime.drivers.driver import View
from faceanime.dynamics.motion_file import load_motion_of
from faceanime.dynamics.motion_path import is_motion_file
from faceanime.face.reader import FaceReader
from faceanime.geometry.camera import project
from faceanime.morphable.model import MorphableModel
from faceanime.render.clay import shade_face
from faceanime.structures.coefficients import Dynamics
from faceanime.structures.frames import Pixels

CLAY_SIDE_PX = 512
"""Side of the clay view of a motion."""


class MotionDriver:
    """A motion of `model`."""

    sound = None

    def __init__(self, motion: Dynamics, model: MorphableModel) -> None:
        self._motion, self._model = motion, model

    @property
    def is_still(self) -> bool:
        """Whether the motion has a single frame."""
        return self._motion.is_goal

    def dynamics(self, progress: Progress) -> Dynamics:
        """Return the motion."""
        return self._motion

    def views(self) -> Iterator[View]:
        """Yield the driver's 3D face in clay."""
        return clay_views(self._motion, self._model)


class MotionFileDriver(MotionDriver):
    """The motion in a motion file."""

    def __init__(self, source: Path, reader: FaceReader) -> None:
        super().__init__(load_motion_of(source, reader.model), reader.model)

    @staticmethod
    def accepts(source: Path) -> bool:
        """Accept a name that ends in .motion.safetensors."""
        return is_motion_file(source)


def clay_views(motion: Dynamics, model: MorphableModel) -> Iterator[View]:
    """Yield the 3D face of each frame of a motion, shaded like clay, (512,512,3)."""
    return (partial(_clay, motion, t, model) for t in range(len(motion)))


def _clay(motion: Dynamics, t: int, model: MorphableModel) -> Pixels:
    points = project(model.vertices(motion.identity, motion.expression[t]), motion.pose[t])
    return shade_face(points * (CLAY_SIDE_PX / motion.picture_side_px), model, CLAY_SIDE_PX, CLAY_SIDE_PX)
