"""Pixels of decoded video frames: upright, with square pixels, sRGB, opaque, and all of the first frame's shape."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from av.error import FFmpegError
from av.sidedata.sidedata import SideData
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, ColorTrc, Interpolation, VideoReformatter
from av.video.stream import VideoStream

from faceanime.core.errors import MediaError
from faceanime.media.hdr import tone_mapped
from faceanime.structures.frames import Pixels

UNSPECIFIED_COLORSPACE = 2
"""The tag of ITU-T H.273 for an unknown color space."""
HD_HEIGHT_PX = 720
"""Height from which players take an untagged video for BT.709."""
HDR_CURVES = {ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67}
"""Transfer functions of high dynamic range: PQ and HLG."""


class FramePixels:
    """Converts decoded frames to pixels (H,W,3) of the first one's size.

    A frame of another shape is fitted into the first one's, between black bars; transparency is composited over white;
    high dynamic range is tone-mapped.
    """

    def __init__(self, path: Path, stream: VideoStream, max_side_px: int | None) -> None:
        self._path = path
        self._stream = stream
        self._max_side_px = max_side_px
        self._size: tuple[int, int] | None = None
        self._ratio_tag: Fraction | None = None
        self._orientation = Orientation()
        self._reformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> Pixels:
        """Return the pixels. Raises MediaError when they cannot be converted."""
        tag = self._stream.codec_context.sample_aspect_ratio
        if self._size is None:
            self._size, self._ratio_tag = display_size(self._stream, frame, self._max_side_px), tag
            # Only of the first frame: reading a frame's side data makes PyAV keep a reference cycle, which holds
            # the frame in memory until the garbage collector runs.
            self._orientation = orientation_of(frame)
        ratio = self._stream.sample_aspect_ratio if tag == self._ratio_tag else tag
        width, height = _fitted(frame.width * (ratio or Fraction(1)), frame.height, self._size)
        try:
            pixels = self._converted(frame, width, height)
        except FFmpegError as error:
            raise MediaError(
                f"cannot read {self._path}: its pixels cannot be converted ({error.strerror})"
            ) from error
        return _upright(_between_bars(pixels, self._size), self._orientation)

    def _converted(self, frame: VideoFrame, width: int, height: int) -> np.ndarray:
        untagged = frame.colorspace == UNSPECIFIED_COLORSPACE
        is_hdr = frame.color_trc in HDR_CURVES
        kind = "rgb48le" if is_hdr else "rgba" if _has_alpha(frame.format.name) else "rgb24"
        rgb = self._reformatter.reformat(
            frame,
            width,
            height,
            kind,
            # as in players: untagged HD is BT.709, untagged SD is BT.601, which is swscale's default
            src_colorspace=Colorspace.ITU709 if untagged and frame.height >= HD_HEIGHT_PX else None,
            dst_color_range=ColorRange.JPEG,
            interpolation=Interpolation.BICUBIC,
        ).to_ndarray()
        if is_hdr:
            return tone_mapped(rgb, frame.color_trc == ColorTrc.ARIB_STD_B67)
        return _over_white(rgb) if kind == "rgba" else rgb


@cache
def _has_alpha(pixel_format: str) -> bool:
    return any(component.is_alpha for component in VideoFormat(pixel_format).components)


def _over_white(rgba: np.ndarray) -> np.ndarray:
    opacity = rgba[..., 3:].astype(np.uint16)
    return ((rgba[..., :3] * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)


def _fitted(width: Fraction, height: int, size: tuple[int, int]) -> tuple[int, int]:
    """Width and height of a frame that is scaled to fit into `size`; `size` itself where it has that shape."""
    scale = min(size[0] / width, Fraction(size[1], height))
    fitted = max(1, round(width * scale)), max(1, round(height * scale))
    return size if max(abs(a - b) for a, b in zip(fitted, size, strict=True)) <= 1 else fitted


def _between_bars(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    missing_x, missing_y = size[0] - pixels.shape[1], size[1] - pixels.shape[0]
    if not missing_x and not missing_y:
        return pixels
    bars = (missing_y // 2, missing_y - missing_y // 2), (missing_x // 2, missing_x - missing_x // 2), (0, 0)
    return np.pad(pixels, bars)


def display_size(stream: VideoStream, frame: VideoFrame, max_side_px: int | None) -> tuple[int, int]:
    """Width and height with square pixels, scaled down to `max_side_px`, before the rotation."""
    width = frame.width * (stream.sample_aspect_ratio or Fraction(1))
    scale = min(Fraction(1), max_side_px / max(width, Fraction(frame.height))) if max_side_px else Fraction(1)
    return max(1, round(width * scale)), max(1, round(frame.height * scale))


class Orientation(NamedTuple):
    """Transform that turns stored pixels upright: rows and columns swapped, then mirrored."""

    swapped: bool = False
    mirrored_x: bool = False
    mirrored_y: bool = False


def orientation_of(frame: VideoFrame) -> Orientation:
    """Read the display matrix: x' = a x + c y, y' = b x + d y, all of them 0 or of magnitude 1."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if not isinstance(matrix, SideData):
        return Orientation()
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
    if abs(b) > abs(a):
        return Orientation(True, c < 0, b < 0)
    return Orientation(False, a < 0, d < 0)


def _upright(pixels: np.ndarray, orientation: Orientation) -> Pixels:
    if orientation.swapped:
        pixels = pixels.transpose(1, 0, 2)
    if orientation.mirrored_x:
        pixels = pixels[:, ::-1]
    if orientation.mirrored_y:
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
