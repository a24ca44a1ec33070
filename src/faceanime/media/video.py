"""Reading videos: upright sRGB frames at a constant, exact rate, one at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from typing import TypeVar

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from faceanime.core.errors import MediaError
from faceanime.media.animation import animation_timing, is_animated_picture, read_animation
from faceanime.media.demux import SteadyClock, open_media, picture_stream
from faceanime.media.frame_pixels import FramePixels, display_size, orientation_of
from faceanime.media.image import check_size, is_image_file
from faceanime.media.seeking import Entry, entry_before
from faceanime.structures.frames import Frame, Pixels, VideoInfo

NTSC_RATES = tuple(Fraction(1000 * rate, 1001) for rate in (24, 30, 48, 60, 120, 240))
RATE_TOLERANCE = Fraction(1, 1000)
"""Relative difference up to which a measured rate counts as a common one: containers round times."""
LARGEST_DENOMINATOR = 1001
"""That of the NTSC rates; a decimal rate becomes the nearest such fraction."""
LIKELY_RATE, LIKELY_AVERAGE = Fraction(120), Fraction(9, 10)
"""The highest rate that is taken as a file gives it, and the least average, as a fraction of the rate of the time
stamps; chosen by eye."""
MEASURED_FRAMES = 600
"""Frames from whose time stamps another rate is measured; chosen by eye."""
FALLBACK_RATE = Fraction(25)
"""Frames per second of a stream that gives no rate."""

Shown = TypeVar("Shown")

log = logging.getLogger(__name__)


def probe_video(path: Path) -> VideoInfo:
    """Describe the frames that `read_frames` yields for this video.

    `frame_count` is computed from the duration; in .mkv and .webm, which give only that of the longest stream, it can
    be slightly too high.

    Raises: MediaError when the file is missing, damaged, holds no video, or is over the size limit.
    """
    if is_animated_picture(path):
        return _probe_animation(path)
    with _open_video(path) as (container, stream):
        first = next(_decoded(path, container, stream))
        width, height = display_size(stream, first, None)
        if orientation_of(first).swapped:
            width, height = height, width
        rate = _constant_rate(path, stream)
        return VideoInfo(width, height, rate, round(_duration_s(container, stream) * rate) or None)


def check_start(path: Path, start_s: float) -> None:
    """Raise MediaError for a video that ends before `start_s`, if its header tells; another file passes."""
    if start_s == 0.0 or is_image_file(path) or is_animated_picture(path) or not is_video(path):
        return
    with _open_video(path) as (container, stream):
        duration_s = _duration_s(container, stream)
        tells = any(name in container.format.name for name in _TELLING_FORMATS)
        if tells and 0 < duration_s <= start_s:
            raise _ends_before(path, start_s, duration_s)


def read_frames(
    path: Path,
    *,
    max_side_px: int | None = None,
    frame_rate: Fraction | None = None,
    start_s: float = 0.0,
    end_s: float | None = None,
) -> Iterator[Frame]:
    """Yield the frames of a video, upright, at a constant rate, the first at time 0.

    The rate is `frame_rate`, else that of `probe_video`. Each tick yields the frame that is shown at that time: frames
    are repeated or dropped where the rates differ or the video's own rate varies, so that the timing is kept. With
    `max_side_px`, larger pictures are scaled down to it. Of a part from `start_s` to `end_s`, the first
    frame has time 0. Uses constant memory.

    Damaged packets are warned of, and skipped or repaired by the decoder.

    Of a part that begins late, decoding begins at a key frame before it, where the container allows that exactly.

    Raises: MediaError when nothing or less than half can be decoded, or when the video is truncated; it says after how
    many frames. (A truncated .mkv, .webm or .ts just ends: the container does not give its length.)
    """
    start = Fraction(start_s)
    ticks = None if end_s is None else lambda rate: max(round((Fraction(end_s) - start) * rate), 1)
    if is_animated_picture(path):
        rate = _probe_animation(path).frame_rate
        pictures = read_animation(path, max_side_px)
        frames = _at_constant_rate(path, start, pictures, lambda pixels: pixels, frame_rate or rate, rate)
        yield from islice(frames, ticks and ticks(frame_rate or rate))
        return
    entry = _entry_before(path, start) if start else None
    with _open_video(path) as (container, stream):
        rate = _constant_rate(path, stream)
        if entry is not None:
            container.seek(entry.offset, stream=stream)
        decoded = _with_durations(
            _decoded(path, container, stream, 0 if entry is None else entry.skipped),
            rate,
            SteadyClock(container),
            _length_s(stream),
            None if entry is None else entry.first_s,
        )
        to_pixels = FramePixels(path, stream, max_side_px)
        frames = _at_constant_rate(path, start, decoded, to_pixels, frame_rate or rate, rate)
        yield from islice(frames, ticks and ticks(frame_rate or rate))


def _ends_before(path: Path, start_s: float | Fraction, length_s: Fraction) -> MediaError:
    return MediaError(
        f"cannot read {path} from {float(start_s):g} s on: it ends after {float(length_s):.2f} s"
    )


def _entry_before(path: Path, start_s: Fraction) -> Entry | None:
    with _open_video(path) as (container, stream):
        return entry_before(container, stream, _decoded(path, container, stream), start_s)


def nearest_rate(rate: Fraction) -> Fraction:
    """The nearest whole or NTSC rate if it is within 0.1 %, else `rate` itself."""
    common = min((Fraction(round(rate) or 1), *NTSC_RATES), key=lambda other: abs(other - rate))
    return common if abs(common - rate) <= rate * RATE_TOLERANCE else rate


def exact_rate(frame_rate: Fraction | float | int) -> Fraction:
    """The fraction that people mean by a rate in decimals, such as 29.97."""
    return nearest_rate(Fraction(frame_rate).limit_denominator(LARGEST_DENOMINATOR))


def is_video(path: Path) -> bool:
    """Whether a file holds pictures that move."""
    try:
        with open_media(path) as container:
            return picture_stream(container) is not None
    except MediaError:
        return False


def _constant_rate(path: Path, stream: VideoStream) -> Fraction:
    """The stream's rate in frames per second; a common rate where it is within 0.1 % of one.

    Usually that is the average rate. Where it is far from the rate of the time stamps (a recording of a call that
    stands still for a while; a browser's WebM, which gives the tick of its clock), it is that of the median interval.
    """
    rate = stream.average_rate or stream.guessed_rate or FALLBACK_RATE
    base = stream.base_rate or rate
    if rate > LIKELY_RATE or not LIKELY_AVERAGE * base <= rate:
        with _open_video(path) as (container, again):
            packets = islice(container.demux(again), MEASURED_FRAMES)
            times_s = sorted({packet.pts * packet.time_base for packet in packets if packet.pts is not None})
        intervals_s = sorted(later - earlier for earlier, later in pairwise(times_s))
        if intervals_s:
            rate = (1 / intervals_s[len(intervals_s) // 2]).limit_denominator(LARGEST_DENOMINATOR)
    return nearest_rate(rate)


@contextmanager
def _open_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    with open_media(path) as container:
        stream = picture_stream(container)
        if stream is None:
            raise MediaError(f"cannot read {path}: it holds no video stream")
        if stream.codec_context is None:  # PyAV's annotation leaves this case out
            raise MediaError(f"cannot read {path}: its video codec is unknown, or the file is cut short")
        square_width_px = round(stream.codec_context.width * (stream.sample_aspect_ratio or 1))
        check_size(path, square_width_px, stream.codec_context.height)
        stream.thread_type = "AUTO"
        yield container, stream


def _decoded(
    path: Path, container: InputContainer, stream: VideoStream, skipped: int = 0
) -> Iterator[VideoFrame]:
    """The frames as decoded; of damaged packets, what the decoder makes of them, with a warning at the end.

    `skipped` is the number of packets before the first one that is read.
    Raises MediaError where nothing can be decoded, where most packets are damaged, or where the file is truncated.
    """
    frames = packets = 0
    damage: list[str | None] = []
    is_cut, ends_at = False, 0
    try:
        for packet in container.demux(stream):
            packets += packet.size > 0
            is_cut = packet.is_corrupt or (is_cut and packet.size == 0)  # of the last packet that holds data
            ends_at = max(ends_at, (packet.dts or 0) + (packet.duration or 0))
            try:
                decoded = packet.decode()
            except FFmpegError as error:
                damage.append(error.strerror)
                continue
            if packet.is_corrupt:
                damage.append("a packet is incomplete")
            frames += len(decoded)
            yield from decoded
    except FFmpegError as error:
        raise MediaError(_broken(path, frames, error.strerror)) from error
    missing = _missing(container, stream, skipped + packets, is_cut, ends_at)
    if frames == 0 and not missing:
        raise MediaError(f"cannot read {path}: no frame can be decoded")
    if missing or 2 * len(damage) > packets:
        raise MediaError(_broken(path, frames, missing or damage[0]))
    if damage:
        log.warning(
            "%s is damaged (%s): %d of its %d packets of pictures are skipped or repaired by the decoder",
            path, damage[0], len(damage), packets,
        )  # fmt: skip


def _missing(
    container: InputContainer, stream: VideoStream, packets: int, is_cut: bool, ends_at: int
) -> str | None:
    """Why a stream that was read to its end must have been longer; None where it is whole, or does not tell.

    MP4 and MOV list their packets, among them those that an edit list hides; AVI gives its length.
    """
    if "mp4" in container.format.name:
        listed = len(stream.index_entries)
        return (
            f"{packets} of the {listed} frames of its index are whole" if is_cut or packets < listed else None
        )
    if "avi" in container.format.name and stream.frames and ends_at < stream.frames - _AVI_SLACK:
        return f"its header lists {stream.frames}"
    return None


_TELLING_FORMATS = ("mp4", "matroska", "avi")
"""FFmpeg's formats whose headers give the length; of others it is estimated."""
_AVI_SLACK = 2
"""Frames by which the header of a whole AVI may be wrong."""


def _broken(path: Path, count: int, reason: str | None) -> str:
    return f"cannot read {path}: damaged or cut short after {count} frames ({reason})"


def _with_durations(
    frames: Iterator[VideoFrame],
    rate: Fraction,
    clock: SteadyClock,
    length_s: Fraction | None,
    first_s: Fraction | None = None,
) -> Iterator[tuple[Fraction, VideoFrame]]:
    """Each frame with the time, in s from `first_s` on the clock, until which it is shown.

    `first_s` is by default when the first frame appears; `length_s` is that of the stream.
    """
    before: VideoFrame | None = None
    appears_s, until_s = Fraction(0), Fraction(0)
    for frame in frames:
        duration_s = (frame.duration or 0) * (frame.time_base or Fraction(0)) or 1 / rate
        appears_s = clock.time_of(frame, duration_s)
        first_s = appears_s if first_s is None else first_s
        if before is not None:
            yield appears_s - first_s, before
        before, until_s = frame, appears_s - first_s + duration_s
    if before is not None and first_s is not None:
        # in MP4, durations are those of the order of decoding: the last one may be another frame's
        yield (
            until_s if length_s is None else min(until_s, max(length_s, appears_s - first_s + 1 / rate)),
            before,
        )


def _duration_s(container: InputContainer, stream: VideoStream) -> Fraction:
    """The length of the pictures that the header gives, s; 0 if it gives none."""
    length_s = _length_s(stream)
    if length_s is None:
        ends = container.duration or 0
        # in Matroska, the time before the first picture is counted in the length
        begins = container.start_time or 0 if "matroska" in container.format.name else 0
        length_s = Fraction(max(ends - begins, 0), av.time_base)
    return length_s


def _length_s(stream: VideoStream) -> Fraction | None:
    if not stream.duration or stream.time_base is None:
        return None
    return stream.duration * stream.time_base


def _at_constant_rate(
    path: Path,
    start_s: Fraction,
    frames: Iterable[tuple[Fraction, Shown]],
    to_pixels: Callable[[Shown], Pixels],
    rate: Fraction,
    source_rate: Fraction,
) -> Iterator[Frame]:
    """Yield, for each tick of `rate` from `start_s` on, the frame that is shown then, the first at time 0.

    Times may be off by half a frame, so that rounded ones (1 ms in .webm, 10 ms in .gif) cause no stutter.
    Raises MediaError if all end before.
    """
    slack_s = 1 / (2 * max(rate, source_rate))
    tick, until_s = 0, Fraction(0)
    for until_s, shown in frames:
        pixels: Pixels | None = None  # converted once, and only if shown
        while start_s + tick / rate + slack_s <= until_s:
            pixels = to_pixels(shown) if pixels is None else pixels
            yield Frame(pixels, tick / rate)
            tick += 1
    if tick == 0:
        raise _ends_before(path, start_s, until_s)


def _probe_animation(path: Path) -> VideoInfo:
    width, height, durations_s = animation_timing(path)
    rate = nearest_rate(len(durations_s) / sum(durations_s, Fraction(0)))
    return VideoInfo(width, height, rate, round(sum(durations_s) * rate))
