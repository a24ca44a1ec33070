"""Codec, quality, sound, frame rate and part of the driver as asked for; inputs that are something else."""

from __future__ import annotations

import subprocess
import sys
import wave
from pathlib import Path

import av
import numpy as np
import pytest
from filmed import CLICK_S, FRAMES
from program import Outcome, Program, difference, pictures
from test_animate import heard_at_s, repeated

from faceanime.core.progress import SilentProgress
from faceanime.drivers.open_driver import open_driver
from faceanime.drivers.span import part_of
from faceanime.drivers.span_config import DriverSpan
from faceanime.dynamics.motion_file import save_motion
from faceanime.media.video import probe_video
from faceanime.output_options import OutputOptions
from faceanime.pipeline import Animator
from faceanime.structures.coefficients import Dynamics
from faceanime.workflows import animate_file

SMALL = ["--size", "96", "--renderer", "geometric"]


def test_a_codec_a_quality_and_a_frame_rate_are_obeyed(
    program: Program, portrait_path: Path, motion_path: Path, tmp_path: Path
) -> None:
    out = program.makes(
        tmp_path / "out.mkv", "animate", portrait_path, "--driving", motion_path, *SMALL,
        "--codec", "hevc", "--crf", "30", "--fps", "50", "--side-by-side",
    )  # fmt: skip
    with av.open(str(out)) as container:
        assert container.streams.video[0].codec.canonical_name == "hevc"
    assert probe_video(out).frame_rate == 50
    frames = pictures(out)
    assert len(frames) == 2 * FRAMES
    drivers = frames[:, :, 98:194]
    assert difference(drivers[12], drivers[13]) < difference(drivers[11], drivers[12]), "each is shown twice"


@pytest.mark.parametrize("fps", ["12.5", "29.97"])
def test_another_frame_rate_keeps_the_length_and_the_motion(
    program: Program, portrait_path: Path, motion_path: Path, tmp_path: Path, fps: str
) -> None:
    driven = ["animate", portrait_path, "--driving", motion_path, *SMALL]
    out = program.makes(tmp_path / "out", *driven, "--fps", fps)
    plain = program.makes(tmp_path / "plain", *driven)
    frames, every = pictures(out), pictures(plain)
    assert abs(len(frames) / float(fps) - FRAMES / 25) <= 0.5 / float(fps)
    if fps == "12.5":
        assert difference(frames[3], every[6]) < 0.2


def test_a_motion_gets_a_sound(
    program: Program, portrait_path: Path, motion_path: Path, sound_path: Path, tmp_path: Path
) -> None:
    driven = ["animate", portrait_path, "--driving", motion_path, *SMALL]
    out = program.makes(tmp_path / "out.mp4", *driven, "--sound", sound_path)
    assert heard_at_s(out) == pytest.approx(CLICK_S, abs=0.03)
    outcome = program(*driven, "--sound", sound_path, "-o", tmp_path / "out.gif")
    assert outcome == Outcome(
        2, "", f"faceanime: cannot write {tmp_path / 'out.gif'} with sound; name it .mp4, .mov, .mkv, .webm\n"
    )
    silent = tmp_path / "silent.gif"
    program.makes(silent, *driven)
    for without in (silent, portrait_path):
        outcome = program(*driven, "--sound", without, "-o", tmp_path / "out2.mp4")
        assert outcome.status == 2
        assert f"cannot read the sound of {without}: it holds none that can be used" in outcome.err


@pytest.mark.parametrize(
    ("verb", "seconds", "line"),
    [
        ("animate", 0.1, "the sound of {} is shorter than the video: it ends after 0.1 of 0.5 s\n"),
        ("animate", 2.0, "the sound of {} is longer than the video: it is cut after 0.5 s\n"),
        ("animate", 0.6, ""),
        ("predict", 0.1, "the sound of {} is shorter than the video: it ends after 0.1 of 0.5 s\n"),
    ],
)
def test_a_sound_of_another_length_than_the_video_is_told(
    program: Program,
    portrait_path: Path,
    motion_path: Path,
    tmp_path: Path,
    verb: str,
    seconds: float,
    line: str,
) -> None:
    sound, out = tmp_path / "hum.wav", tmp_path / "out.mp4"
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(2 * round(seconds * 16_000)))
    motion = ("--driving", motion_path) if verb == "animate" else ("--seconds", "0.5")
    outcome = program(verb, portrait_path, *motion, *SMALL, "--sound", sound, "-o", out)
    assert outcome == Outcome(0, f"{out}\n", line.format(sound))


def test_a_part_of_a_video_drives_with_its_sound_or_without(
    program: Program, portrait_path: Path, driving_path: Path, tmp_path: Path
) -> None:
    driven = ["animate", portrait_path, "--driving", driving_path, *SMALL, "--start", "0.1", "--end", "0.3"]
    out = program.makes(tmp_path / "out.mp4", *driven, "--side-by-side")
    frames = pictures(out)
    assert len(frames) == 6
    assert heard_at_s(out) == pytest.approx(CLICK_S - 0.1, abs=0.03)
    silent = program.makes(tmp_path / "silent.mp4", *driven, "--no-sound")
    with av.open(str(silent)) as container:
        assert not container.streams.audio
    outcome = program("animate", portrait_path, "--driving", driving_path, *SMALL, "--start", "9", "-o", out)
    assert outcome.status == 2
    assert outcome.err == f"faceanime: cannot read {driving_path} from 9 s on: it ends after 0.40 s\n"


@pytest.mark.parametrize("portraits", [1, 2])
def test_a_start_beyond_the_end_is_told_before_models_are_loaded(
    portrait_path: Path, driving_path: Path, tmp_path: Path, portraits: int
) -> None:
    second = tmp_path / "second.png"
    second.write_bytes(portrait_path.read_bytes())
    out = tmp_path / "out.mp4" if portraits == 1 else tmp_path / "videos"
    given = [portrait_path, second][:portraits]
    code = (
        "import sys; from faceanime.cli import main; "
        "print(main(sys.argv[1:]), {'torch', 'mediapipe'} & set(sys.modules))"
    )
    command = ["animate", *given, "--driving", driving_path, "--start", "9", "-o", out]
    done = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == "2 set()\n"
    assert done.stderr == f"faceanime: cannot read {driving_path} from 9 s on: it ends after 0.40 s\n"
    assert not out.exists()


def test_parts_of_drivers_are_those_frames(
    animator: Animator, driving_path: Path, motion_path: Path, motion: Dynamics
) -> None:
    span = DriverSpan(0.2, 0.4)
    part = part_of(open_driver(motion_path, animator.reader), span).dynamics(SilentProgress())
    np.testing.assert_array_equal(part.expression, motion.expression[5:10])
    views = [view() for view in part_of(open_driver(driving_path, animator.reader), span).views()]
    whole = pictures(driving_path)
    np.testing.assert_array_equal(np.stack(views), whole[6:12])


def test_the_name_of_a_picture_is_refused_for_a_motion_and_leaves_no_folder(
    program: Program, portrait_path: Path, motion_path: Path, tmp_path: Path
) -> None:
    before = sorted(tmp_path.iterdir())
    outcome = program("animate", portrait_path, "--driving", motion_path, "-o", tmp_path / "x.png")
    assert outcome.status == 2
    assert (
        "it is the name of one picture, and a motion has many frames; name it x.mp4, or x without"
        in outcome.err
    )
    assert sorted(tmp_path.iterdir()) == before


def test_a_portrait_that_is_a_video_is_called_one(
    program: Program, driving_path: Path, motion_path: Path, tmp_path: Path
) -> None:
    outcome = program("animate", driving_path, "--driving", motion_path, "-o", tmp_path / "x.mp4")
    assert outcome.err.startswith(f"faceanime: cannot read {driving_path}: it is a video, expected a picture")


@pytest.mark.parametrize(
    ("suffix", "kind"), [(".glb", "a 3D model"), (".json", "a text file"), (".bvh", "the motion")]
)
def test_drivers_of_other_trades_are_called_what_they_are(
    program: Program, portrait_path: Path, tmp_path: Path, suffix: str, kind: str
) -> None:
    (tmp_path / f"a{suffix}").write_text("{}")
    outcome = program(
        "animate", portrait_path, "--driving", tmp_path / f"a{suffix}", "-o", tmp_path / "x.mp4"
    )
    assert outcome.err.startswith(
        f"faceanime: cannot read a motion from {tmp_path / f'a{suffix}'}: it is {kind}"
    )


def test_a_large_portrait_says_how_long_it_takes(
    animator: Animator,
    portrait_path: Path,
    motion: Dynamics,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("faceanime.result.LARGE_PX", 320 * 320)
    long = tmp_path / "long.motion.safetensors"
    save_motion(repeated(motion, 6, 12), long)
    for options, said in ((OutputOptions(), 1), (OutputOptions(size=64), 0)):
        caplog.clear()
        animate_file(animator, portrait_path, long, tmp_path / "x.mp4", options, SilentProgress())
        assert len(caplog.messages) == said
