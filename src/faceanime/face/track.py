"""Tracking of one face through a video, frame by frame, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from faceanime.core.concurrency import prefetch
from faceanime.face.anchor import ANCHOR_CHUNK_FRAMES, FaceView, pin_to_anchor
from faceanime.face.config import TrackConfig
from faceanime.face.detect import LandmarkDetector
from faceanime.face.landmark_view import VIEW_PER_BOX, Place, Reading, place_of
from faceanime.morphable.model import MorphableModel
from faceanime.structures.frames import Frame, Pixels
from faceanime.structures.landmarks import Landmarks


@dataclass(frozen=True)
class _FollowRule:
    """How the view follows a face; distances in sizes of the face, in log size and in radians. Chosen by eye."""

    half_gain: float = 0.05
    """Distance at which the view goes half the way to the head; below it goes far less, so that it does not follow
    noise. With a view that is set anew in each frame, a still face was measured to jitter by 13 % more."""
    cut: float = 0.5
    """Distance from one frame to the next above which the face counts as another one, after a cut."""
    reach_growth: float = 0.1
    """Increase of `cut` for each frame in which the face was lost."""


_FOLLOW = _FollowRule()
Searched: TypeAlias = Callable[[Frame, Sequence[Landmarks]], None]
"""Receives a frame and the faces that were found in it, the largest first."""


class LandmarkTracker:
    """Follows the face that is chosen in the first frame that has it, and finds it again whenever it is lost.

    The landmarks of a frame depend on that frame, on the anchor, and on the view, which follows earlier frames. No
    filter in time is applied, hence no lag.
    """

    def __init__(
        self,
        config: TrackConfig,
        detector: LandmarkDetector,
        model: MorphableModel,
    ) -> None:
        """The `model` says which landmarks lie on skin."""
        self._config, self._detector, self._model = config, detector, model

    def track(self, frames: Iterable[Frame], searched: Searched | None = None) -> Iterator[Landmarks | None]:
        """The landmarks of each frame, None where the face is lost. Calls are independent.

        `searched` receives the faces of each searched frame until one is chosen. Frames are read in a thread of
        their own, up to twice `anchor.ANCHOR_CHUNK_FRAMES` ahead of those that are pinned; only small views of them are
        kept.
        """
        read = self.read(frames, searched)
        if not self._config.anchored:
            return (landmarks for _, landmarks in read)
        views = (
            None if face is None else FaceView.of(frame.pixels, face, self._detector.schema)
            for frame, face in read
        )
        return self.pin(prefetch(views, ANCHOR_CHUNK_FRAMES))

    def pin(self, views: Iterable[FaceView | None]) -> Iterator[Landmarks | None]:
        """Pin the landmarks of frames that `read` has read to an anchor, if the settings say so."""
        if not self._config.anchored:
            return (None if view is None else view.landmarks for view in views)
        return pin_to_anchor(views, self._model)

    def read(
        self, frames: Iterable[Frame], searched: Searched | None = None
    ) -> Iterator[tuple[Frame, Landmarks | None]]:
        """Each frame with the landmarks that the detector reads in it; else as `track`."""
        place: Place | None = None
        lost = 0
        for frame in frames:
            reading = self._read_near(frame.pixels, place) if place is not None and lost == 0 else None
            if reading is None and (place is None or lost % self._config.search_every == 0):
                seen = self._search(frame, place, lost, searched)
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
        """The landmarks in the view, None if they belong to another face."""
        reading = self._detector.read(pixels, place)
        if (
            reading is None
            or _distance(place, place_of(reading.points_image, self._detector.schema)) > _FOLLOW.cut
        ):
            return None
        return reading

    def _search(self, frame: Frame, last: Place | None, lost: int, searched: Searched | None) -> Place | None:
        """The place of the followed face, or of the chosen one if none is followed yet; None if it is not found."""
        found_faces = self._detector.detect(frame.pixels, small_faces=False)
        places = [place_of(face.points_image, self._detector.schema) for face in found_faces]
        if last is None:
            if searched is not None:
                searched(frame, found_faces)
            index = 0 if self._config.face == "largest" else self._config.face
            return places[index] if index < len(places) else None
        return _nearest(places, last, _FOLLOW.cut + _FOLLOW.reach_growth * lost)


def _nearest(places: Sequence[Place], last: Place, reach: float) -> Place | None:
    nearest = min(places, key=lambda place: _distance(last, place), default=None)
    return nearest if nearest is not None and _distance(last, nearest) <= reach else None


def _distance(a: Place, b: Place) -> float:
    """Distance between two places of a head: its shift in sizes of the face or its growth in log size, if larger."""
    shift = np.hypot(b.center_px[0] - a.center_px[0], b.center_px[1] - a.center_px[1])
    return float(max(VIEW_PER_BOX * shift / a.side_px, abs(np.log(b.side_px / a.side_px))))


def _follow(view: Place, head: Place) -> Place:
    """Move the view toward the head, by a fraction that grows with the distance."""
    turn = (head.roll_rad - view.roll_rad + np.pi) % (2.0 * np.pi) - np.pi
    distance = max(_distance(view, head), abs(turn))
    gain = distance**2 / (distance**2 + _FOLLOW.half_gain**2)
    x, y = (v + gain * (h - v) for v, h in zip(view.center_px, head.center_px, strict=True))
    side = view.side_px * (head.side_px / view.side_px) ** gain
    return Place((float(x), float(y)), float(side), float(view.roll_rad + gain * turn))
