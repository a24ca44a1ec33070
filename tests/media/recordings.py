"""Recordings made for the tests, with known pictures, times and sounds."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

WIDTH, HEIGHT = 64, 48
LEFT, RIGHT = (200, 40, 90), (20, 180, 60)
STEPS = 16  # brightness levels that survive coding


def numbered(index: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Two flat colors, and a grey bar on top whose level tells `index` modulo `STEPS`."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:, : width // 2], pixels[:, width // 2 :] = LEFT, RIGHT
    pixels[: height // 3] = 8 + 16 * (index % STEPS)
    return pixels


def number_of(pixels: np.ndarray) -> int:
    """The number that `numbered` was given, modulo `STEPS`."""
    bar = pixels[: pixels.shape[0] // 4].mean()
    return round((float(bar) - 8) / 16)


def record(
    path: Path,
    *,
    pts: Sequence[int] = tuple(range(25)),
    tick_s: Fraction = Fraction(1, 25),
    rotation: tuple[float, bool] | None = None,
    codec: str = "libx264",
    sound: str | None = None,
    click_s: float = 0.5,
) -> Path:
    """Write a video whose frame i, `numbered(i)`, appears at `pts[i] * tick_s`; as sound, a click."""
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=1 / tick_s)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.codec_context.time_base = tick_s
        if rotation:
            video.set_display_rotation(rotation[0], hflip=rotation[1])
        voice = container.add_stream(sound, rate=48000, layout="mono") if sound else None
        for index, at in enumerate(pts):
            frame = av.VideoFrame.from_ndarray(numbered(index), format="rgb24")
            frame.pts, frame.time_base = at, tick_s
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if voice:
            for frame in click(float(pts[-1] * tick_s), click_s):
                container.mux(voice.encode(frame))
            container.mux(voice.encode(None))
    return path


def click(seconds: float, click_s: float, rate_hz: int = 48000) -> list[av.AudioFrame]:
    """Silence with a short tone that begins at `click_s`."""
    samples = np.zeros((1, int(seconds * rate_hz)), np.int16)
    start = int(click_s * rate_hz)
    samples[0, start : start + 400] = 28000 * np.sin(np.arange(400) * 0.6)
    frames = []
    for begin in range(0, samples.shape[1], 960):
        frame = av.AudioFrame.from_ndarray(samples[:, begin : begin + 960], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate_hz, begin, Fraction(1, rate_hz)
        frames.append(frame)
    return frames


def heard_at_s(path: Path) -> float:
    """When the click is heard, counted from the first picture."""
    with av.open(str(path)) as container:
        audio, video = container.streams.audio[0], container.streams.video[0]
        resampler = av.AudioResampler(format="flt", layout="mono")
        for frame in container.decode(audio):
            for piece in resampler.resample(frame):
                loud = np.abs(piece.to_ndarray()[0]) > 0.3
                if loud.any():
                    begin = piece.pts * piece.time_base - video.start_time * video.time_base
                    return float(begin) + int(np.argmax(loud)) / piece.sample_rate
    raise AssertionError(f"no click in {path}")


def sound_seconds(path: Path) -> float:
    """How long the sound is."""
    with av.open(str(path)) as container:
        return sum(
            frame.samples / frame.sample_rate for frame in container.decode(container.streams.audio[0])
        )
