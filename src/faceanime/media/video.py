"""Reading videos: upright sRGB frames at a constant, exact rate, one at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, TypeVar

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream

from faceanime.core.errors import MediaError
from faceanime.media.animation import animation_timing, is_animated_picture, read_animation
from faceanime.media.demux import SteadyClock, open_media, picture_stream
from faceanime.media.image import check_size
from faceanime.structures.frames import Frame, Pixels, VideoInfo

NTSC_RATES = tuple(Fraction(1000 * rate, 1001) for rate in (24, 30, 48, 60, 120, 240))
RATE_TOLERANCE = Fraction(1, 1000)
"""Relative difference up to which a measured rate counts as a common one: containers round times."""
FALLBACK_RATE = Fraction(25)
"""Frames per second of a stream that gives no rate."""
UNSPECIFIED_COLORSPACE = 2
"""The tag of ITU-T H.273 for an unknown color space."""
HD_HEIGHT_PX = 720
"""Height from which players take an untagged video for BT.709."""

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
        width, height = _display_size(stream, first, None)
        if _orientation(first).swapped:
            width, height = height, width
        rate = constant_rate(stream)
        if stream.duration and stream.time_base:
            duration_s = stream.duration * stream.time_base
        else:
            duration_s = Fraction(container.duration or 0, av.time_base)
        return VideoInfo(width, height, rate, round(duration_s * rate) or None)


def read_frames(
    path: Path, *, max_side_px: int | None = None, frame_rate: Fraction | None = None
) -> Iterator[Frame]:
    """Yield the frames of a video, upright, at a constant rate, the first at time 0.

    The rate is `frame_rate`, else that of `probe_video`. Each tick yields the frame that is shown at that time: frames
    are repeated or dropped where the rates differ or the video's own rate varies, so that the timing is kept. With
    `max_side_px`, larger pictures are scaled down to it. Uses constant memory.

    Damaged packets are warned of, and skipped or repaired by the decoder.

    Raises: MediaError when nothing or less than half can be decoded, or when the video is truncated; it says after how
    many frames. (A truncated .mkv, .webm or .ts just ends: the container does not give its length.)
    """
    if is_animated_picture(path):
        rate = _probe_animation(path).frame_rate
        yield from _at_constant_rate(
            read_animation(path, max_side_px), lambda pixels: pixels, frame_rate or rate, rate
        )
        return
    with _open_video(path) as (container, stream):
        rate = constant_rate(stream)
        frames = _with_durations(_decoded(path, container, stream), rate, SteadyClock(container))
        to_pixels = _Converter(path, stream, max_side_px)
        yield from _at_constant_rate(frames, to_pixels, frame_rate or rate, rate)


def constant_rate(stream: VideoStream) -> Fraction:
    """The stream's average rate in frames per second; a common rate where it is within 0.1 % of one."""
    return nearest_rate(stream.average_rate or stream.guessed_rate or FALLBACK_RATE)


def nearest_rate(rate: Fraction) -> Fraction:
    """The nearest whole or NTSC rate if it is within 0.1 %, else `rate` itself."""
    common = min((Fraction(round(rate) or 1), *NTSC_RATES), key=lambda other: abs(other - rate))
    return common if abs(common - rate) <= rate * RATE_TOLERANCE else rate


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


def _decoded(path: Path, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """The frames as decoded; of damaged packets, what the decoder makes of them, with a warning at the end.

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
    missing = _missing(container, stream, packets, is_cut, ends_at)
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


_AVI_SLACK = 2
"""Frames by which the header of a whole AVI may be wrong."""


def _broken(path: Path, count: int, reason: str | None) -> str:
    return f"cannot read {path}: damaged or cut short after {count} frames ({reason})"


def _with_durations(
    frames: Iterator[VideoFrame], rate: Fraction, clock: SteadyClock
) -> Iterator[tuple[Fraction, VideoFrame]]:
    """Each frame with the time, in s from the first one, until which it is shown."""
    before: VideoFrame | None = None
    first_s, until_s = Fraction(0), Fraction(0)
    for frame in frames:
        duration_s = (frame.duration or 0) * (frame.time_base or Fraction(0)) or 1 / rate
        appears_s = clock.time_of(frame, duration_s)
        if before is None:
            first_s = appears_s
        else:
            yield appears_s - first_s, before
        before, until_s = frame, appears_s - first_s + duration_s
    if before is not None:
        yield until_s, before


def _at_constant_rate(
    frames: Iterable[tuple[Fraction, Shown]],
    to_pixels: Callable[[Shown], Pixels],
    rate: Fraction,
    source_rate: Fraction,
) -> Iterator[Frame]:
    """Yield, for each tick of `rate`, the frame that is shown then.

    Times may be off by half a frame, so that rounded ones (1 ms in .webm, 10 ms in .gif) cause no stutter.
    """
    slack_s = 1 / (2 * max(rate, source_rate))
    tick = 0
    for until_s, shown in frames:
        pixels: Pixels | None = None  # converted once, and only if shown
        while tick / rate + slack_s <= until_s:
            pixels = to_pixels(shown) if pixels is None else pixels
            yield Frame(pixels, tick / rate)
            tick += 1


class _Converter:
    """Converts decoded frames to upright sRGB pixels, all of the first one's size."""

    def __init__(self, path: Path, stream: VideoStream, max_side_px: int | None) -> None:
        self._path = path
        self._stream = stream
        self._max_side_px = max_side_px
        self._size: tuple[int, int] | None = None
        self._orientation = _Orientation()
        self._reformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> Pixels:
        if self._size is None:
            self._size = _display_size(self._stream, frame, self._max_side_px)
            # Only of the first frame: reading a frame's side data makes PyAV keep a reference cycle, which holds
            # the frame in memory until the garbage collector runs.
            self._orientation = _orientation(frame)
        untagged = frame.colorspace == UNSPECIFIED_COLORSPACE
        try:
            rgb = self._reformatter.reformat(
                frame,
                *self._size,
                "rgb24",
                # as in players: untagged HD is BT.709, untagged SD is BT.601, which is swscale's default
                src_colorspace=Colorspace.ITU709 if untagged and frame.height >= HD_HEIGHT_PX else None,
                dst_color_range=ColorRange.JPEG,
                interpolation=Interpolation.BICUBIC,
            )
        except FFmpegError as error:
            raise MediaError(
                f"cannot read {self._path}: its pixels cannot be converted ({error.strerror})"
            ) from error
        return _upright(rgb.to_ndarray(), self._orientation)


def _display_size(stream: VideoStream, frame: VideoFrame, max_side_px: int | None) -> tuple[int, int]:
    """Width and height with square pixels, scaled down to `max_side_px`, before the rotation."""
    width = frame.width * (stream.sample_aspect_ratio or Fraction(1))
    scale = min(Fraction(1), max_side_px / max(width, Fraction(frame.height))) if max_side_px else Fraction(1)
    return max(1, round(width * scale)), max(1, round(frame.height * scale))


class _Orientation(NamedTuple):
    """Transform that turns stored pixels upright: rows and columns swapped, then mirrored."""

    swapped: bool = False
    mirrored_x: bool = False
    mirrored_y: bool = False


def _orientation(frame: VideoFrame) -> _Orientation:
    """Read the display matrix: x' = a x + c y, y' = b x + d y, all of them 0 or of magnitude 1."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if not isinstance(matrix, SideData):
        return _Orientation()
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
    if abs(b) > abs(a):
        return _Orientation(True, c < 0, b < 0)
    return _Orientation(False, a < 0, d < 0)


def _upright(pixels: np.ndarray, orientation: _Orientation) -> Pixels:
    if orientation.swapped:
        pixels = pixels.transpose(1, 0, 2)
    if orientation.mirrored_x:
        pixels = pixels[:, ::-1]
    if orientation.mirrored_y:
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _probe_animation(path: Path) -> VideoInfo:
    width, height, durations_s = animation_timing(path)
    rate = nearest_rate(len(durations_s) / sum(durations_s, Fraction(0)))
    return VideoInfo(width, height, rate, round(sum(durations_s) * rate))
