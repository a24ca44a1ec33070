"""A video as a driver: its face is tracked, its sound is kept."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from faceanime.core.concurrency import prefetch
from faceanime.core.errors import Remedy
from faceanime.core.files import check_input
from faceanime.core.progress import Progress, watched
from faceanime.drivers.driver import View
from faceanime.drivers.span_config import WHOLE, DriverSpan
from faceanime.face.found import FoundFaces
from faceanime.face.reader import FaceReader
from faceanime.geometry.camera import project
from faceanime.media.video import check_start, probe_video, read_frames
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import Dynamics
from faceanime.structures.frames import Frame, VideoInfo

TRACKED_SIDE_PX = 640
"""Largest side at which a driver is tracked: larger frames do not make landmarks more exact."""
STILL_FACE = 0.003
"""Root mean square deviation of the landmark that moves most, in longer sides of the face, up to which a face hardly
moves. It is below 0.001 in videos of a photograph; in 270 clips of people who talk or rest it is 0.017 or more, and
0.005 or more in each of their seconds but one in which the recording stands still."""
STILL_S = 1
"""Least length in s of a video of which that is told: a shorter part may be a pause."""
_MEASURED_FRAMES = 256
"""Largest number of frames, spread over the video, in which that is measured; chosen by eye."""
VIEWED_SIDE_PX = 1024
"""Largest side of a driver's frames in side-by-side videos and contact sheets."""

log = logging.getLogger(__name__)


class VideoDriver:
    """The motion of the face in a video."""

    is_still = False

    def __init__(self, source: Path, reader: FaceReader, span: DriverSpan = WHOLE) -> None:
        check_input(source)
        self._path, self._reader, self._span = source, reader, span
        self.choice: FoundFaces | None = None

    def part(self, span: DriverSpan) -> VideoDriver:
        """Return the driver of a part of the video, of which only that part is tracked.

        Raises MediaError if the video ends before it, as far as its header tells.
        """
        check_start(self._path, span.start)
        return VideoDriver(self._path, self._reader, span)

    @staticmethod
    def accepts(source: Path) -> bool:
        """Accept every file: one that no other kind accepts is opened as a video."""
        return True

    @property
    def sound(self) -> Path:
        """The video itself."""
        return self._path

    def dynamics(self, progress: Progress) -> Dynamics:
        """Track the face, in constant memory. Raises MediaError, NoFaceError, Cancelled."""
        info = probe_video(self._path)
        progress.stage(f"tracking {self._path.name}", self._frames_of(info))
        frames = watched(prefetch(self._read(TRACKED_SIDE_PX)), progress)
        side_px = min(max(info.width_px, info.height_px), TRACKED_SIDE_PX)
        motion = self._reader.track(frames, info.frame_rate, side_px, str(self._path), self._chosen)
        if len(motion) >= STILL_S * motion.frame_rate and _hardly_moves(motion, self._reader.model):
            self._tell_of_stillness()
        return motion

    def _tell_of_stillness(self) -> None:
        """Tell in one line that the face hardly moves, and if there are others, what takes another one."""
        remedy = None
        if self.choice is not None:
            other = 0 if self.choice.chosen else 1
            remedy = Remedy("track.face", f"{{}} {other} takes another face")
        log.warning("the face in %s hardly moves", self._path, extra={"remedy": remedy})

    def _chosen(self, found: FoundFaces) -> None:
        self.choice = found

    def views(self) -> Iterator[View]:
        """Yield the frames of the video."""
        for frame in self._read(VIEWED_SIDE_PX):
            yield partial(getattr, frame, "pixels")

    def _read(self, max_side_px: int) -> Iterator[Frame]:
        return read_frames(
            self._path, max_side_px=max_side_px, start_s=self._span.start, end_s=self._span.end
        )

    def _frames_of(self, info: VideoInfo) -> int | None:
        """How many frames the part has; None if unknown."""
        if info.frame_count is None:
            return None
        first = round(self._span.start * info.frame_rate)
        last = info.frame_count if self._span.end is None else round(self._span.end * info.frame_rate)
        return max(min(last, info.frame_count) - first, 0)


def _hardly_moves(motion: Dynamics, model: MorphableModel) -> bool:
    """Whether head and expression hardly change in the frames that show the face."""
    shown = np.flatnonzero(motion.valid)
    some = shown[np.unique(np.linspace(0, len(shown) - 1, min(len(shown), _MEASURED_FRAMES)).astype(int))]
    faces = model.landmarks_of(model.vertices(motion.identity, motion.expression[some]))
    points = project(faces, motion.pose[some])[..., :2]
    mean = points.mean(axis=0)
    deviation = np.sqrt(np.square(points - mean).sum(axis=-1).mean(axis=0))
    return bool(deviation.max() <= STILL_FACE * np.ptp(mean, axis=0).max())
