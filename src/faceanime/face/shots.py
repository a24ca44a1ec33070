"""Shots: where a video's picture or the followed face jumps, another shot begins."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import TypeAlias

import cv2
import numpy as np
from jaxtyping import Float32

from faceanime.structures.frames import Frame
from faceanime.structures.landmarks import Landmarks


@dataclass(frozen=True)
class _Cut:
    """Least change between two thumbnails that counts as a cut; chosen by eye.

    As in the adaptive detector of PySceneDetect, a change is compared with those around it, so that a camera that
    shakes or pans does not cut.
    """

    level: float = 15.0
    """Least mean absolute change, levels of 255."""
    ratio: float = 3.0
    """Least ratio to the mean of the changes around it."""
    thumbnail_px: int = 32
    """Side of the thumbnails."""
    around: int = 2
    """Frames on each side with whose changes a change is compared, and within which a flash is over."""


@dataclass(frozen=True)
class _Jump:
    """Limits of a head's motion within a shot, in sizes of the face; chosen by eye."""

    per_s: float = 7.0
    """Mean shift of the landmarks per second above which another shot has begun."""
    shortest: float = 0.15
    """Mean shift of the landmarks up to which none has, however short the time."""
    longest: float = 0.5
    """Mean shift of the landmarks over a gap, however long, above which another shot has begun."""
    growth: float = 0.25
    """Change of the natural logarithm of the face's size above which another shot has begun; jaws change it by less."""


_CUT, _JUMP = _Cut(), _Jump()
_TOLD_TIMES = 3
"""Largest number of times in a message."""
Thumbnail: TypeAlias = Float32[np.ndarray, "S S 3"]
"""A tiny picture, levels of 255."""


@dataclass(frozen=True, eq=False)
class _Seen:
    """A frame, and the change of its thumbnail since the one before, 0 for the first."""

    frame: Frame
    thumbnail: Thumbnail
    change: float


def numbered_shots(frames: Iterable[Frame]) -> Iterator[tuple[int, Frame]]:
    """Each frame with the number of its shot, from 0; two frames are read ahead.

    A thumbnail that changes much more than those around it begins a new shot, unless it is the begin or end of a flash.
    """
    stream = _measured(frames)
    behind: deque[_Seen] = deque(maxlen=_CUT.around + 1)
    ahead = deque(islice(stream, _CUT.around))
    shot = 0
    while True:
        ahead.extend(islice(stream, 1))
        if not ahead:
            return
        now = ahead.popleft()
        shot += bool(behind) and _is_cut(behind, now, ahead)
        behind.append(now)
        yield shot, now.frame


def _is_cut(behind: Sequence[_Seen], now: _Seen, ahead: Sequence[_Seen]) -> bool:
    around = [seen.change for seen in (*list(behind)[-_CUT.around :], *ahead)]
    if now.change <= max(_CUT.level, _CUT.ratio * float(np.mean(around))):
        return False
    *earlier, before = (seen.thumbnail for seen in behind)
    is_back = any(_change(each, now.thumbnail) <= _CUT.level for each in earlier)
    comes_back = any(_change(before, seen.thumbnail) <= _CUT.level for seen in ahead)
    return not (is_back or comes_back)


def has_jumped(before: Landmarks, after: Landmarks, elapsed_s: Fraction) -> bool:
    """Whether a face has moved or grown faster than a head can, in the `elapsed_s` seconds between two readings."""
    sizes = [max(right - left, bottom - top) for left, top, right, bottom in (before.box_px, after.box_px)]
    shift = np.linalg.norm(after.points_image[:, :2] - before.points_image[:, :2], axis=1).mean()
    reach = np.clip(_JUMP.per_s * float(elapsed_s), _JUMP.shortest, _JUMP.longest)
    is_elsewhere = shift > reach * min(sizes)
    return bool(is_elsewhere or abs(np.log(sizes[1] / sizes[0])) > _JUMP.growth)


def in_words(times_s: Sequence[float | Fraction]) -> str:
    """Times for a message: the first few, and how many more there are.

    >>> in_words([0.5, 1.0, 1.5, 2.0, 2.5])
    '0.5 s, 1.0 s, 1.5 s and 2 more'
    """
    return _first_few([f"{float(t):.1f} s" for t in times_s])


def spans_in_words(spans_s: Sequence[tuple[float, float]]) -> str:
    """Begins and ends for a message: the first few, and how many more there are.

    >>> spans_in_words([(0.5, 1.0), (2.0, 3.5)])
    '0.5 to 1.0 s, 2.0 to 3.5 s'
    """
    return _first_few([f"{begin:.1f} to {end:.1f} s" for begin, end in spans_s])


def _first_few(texts: Sequence[str]) -> str:
    more = len(texts) - _TOLD_TIMES
    return ", ".join(texts[:_TOLD_TIMES]) + (f" and {more} more" if more > 0 else "")


def _measured(frames: Iterable[Frame]) -> Iterator[_Seen]:
    size = (_CUT.thumbnail_px, _CUT.thumbnail_px)
    before: Thumbnail | None = None
    for frame in frames:
        small = cv2.resize(frame.pixels, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        yield _Seen(frame, small, 0.0 if before is None else _change(before, small))
        before = small


def _change(a: Thumbnail, b: Thumbnail) -> float:
    """Mean absolute difference, levels of 255."""
    return float(np.abs(a - b).mean())
