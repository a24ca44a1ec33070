"""Opening videos and sound files of untrusted origin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.format import Flags
from av.frame import Frame
from av.stream import Disposition
from av.video.stream import VideoStream

from faceanime.core.errors import MediaError
from faceanime.core.files import check_input

DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,apng,mpeg,mpegts,mpegvideo,h264,hevc,flv,asf,ogg,"
    "mp3,wav,flac,aac,ac3,eac3,aiff,caf,w64,amr,yuv4mpegpipe,nut,ivf,obu,mxf,dv,m4v,wtv,rm"
)
"""FFmpeg's formats that are opened. Playlists and subtitles are not among them: they can refer to other files."""


@contextmanager
def open_media(path: Path) -> Iterator[InputContainer]:
    """Open a video or sound file.

    Raises: MediaError, naming the file, when it is missing, damaged or of another kind.
    """
    check_input(path)
    try:
        # absolute, so that FFmpeg does not read a part of the name as a protocol
        container = av.open(
            str(path.absolute()),
            "r",
            options={"format_whitelist": DEMUXERS},
            metadata_errors="replace",  # titles may have any encoding
        )
    except FFmpegError as error:
        raise MediaError(f"cannot read {path}: not a video, or cut short ({error.strerror})") from error
    with container:
        yield container


def picture_stream(container: InputContainer) -> VideoStream | None:
    """The film: the first video stream, unless that is a cover, a thumbnail or of an unknown codec beside another one.

    A stream of a single frame, such as the still of an animated AVIF or a preview before a film, is taken only where
    there is no longer one.
    """
    moving = [s for s in container.streams.video if not s.disposition & _STILL_DISPOSITIONS]
    return min(moving, key=lambda s: (s.codec_context is None, s.frames == 1), default=None)


_STILL_DISPOSITIONS = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image


def sound_streams(container: InputContainer) -> list[AudioStream]:
    """The sound tracks, those first that the file marks as its default."""
    return sorted(container.streams.audio, key=lambda s: not s.disposition & Disposition.default)


JUMP_BACK_S, JUMP_AHEAD_S = Fraction(1, 10), Fraction(10)
"""Differences in s of a time stamp from its predecessor's end that are taken for jumps; those of the program ffmpeg."""


class SteadyClock:
    """Times of decoded frames, without the jumps of time stamps where transport streams were joined.

    AVI stamps packets in the order in which they are decoded, which is not that of B-frames' presentation.
    """

    def __init__(self, container: InputContainer) -> None:
        self._may_jump = bool(Flags.ts_discont & Flags(container.format.flags))
        self._is_avi = container.format.name == "avi"
        self._shift_s = Fraction(0)
        self._until_s: Fraction | None = None

    def time_of(self, frame: Frame, duration_s: Fraction) -> Fraction:
        """When a frame begins, in s; one without a time stamp follows the one before. `duration_s` is its length."""
        expected_s = self._until_s or Fraction(0)
        stamp = frame.dts if self._is_avi else frame.pts
        if stamp is None or frame.time_base is None:
            start_s = expected_s
        else:
            start_s = stamp * frame.time_base + self._shift_s
            ahead_s = Fraction(0) if self._until_s is None else start_s - expected_s
            if self._may_jump and not -JUMP_BACK_S <= ahead_s <= JUMP_AHEAD_S:
                self._shift_s += expected_s - start_s
                start_s = expected_s
        self._until_s = start_s + duration_s
        return start_s
