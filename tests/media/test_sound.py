"""Whatever is odd about sound is found before pictures are drawn, and costs none of them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from oddities import film, joined, trimmed, with_unknown_sound, without_packet
from PIL import Image
from recordings import heard_at_s, numbered, sound_seconds

from faceanime.core.errors import Cancelled, MediaError
from faceanime.core.progress import SilentProgress
from faceanime.media.sound import find_sound
from faceanime.media.video_writer import VideoWriter

SUFFIXES = [".mp4", ".webm", ".mkv"]


def carried(source: Path, suffix: str, seconds: float = 2.0) -> Path:
    """A video with the sound of another one."""
    path = source.with_name(f"written{suffix}")
    with VideoWriter(path, Fraction(25), 64, 48, audio_from=find_sound(source)) as writer:
        for index in range(round(25 * seconds)):
            writer.write(numbered(index))
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("layouts", [("stereo", "5.1"), ("5.1", "mono"), ("mono", "stereo")])
def test_a_layout_that_changes_midway(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, suffix: str, layouts: Sequence[str]
) -> None:
    for number, layout in enumerate(layouts):
        film(tmp_path / f"{number}.ts", sounds=[{"codec": "ac3", "layout": layout, "click_s": 0.5 + number}])
    source = joined(tmp_path / "a.ts", tmp_path / "0.ts", tmp_path / "1.ts")
    out = carried(source, suffix, 4.0)
    assert abs(heard_at_s(out) - 0.5) < 0.02
    assert abs(sound_seconds(out) - 4.0) < 0.15
    assert len(clicks_s(out)) == 2
    assert abs(clicks_s(out)[1] - 3.5) < 0.06
    assert caplog.messages == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_rate_that_changes_midway(tmp_path: Path, suffix: str) -> None:
    for number, rate_hz in enumerate((32_000, 48_000)):
        film(
            tmp_path / f"{number}.ts",
            codec="mpeg2video",
            sounds=[{"codec": "mp2", "rate_hz": rate_hz, "click_s": 0.5}],
        )
    out = carried(joined(tmp_path / "a.ts", tmp_path / "0.ts", tmp_path / "1.ts"), suffix, 4.0)
    assert np.allclose(clicks_s(out), [0.5, 2.5], atol=0.08)
    with av.open(str(out)) as container:
        assert container.streams.audio[0].rate == 48_000


def clicks_s(path: Path) -> list[float]:
    """When each click begins."""
    found: list[float] = []
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono")
        for frame in container.decode(container.streams.audio[0]):
            for piece in resampler.resample(frame):
                for index in np.flatnonzero(np.abs(piece.to_ndarray()[0]) > 0.25):
                    at_s = float(piece.pts * piece.time_base) + int(index) / piece.sample_rate
                    if not found or at_s - found[-1] > 0.5:
                        found.append(at_s)
    return found


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("rate_hz", [8_000, 11_024, 18_900, 37_800, 96_000, 192_000])
def test_rates_that_encoders_do_not_know(tmp_path: Path, suffix: str, rate_hz: int) -> None:
    sound = {"codec": "pcm_s16le", "rate_hz": rate_hz}
    source = film(tmp_path / "a.avi", sounds=[sound])
    out = carried(source, suffix)
    assert abs(heard_at_s(out) - 0.5) < 0.01
    assert abs(sound_seconds(out) - 2.0) < 0.1
    if suffix == ".mp4":
        with av.open(str(out)) as container:
            written_hz = container.streams.audio[0].rate
        assert written_hz == {8_000: 8_000, 11_024: 11_025, 18_900: 22_050, 37_800: 44_100}.get(
            rate_hz, 96_000
        )


@pytest.mark.parametrize("layout", ["quad", "7.1", "hexadecagonal"])
def test_many_channels(tmp_path: Path, layout: str) -> None:
    source = film(tmp_path / "a.mkv", sounds=[{"codec": "pcm_f32le", "layout": layout, "rate_hz": 44_100}])
    out = carried(source, ".mp4")
    assert abs(heard_at_s(out) - 0.5) < 0.01
    with av.open(str(out)) as container:
        assert container.streams.audio[0].layout.name == "stereo"


def test_a_first_track_of_an_unknown_codec_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    two = [{"codec": "pcm_s16le", "click_s": 0.2}, {"codec": "aac", "click_s": 1.0}]
    source = with_unknown_sound(tmp_path / "a.mov", film(tmp_path / "known.mov", sounds=two))
    assert abs(heard_at_s(carried(source, ".mp4")) - 1.0) < 0.01
    assert caplog.messages == [f"sound of {source}: track 2 is taken (track 1: its codec is unknown)"]


def test_an_only_track_of_an_unknown_codec_costs_no_pictures(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    known = film(tmp_path / "known.mov", sounds=[{"codec": "pcm_s16le"}])
    source = with_unknown_sound(tmp_path / "a.mov", known)
    with av.open(str(carried(source, ".mp4"))) as written:
        assert not written.streams.audio
    assert caplog.messages == [f"{source} is used without its sound (track 1: its codec is unknown)"]


@pytest.mark.parametrize("default", [0, 1])
def test_the_default_track_is_taken(tmp_path: Path, default: int) -> None:
    two = [{"codec": "aac", "click_s": 0.4 + 0.8 * n, "is_default": n == default} for n in (0, 1)]
    source = film(tmp_path / "a.mkv", sounds=two)
    assert abs(heard_at_s(carried(source, ".mp4")) - (0.4 + 0.8 * default)) < 0.03


@pytest.mark.parametrize("suffix", [".webp", ".avif", ".png", ".gif"])
def test_no_sound_is_sought_in_animated_pictures(tmp_path: Path, suffix: str) -> None:
    stills = [Image.fromarray(numbered(index)) for index in range(3)]
    stills[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=stills[1:], duration=100)
    assert find_sound(tmp_path / f"a{suffix}") is None


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_packet_lost_on_the_way_costs_a_moment_of_sound(tmp_path: Path, suffix: str) -> None:
    whole = film(tmp_path / "whole.ts", sounds=[{"codec": "aac", "click_s": 1.5}])
    for fraction in np.linspace(0.3, 0.7, 7):
        out = carried(without_packet(tmp_path / "a.ts", whole, fraction), suffix)
        assert abs(heard_at_s(out) - 1.5) < 0.05
        assert abs(sound_seconds(out) - 2.0) < 0.15


def test_noise_among_the_packets_is_said_and_left_silent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = film(tmp_path / "a.mp4", sounds=[{"codec": "aac", "click_s": 1.5}])
    with av.open(str(source)) as container:
        packets = [(p.pos, p.size) for p in container.demux(audio=0) if p.size]
    data = bytearray(source.read_bytes())
    for at, size in packets[20:30]:
        data[at : at + size] = b"\xff" * size
    source.write_bytes(data)
    out = carried(source, ".mp4")
    assert abs(heard_at_s(out) - 1.5) < 0.05
    assert len(caplog.messages) == 1
    assert f"the sound of {source} is damaged" in caplog.messages[0]


def test_sound_of_a_trimmed_clip_stays_in_step(tmp_path: Path) -> None:
    source = trimmed(tmp_path / "a.mp4", hidden=25)  # the sound has no edit: its click at 2 s is not moved
    assert abs(heard_at_s(carried(source, ".mp4")) - 2.0) < 0.03


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
@pytest.mark.parametrize(("start_s", "click_s"), [(0.0, 0.5), (0.7, 1.2), (1.5, 1.8)])
def test_sound_that_starts_late(
    tmp_path: Path, suffix: str, codec: str, start_s: float, click_s: float
) -> None:
    late = {"codec": codec, "start_s": start_s, "click_s": click_s - start_s, "seconds": 2.0 - start_s}
    source = film(tmp_path / "a.mkv", sounds=[late])
    with av.open(str(source)) as container:
        shift_s = container.streams.video[0].start_time / 1000
    assert abs(heard_at_s(carried(source, suffix)) - (click_s - shift_s)) < 0.04


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("seconds", [0.1, 1.0, 5.0])
def test_sound_shorter_or_longer_than_the_pictures(tmp_path: Path, suffix: str, seconds: float) -> None:
    source = film(
        tmp_path / "a.mp4", sounds=[{"codec": "aac", "rate_hz": 8000, "seconds": seconds, "click_s": 0.05}]
    )
    out = carried(source, suffix)
    assert abs(sound_seconds(out) - min(seconds, 2.0)) < 0.3
    assert abs(heard_at_s(out) - 0.05) < 0.03


def test_time_zero_is_the_first_picture_that_can_be_decoded(tmp_path: Path) -> None:
    source = film(
        tmp_path / "whole.ts", 75, options={"g": "20", "bf": "0"}, sounds=[{"codec": "aac", "click_s": 2.0}]
    )
    late = tmp_path / "a.ts"
    data = source.read_bytes()
    late.write_bytes(data[len(data) // 4 // 188 * 188 :])  # begins between two key frames
    with av.open(str(late)) as container:
        first_s = float(next(container.decode(video=0)).pts / 90_000)
    with av.open(str(source)) as container:
        whole_s = float(next(container.decode(video=0)).pts / 90_000)
    assert first_s - whole_s > 0.3
    assert abs(heard_at_s(carried(late, ".mp4")) - (2.0 - (first_s - whole_s))) < 0.03


def test_stopping_is_noticed_while_sound_is_examined(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mp4", sounds=[{"codec": "aac"}])
    progress = SilentProgress()
    progress.cancel()
    with pytest.raises(Cancelled):
        find_sound(source, progress=progress)


@pytest.mark.parametrize(("end_s", "decoded_s"), [(Fraction(1), 1), (None, 20), (Fraction(30), 20)])
def test_no_more_of_a_sound_is_decoded_than_is_used(
    tmp_path: Path, end_s: Fraction | None, decoded_s: int
) -> None:
    source = film(tmp_path / "a.mp4", frames=5, sounds=[{"codec": "aac", "seconds": 20.0}])
    found = find_sound(source, end_s=end_s)
    assert found is not None
    assert found.ends_s == pytest.approx(decoded_s, abs=0.1)


def test_a_file_that_is_no_sound(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("hello")
    with pytest.raises(MediaError, match="not a video"):
        find_sound(tmp_path / "a.mp4")
