"""Results of other methods: a folder with a video, or a folder of pictures, for each pair."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from faceanime.core.errors import MediaError
from faceanime.evaluate.reenactment_pairs import Pair, note_of
from faceanime.media.image import read_image
from faceanime.media.video import probe_video, read_frames
from faceanime.structures.frames import Pixels

_VIDEO_LENGTH_TOLERANCE = 2
"""Frames by which a video's length may seem wrong before it is decoded: it is computed from the duration."""


def result_files(folder: Path, pair: Pair) -> list[Path]:
    """The result of a pair: one video, or pictures in the order of the numbers in their names. Raises MediaError."""
    video, pictures = folder / f"{pair.name}.mp4", list((folder / pair.name).glob("*.png"))
    if video.exists():
        return [video]
    if not pictures:
        raise MediaError(
            f"no result of pair {pair.name} in {folder}: expected {pair.name}.mp4 or a folder of PNGs"
        )
    return sorted(pictures, key=lambda path: ([int(n) for n in re.findall(r"\d+", path.stem)], path.stem))


def check_method_result(folder: Path, pair: Pair) -> None:
    """Raise MediaError if the result of a pair is missing or clearly too long or too short. Decodes nothing."""
    files, expected = result_files(folder, pair), note_of(pair).frames
    found, tolerance = len(files), 0
    if files[0].suffix == ".mp4":
        found, tolerance = probe_video(files[0]).frame_count or expected, _VIDEO_LENGTH_TOLERANCE
    if abs(found - expected) > tolerance:
        raise _wrong_length(folder, pair, found)


def read_result(folder: Path, pair: Pair, height_px: int, width_px: int) -> list[Pixels]:
    """The frames of a result, resized to the pair's size. Raises MediaError."""
    files = result_files(folder, pair)
    frames: Iterable[Pixels] = map(read_image, files)
    if files[0].suffix == ".mp4":
        frames = (frame.pixels for frame in read_frames(files[0]))
    result = [_resized(frame, height_px, width_px) for frame in frames]
    if len(result) != note_of(pair).frames:
        raise _wrong_length(folder, pair, len(result))
    return result


def _wrong_length(folder: Path, pair: Pair, found: int) -> MediaError:
    return MediaError(
        f"{folder}: pair {pair.name} has {found} frames, expected the driver's {note_of(pair).frames}"
    )


def _resized(frame: Pixels, height_px: int, width_px: int) -> UInt8[np.ndarray, "h w 3"]:
    if frame.shape[:2] == (height_px, width_px):
        return frame
    shrinks = frame.shape[0] > height_px
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(frame, (width_px, height_px), interpolation=interpolation))
