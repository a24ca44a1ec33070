"""The sound of a driving video, copied or encoded in sync with the new pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet

from faceanime.core.errors import MediaError
from faceanime.media.demux import open_media, picture_stream

COPIED_CODECS = {".mp4": {"aac", "mp3"}, ".mov": {"aac", "mp3"}, ".webm": {"opus", "vorbis"}}
"""Codecs that are copied into a container without encoding; for .mkv, all that it supports."""
OPUS_RATE_HZ = 48_000
"""Opus's internal sample rate (RFC 6716)."""
HIGHEST_AAC_RATE_HZ = 96_000
"""The highest sample rate that FFmpeg's AAC encoder takes."""

TimedPackets = Iterator[tuple[Fraction, Packet]]
"""Encoded packets, each with its start in s."""


class AudioTrack:
    """Writes sound into a container in step with the pictures, so that the muxer buffers little."""

    def __init__(self, packets: TimedPackets, target: OutputContainer) -> None:
        self._packets = packets
        self._target = target
        self._next = next(packets, None)

    def advance(self, until_s: Fraction) -> None:
        """Write the packets that begin before `until_s`."""
        while self._next is not None and self._next[0] < until_s:
            self._target.mux(self._next[1])
            self._next = next(self._packets, None)


@contextmanager
def carry_audio(source_path: Path, target: OutputContainer, suffix: str) -> Iterator[AudioTrack | None]:
    """Add a stream for the sound of `source_path`, if it has any, to `target`, to which nothing is written yet.

    Time 0 is the source's first picture, if it has pictures; sound before it is left out. `suffix` names the target's
    container. The sound is copied where the container supports its codec, else encoded as AAC (.webm: Opus).

    Raises: MediaError when the source cannot be read.
    """
    with open_media(source_path) as source:
        if not source.streams.audio:
            yield None
            return
        stream = source.streams.audio[0]
        zero_s = _start_s(source)
        if stream.codec.canonical_name in COPIED_CODECS.get(suffix, target.supported_codecs):
            packets = _copied(source, stream, target, zero_s)
        else:
            packets = _encoded(source, stream, target, zero_s, suffix)
        yield AudioTrack(_named_errors(source_path, packets), target)


def _start_s(source: InputContainer) -> Fraction:
    """Time of the first picture on the file's own clock."""
    stream = picture_stream(source) or source.streams.audio[0]
    return (stream.start_time or 0) * (stream.time_base or Fraction(0))


def _copied(
    source: InputContainer, stream: AudioStream, target: OutputContainer, zero_s: Fraction
) -> TimedPackets:
    output = target.add_stream_from_template(stream)

    def packets() -> TimedPackets:
        for packet in source.demux(stream):
            if packet.pts is None or packet.dts is None:  # the empty packet at the end
                continue
            shift = round(zero_s / packet.time_base)
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            if packet.pts >= 0:
                time_s = packet.pts * packet.time_base
                packet.stream = output
                yield time_s, packet

    return packets()


def _encoded(
    source: InputContainer, stream: AudioStream, target: OutputContainer, zero_s: Fraction, suffix: str
) -> TimedPackets:
    codec = "libopus" if suffix == ".webm" else "aac"
    rate_hz = OPUS_RATE_HZ if codec == "libopus" else min(stream.rate, HIGHEST_AAC_RATE_HZ)
    layout = "mono" if stream.channels == 1 else "stereo"
    output = target.add_stream(codec, rate=rate_hz, layout=layout)
    assert isinstance(output, AudioStream)

    def packets() -> TimedPackets:
        for frame in source.decode(stream):
            if frame.pts is None or frame.time_base is None:
                continue
            frame.pts -= round(zero_s / frame.time_base)
            if frame.pts >= 0:
                yield from timed(output.encode(frame))
        yield from timed(output.encode(None))

    def timed(encoded: list[Packet]) -> TimedPackets:
        for packet in encoded:
            yield (packet.pts or 0) * packet.time_base, packet

    return packets()


def _named_errors(path: Path, packets: TimedPackets) -> TimedPackets:
    try:
        yield from packets
    except FFmpegError as error:
        raise MediaError(
            f"cannot read the sound of {path}: damaged or cut short ({error.strerror})"
        ) from error
