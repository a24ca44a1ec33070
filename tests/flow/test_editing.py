"""`faceanime edit`: motion files in, one motion file out."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from program import Program, pictures

from faceanime.core.weights import read_header
from faceanime.dynamics.motion_file import bundled_motion, load_motion
from faceanime.geometry.rotation import angles_from_rotation
from faceanime.structures.coefficients import Dynamics


@pytest.fixture
def keys_path(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"smile": [[0, 0], [0.3, 0.8]]}), encoding="utf-8")
    return path


def everything(motion_path: Path, keys_path: Path) -> list[str | Path]:
    return [
        *(
            motion_path,
            "nod",
            "--start",
            "0.2",
            "--end",
            "2.2",
            "--speed",
            "0.8",
            "--frame-rate",
            "30000/1001",
        ),
        *("--mirror", "--amplify-lips", "1.5", "--amplify-eyes", "0.9", "--amplify-head", "1.2"),
        *("--blend-with", "talk", "--share", "0.3", "--axes", keys_path, "--hold-gaze"),
        *("--blinks", "30", "--seed", "4", "--loop", "--blend-s", "0.3"),
    ]


def test_without_an_edit_the_motion_is_the_same(
    program: Program, motion_path: Path, motion: Dynamics, tmp_path: Path
) -> None:
    out = load_motion(program.makes(tmp_path / "a.motion.safetensors", "edit", motion_path))
    np.testing.assert_array_equal(out.expression, motion.expression)
    np.testing.assert_array_equal(out.pose.rotation, motion.pose.rotation)
    assert out.frame_rate == motion.frame_rate


def test_all_edits_at_once_give_the_same_bytes_twice(
    program: Program, motion_path: Path, keys_path: Path, tmp_path: Path
) -> None:
    a, b = (
        program.makes(tmp_path / f"{name}.motion.safetensors", "edit", *everything(motion_path, keys_path))
        for name in "ab"
    )
    assert a.read_bytes() == b.read_bytes()
    edited = load_motion(a)
    assert edited.frame_rate == Fraction(30000, 1001)
    assert len(edited) == round(50 / 0.8 * 30000 / 1001 / 25) - 9
    header = read_header(a)
    assert header["licence"] == "unknown and MIT"
    assert header["provenance"] == (
        f"{motion_path.name} + nod.motion.safetensors (keyframes of the faceanime authors); "
        "cut from 0.2 s to 2.2 s; speed 0.8 at 30000/1001 frames/s; mirrored; "
        "amplified: lips 1.5, eyes 0.9, head 1.2; "
        "a share of 0.3 of talk.motion.safetensors (keyframes of the faceanime authors); "
        "axes of keys.json: smile; gaze held; 30 blinks a minute, seed 4; looped over 0.3 s"
    )


def test_motions_follow_one_another(program: Program, tmp_path: Path) -> None:
    out = load_motion(program.makes(tmp_path / "a.motion.safetensors", "edit", "nod", "shake", "wink"))
    parts = [bundled_motion(name) for name in ("nod", "shake", "wink")]
    assert len(out) == sum(map(len, parts))
    np.testing.assert_array_equal(out.expression[: len(parts[0])], parts[0].expression)


def test_a_motion_may_take_the_place_of_its_source(
    program: Program, motion_path: Path, tmp_path: Path
) -> None:
    path = tmp_path / "a.motion.safetensors"
    path.write_bytes(motion_path.read_bytes())
    program.makes(path, "edit", path, "--mirror")
    yaw = [angles_from_rotation(load_motion(p).pose.rotation)[:, 0] for p in (motion_path, path)]
    np.testing.assert_allclose(yaw[0], -yaw[1], atol=1e-9)


def test_an_edited_motion_drives_a_portrait(
    program: Program, motion_path: Path, keys_path: Path, portrait_path: Path, tmp_path: Path
) -> None:
    motion = program.makes(
        tmp_path / "a.motion.safetensors",
        "edit",
        motion_path,
        "--mirror",
        "--axes",
        keys_path,
        "--end",
        "0.2",
    )
    film = program.makes(tmp_path / "a.mp4", "animate", portrait_path, "--driving", motion)
    assert len(pictures(film)) == 5


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["talc"], "talc is neither a file nor a bundled motion"),
        (["x.motion.safetensors"], "no such file"),
        (["talk", "--start", "9"], "cannot cut"),
        (["talk", "--end", "99"], "ends at 6.6 s"),
        (["talk", "--speed", "0"], "--speed is 0"),
        (["talk", "--frame-rate", "fast"], "--frame-rate is fast"),
        (["talk", "--frame-rate", "1e9"], "--frame-rate is 1000000000"),
        (["talk", "--amplify-head", "9"], "--amplify-head is 9"),
        (["talk", "--blend-with", "nod", "--share", "2"], "--share is 2"),
        (["talk", "--axes", "none.json"], "none.json"),
        (["talk", "--blinks", "1000"], "--blinks is 1000, expected 0 to 60 a minute"),
        (["talk", "--blinks", "9", "--seed", "-1"], "--seed is -1"),
        (["nod", "--share", "0.3"], "--blend-with"),
        (["nod", "--loop", "--blend-s", "1.5"], "too short"),
        (["nod", "--blend-s", "nan"], "--blend-s is nan"),
    ],
)
def test_mistakes_are_one_line(program: Program, tmp_path: Path, args: list[str], message: str) -> None:
    out = tmp_path / "a.motion.safetensors"
    outcome = program("edit", *args, "-o", out)
    assert outcome.status == 2
    assert outcome.out == ""
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert not out.exists()


def test_another_kind_of_output_is_refused(program: Program, tmp_path: Path) -> None:
    outcome = program("edit", "talk", "-o", tmp_path / "a.mp4")
    assert outcome.status == 2
    assert ".motion.safetensors" in outcome.err
