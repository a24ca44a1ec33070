"""The sound of a video or sound file, found and examined before anything is drawn."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError

from faceanime.core.progress import Progress, SilentProgress, check_cancelled
from faceanime.media.animation import is_animated_picture
from faceanime.media.demux import SteadyClock, open_media, picture_stream, sound_streams
from faceanime.media.image import is_image_file

GAP_S = Fraction(4, 100)
"""Gap or overlap in s between pieces of sound that counts as rounding of time stamps; viewers notice an offset from the
pictures from 45 ms on (ITU-R BT.1359-1)."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sound:
    """A sound track of which all that is used was decoded, so that carrying it over holds no surprises."""

    path: Path
    track: int
    """Index of the stream in its file."""
    zero_s: Fraction
    """Time in s on the file's clock that becomes time 0."""
    rate_hz: int
    """The highest sample rate of the decoded track."""
    channels: int
    """The largest number of channels of the decoded track."""
    is_uniform: bool
    """Whether it is whole, without gaps, and of one layout, rate and format throughout."""
    ends_s: Fraction
    """Time in s, counted from time 0, at which what was decoded of it ends."""


def find_sound(
    path: Path,
    start_s: Fraction = Fraction(0),
    end_s: Fraction | None = None,
    progress: Progress | None = None,
) -> Sound | None:
    """Examine the sound of a file by decoding it, up to `end_s`; None where there is none that can be used.

    Time 0 of the sound is `start_s` after the file's first picture, or after the first sound where it has no pictures;
    `end_s` is counted as `start_s` is.
    The file's default track is taken, or else the first that can be decoded. Warnings say what is wrong.

    Raises: MediaError when the file itself cannot be read; Cancelled.
    """
    if is_animated_picture(path) or is_image_file(path):
        return None
    with open_media(path) as source:
        tracks = [stream.index for stream in sound_streams(source)]
        picture_s = _first_picture_s(source) if tracks else None
    faults: list[str] = []
    for track in tracks:
        with open_media(path) as source:
            stream = source.streams[track]
            if not isinstance(stream, AudioStream) or stream.codec_context is None:
                faults.append(f"track {track}: its codec is unknown")
                continue
            heard = _Heard()
            heard.listen(source, stream, picture_s, (start_s, end_s), progress or SilentProgress())
        if heard.fault is not None:
            faults.append(f"track {track}: {heard.fault}")
            continue
        if faults:
            log.warning("sound of %s: track %d is taken (%s)", path, track, "; ".join(faults))
        if heard.damaged:
            log.warning("the sound of %s is damaged: %d of its packets are silent", path, heard.damaged)
        zero_s = start_s + (heard.first_s if picture_s is None else picture_s)
        return Sound(
            path, track, zero_s, heard.rate_hz, heard.channels, heard.is_uniform, heard.until_s - zero_s
        )
    if faults:
        log.warning("%s is used without its sound (%s)", path, "; ".join(faults))
    return None


def decoded_sound(
    source: InputContainer, stream: AudioStream, on_damage: Callable[[], None] = lambda: None
) -> Iterator[tuple[Fraction, AudioFrame]]:
    """Yield a track's frames, each with its time in s; `on_damage` is called for each packet that is left out."""
    clock = SteadyClock(source)
    try:
        for packet in source.demux(stream):
            try:
                frames = packet.decode()
            except FFmpegError:
                on_damage()
                continue
            for frame in frames:
                yield clock.time_of(frame, Fraction(frame.samples, frame.sample_rate)), frame
    except FFmpegError:  # the rest of the file cannot be read
        on_damage()


class _Heard:
    """What is found by decoding a track."""

    def __init__(self) -> None:
        self.first_s, self.until_s = Fraction(0), Fraction(0)
        self.rate_hz = self.channels = self.damaged = 0
        self._format: tuple[str, str, int] | None = None
        self._changes, self._unmixed = 0, ""

    def listen(
        self,
        source: InputContainer,
        stream: AudioStream,
        zero_s: Fraction | None,
        part_s: tuple[Fraction, Fraction | None],
        progress: Progress,
    ) -> None:
        """Decode the track, and examine the part of it that is used. Raises Cancelled.

        Begin and end of the part are counted from `zero_s`, by default from the track's own begin.
        """
        begin_s, end_s = part_s
        for start_s, frame in decoded_sound(source, stream, self._count_damage):
            check_cancelled(progress)
            zero_s = start_s if zero_s is None else zero_s
            if end_s is not None and self._format is not None and start_s - zero_s > end_s:
                return
            if start_s - zero_s < begin_s:  # what was wrong before the part does not matter
                self.damaged = self._changes = 0
            found = frame.layout.name, frame.format.name, frame.sample_rate
            if found != self._format and not _can_be_mixed(frame):
                self._unmixed = frame.layout.name
            if self._format is None:
                self.first_s = start_s
            elif found != self._format or frame.pts is None or abs(start_s - self.until_s) > GAP_S:
                self._changes += 1
            self._format, self.until_s = found, start_s + Fraction(frame.samples, frame.sample_rate)
            self.rate_hz = max(self.rate_hz, frame.sample_rate)
            self.channels = max(self.channels, frame.layout.nb_channels)

    @property
    def is_uniform(self) -> bool:
        """See `Sound.is_uniform`."""
        return not (self.damaged or self._changes)

    @property
    def fault(self) -> str | None:
        """Why the track cannot be used."""
        if self._format is None:
            return "nothing of it can be decoded"
        return f"its layout {self._unmixed} cannot be mixed down" if self._unmixed else None

    def _count_damage(self) -> None:
        self.damaged += 1


def _can_be_mixed(frame: AudioFrame) -> bool:
    """Whether there is a way from the frame's layout to stereo."""
    try:
        AudioResampler("fltp", "stereo", frame.sample_rate).resample(frame)
    except (FFmpegError, ValueError):
        return False
    return True


def _first_picture_s(source: InputContainer) -> Fraction | None:
    """Time of the first picture that can be decoded, on the file's clock; None without pictures.

    A stream that was cut may begin with pictures that cannot be decoded, so that its own start is too early.
    """
    stream = picture_stream(source)
    if stream is None or stream.codec_context is None:
        return None
    if source.format.name == "avi":  # its frames come out of the decoder later than they are shown
        return (stream.start_time or 0) * (stream.time_base or Fraction(0))
    try:
        for packet in source.demux(stream):
            with suppress(FFmpegError):
                for frame in packet.decode():
                    return SteadyClock(source).time_of(frame, Fraction(0))
    except FFmpegError:
        pass
    return None
