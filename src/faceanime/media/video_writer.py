"""Writing videos frame by frame: H.264, HEVC, AV1, VP9, ProRes, GIF, animated WebP or a folder of PNGs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Protocol, runtime_checkable

import av
import numpy as np
from av.codec.codec import UnknownCodecError
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, VideoReformatter
from av.video.stream import VideoStream
from PIL import Image

from faceanime.core.errors import OutputError, ShapeError, check_shape
from faceanime.core.files import DISK_FULL, atomic_output
from faceanime.media.audio import AudioTrack, carry_audio
from faceanime.media.sound import Sound, find_sound
from faceanime.media.video_output import Codec, VideoOutput, video_output
from faceanime.structures.frames import Pixels

GIF_HIGHEST_RATE = Fraction(50)
"""Frames per second; browsers play faster GIFs at 10 frames per second."""
PALETTE_COLORS = 256
"""Colors of a GIF's palette, as many as the format has."""


LEAST_HEVC_SIDE_PX = 64
"""x265 corrupts memory with some smaller pictures (36x20 px, for one)."""


class Encoding(NamedTuple):
    """Encoder, its pixel format and options; `quality` is the name and default of the option that sets the quality."""

    encoder: str
    pixel_format: str
    options: dict[str, str]
    quality: tuple[str, int] | None = None
    needs_even_sides: bool = True


ENCODINGS: dict[Codec, Encoding] = {
    "h264": Encoding("libx264", "yuv420p", {"preset": "veryfast"}, ("crf", 18)),
    "hevc": Encoding("libx265", "yuv420p", {"preset": "fast", "x265-params": "log-level=error"}, ("crf", 20)),
    "av1": Encoding("libsvtav1", "yuv420p", {"preset": "8"}, ("crf", 26)),
    "vp9": Encoding(
        "libvpx-vp9",
        "yuv420p",
        {"deadline": "realtime", "cpu-used": "7", "row-mt": "1", "b": "0"},
        ("crf", 28),
        needs_even_sides=False,
    ),
    "prores": Encoding("prores_ks", "yuv422p10le", {"profile": "hq", "vendor": "apl0"}),
}
"""The encoders of the codecs; default qualities look alike, chosen by eye."""
GIF = Encoding("gif", "pal8", {}, needs_even_sides=False)
WEBP = Encoding("libwebp_anim", "bgra", {"compression_level": "2"}, ("quality", 82), needs_even_sides=False)
CONTAINER_OPTIONS = {
    ".mp4": {"movflags": "+faststart"},
    ".mov": {"movflags": "+faststart"},
    ".gif": {"loop": "0"},
    ".webp": {"loop": "0"},
}


class VideoWriter:
    """Context manager that writes a video frame by frame, in constant memory, completely or not at all.

    The suffix of `path` selects the format: .mp4, .mov, .mkv (H.264), .webm (VP9), .gif (256 colors per frame, at
    most 50 frames/s), .webp (animated). A name without suffix is a new folder of 000001.png and so on. `codec` selects
    another one that the container can hold (`CODECS`). All codecs but VP9 need even sides: the last row or column of an
    odd size is repeated once.

    `audio_from` is a file whose sound is added, or its sound as `find_sound` returned it, if there is any and the
    format can hold it, cut to the length of the pictures. `crf` is the codec's own scale of quality: 0 (best) to 51
    (h264, hevc) or 63 (av1, vp9).

    Raises: OutputError, RangeError at once for a suffix, codec or crf that does not fit; OutputError on entering,
    writing and leaving when the file cannot be written; ShapeError for a frame of another size. A block that ends by an
    exception leaves no output, and an older file untouched.
    """

    def __init__(
        self,
        path: Path,
        frame_rate: Fraction,
        width_px: int,
        height_px: int,
        *,
        audio_from: Path | Sound | None = None,
        codec: Codec | None = None,
        crf: int | None = None,
    ) -> None:
        output = video_output(path, codec, crf)
        self.path, self.is_folder = output.path, output.is_folder
        self._size = (height_px, width_px)
        self._count = 0
        self._opened: AbstractContextManager[Sink] = (
            _open_folder(self.path)
            if self.is_folder
            else _open_file(output, frame_rate, width_px, height_px, audio_from, crf)
        )

    def __enter__(self) -> VideoWriter:
        self._sink = self._opened.__enter__()
        return self

    def write(self, pixels: Pixels) -> None:
        """Append a frame (H,W,3) uint8 sRGB."""
        check_shape("pixels", pixels, *self._size, 3)
        if pixels.dtype != np.uint8:
            raise ShapeError(f"pixels is {pixels.dtype}, expected uint8")
        self._sink.add(self._count, pixels)
        self._count += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None or self._count > 0:
            self._opened.__exit__(kind, error, trace)
            return
        empty = OutputError(f"cannot write {self.path}: there was no frame to write")
        self._opened.__exit__(OutputError, empty, None)
        raise empty


@runtime_checkable
class Sink(Protocol):
    """Destination of the frames."""

    def add(self, index: int, pixels: Pixels) -> None:
        """Append frame number `index`."""


class FolderSink:
    """Writes 000001.png, 000002.png and so on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, index: int, pixels: Pixels) -> None:
        """Write the frame as a PNG."""
        # the fastest level: four times as fast as the default, files a tenth larger
        Image.fromarray(pixels).save(self._folder / f"{index + 1:06d}.png", compress_level=1)


class EncoderSink:
    """Encodes frames and sound into a container."""

    def __init__(
        self, container: OutputContainer, stream: VideoStream, frame_rate: Fraction, audio: AudioTrack | None
    ) -> None:
        self._container = container
        self._stream = stream
        self._source_rate = frame_rate
        self._rate = Fraction(stream.codec_context.framerate)
        self._audio = audio
        self._next_pts = 0
        self._reformatter = VideoReformatter()

    def add(self, index: int, pixels: Pixels) -> None:
        """Encode the frame, unless the format's highest rate leaves it out."""
        if index / self._source_rate < self._next_pts / self._rate:
            return  # above the format's highest rate: dropped
        frame = self._to_frame(pixels)
        frame.pts, frame.time_base = self._next_pts, 1 / self._rate
        self._next_pts += 1
        self._container.mux(self._stream.encode(frame))
        if self._audio:
            self._audio.advance(self._next_pts / self._rate)

    def finish(self) -> None:
        """Flush the encoder."""
        self._container.mux(self._stream.encode(None))

    def _to_frame(self, pixels: Pixels) -> VideoFrame:
        if self._stream.pix_fmt == "pal8":
            return _to_palette(pixels)
        missing = (self._stream.height - pixels.shape[0], self._stream.width - pixels.shape[1])
        if any(missing):
            pixels = np.pad(pixels, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        if self._stream.pix_fmt == "bgra":
            return self._reformatter.reformat(frame, format="bgra")
        return self._reformatter.reformat(
            frame,
            format=self._stream.pix_fmt,
            dst_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
        )


@contextmanager
def _open_folder(path: Path) -> Iterator[FolderSink]:
    with atomic_output(path, folder=True) as temporary:
        yield FolderSink(temporary)


@contextmanager
def _open_file(
    output: VideoOutput,
    frame_rate: Fraction,
    width_px: int,
    height_px: int,
    audio_from: Path | Sound | None,
    crf: int | None,
) -> Iterator[EncoderSink]:
    path, suffix = output.path, output.path.suffix.lower()
    if output.codec == "hevc" and min(width_px, height_px) < LEAST_HEVC_SIDE_PX:
        raise OutputError(
            f"cannot write {path} as hevc: {width_px}x{height_px} px, expected sides of {LEAST_HEVC_SIDE_PX} px or more"
        )
    sound = audio_from if output.has_sound else None
    sound = find_sound(sound) if isinstance(sound, Path) else sound
    if output.codec == "av1":
        os.environ.setdefault("SVT_LOG", "1")  # its encoder, which reads no other setting, prints errors only
    with atomic_output(path) as temporary, _named_errors(path):
        container = av.open(str(temporary.absolute()), "w", options=CONTAINER_OPTIONS.get(suffix, {}))
        try:
            stream = _add_stream(container, output, frame_rate, width_px, height_px, crf)
            with carry_audio(sound, container, suffix) if sound else nullcontext() as audio:
                sink = EncoderSink(container, stream, frame_rate, audio)
                yield sink
                sink.finish()
                container.close()
        finally:
            with suppress(FFmpegError):  # already closed, or another error is on its way
                container.close()


def _add_stream(
    container: OutputContainer,
    output: VideoOutput,
    frame_rate: Fraction,
    width_px: int,
    height_px: int,
    crf: int | None,
) -> VideoStream:
    """Add the stream of pictures. Raises OutputError where this build of FFmpeg lacks the encoder."""
    suffix = output.path.suffix.lower()
    encoding = ENCODINGS[output.codec] if output.codec else {".gif": GIF, ".webp": WEBP}[suffix]
    rate = min(frame_rate, GIF_HIGHEST_RATE) if encoding is GIF else frame_rate
    options = dict(encoding.options)
    if encoding.quality is not None:
        name, default = encoding.quality
        options[name] = str(default if crf is None else crf)
    try:
        stream = container.add_stream(encoding.encoder, rate=rate, options=options)
    except UnknownCodecError as error:
        raise OutputError(
            f"cannot write {output.path}: this FFmpeg has no encoder {encoding.encoder}; choose another codec"
        ) from error
    assert isinstance(stream, VideoStream)
    stream.width = width_px + (width_px % 2 if encoding.needs_even_sides else 0)
    stream.height = height_px + (height_px % 2 if encoding.needs_even_sides else 0)
    stream.pix_fmt = encoding.pixel_format
    if output.codec is not None:
        stream.colorspace = Colorspace.ITU709
        stream.color_range = ColorRange.MPEG
        stream.color_primaries = ColorPrimaries.BT709
        stream.color_trc = ColorTrc.BT709
    if output.codec == "hevc" and suffix != ".mkv":
        stream.codec_context.codec_tag = "hvc1"  # Apple's players take no other
    return stream


def _to_palette(pixels: Pixels) -> VideoFrame:
    """A dithered frame with its own palette of 256 colors; one palette for all frames would need them all first."""
    image = Image.fromarray(pixels)
    palette = image.quantize(PALETTE_COLORS, method=Image.Quantize.FASTOCTREE)
    dithered = image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    colors = np.full((PALETTE_COLORS, 4), 255, np.uint8)
    rgb = np.array(dithered.getpalette(), np.uint8).reshape(-1, 3)
    colors[: len(rgb), 1:] = rgb
    indexed = np.asarray(dithered), colors
    return VideoFrame.from_ndarray(indexed, format="pal8")  # type: ignore[arg-type]  # a pair, for pal8 only


@contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except FFmpegError as error:
        if error.errno in DISK_FULL:
            raise  # `atomic_output` words it
        raise OutputError(f"cannot write {path}: the encoder failed ({error.strerror})") from error
