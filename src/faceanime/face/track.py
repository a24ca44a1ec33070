"""Following one face through a video, frame by frame, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from faceanime.core.concurrency import prefetch
from faceanime.face.anchor import CHUNK_FRAMES, FaceView, anchored
from faceanime.face.config import TrackConfig
from faceanime.face.detect import LandmarkDetector
from faceanime.face.landmark_view import Place, Reading, place_of
from faceanime.morphable.model import MorphableModel
from faceanime.structures.frames import Frame, Pixels
from faceanime.structures.landmarks import Landmarks

# The view follows the head, but not its noise: at this deviation (face sizes, log size, radians) it goes half
# the way, far less below. Measured: with a view set anew each frame a still face jitters by 13 % more.
_SOFT_DEVIATION = 0.05

_JUMP = 0.5  # a face that moves by more of its size, or grows by more, from one frame to the next: a cut
_REACH_GROWTH = 0.1  # how much farther off, per lost frame, a found face may be and still be ours


class LandmarkTracker:
    """Follows the face chosen in the first frame that has one; loses it, finds it again, never gives up.

    The landmarks of a frame depend on that frame, on the anchor's, and on where the view stands, which earlier
    frames moved: there is no filter in time, hence no lag.
    """

    def __init__(
        self,
        config: TrackConfig,
        detector: LandmarkDetector,
        model: MorphableModel,
    ) -> None:
        """The `model` says which landmarks lie on skin."""
        self._config, self._detector, self._model = config, detector, model

    def track(
        self, frames: Iterable[Frame], found: Callable[[int], None] | None = None
    ) -> Iterator[Landmarks | None]:
        """The landmarks of each frame, None where the face is lost. Each call starts afresh.

        `found` is told how many faces each frame shows that is searched, until one is chosen. While some frames are
        pinned, later ones are read, in a thread of their own: up to twice `anchor.CHUNK_FRAMES` ahead, of which small
        views alone are kept.
        """
        read = self.read(frames, found)
        if not self._config.anchored:
            return (landmarks for _, landmarks in read)
        views = (
            None if face is None else FaceView.of(frame.pixels, face, self._detector.schema)
            for frame, face in read
        )
        return self.pinned(prefetch(views, CHUNK_FRAMES))

    def pinned(self, views: Iterable[FaceView | None]) -> Iterator[Landmarks | None]:
        """The landmarks of frames that were `read` before, pinned to an anchor if the settings say so."""
        if not self._config.anchored:
            return (None if view is None else view.landmarks for view in views)
        return anchored(views, self._model)

    def read(
        self, frames: Iterable[Frame], found: Callable[[int], None] | None = None
    ) -> Iterator[tuple[Frame, Landmarks | None]]:
        """Each frame, as it comes, with what the detector reads in it; else as `track`."""
        place: Place | None = None
        lost = 0
        for frame in frames:
            reading = self._read_near(frame.pixels, place) if place is not None and lost == 0 else None
            if reading is None and (place is None or lost % self._config.search_every == 0):
                seen = self._search(frame.pixels, place, lost, found)
                if seen is not None:
                    reading, place = self._detector.read(frame.pixels, seen), seen
            if reading is None:
                lost += 1
                yield frame, None
                continue
            assert place is not None
            place, lost = _follow(place, place_of(reading.points_image, self._detector.schema)), 0
            yield frame, Landmarks(reading.points_image, reading.presence)

    def _read_near(self, pixels: Pixels, place: Place) -> Reading | None:
        """The landmarks in the view, unless they belong to a face elsewhere."""
        reading = self._detector.read(pixels, place)
        if reading is None or _distance(place, place_of(reading.points_image, self._detector.schema)) > _JUMP:
            return None
        return reading

    def _search(
        self, pixels: Pixels, last: Place | None, lost: int, found: Callable[[int], None] | None
    ) -> Place | None:
        """Where the followed face is now, or the chosen one if there is none yet."""
        found_faces = self._detector.detect(pixels, small_faces=False)
        places = [place_of(face.points_image, self._detector.schema) for face in found_faces]
        if last is None:
            if found is not None:
                found(len(places))
            index = 0 if self._config.face == "largest" else self._config.face
            return places[index] if index < len(places) else None
        return _nearest(places, last, _JUMP + _REACH_GROWTH * lost)


def _nearest(places: Sequence[Place], last: Place, reach: float) -> Place | None:
    nearest = min(places, key=lambda place: _distance(last, place), default=None)
    return nearest if nearest is not None and _distance(last, nearest) <= reach else None


def _distance(a: Place, b: Place) -> float:
    """How far a head moved or grew, in sizes of the face."""
    shift = np.hypot(b.center_px[0] - a.center_px[0], b.center_px[1] - a.center_px[1])
    return float(max(1.5 * shift / a.side_px, abs(np.log(b.side_px / a.side_px))))


def _follow(view: Place, head: Place) -> Place:
    """Move the view toward the head, the more the farther it is off."""
    turn = (head.roll_rad - view.roll_rad + np.pi) % (2.0 * np.pi) - np.pi
    off = max(_distance(view, head), abs(turn))
    gain = off**2 / (off**2 + _SOFT_DEVIATION**2)
    x, y = (v + gain * (h - v) for v, h in zip(view.center_px, head.center_px, strict=True))
    side = view.side_px * (head.side_px / view.side_px) ** gain
    return Place((float(x), float(y)), float(side), float(view.roll_rad + gain * turn))
