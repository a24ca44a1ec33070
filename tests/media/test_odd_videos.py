"""Odd videos are read with the frames, the times and the shape that a player shows."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from av.video.reformatter import ColorTrc
from oddities import film, joined, trimmed, without_packet
from PIL import Image
from recordings import LEFT, STEPS, number_of, numbered, record

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


# --- shapes and colors ------------------------------------------------------------------------------------


def test_a_shape_that_changes_midway_is_fitted_between_bars(tmp_path: Path) -> None:
    parts = [film(tmp_path / "0.ts", 5, size=(128, 128)), film(tmp_path / "1.ts", 5, size=(64, 128))]
    frames = [frame.pixels for frame in read_frames(joined(tmp_path / "a.ts", *parts))]
    assert {frame.shape for frame in frames} == {(128, 128, 3)}
    assert [number_of(frame[32:96] if index >= 5 else frame) for index, frame in enumerate(frames)] == [
        *range(5),
        *range(5),
    ]
    assert frames[9][:30].max() < 12
    assert frames[9][98:].max() < 12
    assert np.abs(frames[9][80, 20].astype(int) - LEFT).max() <= 8, (
        "not squeezed: the colors stand where they did"
    )


def test_a_pixel_shape_that_changes_midway_is_no_squeeze(tmp_path: Path) -> None:
    paths = [tmp_path / "0.ts", tmp_path / "1.ts"]
    for path, ratio in zip(paths, (Fraction(1), Fraction(2)), strict=True):
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = 128, 128, "yuv420p"
            stream.codec_context.sample_aspect_ratio = ratio
            for index in range(5):
                frame = av.VideoFrame.from_ndarray(numbered(index, 128, 128), format="rgb24")
                frame.pts, frame.time_base = index, Fraction(1, 25)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    frames = [frame.pixels for frame in read_frames(joined(tmp_path / "a.ts", *paths))]
    has_bars = [frame[:20].mean() < 1 for frame in frames]  # the decoder tells the ratio some frames early
    assert has_bars == sorted(has_bars)
    assert not has_bars[0]
    assert has_bars[5]
    assert number_of(frames[7][32:96]) == 2


@pytest.mark.parametrize(
    ("suffix", "codec", "pixel_format"),
    [(".mov", "qtrle", "argb"), (".mov", "prores_ks", "yuva444p10le"), (".mkv", "ffv1", "yuva420p")],
)
def test_transparency_is_composited_over_white(
    tmp_path: Path, suffix: str, codec: str, pixel_format: str
) -> None:
    def half(index: int) -> np.ndarray:
        opaque = np.full((48, 64, 1), 255, np.uint8)
        opaque[24:] = 0
        return np.concatenate([numbered(index), opaque], axis=2)

    path = film(tmp_path / f"a{suffix}", 3, codec=codec, pixel_format=pixel_format, picture=half)
    pixels = [frame.pixels for frame in read_frames(path)][2]
    assert number_of(pixels) == 2
    assert pixels[26:].min() > 245


@pytest.mark.parametrize("suffix", [".webp", ".avif", ".png", ".gif"])
def test_animated_pictures_with_transparency_and_varying_delays(tmp_path: Path, suffix: str) -> None:
    stills = [Image.fromarray(numbered(index)) for index in range(6)]
    for still in stills:
        still.putalpha(
            Image.fromarray(np.repeat(np.array([255, 0], np.uint8), 24)[:, None].repeat(64, axis=1))
        )
    path = tmp_path / f"a{suffix}"
    stills[0].save(
        path, save_all=True, append_images=stills[1:], duration=[100, 100, 300, 100, 100, 100],
        **({"disposal": 2} if suffix == ".gif" else {"lossless": True, "quality": 100}),
    )  # fmt: skip
    frames = list(read_frames(path, frame_rate=Fraction(10)))
    assert [number_of(frame.pixels[:24]) if suffix == ".gif" else number_of(frame.pixels[:22]) for frame in frames] == [
        0, 1, 2, 2, 2, 3, 4, 5,
    ]  # fmt: skip
    assert frames[3].pixels[30:].min() > 245
    info = probe_video(path)
    assert (info.width_px, info.height_px) == (64, 48)


def test_a_picture_of_a_png_that_is_no_frame_of_its_animation_is_left_out(tmp_path: Path) -> None:
    stills = [Image.fromarray(numbered(index)) for index in (9, 0, 1, 2)]
    stills[0].save(
        tmp_path / "a.png", save_all=True, append_images=stills[1:], duration=100, default_image=True
    )
    assert numbers(tmp_path / "a.png") == [0, 1, 2]


@pytest.mark.parametrize("first", ["still", "cover"])
def test_a_thumbnail_before_the_film_is_passed_over(tmp_path: Path, first: str) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        thumbnail = container.add_stream("mjpeg", rate=25)
        thumbnail.width, thumbnail.height, thumbnail.pix_fmt = 32, 32, "yuvj420p"
        if first == "cover":
            thumbnail.disposition = Disposition.attached_pic
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for index in range(10):
            if index == 0:
                frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 200, np.uint8), format="rgb24")
                frame.pts, frame.time_base = 0, Fraction(1, 25)
                container.mux(thumbnail.encode(frame.reformat(format="yuvj420p")))
            frame = av.VideoFrame.from_ndarray(numbered(index), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    assert numbers(path) == list(range(10))


@pytest.mark.parametrize("curve", [ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67])
def test_high_dynamic_range_is_shown_as_on_a_standard_display(tmp_path: Path, curve: ColorTrc) -> None:
    # 10-bit codes of grey at 20, 80, 203 and 1000 cd/m2 (BT.2100; a white sheet has 203)
    nits = np.array([20.0, 80.0, 203.0, 1000.0])
    if curve == ColorTrc.SMPTE2084:
        power = (nits / 10_000) ** (2610 / 16384)
        signal = ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)
    else:
        scene = (nits / 1000) ** (1 / 1.2)
        signal = np.where(
            scene <= 1 / 12,
            np.sqrt(3 * scene),
            0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073,
        )
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx265", rate=25, options={"x265-params": "log-level=none:lossless=1"}
        )
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p10le"
        stream.colorspace, stream.color_range = 9, 1
        stream.color_trc, stream.color_primaries = int(curve), 9
        luma = np.repeat(np.rint(64 + 876 * signal), 16).astype(np.uint16)[None].repeat(64, axis=0)
        frame = av.VideoFrame(64, 64, "yuv420p10le")
        for plane, values in zip(
            frame.planes, (luma, np.full((32, 32), 512), np.full((32, 32), 512)), strict=True
        ):
            rows = np.zeros((plane.height, plane.line_size // 2), np.uint16)
            rows[:, : plane.width] = values
            plane.update(rows.tobytes())
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    shown = next(read_frames(path)).pixels
    assert np.ptp(shown.astype(int), axis=2).max() <= 2, "grey stays grey"
    dark, middle, white, light = shown[32, 8::16, 0].astype(int)
    # below the knee as on a standard display whose white is 203 cd/m2: sRGB of 0.0985 and 0.394
    assert abs(dark - 88) <= 3
    assert abs(middle - 168) <= 3
    assert 220 <= white <= 240
    assert white + 10 < light <= 255


@pytest.mark.parametrize("pixel_format", ["yuv420p10le", "yuv422p", "yuv444p"])
def test_pixel_formats(tmp_path: Path, pixel_format: str) -> None:
    assert numbers(film(tmp_path / "a.mkv", 5, pixel_format=pixel_format)) == list(range(5))


def test_interlaced_frames(tmp_path: Path) -> None:
    path = film(tmp_path / "a.ts", codec="mpeg2video", options={"flags": "+ilme+ildct"})
    assert numbers(path) == [index % STEPS for index in range(50)]


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


def test_a_recording_that_stands_still_for_a_while_keeps_its_rate(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", pts=[0, 1, 2, 3, 200, 201, 202])
    assert probe_video(path).frame_rate == 25
    frames = list(read_frames(path))
    assert len(frames) == 203
    assert [number_of(frame.pixels) for frame in frames[2:5] + frames[199:]] == [2, 3, 3, 3, 4, 5, 6]


def test_the_rate_of_a_browser_s_recording_is_measured(tmp_path: Path) -> None:
    steps_ms = np.random.default_rng(0).choice([33, 33, 34, 66, 100], 60)
    path = tmp_path / "a.webm"
    with av.open(str(path), "w", options={"live": "1"}) as container:
        stream = container.add_stream("libvpx", rate=1000)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for index, at_ms in enumerate(np.cumsum(steps_ms).tolist()):
            frame = av.VideoFrame.from_ndarray(numbered(index), format="rgb24")
            frame.pts, frame.time_base = at_ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert 29 < probe_video(path).frame_rate < 31
    appears_ms = np.cumsum(steps_ms) - steps_ms[0]
    for frame in read_frames(path):
        at_ms = float(frame.time_s) * 1000
        earliest, latest = (int(np.searchsorted(appears_ms, at_ms + late, "right")) - 1 for late in (0, 18))
        assert number_of(frame.pixels) in {index % STEPS for index in range(earliest, latest + 1)}


def test_a_clock_that_begins_at_an_hour(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mkv", picture_start_s=3600)
    assert numbers(path) == [index % STEPS for index in range(50)]
    assert probe_video(path).frame_count in {50, 51}


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
