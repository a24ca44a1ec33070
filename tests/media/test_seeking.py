"""A part of a video that begins late is read from a key frame on, and is still that part bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from oddities import edited, film, joined, trimmed

from faceanime.core.errors import MediaError
from faceanime.media.demux import picture_stream
from faceanime.media.seeking import entry_before
from faceanime.media.video import check_start, probe_video, read_frames

RNG = np.random.default_rng(0)
WALL = RNG.integers(0, 255, (48, 64, 3), np.uint8)
FRAMES = 200


def wandering(index: int) -> np.ndarray:
    """A picture that differs from all others, and changes everywhere."""
    pixels = np.roll(WALL, (3 * index, 2 * index), (0, 1))
    pixels[:16] = 5 * index % 256
    return pixels


def made(name: str, codec: str = "libx264", begins_s: float = 0.0, **options: str) -> Callable[[Path], Path]:
    muxing = {"movflags": options.pop("movflags")} if "movflags" in options else None

    def make(folder: Path) -> Path:
        return film(
            folder / name, FRAMES, codec=codec, options={"g": "30", **options}, picture=wandering,
            picture_start_s=begins_s, container_options=muxing,
        )  # fmt: skip

    return make


SOUGHT = {
    "b-frames": made("a.mp4", bf="3"),
    "open groups": made("a.mp4", **{"x264-params": "open-gop=1:bframes=3"}),
    "intra refresh": made("a.mp4", **{"x264-params": "intra-refresh=1"}),
    "fragments": made("a.mp4", movflags="frag_keyframe+empty_moov", bf="2"),
    "indexed fragments": made("a.mp4", movflags="dash+frag_keyframe+global_sidx", bf="2"),
    "one key frame": made("a.mp4", g="1000", sc_threshold="0"),
    "matroska": made("a.mkv", bf="3"),
    "a clock that begins at an hour": made("a.mkv", "mpeg4", 3600.0, bf="2"),
    "webm": made("a.webm", "libvpx", deadline="realtime"),
    "trimmed": lambda folder: trimmed(folder / "a.mp4", 33, FRAMES, wandering, {"bf": "2", "g": "30"}),
    "two edits out of order": lambda folder: edited(made("a.mp4", bf="2")(folder), [(100, 200), (0, 80)]),
}
DECODED = {
    "two edits, one of which begins between two key frames": lambda folder: edited(
        made("a.mp4", bf="2")(folder), [(100, 180), (185, 200)]
    ),
    "transport stream": made("a.ts"),
    "joined transport streams": lambda folder: joined(
        folder / "b.ts", *2 * [film(folder / "a.ts", FRAMES // 2, options={"g": "30"}, picture=wandering)]
    ),
    "avi": made("a.avi", "mpeg4", bf="2"),
}


@pytest.mark.parametrize("kind", [*SOUGHT, *DECODED])
def test_a_late_part_is_that_of_the_whole(tmp_path: Path, kind: str) -> None:
    path = {**SOUGHT, **DECODED}[kind](tmp_path)
    whole = [frame.pixels for frame in read_frames(path)]
    assert probe_video(path).frame_rate == 25
    last_s = Fraction(len(whole) - 2, 25)
    sought = set()
    for start_s in (Fraction(3), Fraction(76, 25), Fraction(89, 25), last_s):
        part = [frame.pixels for frame in read_frames(path, start_s=float(start_s))]
        np.testing.assert_array_equal(np.stack(part), np.stack(whole[int(start_s * 25) :]))
        with av.open(str(path)) as container:
            stream = picture_stream(container)
            assert stream is not None
            sought.add(entry_before(container, stream, container.decode(stream), start_s) is not None)
    assert (True in sought) == (kind in SOUGHT)


def test_what_is_damaged_before_the_part_is_not_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = SOUGHT["b-frames"](tmp_path)
    data = bytearray(path.read_bytes())
    begin, size = data.index(b"mdat"), len(data)
    for at in range(begin + size // 10, begin + size // 4, 7):
        data[at] ^= 0x5A
    path.write_bytes(data)
    assert len(list(read_frames(path, start_s=5.0))) == FRAMES - 125
    assert not caplog.records
    assert list(read_frames(path, end_s=7.9))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".webm"])
def test_a_start_beyond_the_end_is_told_from_the_header(tmp_path: Path, suffix: str) -> None:
    path = film(tmp_path / f"a{suffix}", 50, codec="libvpx" if suffix == ".webm" else "mpeg4")
    check_start(path, 1.9)
    for start_s in (2.0, 9.0):
        with pytest.raises(
            MediaError, match=rf"cannot read .*a{suffix} from {start_s:g} s on: it ends after 2.00 s"
        ):
            check_start(path, start_s)


def test_a_start_beyond_the_end_of_a_stream_without_a_length_is_told_when_it_is_read(tmp_path: Path) -> None:
    path = film(tmp_path / "a.ts", 50)
    check_start(path, 9.0)
    with pytest.raises(MediaError, match=r"from 9 s on: it ends after 2\.00 s"):
        list(read_frames(path, start_s=9.0))


def test_only_videos_have_a_start_to_check(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    check_start(tmp_path / "a.txt", 9.0)
