"""Small files of the odd kinds that cameras, phones and editors write, made by script."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition
from recordings import HEIGHT, WIDTH, numbered

RATE_HZ = 48_000


def tone(seconds: float, rate_hz: int, layout: str, click_s: float) -> np.ndarray:
    """Silence (channels,N) int16 with a short tone that begins at `click_s`."""
    samples = np.zeros((av.AudioLayout(layout).nb_channels, int(seconds * rate_hz)), np.int16)
    start = int(click_s * rate_hz)
    samples[:, start : start + rate_hz // 50] = 28000 * np.sin(np.arange(rate_hz // 50) * 0.6)
    return samples


def add_sound(
    container: av.container.OutputContainer,
    stream: av.audio.stream.AudioStream,
    samples: np.ndarray,
    start_s: float = 0.0,
) -> None:
    """Encode samples (channels,N) int16 that begin at `start_s`."""
    rate_hz, step = stream.rate, 960
    for begin in range(0, samples.shape[1], step):
        piece = np.ascontiguousarray(samples[:, begin : begin + step].T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(piece, format="s16", layout=stream.layout.name)
        frame.sample_rate, frame.time_base = rate_hz, Fraction(1, rate_hz)
        frame.pts = begin + round(start_s * rate_hz)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def film(
    path: Path,
    frames: int = 50,
    *,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    size: tuple[int, int] = (HEIGHT, WIDTH),
    sounds: Sequence[dict[str, object]] = (),
    picture: Callable[[int], np.ndarray] | None = None,
    picture_start_s: float = 0.0,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Write `numbered` frames at 25 frames/s and sound tracks.

    A sound has codec, rate_hz, layout, click_s, seconds, start_s, is_default; all but the codec may be left out.
    """
    height, width = size
    with av.open(str(path), "w", options=container_options or {}) as container:
        video = container.add_stream(codec, rate=25, options=options or {})
        video.width, video.height, video.pix_fmt = width, height, pixel_format
        tracks = []
        for sound in sounds:
            track = container.add_stream(
                str(sound["codec"]), rate=sound.get("rate_hz", RATE_HZ), layout=sound.get("layout", "mono")
            )
            if "is_default" in sound:
                track.disposition = Disposition.default if sound["is_default"] else Disposition(0)
            tracks.append(track)
        for index in range(frames):
            pixels = numbered(index, height, width) if picture is None else picture(index)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24" if pixels.shape[2] == 3 else "rgba")
            frame.pts, frame.time_base = index + round(picture_start_s * 25), Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for sound, track in zip(sounds, tracks, strict=True):
            samples = tone(
                float(sound.get("seconds", frames / 25)),  # type: ignore[arg-type]
                track.rate,
                track.layout.name,
                float(sound.get("click_s", 0.5)),  # type: ignore[arg-type]
            )
            add_sound(container, track, samples, float(sound.get("start_s", 0.0)))  # type: ignore[arg-type]
    return path


def trimmed(
    path: Path,
    hidden: int,
    frames: int = 75,
    picture: Callable[[int], np.ndarray] | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """A film of which an edit list hides the first `hidden` frames, as after trimming without re-encoding."""
    film(
        path,
        frames,
        options=options or {"bf": "0", "g": "100"},
        picture=picture,
        container_options={"movflags": "+faststart"},
        sounds=[{"codec": "aac", "click_s": 2.0}],
    )
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        ticks = round(hidden / 25 / container.streams.video[0].time_base)
    at = data.index(b"elst")
    version_and_count, duration_ms, _ = struct.unpack(">qii", data[at + 4 : at + 20])
    assert version_and_count == 1
    data[at + 12 : at + 20] = struct.pack(">ii", duration_ms - hidden * 40, ticks)
    path.write_bytes(data)
    return path


def edited(path: Path, parts: Sequence[tuple[int, int]]) -> Path:
    """An MP4 of 25 frames/s, its header at the end, whose edit list shows some parts of it, from and to frames."""
    data = path.read_bytes()
    at = data.index(b"elst") - 4
    (size,) = struct.unpack(">I", data[at : at + 4])
    (shift,) = struct.unpack(">i", data[at + 20 : at + 24])  # the time of the first frame
    with av.open(str(path)) as container:
        ticks = round(1 / 25 / container.streams.video[0].time_base)
    edits = [struct.pack(">iiI", 40 * (to - start), shift + start * ticks, 1 << 16) for start, to in parts]
    table = b"elst" + struct.pack(">II", 0, len(parts)) + b"".join(edits)
    grown = 4 + len(table) - size
    atoms = {name: data.rindex(name, 0, at) - 4 for name in (b"moov", b"trak", b"edts")}
    changed = bytearray(data)
    for begin in atoms.values():
        (length,) = struct.unpack(">I", data[begin : begin + 4])
        changed[begin : begin + 4] = struct.pack(">I", length + grown)
    changed[at : at + size] = struct.pack(">I", 4 + len(table)) + table
    path.write_bytes(changed)
    return path


def joined(path: Path, *parts: Path) -> Path:
    """Transport streams one after the other, as `cat` joins them."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def without_packet(path: Path, source: Path, fraction: float) -> Path:
    """A transport stream that lost one of its packets of 188 bytes."""
    data = source.read_bytes()
    at = int(len(data) * fraction) // 188 * 188
    path.write_bytes(data[:at] + data[at + 188 :])
    return path


def with_unknown_sound(path: Path, source: Path) -> Path:
    """A MOV whose first sound track, of plain samples, has become one of a codec that nobody knows."""
    data = source.read_bytes()
    at = data.index(b"sowt")
    path.write_bytes(data[:at] + b"apac" + data[at + 4 :])
    return path
