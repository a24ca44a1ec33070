"""Odd videos are read with the frames, the times and the shape that a player shows."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from oddities import film, joined, trimmed, without_packet
from recordings import STEPS, number_of, numbered

from faceanime.core.errors import MediaError
from faceanime.media.video import probe_video, read_frames


def numbers(path: Path) -> list[int]:
    return [number_of(frame.pixels) for frame in read_frames(path)]


# --- edit lists --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [1, 3, 25, 60])
def test_a_trimmed_clip_shows_what_its_edit_list_leaves(tmp_path: Path, hidden: int) -> None:
    path = trimmed(tmp_path / "a.mp4", hidden)
    assert numbers(path) == [index % STEPS for index in range(hidden, 75)]
    assert probe_video(path).frame_count == 75 - hidden


@pytest.mark.parametrize("fraction", [0.5, 0.9, 0.98])
def test_a_trimmed_clip_that_is_cut_short_is_noticed(tmp_path: Path, fraction: float) -> None:
    data = trimmed(tmp_path / "a.mp4", 25).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: int(len(data) * fraction)])
    with pytest.raises(MediaError, match=r"cut short after \d+ frames \(\d+ of the 75 frames of its index"):
        numbers(tmp_path / "cut.mp4")


# --- damage ------------------------------------------------------------------------------------------------


def noisy(index: int) -> np.ndarray:
    rng = np.random.default_rng(index)
    pixels = numbered(index)
    pixels[20:] = rng.integers(0, 255, (28, 64, 3))
    return pixels


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_a_lost_packet_of_a_transport_stream_costs_a_moment(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, codec: str
) -> None:
    whole = film(tmp_path / "whole.ts", codec=codec, picture=noisy)
    caplog.clear()
    found = numbers(without_packet(tmp_path / "a.ts", whole, 0.5))
    assert abs(len(found) - 50) <= 2
    assert found[:20] == [index % STEPS for index in range(20)]
    (message,) = caplog.messages
    assert message.startswith(f"{tmp_path / 'a.ts'} is damaged (")


def test_garbled_packets_of_an_mp4_are_said_and_cost_no_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = film(tmp_path / "a.mp4", options={"bf": "0", "g": "5"}, picture=noisy)
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for at, size in packets[11:13]:
        data[at : at + size] = b"\x00" * size
    path.write_bytes(data)
    found = numbers(path)
    assert len(found) >= 47
    assert found[:10] == list(range(10))
    assert found[-20:] == [index % STEPS for index in range(30, 50)]
    (message,) = caplog.messages
    assert f"{path} is damaged" in message


def test_a_film_that_is_mostly_damaged_is_refused(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", options={"bf": "0"}, picture=noisy)
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for at, size in packets[5:45]:
        data[at : at + size] = b"\x00" * size
    path.write_bytes(data)
    with pytest.raises(MediaError, match="damaged or cut short"):
        numbers(path)


def test_an_avi_that_is_cut_short_is_noticed(tmp_path: Path) -> None:
    data = film(tmp_path / "a.avi", codec="mpeg4", picture=noisy).read_bytes()
    (tmp_path / "cut.avi").write_bytes(data[: len(data) // 2])
    with pytest.raises(MediaError, match="its header lists 50"):
        numbers(tmp_path / "cut.avi")


# --- times -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
@pytest.mark.parametrize("bidirectional", ["0", "2"])
def test_b_frames_in_an_avi_come_in_order(tmp_path: Path, codec: str, bidirectional: str) -> None:
    path = film(tmp_path / "a.avi", codec=codec, options={"bf": bidirectional, "b": "9000000"})
    assert numbers(path) == [index % STEPS for index in range(50)]


def test_joined_transport_streams_play_one_after_the_other(tmp_path: Path) -> None:
    parts = [
        film(tmp_path / "0.ts", 30),
        film(tmp_path / "1.ts", 20, picture_start_s=4000.0),
        film(tmp_path / "2.ts", 10),
    ]
    assert numbers(joined(tmp_path / "a.ts", *parts)) == [i % STEPS for n in (30, 20, 10) for i in range(n)]


def test_a_stream_that_is_entered_between_key_frames(tmp_path: Path) -> None:
    data = film(tmp_path / "whole.ts", options={"g": "20", "bf": "0"}).read_bytes()
    (tmp_path / "a.ts").write_bytes(data[len(data) // 4 // 188 * 188 :])
    found = numbers(tmp_path / "a.ts")
    assert found[0] == 20 % STEPS
    assert found == [index % STEPS for index in range(20, 50)]


def test_a_film_of_one_frame(tmp_path: Path) -> None:
    for suffix in (".mp4", ".mkv", ".avi"):
        assert numbers(film(tmp_path / f"a{suffix}", 1)) == [0]


@pytest.mark.parametrize("suffix", [".y4m", ".nut", ".ivf", ".flv", ".asf", ".mxf", ".ogv", ".mpg", ".3gp"])
def test_containers_of_every_kind(tmp_path: Path, suffix: str) -> None:
    codecs = {
        ".y4m": "rawvideo",
        ".ivf": "libvpx-vp9",
        ".mxf": "mpeg2video",
        ".mpg": "mpeg2video",
        ".ogv": "libvpx",
    }
    codec = codecs.get(suffix, "mpeg4" if suffix in {".asf", ".nut"} else "libx264")
    path = film(tmp_path / f"a{suffix}", codec=codec, size=(144, 176), frames=10)
    assert numbers(path) == list(range(10))
