"""Animated WebP, which FFmpeg writes but does not read."""

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

SHORTEST_S = Fraction(1, 100)  # what browsers make of a frame that says 0 ms ...
ASSUMED_S = Fraction(1, 10)  # ... which is this


def is_animated_webp(path: Path) -> bool:
    """Whether the file begins as an animated WebP does. Raises: MediaError when it cannot be read."""
    with open_input(path) as file:
        head = file.read(21)
    is_extended = head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and len(head) == 21
    return is_extended and bool(head[20] & 0b10)


def webp_timing(path: Path) -> tuple[int, int, list[Fraction]]:
    """Width and height in px and the duration of each frame in s.

    Raises: MediaError when the file is damaged or too large.
    """
    durations_s = []
    with open_input(path) as file:
        head = file.read(30)
        if len(head) < 30:
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
    return width, height, [ASSUMED_S if d < SHORTEST_S else d for d in durations_s]


def read_webp_frames(path: Path, max_side_px: int | None) -> Iterator[tuple[Fraction, Pixels]]:
    """Yield each frame with the time in s until which it is shown, scaled down to `max_side_px`.

    Raises: MediaError where the file breaks off.
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
