from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image
from recordings import HEIGHT, LEFT, RIGHT, STEPS, WIDTH, click, number_of, numbered, record

from faceanime.core.errors import MediaError
from faceanime.media.image import write_image
from faceanime.media.video import nearest_rate, probe_video, read_frames
from faceanime.media.video_writer import VideoWriter
from faceanime.structures.frames import Frame

NTSC = Fraction(30000, 1001)


def numbers(frames: Iterator[Frame]) -> list[int]:
    return [number_of(frame.pixels) for frame in frames]


def wrapped(indices: list[int]) -> list[int]:
    return [index % STEPS for index in indices]


@pytest.mark.parametrize("rate", [Fraction(25), NTSC, Fraction(24000, 1001), Fraction(60), Fraction(25, 2)])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_constant_rate_is_exact_and_each_frame_comes_once(
    tmp_path: Path, rate: Fraction, suffix: str
) -> None:
    path = record(tmp_path / f"a{suffix}", pts=range(40), tick_s=1 / rate)
    info = probe_video(path)
    assert (info.width_px, info.height_px) == (WIDTH, HEIGHT)
    assert info.frame_rate == rate
    assert info.frame_count == 40
    frames = list(read_frames(path))
    assert [frame.time_s for frame in frames] == [index / rate for index in range(40)]
    assert numbers(iter(frames)) == wrapped(list(range(40)))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (Fraction(2997, 100), NTSC),
        (Fraction(30001, 1000), Fraction(30)),
        (Fraction(29971, 1000), NTSC),
        (Fraction(1493, 50), Fraction(1493, 50)),
        (Fraction(1, 3), Fraction(1, 3)),
        (Fraction(25), Fraction(25)),
    ],
)
def test_rates_close_to_a_common_one_become_it(found: Fraction, expected: Fraction) -> None:
    assert nearest_rate(found) == expected


def test_varying_rate_keeps_time(tmp_path: Path) -> None:
    ticks_of_10_ms = [0, 4, 8, 20, 24, 28, 29, 30, 60, 64, 100, 104, 108, 112]
    path = record(tmp_path / "a.mp4", pts=ticks_of_10_ms, tick_s=Fraction(1, 100))
    rate = probe_video(path).frame_rate
    shown = list(read_frames(path, frame_rate=Fraction(100)))
    for frame in shown:
        last = max(i for i, at in enumerate(ticks_of_10_ms) if at <= frame.time_s * 100)
        assert number_of(frame.pixels) == last
    assert 112 <= len(shown) <= 121
    resampled = list(read_frames(path))
    assert all(b.time_s - a.time_s == 1 / rate for a, b in pairwise(resampled))
    for frame in resampled:
        appeared = Fraction(ticks_of_10_ms[number_of(frame.pixels)], 100)
        assert appeared - frame.time_s <= 1 / (2 * rate)


@pytest.mark.parametrize("rate", [Fraction(15), Fraction(60), Fraction(24)])
def test_asked_rate(tmp_path: Path, rate: Fraction) -> None:
    path = record(tmp_path / "a.mp4", pts=range(30), tick_s=Fraction(1, 30))
    frames = list(read_frames(path, frame_rate=rate))
    assert len(frames) == rate
    if rate != 24:
        assert numbers(iter(frames)) == wrapped([int(frame.time_s * 30) for frame in frames])


def test_start_offset_is_removed(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mkv", pts=range(10, 35))
    frames = list(read_frames(path))
    assert frames[0].time_s == 0
    assert numbers(iter(frames)) == wrapped(list(range(25)))


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_rotation_and_mirror_are_obeyed(tmp_path: Path, angle: int, mirrored: bool) -> None:
    path = record(tmp_path / "a.mp4", pts=range(3), rotation=(angle, mirrored))
    upright = np.rot90(numbered(0), angle // 90)
    if mirrored:
        upright = upright[:, ::-1]
    info, frame = probe_video(path), next(read_frames(path))
    assert (info.height_px, info.width_px) == upright.shape[:2] == frame.pixels.shape[:2]
    assert np.abs(frame.pixels.astype(int) - upright).mean() < 4


def test_scaled_down_keeps_the_aspect(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", pts=range(3), rotation=(90, False))
    frame = next(read_frames(path, max_side_px=32))
    assert frame.pixels.shape == (32, 24, 3)
    assert next(read_frames(path, max_side_px=1000)).pixels.shape == (64, 48, 3)


def test_pixels_that_are_not_square_are_widened(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(3, 2)
        frame = av.VideoFrame.from_ndarray(numbered(0), format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert probe_video(path).width_px == 96
    assert next(read_frames(path)).pixels.shape == (48, 96, 3)


@pytest.mark.parametrize("space", [Colorspace.ITU709, Colorspace.ITU601])
@pytest.mark.parametrize("value_range", [ColorRange.MPEG, ColorRange.JPEG])
def test_color_space_and_range_are_obeyed(tmp_path: Path, space: Colorspace, value_range: ColorRange) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "4"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.color_range = value_range
        stream.colorspace = 1 if space == Colorspace.ITU709 else 6
        frame = av.VideoFrame.from_ndarray(numbered(0), format="rgb24").reformat(
            format="yuv420p",
            dst_colorspace=space,
            src_color_range=ColorRange.JPEG,
            dst_color_range=value_range,
        )
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    pixels = next(read_frames(path)).pixels
    assert np.abs(pixels[30, 12].astype(int) - LEFT).max() <= 4
    assert np.abs(pixels[30, 52].astype(int) - RIGHT).max() <= 4


def test_animated_pictures_are_videos(tmp_path: Path) -> None:
    stills = [Image.fromarray(numbered(index)) for index in range(10)]
    for suffix in (".gif", ".webp", ".png"):
        path = tmp_path / f"a{suffix}"
        stills[0].save(path, save_all=True, append_images=stills[1:], duration=100, lossless=True)
        assert probe_video(path).frame_rate == 10
        assert numbers(read_frames(path)) == list(range(10))
        assert next(read_frames(path, max_side_px=32)).pixels.shape == (24, 32, 3)


def cut(path: Path, fraction: float) -> Path:
    """A copy that ends early."""
    data = path.read_bytes()
    short = path.with_stem("cut")
    short.write_bytes(data[: int(len(data) * fraction)])
    return short


def noise(path: Path) -> Path:
    rng = np.random.default_rng(0)
    with VideoWriter(path, Fraction(25), WIDTH, HEIGHT) as writer:
        for _ in range(30):
            writer.write(rng.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8))
    return path


@pytest.mark.parametrize("fraction", [0.01, 0.3, 0.7, 0.95])
def test_cut_mp4_says_after_how_many_frames(tmp_path: Path, fraction: float) -> None:
    short = cut(noise(tmp_path / "a.mp4"), fraction)
    with pytest.raises(MediaError, match=r"cut short after \d+ frames|cut short \(End") as caught:
        list(read_frames(short))
    assert str(short) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".gif", ".webp"])
@pytest.mark.parametrize("fraction", [0, 0.001, 0.01, 0.5, 0.99])
def test_cut_files_end_or_give_a_media_error(tmp_path: Path, suffix: str, fraction: float) -> None:
    short = cut(noise(tmp_path / f"a{suffix}"), fraction)
    with suppress(MediaError):  # which it may be, and nothing else
        assert 0 < len(list(read_frames(short))) <= 30


def test_mp4_without_its_index(tmp_path: Path) -> None:
    short = cut(record(tmp_path / "a.mp4"), 0.5)  # `record` puts the index at the end
    for read in (probe_video, lambda path: next(read_frames(path))):
        with pytest.raises(MediaError, match="cut short"):
            read(short)


def test_what_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("hello\n" * 50)
    (tmp_path / "list.mp4").write_text("#EXTM3U\n#EXTINF:10,\nother.mp4\n")
    (tmp_path / "folder.mp4").mkdir()
    for name, words in {
        "none.mp4": "no such file",
        "folder.mp4": "it is a folder",
        "text.mp4": "not a video",
        "list.mp4": "not a video",
    }.items():
        with pytest.raises(MediaError, match=words):
            probe_video(tmp_path / name)


@pytest.mark.parametrize("suffix", [".m4a", ".wav", ".mp3"])
def test_sound_alone_is_no_video(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    codec = {".m4a": "aac", ".wav": "pcm_s16le", ".mp3": "libmp3lame"}[suffix]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=48000, layout="mono")
        for frame in click(1.0, 0.5):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(MediaError, match="no video stream"):
        probe_video(path)


def test_name_with_colon_and_spaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = record(tmp_path / "plain.mp4").rename(tmp_path / "concat:a é b.mp4")
    assert probe_video(Path(path.name)).frame_count == 25


def test_title_in_another_encoding(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes().replace(b"Lavf", b"\xe9\xff\xfe\x80"))
    assert probe_video(path).frame_count == 25


def test_size_that_changes_midway_stays_the_first(tmp_path: Path) -> None:
    parts = []
    for side in (64, 128):
        with VideoWriter(tmp_path / "part.mp4", Fraction(25), side, side) as writer:
            for index in range(5):
                writer.write(numbered(index, side, side))
        with av.open(str(tmp_path / "part.mp4")) as container, av.open(str(tmp_path / "p.h264"), "w") as bare:
            stream = bare.add_stream_from_template(container.streams.video[0])
            for packet in container.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    bare.mux(packet)
        parts.append((tmp_path / "p.h264").read_bytes())
    (tmp_path / "both.h264").write_bytes(b"".join(parts))
    frames = list(read_frames(tmp_path / "both.h264"))
    assert {frame.pixels.shape for frame in frames} == {(64, 64, 3)}
    assert len(frames) == 10


def test_size_limit_holds_before_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = record(tmp_path / "a.mp4")
    monkeypatch.setattr("faceanime.media.image.MAX_PIXELS", 1000)
    for read in (probe_video, lambda path: next(read_frames(path))):
        with pytest.raises(MediaError, match="64x48 px"):
            read(path)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
def test_memory_stays_constant(tmp_path: Path) -> None:
    picture = np.tile(numbered(0), (8, 8, 1))
    with VideoWriter(tmp_path / "a.mp4", Fraction(25), 512, 384) as writer:
        for index in range(600):
            picture[:, index % 500 : index % 500 + 4] = index % 256
            writer.write(picture)
            if index == 150:
                before = resident_bytes()
        written = resident_bytes() - before
    frames = read_frames(tmp_path / "a.mp4")
    assert len(list(islice(frames, 0, 100, 10))) == 10
    before = resident_bytes()
    assert sum(1 for _ in frames) > 490
    read = resident_bytes() - before
    assert written < 40e6, "one frame is 0.6 MB, so 450 kept ones would be 265 MB"
    assert read < 40e6


def test_closing_early_is_clean(tmp_path: Path) -> None:
    frames = read_frames(record(tmp_path / "a.mp4"))
    next(frames)
    frames.close()  # type: ignore[attr-defined]


def test_a_still_picture_reads_as_one_frame(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", numbered(3))
    with pytest.raises(MediaError):
        list(read_frames(tmp_path / "a.png"))
