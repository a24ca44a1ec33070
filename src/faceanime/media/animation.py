"""Animated WebP, AVIF and PNG: formats that FFmpeg does not read, or not with their transparency.

Pillow decodes the frames. Their durations are read from the container, since Pillow gives a duration only after it has
decoded the frame; a video is probed without decoding.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from faceanime.core.errors import MediaError
from faceanime.core.files import open_input
from faceanime.media.demux import open_media, picture_stream
from faceanime.media.image import DECODER_ERRORS, check_size, flatten
from faceanime.structures.frames import Pixels

SHORTEST_FRAME_S = Fraction(1, 100)
"""Durations below this, s, count as not given, as in browsers."""
DEFAULT_S = Fraction(1, 10)
"""The duration, s, that browsers give a frame without one."""
_HEADER_BYTES = 30
"""Bytes that tell an animated WebP or AVIF; a WebP's RIFF header and VP8X chunk, with its flags at byte 20."""
_LONGEST_BRANDS, _LONGEST_CONTROL = 4096, 26
"""Bytes of a list of brands that are read, and of a PNG's control chunk (PNG 3rd edition, 11.3.6.2)."""
_FLAGS_BYTE, _ANIMATION_FLAG = 20, 0b10
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_HUNDREDTHS = 100
"""Denominator of a PNG frame's delay where it is given as 0 (PNG 3rd edition, 11.3.6.2)."""


def is_animated_picture(path: Path) -> bool:
    """Whether the file begins as an animated WebP, AVIF or PNG. Raises: MediaError when it cannot be read."""
    return _durations_reader(path) is not None


def animation_timing(path: Path) -> tuple[int, int, list[Fraction]]:
    """Width and height in px and the duration of each frame in s.

    Raises: MediaError when the file is damaged or too large, or no animated picture.
    """
    read = _durations_reader(path)
    if read is None:
        raise MediaError(f"cannot read {path}: it is not an animated picture")
    try:
        with Image.open(path) as image:
            width, height = image.size
    except DECODER_ERRORS as error:
        raise MediaError(f"cannot read {path}: damaged or cut short") from error
    durations_s = read(path)
    if not durations_s:
        raise MediaError(f"cannot read {path}: it holds no frame")
    check_size(path, width, height)
    return width, height, [DEFAULT_S if d < SHORTEST_FRAME_S else d for d in durations_s]


def read_animation(path: Path, max_side_px: int | None) -> Iterator[tuple[Fraction, Pixels]]:
    """Yield each frame with the time in s until which it is shown, over white, scaled down to `max_side_px`.

    Raises: MediaError where the file is damaged or truncated.
    """
    width, height, durations_s = animation_timing(path)
    scale = min(1.0, max_side_px / max(width, height)) if max_side_px else 1.0
    size = max(1, round(width * scale)), max(1, round(height * scale))
    until_s = Fraction(0)
    index = 0
    try:
        with Image.open(path) as image:
            stills = int(
                getattr(image, "default_image", False)
            )  # of a PNG, for viewers that show no animation
            for index, duration_s in enumerate(durations_s):
                image.seek(stills + index)
                frame = flatten(image.convert("RGBA"))
                until_s += duration_s
                yield (
                    until_s,
                    np.array(frame if size == frame.size else frame.resize(size, Image.Resampling.BOX)),
                )
    except DECODER_ERRORS as error:
        raise MediaError(f"cannot read {path}: damaged or cut short after {index} frames") from error


def _durations_reader(path: Path) -> Callable[[Path], list[Fraction]] | None:
    """The function that reads the durations in s of an animated picture's frames; None for another file."""
    with open_input(path) as file:
        head = file.read(_HEADER_BYTES)
        if head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and len(head) > _FLAGS_BYTE:
            return _webp_durations_s if head[_FLAGS_BYTE] & _ANIMATION_FLAG else None
        if head[4:8] == b"ftyp":
            size = min(int.from_bytes(head[:4], "big"), _LONGEST_BRANDS)
            brands = head + file.read(max(size - len(head), 0))
            return _avif_durations_s if b"avis" in brands else None
        if head[:8] == _PNG_SIGNATURE:
            file.seek(len(_PNG_SIGNATURE))
            is_animated = any(name == b"acTL" for name, _ in _png_chunks(file, until=b"IDAT"))
            return _png_durations_s if is_animated else None
    return None


def _webp_durations_s(path: Path) -> list[Fraction]:
    durations_s = []
    with open_input(path) as file:
        file.seek(_HEADER_BYTES)
        while len(chunk := file.read(8)) == 8:
            name, size = struct.unpack("<4sI", chunk)
            following = file.tell() + size + size % 2
            if name == b"ANMF":
                milliseconds = int.from_bytes(file.read(15)[12:], "little")
                durations_s.append(Fraction(milliseconds, 1000))
            file.seek(following)
    return durations_s


def _avif_durations_s(path: Path) -> list[Fraction]:
    with open_media(path) as container:
        stream = picture_stream(container)
        if stream is None:
            return []
        packets = [packet for packet in container.demux(stream) if packet.size]
        return [(packet.duration or 0) * packet.time_base for packet in packets]


def _png_durations_s(path: Path) -> list[Fraction]:
    durations_s = []
    with open_input(path) as file:
        file.seek(len(_PNG_SIGNATURE))
        for name, data in _png_chunks(file, until=b"IEND"):
            if name == b"fcTL" and len(data) >= 24:
                numerator, denominator = struct.unpack(">HH", data[20:24])
                durations_s.append(Fraction(numerator, denominator or _PNG_HUNDREDTHS))
    return durations_s


def _png_chunks(file: BinaryIO, until: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and data of the control chunks up to the chunk `until`; the data of other chunks is skipped."""
    while len(chunk := file.read(8)) == 8:
        size, name = struct.unpack(">I4s", chunk)
        if name == until:
            return
        following = file.tell() + size + 4  # the checksum
        yield name, file.read(min(size, _LONGEST_CONTROL)) if name in {b"acTL", b"fcTL"} else b""
        file.seek(following)
