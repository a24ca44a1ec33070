import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from jaxtyping import TypeCheckError
from recordings import (
    HEIGHT,
    LEFT,
    RIGHT,
    STEPS,
    WIDTH,
    heard_at_s,
    number_of,
    numbered,
    record,
    sound_seconds,
)

from faceanime.core.errors import Cancelled, MediaError, OutputError, RangeError, ShapeError
from faceanime.media.image import read_image
from faceanime.media.video import probe_video, read_frames
from faceanime.media.video_output import CODECS, HIGHEST_CRF, Codec
from faceanime.media.video_writer import VideoWriter

WRONG_SHAPE = (ShapeError, TypeCheckError)  # the second where the tests' type checker comes first
VIDEO_SUFFIXES = [".mp4", ".mov", ".mkv", ".webm"]
NTSC = Fraction(30000, 1001)


def write(path: Path, count: int = 25, rate: Fraction = Fraction(25), audio_from: Path | None = None) -> Path:
    with VideoWriter(path, rate, WIDTH, HEIGHT, audio_from=audio_from) as writer:
        for index in range(count):
            writer.write(numbered(index))
    return writer.path


@pytest.mark.parametrize("suffix", [*VIDEO_SUFFIXES, ".gif", ".webp"])
def test_what_is_written_reads_back(tmp_path: Path, suffix: str) -> None:
    frames = list(read_frames(write(tmp_path / f"a{suffix}")))
    assert [number_of(frame.pixels) for frame in frames] == [index % STEPS for index in range(25)]
    pixels = frames[7].pixels
    assert np.abs(pixels[30, 12].astype(int) - LEFT).max() <= 4
    assert np.abs(pixels[30, 52].astype(int) - RIGHT).max() <= 4


@pytest.mark.parametrize("name", ["frames", "frames/"])
def test_folder_of_pictures(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path / name, 3)
    assert sorted(path.name for path in folder.iterdir()) == ["000001.png", "000002.png", "000003.png"]
    assert folder == tmp_path / "frames"
    np.testing.assert_array_equal(read_image(folder / "000002.png"), numbered(1))


@pytest.mark.parametrize("suffix", VIDEO_SUFFIXES)
@pytest.mark.parametrize("rate", [NTSC, Fraction(24371, 1013), Fraction(12), Fraction(60)])
def test_rate_is_exact_in_the_file(tmp_path: Path, suffix: str, rate: Fraction) -> None:
    path = write(tmp_path / f"a{suffix}", 40, rate)
    assert probe_video(path).frame_rate == rate
    assert len(list(read_frames(path))) == 40
    if suffix in {".mp4", ".mov"}:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            times = [frame.pts * frame.time_base for frame in container.decode(stream)]
        assert times == [index / rate for index in range(40)]


@pytest.mark.parametrize("rate", [Fraction(30), NTSC, Fraction(60)])
@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_coarse_clocks_keep_the_length(tmp_path: Path, suffix: str, rate: Fraction) -> None:
    path = write(tmp_path / f"a{suffix}", 60, rate)
    info = probe_video(path)
    assert info.frame_count is not None
    assert abs(info.frame_count / info.frame_rate - 60 / rate) < Fraction(3, 100)
    if suffix == ".gif":
        assert info.frame_rate <= 50


@pytest.mark.parametrize("suffix", VIDEO_SUFFIXES)
def test_odd_sizes(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    pixels = numbered(3, 49, 65)
    with VideoWriter(path, Fraction(25), 65, 49) as writer:
        writer.write(pixels)
    read = next(read_frames(path)).pixels
    assert read.shape == ((49, 65, 3) if suffix == ".webm" else (50, 66, 3))
    assert np.abs(read[:49, :65].astype(int) - pixels).mean() < 4
    assert np.abs(read[-1, -1].astype(int) - pixels[-1, -1]).max() <= 6


def test_mp4_is_tagged_and_starts_fast(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4")
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        tags = context.colorspace, context.color_primaries, context.color_trc, context.color_range
    assert tags == (1, 1, 1, 1), "BT.709, limited range"


SOUNDS = {".mp4": "aac", ".mkv": "flac", ".webm": "libopus", ".ts": "aac"}


@pytest.mark.parametrize("source_suffix", SOUNDS)
@pytest.mark.parametrize("suffix", VIDEO_SUFFIXES)
def test_sound_is_in_sync_and_cut_to_length(tmp_path: Path, source_suffix: str, suffix: str) -> None:
    codec = "libvpx-vp9" if source_suffix == ".webm" else "libx264"
    source = record(
        tmp_path / f"driver{source_suffix}",
        pts=range(75),
        codec=codec,
        sound=SOUNDS[source_suffix],
        click_s=1.0,
    )
    path = write(tmp_path / f"a{suffix}", 50, audio_from=source)
    assert abs(heard_at_s(path) - 1.0) < 0.005
    assert abs(sound_seconds(path) - 2.0) < 0.1
    assert len(list(read_frames(path))) in {50, 51}
    with av.open(str(path)) as container:
        written = container.streams.audio[0].codec.canonical_name
    copied = {"aac": suffix != ".webm", "flac": suffix == ".mkv", "libopus": suffix in {".mkv", ".webm"}}
    kept = copied[SOUNDS[source_suffix]]
    assert written == (
        SOUNDS[source_suffix].removeprefix("lib") if kept else {".webm": "opus"}.get(suffix, "aac")
    )


@pytest.mark.parametrize("suffix", VIDEO_SUFFIXES)
def test_offset_between_picture_and_sound_is_kept(tmp_path: Path, suffix: str) -> None:
    source = record(tmp_path / "driver.mkv", pts=range(10, 60), sound="aac", click_s=1.0)
    offset_s = heard_at_s(source)
    assert offset_s < 0.7, "the pictures begin later than the sound"
    assert abs(heard_at_s(write(tmp_path / f"a{suffix}", 50, audio_from=source)) - offset_s) < 0.005


def test_sound_from_a_file_without_pictures_or_sound(tmp_path: Path) -> None:
    silent = record(tmp_path / "silent.mp4")
    with av.open(write(tmp_path / "a.mp4", audio_from=silent)) as written:
        assert not written.streams.audio
    loud = record(tmp_path / "loud.mp4", sound="aac")
    with av.open(write(tmp_path / "b.mp4", audio_from=loud)) as written:
        assert written.streams.audio
    assert write(tmp_path / "c.gif", audio_from=loud).exists()


def test_sound_shorter_than_the_pictures(tmp_path: Path) -> None:
    source = record(tmp_path / "driver.mp4", sound="aac")
    path = write(tmp_path / "a.mp4", 100, audio_from=source)
    assert len(list(read_frames(path))) == 100
    assert abs(heard_at_s(path) - 0.5) < 0.005


def test_missing_or_damaged_sound_file_leaves_no_output(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("hello\n" * 50)
    for name in ("none.mp4", "text.mp4"):
        with pytest.raises(MediaError, match=name):
            write(tmp_path / "a.mp4", audio_from=tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["text.mp4"]


@pytest.mark.parametrize("suffix", [*VIDEO_SUFFIXES, ".gif", ".webp", ""])
@pytest.mark.parametrize("failure", [KeyboardInterrupt, Cancelled, ValueError])
@pytest.mark.parametrize("count", [0, 10])
def test_failure_leaves_nothing(
    tmp_path: Path, suffix: str, failure: type[BaseException], count: int
) -> None:
    with pytest.raises(failure), VideoWriter(tmp_path / f"a{suffix}", Fraction(25), WIDTH, HEIGHT) as writer:
        for index in range(count):
            writer.write(numbered(index))
        raise failure
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".mp4", ".webp", ""])
def test_no_frame_is_an_error(tmp_path: Path, suffix: str) -> None:
    with (
        pytest.raises(OutputError, match="no frame"),
        VideoWriter(tmp_path / f"a{suffix}", Fraction(25), 8, 8),
    ):
        pass
    assert not list(tmp_path.iterdir())


def test_unknown_suffix_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"\.mp4, \.mov, \.mkv, \.webm, \.gif, \.webp"):
        VideoWriter(tmp_path / "a.xyz", Fraction(25), 8, 8)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_the_name_of_one_picture_is_refused(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(OutputError, match=r"name of one picture.*name it a\.mp4, or a without a suffix"):
        VideoWriter(tmp_path / f"a{suffix}", Fraction(25), 8, 8)


CODECS_AND_SUFFIXES = [(codec, suffix) for suffix, codecs in CODECS.items() for codec in codecs]


@pytest.mark.parametrize(("codec", "suffix"), CODECS_AND_SUFFIXES)
@pytest.mark.parametrize("with_sound", [False, True])
def test_every_codec_in_every_container_that_holds_it(
    tmp_path: Path, codec: Codec, suffix: str, with_sound: bool
) -> None:
    sound = record(tmp_path / "driver.mkv", pts=range(15), sound="aac", click_s=0.2) if with_sound else None
    path = tmp_path / f"a{suffix}"
    with VideoWriter(path, NTSC, 97, 65, audio_from=sound, codec=codec) as writer:
        for index in range(12):
            writer.write(numbered(index, 65, 97))
    frames = [frame.pixels for frame in read_frames(path)]
    assert [number_of(pixels) for pixels in frames] == list(range(12))
    assert np.abs(frames[7][50, 20].astype(int) - LEFT).max() <= 8
    assert np.abs(frames[7][50, 80].astype(int) - RIGHT).max() <= 8
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec.canonical_name == codec
        assert bool(container.streams.audio) == with_sound
        if codec == "hevc" and suffix != ".mkv":
            assert container.streams.video[0].codec_context.codec_tag == "hvc1"
    if with_sound:
        assert abs(heard_at_s(path) - 0.2) < 0.03


@pytest.mark.parametrize("codec", HIGHEST_CRF)
def test_a_higher_crf_makes_smaller_files(tmp_path: Path, codec: Codec) -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 255, (8, 64, 64, 3), np.uint8)
    sizes = []
    for crf in (10, 30, HIGHEST_CRF[codec]):
        with VideoWriter(tmp_path / "a.mkv", Fraction(25), 64, 64, codec=codec, crf=crf) as writer:
            for pixels in pictures:
                writer.write(pixels)
        sizes.append((tmp_path / "a.mkv").stat().st_size)
    assert sizes[0] > 1.2 * sizes[1] > 1.4 * sizes[2]


@pytest.mark.parametrize(
    ("name", "codec", "crf", "words"),
    [
        ("a.mp4", "prores", None, "as prores: .mp4 holds h264, hevc, av1, vp9; prores goes to .mov, .mkv"),
        ("a.webm", "h264", None, "as h264: .webm holds vp9, av1; h264 goes to .mp4, .mov, .mkv"),
        ("a.gif", "av1", None, "as av1: .gif has no choice of codecs; av1 goes to .mp4, .mkv, .webm"),
        ("a", "h264", None, "as h264: a folder has no choice of codecs"),
        ("a.mov", "prores", 20, "at a crf: h264, hevc, av1, vp9 have one, prores has none"),
        ("a.webp", None, 20, "at a crf: h264, hevc, av1, vp9 have one, this format has none"),
        ("a.mp4", None, 52, "crf is 52, expected 0 to 51 for h264"),
        ("a.webm", None, -1, "crf is -1, expected 0 to 63 for vp9"),
    ],
)
def test_codecs_and_qualities_that_do_not_fit_are_refused_at_once(
    tmp_path: Path, name: str, codec: Codec | None, crf: int | None, words: str
) -> None:
    with pytest.raises((OutputError, RangeError)) as caught:
        VideoWriter(tmp_path / name, Fraction(25), 64, 64, codec=codec, crf=crf)
    assert words in str(caught.value)


def test_hevc_needs_pictures_that_its_encoder_can_take(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="36x20 px, expected sides of 64 px"),
        VideoWriter(tmp_path / "a.mp4", Fraction(25), 36, 20, codec="hevc"),
    ):
        pass


def test_frame_of_another_shape_is_refused(tmp_path: Path) -> None:
    for wrong in (numbered(0)[:-1], numbered(0)[..., 0], numbered(0).astype(np.float32)):
        with (
            pytest.raises(WRONG_SHAPE),
            VideoWriter(tmp_path / "a.mp4", Fraction(25), WIDTH, HEIGHT) as writer,
        ):
            writer.write(wrong)
    assert not list(tmp_path.iterdir())


def test_old_file_survives_a_failure(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("old")
    with pytest.raises(Cancelled), VideoWriter(tmp_path / "a.mp4", Fraction(25), WIDTH, HEIGHT) as writer:
        writer.write(numbered(0))
        raise Cancelled
    assert (tmp_path / "a.mp4").read_text() == "old"


@pytest.mark.parametrize("suffix", [*VIDEO_SUFFIXES, ".gif", ".webp", ""])
def test_full_disk_is_told_and_leaves_nothing(tmp_path: Path, small_files: None, suffix: str) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / f"a{suffix}"
    with (
        pytest.raises(OutputError, match="free some space") as caught,
        VideoWriter(path, Fraction(25), 128, 128) as writer,
    ):
        for _ in range(40):
            writer.write(rng.integers(0, 255, (128, 128, 3), dtype=np.uint8))
    assert str(path) in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file may grow over 16 kB: the nearest to a full disk that needs no rights."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_h264_is_fast(tmp_path: Path) -> None:
    picture = np.tile(numbered(0), (10, 8, 1))[:480]
    start_s = time.process_time()
    with VideoWriter(tmp_path / "a.mp4", Fraction(25), 512, 480) as writer:
        for index in range(60):
            writer.write(np.roll(picture, 4 * index, axis=1))
    assert time.process_time() - start_s < 2.0, "60 frames take 0.4 s of one core"
