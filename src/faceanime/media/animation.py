"""Animated WebP, which FFmpeg writes but does not read.

Pillow decodes the frames. Their durations are read from the file's chunks, since Pillow gives a duration only after it
has decoded the frame; a video is probed without decoding.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from faceanime.core.errors import MediaError
from faceanime.core.files import open_input
from faceanime.media.image import DECODER_ERRORS, check_size, flatten
from faceanime.structures.frames import Pixels

SHORTEST_FRAME_S = Fraction(1, 100)
"""Durations below this, s, count as not given, as in browsers."""
DEFAULT_S = Fraction(1, 10)
"""The duration, s, that browsers give a frame without one."""
_HEADER_BYTES = 30
"""RIFF header and VP8X chunk, as of the WebP container specification; the canvas size is at bytes 24 and 27."""
_FLAGS_BYTE, _ANIMATION_FLAG = 20, 0b10


def is_animated_webp(path: Path) -> bool:
    """Whether the file's header is that of an animated WebP. Raises: MediaError when it cannot be read."""
    with open_input(path) as file:
        head = file.read(_FLAGS_BYTE + 1)
    is_extended = head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and len(head) > _FLAGS_BYTE
    return is_extended and bool(head[_FLAGS_BYTE] & _ANIMATION_FLAG)


def webp_timing(path: Path) -> tuple[int, int, list[Fraction]]:
    """Width and height in px and the duration of each frame in s.

    Raises: MediaError when the file is damaged or too large.
    """
    durations_s = []
    with open_input(path) as file:
        head = file.read(_HEADER_BYTES)
        if len(head) < _HEADER_BYTES:
            raise MediaError(f"cannot read {path}: cut short")
        width, height = (1 + int.from_bytes(head[at : at + 3], "little") for at in (24, 27))
        while len(chunk := file.read(8)) == 8:
            name, size = struct.unpack("<4sI", chunk)
            following = file.tell() + size + size % 2
            if name == b"ANMF":
                milliseconds = int.from_bytes(file.read(15)[12:], "little")
                durations_s.append(Fraction(milliseconds, 1000))
            file.seek(following)
    if not durations_s:
        raise MediaError(f"cannot read {path}: it holds no frame")
    check_size(path, width, height)
    return width, height, [DEFAULT_S if d < SHORTEST_FRAME_S else d for d in durations_s]


def read_webp_frames(path: Path, max_side_px: int | None) -> Iterator[tuple[Fraction, Pixels]]:
    """Yield each frame with the time in s until which it is shown, scaled down to `max_side_px`.

    Raises: MediaError where the file is damaged or truncated.
    """
    width, height, durations_s = webp_timing(path)
    scale = min(1.0, max_side_px / max(width, height)) if max_side_px else 1.0
    size = max(1, round(width * scale)), max(1, round(height * scale))
    until_s = Fraction(0)
    index = 0
    try:
        with Image.open(path) as image:
            for index, duration_s in enumerate(durations_s):
                image.seek(index)
                frame = flatten(image.convert("RGBA"))
                until_s += duration_s
                yield (
                    until_s,
                    np.array(frame if size == frame.size else frame.resize(size, Image.Resampling.BOX)),
                )
    except DECODER_ERRORS as error:
        raise MediaError(f"cannot read {path}: damaged or cut short after {index} frames") from error
