"""The key frame at which to begin reading a part of a video, so that its frames are bit for bit the whole video's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from faceanime.media.demux import SteadyClock

_EXACT_FORMATS = ("mp4", "matroska")
"""FFmpeg's formats whose time stamps are those of one clock throughout, and which find key frames by an index."""
_MARGIN_S = Fraction(1)
"""Least time from the key frame to the part, s: the pictures that are decoded right after a key frame are not used."""
_LEAST_START_S = Fraction(3)
"""Time in s up to which everything before the part is decoded, which takes no longer; chosen by eye."""


@dataclass(frozen=True)
class Entry:
    """A key frame at which the reading of a part begins."""

    offset: int
    """Time stamp that is to be sought, in ticks of the stream."""
    first_s: Fraction
    """Time of the video's first picture, in s on the file's clock."""
    skipped: int
    """Packets of the file's index before the key frame."""


def entry_before(
    container: InputContainer, stream: VideoStream, frames: Iterator[VideoFrame], start_s: Fraction
) -> Entry | None:
    """A key frame well before the time `start_s`, which is counted from the first picture; None to decode all.

    `frames` are those of the container, which is left somewhere: open it again. None where seeking is not exact,
    takes no less time, or finds no key frame that is early enough.
    """
    if start_s < _LEAST_START_S or not any(name in container.format.name for name in _EXACT_FORMATS):
        return None
    first = next(frames)
    if first.pts is None or stream.time_base is None:
        return None
    first_s = SteadyClock(container).time_of(first, Fraction(0))
    latest_s = first_s + start_s - _MARGIN_S
    offset = int(latest_s / stream.time_base)
    try:
        container.seek(offset, stream=stream)
        packet = next(container.demux(stream))
    except FFmpegError:
        return None
    if packet.pts is None or not packet.is_keyframe or packet.pts * packet.time_base > latest_s:
        return None
    listed = [entry.timestamp for entry in stream.index_entries]
    if any(later < sooner for sooner, later in pairwise(listed)):  # an edit list shows pictures out of order
        return None
    at = packet.pts if packet.dts is None else packet.dts
    return Entry(offset, first_s, sum(timestamp < at for timestamp in listed))
