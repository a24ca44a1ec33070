"""Opening videos and sound files of untrusted origin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream

from faceanime.core.errors import MediaError
from faceanime.core.files import check_input

DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,apng,mpeg,mpegts,mpegvideo,h264,hevc,flv,asf,ogg,"
    "mp3,wav,flac,aac"
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
    """The first video stream that is not an attached picture, such as an album's cover."""
    return next((s for s in container.streams.video if not s.disposition & Disposition.attached_pic), None)
