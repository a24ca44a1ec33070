"""Sound written into a video in step with its pictures: copied as it is, or decoded, put on one clock, and encoded."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.codec import Codec
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from jaxtyping import Float

from faceanime.core.files import DISK_FULL
from faceanime.media.demux import open_media
from faceanime.media.sound import GAP_S, Sound, decoded_sound

COPIED_CODECS = {
    ".mp4": {"aac", "mp3"},
    ".mov": {"aac", "mp3"},
    ".webm": {"opus", "vorbis"},
    ".mkv": {"aac", "mp3", "mp2", "opus", "vorbis", "flac", "alac", "ac3", "eac3", "dts", "pcm_s16le"},
}
"""Codecs that are copied into a container without encoding, where the track is uniform."""
LEAST_MP3_RATE_HZ = 16_000
"""The lowest sample rate of the MP3 that MP4 holds (ISO/IEC 11172-3 and 13818-3; 2.5 is no standard)."""
SILENCE = 4_800
"""Samples of silence that are written at once; chosen by eye."""

OPUS_RATE_HZ = 48_000
"""Opus's internal sample rate (RFC 6716)."""

Samples = Float[np.ndarray, "channels _"]
TimedPackets = Iterator[tuple[Fraction, Packet]]
"""Encoded packets, each with its start in s."""

log = logging.getLogger(__name__)


class AudioTrack:
    """Writes sound into a container in step with the pictures, so that the muxer buffers little.

    Sound that fails is given up with a warning, since it must not cost the pictures.
    """

    def __init__(self, packets: TimedPackets, target: OutputContainer, sound: Sound) -> None:
        self._packets, self._target, self._sound = packets, target, sound
        self._next: tuple[Fraction, Packet] | None = None
        self._is_over = False

    def advance(self, until_s: Fraction) -> None:
        """Write the packets that begin before `until_s`."""
        try:
            while not self._is_over:
                self._next = self._next or next(self._packets, None)
                self._is_over = self._next is None
                if self._next is None or self._next[0] >= until_s:
                    return
                self._target.mux(self._next[1])
                self._next = None
        except FFmpegError as error:
            if error.errno in DISK_FULL:
                raise
            self._is_over = True
            log.warning("the sound of %s ends before the pictures do (%s)", self._sound.path, error.strerror)


@contextmanager
def carry_audio(sound: Sound, target: OutputContainer, suffix: str) -> Iterator[AudioTrack]:
    """Add a stream for `sound` to `target`, to which nothing is written yet; sound before time 0 is left out.

    `suffix` names the target's container. A uniform track of a codec that the container supports is copied; another one
    is encoded as AAC (.webm: Opus), in mono or stereo, at a rate that the encoder takes, gaps filled with silence.

    Raises: MediaError when the source cannot be read any more.
    """
    with open_media(sound.path) as source:
        stream = source.streams[sound.track]
        assert isinstance(stream, AudioStream)
        packets = (_copied if _is_copied(stream, sound, suffix) else _encoded)(
            source, stream, target, sound, suffix
        )
        yield AudioTrack(packets, target, sound)


def _is_copied(stream: AudioStream, sound: Sound, suffix: str) -> bool:
    codec = stream.codec.canonical_name
    if codec == "mp3" and suffix in {".mp4", ".mov"} and sound.rate_hz < LEAST_MP3_RATE_HZ:
        return False
    return sound.is_uniform and codec in COPIED_CODECS[suffix]


def _copied(
    source: InputContainer, stream: AudioStream, target: OutputContainer, sound: Sound, suffix: str
) -> TimedPackets:
    output = target.add_stream_from_template(stream)

    def packets() -> TimedPackets:
        for packet in source.demux(stream):
            if packet.pts is None or packet.dts is None:  # the empty packet at the end
                continue
            shift = round(sound.zero_s / packet.time_base)
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            if packet.pts >= 0:
                time_s = packet.pts * packet.time_base
                packet.stream = output
                yield time_s, packet

    return packets()


def _encoded(
    source: InputContainer, stream: AudioStream, target: OutputContainer, sound: Sound, suffix: str
) -> TimedPackets:
    codec = "libopus" if suffix == ".webm" else "aac"
    rate_hz = _rate_of_encoder(codec, sound.rate_hz)
    layout = "mono" if sound.channels == 1 else "stereo"
    output = target.add_stream(codec, rate=rate_hz, layout=layout)
    assert isinstance(output, AudioStream)

    def packets() -> TimedPackets:
        pieces = _resampled(source, stream, rate_hz, layout)
        for begin, samples in _without_gaps(pieces, sound.zero_s, rate_hz):
            frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=layout)
            frame.sample_rate, frame.time_base, frame.pts = rate_hz, Fraction(1, rate_hz), begin
            yield from timed(output.encode(frame))
        yield from timed(output.encode(None))

    def timed(encoded: list[Packet]) -> TimedPackets:
        for packet in encoded:
            yield (packet.pts or 0) * packet.time_base, packet

    return packets()


def _rate_of_encoder(codec: str, rate_hz: int) -> int:
    """The encoder's lowest sample rate that keeps all of the sound, or else its highest; Opus works at one."""
    rates_hz = [OPUS_RATE_HZ] if codec == "libopus" else sorted(Codec(codec, "w").audio_rates or [rate_hz])
    return next((rate for rate in rates_hz if rate >= rate_hz), rates_hz[-1])


def _resampled(
    source: InputContainer, stream: AudioStream, rate_hz: int, layout: str
) -> Iterator[tuple[Fraction, Samples]]:
    """Yield pieces of one rate and layout, each with its time in s, of a track that may change both midway."""
    resampler: AudioResampler | None = None
    format_before: tuple[str, str, int] | None = None
    for start_s, frame in decoded_sound(source, stream):
        found = frame.layout.name, frame.format.name, frame.sample_rate
        ready = []
        if resampler is None or found != format_before:
            ready = [] if resampler is None else resampler.resample(None)
            resampler, format_before = AudioResampler("fltp", layout, rate_hz), found
        frame.time_base = Fraction(1, frame.sample_rate)
        frame.pts = round(start_s * frame.sample_rate)
        for piece in [*ready, *resampler.resample(frame)]:
            yield Fraction(piece.pts or 0, rate_hz), np.asarray(piece.to_ndarray(), np.float32)
    for piece in [] if resampler is None else resampler.resample(None):
        yield Fraction(piece.pts or 0, rate_hz), np.asarray(piece.to_ndarray(), np.float32)


def _without_gaps(
    pieces: Iterator[tuple[Fraction, Samples]], zero_s: Fraction, rate_hz: int
) -> Iterator[tuple[int, Samples]]:
    """Yield pieces that follow each other, each with the number of its first sample, the first of all 0.

    Gaps become silence; what comes before time 0, or twice, is left out.
    """
    written = 0
    for start_s, samples in pieces:
        begin = round((start_s - zero_s) * rate_hz)
        if written and abs(begin - written) <= GAP_S * rate_hz:
            begin = written
        while written < begin:
            silence = np.zeros((len(samples), min(begin - written, SILENCE)), np.float32)
            yield written, silence
            written += silence.shape[1]
        new = samples[:, written - begin :]
        if new.shape[1]:
            yield written, new
            written += new.shape[1]
