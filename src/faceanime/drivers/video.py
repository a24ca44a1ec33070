"""A video as a driver: its face is tracked, its sound is kept."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from faceanime.core.concurrency import prefetch
from faceanime.core.files import check_input
from faceanime.core.progress import Progress, watched
from faceanime.drivers.driver import View
from faceanime.face.reader import FaceReader
from faceanime.media.video import probe_video, read_frames
from faceanime.structures.coefficients import Dynamics

TRACKED_SIDE_PX = 640
"""Largest side at which a driver is tracked: larger frames do not make landmarks more exact."""
VIEWED_SIDE_PX = 1024
"""Largest side of a driver's frames in side-by-side videos and contact sheets."""


class VideoDriver:
    """The motion of the face in a video."""

    is_still = False

    def __init__(self, source: Path, reader: FaceReader) -> None:
        check_input(source)
        self._path, self._reader = source, reader

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
        progress.stage(f"tracking {self._path.name}", info.frame_count)
        frames = watched(prefetch(read_frames(self._path, max_side_px=TRACKED_SIDE_PX)), progress)
        side_px = min(max(info.width_px, info.height_px), TRACKED_SIDE_PX)
        return self._reader.track(frames, info.frame_rate, side_px, str(self._path))

    def views(self) -> Iterator[View]:
        """Yield the frames of the video."""
        for frame in read_frames(self._path, max_side_px=VIEWED_SIDE_PX):
            yield partial(getattr, frame, "pixels")
