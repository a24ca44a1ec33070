"""Bad input is refused in one line with status 2; no output is left behind and no file is harmed."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
import resource
import shutil
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from filmed import FRAMES
from PIL import Image, ImageDraw
from program import PROGRAM, Outcome, Program, fingerprint, pictures, run_process
from safetensors.numpy import save

import coverings
from faceanime.core.errors import MediaError
from faceanime.core.weights import load_weights, save_weights
from faceanime.dynamics.motion_file import save_motion
from faceanime.face.detect import MediapipeDetector
from faceanime.media.image import read_image, write_image
from faceanime.media.video_writer import VideoWriter
from faceanime.pipeline import Animator
from faceanime.structures.coefficients import Dynamics

Refused = Callable[..., None]


def assert_refused(outcome: Outcome, message: str) -> None:
    assert (outcome.status, outcome.out) == (2, ""), outcome
    assert outcome.err.count("\n") == 1, outcome.err
    assert re.match(f"faceanime: {message}", outcome.err), outcome.err


@pytest.fixture
def refused(program: Program, tmp_path: Path, made: Path) -> Refused:
    """Run the program; it must refuse with `message`, and no file anywhere may come, go or change."""

    def check(*args: str | Path, message: str, process: bool = False) -> None:
        before = fingerprint(tmp_path), fingerprint(made)
        outcome = run_process(*args) if process else program(*args)
        assert_refused(outcome, message)
        assert (fingerprint(tmp_path), fingerprint(made)) == before

    return check


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.mp4"


def noise(side_px: int = 128) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (side_px, side_px, 3), np.uint8)


def record(path: Path, frames: list[np.ndarray], rate: int = 10) -> Path:
    height, width = frames[0].shape[:2]
    with VideoWriter(path, Fraction(rate), width, height) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def write_huge_png(path: Path, side_px: int = 20_000) -> Path:
    """A whole, valid picture of one bit a pixel: 50 kB on disk, 1.2 GB as RGB."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = zlib.compressobj(1)
    row = bytes(1 + side_px // 8)
    data = b"".join(rows.compress(row * 100) for _ in range(side_px // 100)) + rows.flush()
    header = struct.pack(">IIBBBBB", side_px, side_px, 1, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )
    return path


# --- the portrait ------------------------------------------------------------------------------------------


def test_a_portrait_without_a_face(refused: Refused, motion_path: Path, tmp_path: Path, out: Path) -> None:
    write_image(tmp_path / "noise.png", noise())
    refused(
        "animate", tmp_path / "noise.png", "--driving", motion_path, "-o", out,
        message=f"no face in {tmp_path / 'noise.png'} .*; try ",
    )  # fmt: skip


def test_a_portrait_of_one_pixel(refused: Refused, motion_path: Path, tmp_path: Path, out: Path) -> None:
    write_image(tmp_path / "dot.png", noise(1))
    for more in ([], ["--crop"], ["--size", "64"]):
        refused(
            "animate", tmp_path / "dot.png", "--driving", motion_path, "-o", out, *more,
            message=f"no face in {tmp_path / 'dot.png'}",
        )  # fmt: skip


def test_a_folder_of_portraits(refused: Refused, motion_path: Path, tmp_path: Path, out: Path) -> None:
    for name in ("a.jpg", "b.jpg", "c.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    refused(
        "animate", tmp_path, "--driving", motion_path, "-o", out,
        message=re.escape(f"cannot read {tmp_path}: it is a folder; its pictures are {tmp_path / '*.jpg'}"),
    )  # fmt: skip


def test_the_address_of_a_driver(refused: Refused, portrait_path: Path, out: Path) -> None:
    address = "https://example.org/dance.mp4"
    refused(
        "animate", portrait_path, "--driving", address, "-o", out,
        message=f"cannot read {address}: addresses are not fetched; download the file first",
    )  # fmt: skip


@pytest.mark.parametrize("damage", ["cut", "garbled", "empty", "text"])
def test_a_damaged_portrait(
    refused: Refused, motion_path: Path, astronaut: np.ndarray, tmp_path: Path, out: Path, damage: str
) -> None:
    buffer = io.BytesIO()
    Image.fromarray(astronaut).save(buffer, format="JPEG")
    whole = buffer.getvalue()
    broken = {
        "cut": whole[: len(whole) // 2],
        "garbled": whole[:100] + bytes(200) + whole[300:],
        "empty": b"",
        "text": b"a portrait of an astronaut",
    }
    path = tmp_path / "bad.jpg"
    path.write_bytes(broken[damage])
    refused("animate", path, "--driving", motion_path, "-o", out, message=f"cannot read {path}: ")


@pytest.mark.parametrize("what", ["missing", "folder", "video"])
def test_a_portrait_that_is_no_picture(
    refused: Refused, motion_path: Path, driving_path: Path, tmp_path: Path, out: Path, what: str
) -> None:
    path = {"missing": tmp_path / "missing.png", "folder": tmp_path, "video": driving_path}[what]
    wrong = f"cannot read {path}: " + ("it is a video, expected a picture" if what == "video" else "")
    refused("animate", path, "--driving", motion_path, "-o", out, message=wrong)


def test_a_huge_picture_is_refused_before_it_is_decoded(tmp_path: Path, motion_path: Path, out: Path) -> None:
    huge = write_huge_png(tmp_path / "huge.png")
    started_s = time.perf_counter()
    with pytest.raises(MediaError, match="at most 100 megapixels"):
        read_image(huge)
    assert time.perf_counter() - started_s < 0.5
    # A process is said to be as large as whoever started it, if that is larger: so a small one starts it.
    code = """if True:
        import resource, subprocess, sys
        status = subprocess.run(sys.argv[1:]).returncode
        print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
        sys.exit(status)
    """
    done = subprocess.run(
        [sys.executable, "-c", code, PROGRAM, "animate", huge, "--driving", motion_path, "-o", out],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert_refused(Outcome(done.returncode, "", done.stderr), f"cannot read {huge}: at most 100 megapixels ")
    assert int(done.stdout) < 800 * 1024  # in KiB
    assert list(tmp_path.iterdir()) == [huge]


def cartoon(side_px: int = 320) -> np.ndarray:
    """A face as children draw it."""
    image = Image.new("RGB", (side_px, side_px), "white")
    draw, unit = ImageDraw.Draw(image), side_px / 16
    for box, fill in (
        ((3, 2, 13, 14), "peachpuff"),
        ((5, 6, 7, 7), "white"),
        ((9, 6, 11, 7), "white"),
        ((5.7, 6.2, 6.3, 6.8), "black"),
        ((9.7, 6.2, 10.3, 6.8), "black"),
        ((6, 10.5, 10, 11.5), "red"),
    ):
        draw.ellipse([unit * v for v in box], fill=fill, outline="black", width=2)
    draw.line([unit * v for v in (8, 7.5, 7.5, 9.2, 8.3, 9.2)], fill="black", width=2)
    return np.asarray(image)


@pytest.mark.parametrize("subject", ["cat", "cartoon"])
def test_what_is_no_human_face_is_animated_or_refused_in_a_line(
    program: Program, motion_path: Path, tmp_path: Path, out: Path, subject: str
) -> None:
    path = tmp_path / f"{subject}.png"
    write_image(path, skimage.data.chelsea() if subject == "cat" else cartoon())
    outcome = program("animate", path, "--driving", motion_path, "-o", out, "--size", "160")
    if outcome.status == 0:
        assert len(pictures(out)) == FRAMES
    else:
        assert_refused(outcome, f"(no face in {path} .*|the face in {path} is not one .*); try ")
        assert not out.exists()


def test_a_face_that_is_no_persons(
    refused: Refused, program: Program, motion_path: Path, tmp_path: Path, out: Path
) -> None:
    path = tmp_path / "large-eyed.png"
    write_image(path, coverings.cartoon())
    animate: list[str | Path] = ["animate", path, "--driving", motion_path, "-o", out, "--size", "128"]
    message = (
        f"the face in {path} is not one that the face model fits: its eyes are larger .*; try --force to "
    )
    refused(*animate, message=message)
    assert program(*animate, "--force").status == 0
    assert len(pictures(out)) == FRAMES


def test_a_covered_mouth_is_said_in_a_line(
    program: Program, motion_path: Path, astronaut: np.ndarray, tmp_path: Path, out: Path
) -> None:
    path = tmp_path / "mask.png"
    write_image(path, coverings.masked(astronaut, MediapipeDetector().detect(astronaut)[0].points_image))
    outcome = program("animate", path, "--driving", motion_path, "-o", out, "--size", "160")
    assert outcome.status == 0
    assert f"something covers the mouth in {path}: held still (--force moves it)" in outcome.err


def unprivileged() -> list[str]:
    """Words before a command that make file permissions bind it, even if root runs the tests."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root may read anything, and there is no setpriv to give that up")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


@pytest.mark.parametrize("name", ["locked.png", "locked.mp4", "locked.motion.safetensors", "locked/in.png"])
def test_what_may_not_be_read_is_refused_in_a_line(
    portrait_path: Path, motion_path: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "locked").mkdir()
    path = tmp_path / name
    shutil.copy(motion_path if name.endswith("safetensors") else portrait_path, path)
    locked = path.parent if path.parent != tmp_path else path
    locked.chmod(0)
    as_driver = [portrait_path, "--driving", path]
    as_portrait = [path, "--driving", motion_path]
    for roles in (as_driver, as_portrait) if path.suffix == ".png" else (as_driver,):
        done = run_process("animate", *roles, "-o", tmp_path / "out.gif", before=unprivileged())
        assert_refused(done, f"cannot read {path}: permission denied")
    locked.chmod(0o700)
    assert not (tmp_path / "out.gif").exists()


@pytest.mark.parametrize("name", ["locked/out.gif", "locked/out", "locked/in/out.gif"])
def test_a_folder_that_may_not_be_entered_is_refused_in_a_line(
    portrait_path: Path, motion_path: Path, tmp_path: Path, name: str
) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0)
    animate = ["animate", portrait_path, "--driving", motion_path, "-o"]
    assert_refused(
        run_process(*animate, tmp_path / name, before=unprivileged()), f"cannot write {tmp_path / name}: "
    )
    locked.chmod(0o700)
    assert list(locked.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["a" * 300 + suffix for suffix in (".png", ".mp4", ".motion.safetensors", "")]
)
def test_a_name_that_is_too_long_is_refused_in_a_line(
    refused: Refused, portrait_path: Path, motion_path: Path, tmp_path: Path, out: Path, name: str
) -> None:
    path = tmp_path / name
    refused(
        "animate", path, "--driving", motion_path, "-o", out, message="cannot read .*: file name too long"
    )
    refused(
        "animate", portrait_path, "--driving", path, "-o", out, message="cannot read .*: file name too long"
    )
    refused("animate", portrait_path, "--driving", motion_path, "-o", path, message="cannot write .*: ")
    refused("reconstruct", portrait_path, "-o", path, message="cannot write .*: ")


# --- the driver --------------------------------------------------------------------------------------------


def test_a_driver_that_is_huge_or_tiny_or_without_a_face(
    refused: Refused, portrait_path: Path, tmp_path: Path, out: Path
) -> None:
    huge = write_huge_png(tmp_path / "huge.png")
    refused("animate", portrait_path, "--driving", huge, "-o", out, message=f"cannot read {huge}: ")
    for side_px in (1, 128):
        path = tmp_path / f"{side_px}.png"
        write_image(path, noise(side_px))
        refused(
            "animate", portrait_path, "--driving", path, "-o", out,
            message=f"no face in {path} .* a picture that shows a face from the front",
        )  # fmt: skip


@pytest.mark.parametrize("share", [0.0, 0.05, 0.4, 0.7, 0.9])
def test_a_truncated_video(
    refused: Refused, portrait_path: Path, driving_path: Path, tmp_path: Path, out: Path, share: float
) -> None:
    path, whole = tmp_path / "cut.mp4", driving_path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    refused("animate", portrait_path, "--driving", path, "-o", out, message=f"cannot read .*{path}: ")


def test_a_file_of_sound_alone(refused: Refused, portrait_path: Path, sound_path: Path, out: Path) -> None:
    refused(
        "animate", portrait_path, "--driving", sound_path, "-o", out,
        message=f"cannot read {sound_path}: it holds no video stream",
    )  # fmt: skip
    refused("animate", sound_path, "--driving", sound_path, "-o", out, message=f"cannot read {sound_path}: ")


def test_a_missing_driver(refused: Refused, portrait_path: Path, tmp_path: Path, out: Path) -> None:
    for name in ("missing.mp4", "missing.motion.safetensors"):
        refused("animate", portrait_path, "--driving", tmp_path / name, "-o", out, message=f".*{name}")


def test_a_misspelt_bundled_motion_names_those_there_are(
    refused: Refused, portrait_path: Path, out: Path
) -> None:
    refused(
        "animate", portrait_path, "--driving", "tlak", "-o", out,
        message=r"tlak is neither a file nor a bundled motion \(there are .*, talk, .*\); did you mean talk\?",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["pair.png", "pair.mp4"])
def test_a_face_that_the_driver_does_not_show(
    refused: Refused, portrait_path: Path, pair_path: Path, tmp_path: Path, out: Path, name: str
) -> None:
    path = tmp_path / name
    if path.suffix == ".mp4":
        record(path, [read_image(pair_path)] * 8)
    else:
        shutil.copy(pair_path, path)
    found = rf"no face 2 in {path} \(2 faces found, counted from 0 by size\); try "
    animate = ["animate", portrait_path, "--driving", path, "-o", out, "--track.face"]
    refused(*animate, "2", message=found + "--track.face 1 or ")
    refused(*animate, "-1", message="--track.face is -1, expected largest or an index from 0")
    refused(
        "reconstruct", path, "-o", tmp_path / "out.motion.safetensors", "--face", "2",
        message=found + "--face 1 or ",
    )  # fmt: skip


def test_a_video_that_never_shows_a_face(
    refused: Refused, portrait_path: Path, tmp_path: Path, out: Path
) -> None:
    path = record(tmp_path / "noise.mp4", [noise()] * 8)
    refused(
        "animate", portrait_path, "--driving", path, "-o", out,
        message=f"no face in any of the 8 frames of {path}", process=True,
    )  # fmt: skip


def test_a_video_that_shows_a_face_now_and_then_is_no_bad_input(
    program: Program, animator: Animator, portrait_path: Path, astronaut: np.ndarray, tmp_path: Path
) -> None:
    nobody = np.full_like(astronaut, 90)
    path = record(tmp_path / "seldom.mp4", [nobody] * 3 + [astronaut] * 5 + [nobody] * 9 + [astronaut] * 6)
    valid = animator.motion(path).valid
    assert not valid[:3].any()
    assert valid[3:8].all()
    assert not valid[8:17].any()
    assert valid[22]  # a lost face is not searched for in every frame
    out = tmp_path / "out"
    done = program("animate", portrait_path, "--driving", path, "-o", out)
    assert done.status == 0
    assert f"{path}: no face in {int((~valid).sum())} of 23 frames" in done.err
    assert len(pictures(out)) == 23


# --- motion files ------------------------------------------------------------------------------------------


def test_a_motion_of_another_model(
    refused: Refused, portrait_path: Path, motion: Dynamics, tmp_path: Path, out: Path
) -> None:
    path = tmp_path / "other.motion.safetensors"
    save_motion(dataclasses.replace(motion, model_id="ffff0000"), path)
    refused(
        "animate", portrait_path, "--driving", path, "-o", out,
        message=f"{path} belongs to morphable model ffff0000, expected {motion.model_id}; ",
    )  # fmt: skip


def test_a_motion_of_a_newer_version(
    refused: Refused, portrait_path: Path, motion_path: Path, tmp_path: Path, out: Path
) -> None:
    tensors, header = load_weights(motion_path, "motion")
    path = tmp_path / "newer.motion.safetensors"
    save_weights(path, tensors, "motion", header, version=2)
    refused(
        "animate", portrait_path, "--driving", path, "-o", out,
        message=f"{path} has version 2 of motion, this faceanime reads up to 1; update faceanime",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["expression", "scale"])
def test_a_motion_with_nan_in_it(
    refused: Refused, portrait_path: Path, motion_path: Path, tmp_path: Path, out: Path, name: str
) -> None:
    tensors, header = load_weights(motion_path, "motion")
    tensors[name].reshape(-1)[7] = np.nan
    path = tmp_path / "nan.motion.safetensors"
    path.write_bytes(save(tensors, metadata={"faceanime": json.dumps(header)}))
    refused(
        "animate", portrait_path, "--driving", path, "-o", out,
        message=f"{path}: tensor {name} holds NaN or infinity",
    )  # fmt: skip


@pytest.mark.parametrize(("name", "shape"), [("expression", (FRAMES, 5)), ("identity", (3,))])
def test_a_motion_whose_numbers_do_not_fit_together(
    refused: Refused,
    portrait_path: Path,
    motion_path: Path,
    tmp_path: Path,
    out: Path,
    name: str,
    shape: tuple[int, ...],
) -> None:
    tensors, header = load_weights(motion_path, "motion")
    path = tmp_path / "wrong.motion.safetensors"
    save_weights(path, tensors | {name: np.ones(shape)}, "motion", header)
    refused("animate", portrait_path, "--driving", path, "-o", out, message=f"{path} has ")


def test_a_motion_whose_numbers_mean_nothing(
    refused: Refused, portrait_path: Path, motion_path: Path, tmp_path: Path, out: Path
) -> None:
    tensors, header = load_weights(motion_path, "motion")
    path = tmp_path / "odd.motion.safetensors"
    for rotation, changed, message in (
        (np.zeros_like(tensors["rotation"]), {}, "HeadPose.rotation holds matrices that are not rotations"),
        (-tensors["rotation"], {}, "HeadPose.rotation holds matrices that are not rotations"),
        (tensors["rotation"], {"crop_size_px": 0}, "Dynamics.picture_side_px is 0"),
        (tensors["rotation"], {"frame_rate": [100_000, 1]}, "Dynamics.frame_rate is 100000"),
    ):
        save_weights(path, tensors | {"rotation": rotation}, "motion", header | changed)
        refused(
            "animate", portrait_path, "--driving", path, "-o", out, message=f"{path} is damaged: {message}"
        )


@pytest.mark.parametrize("content", ["cut", "text", "empty"])
def test_a_damaged_motion(
    refused: Refused, portrait_path: Path, motion_path: Path, tmp_path: Path, out: Path, content: str
) -> None:
    whole = motion_path.read_bytes()
    path = tmp_path / "bad.motion.safetensors"
    path.write_bytes({"cut": whole[: len(whole) // 2], "text": b"no tensors at all", "empty": b""}[content])
    wrong = {"empty": f"cannot read {path}: the file is empty"}
    refused(
        "animate", portrait_path, "--driving", path, "-o", out,
        message=wrong.get(content, f"{path} is damaged or not a safetensors file: "),
    )  # fmt: skip


# --- the options -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--reference", str(FRAMES)], f"reference frame {FRAMES} does not exist: .* {FRAMES} frames"),
        (["--reference", "-1"], "--reference is -1, expected auto or a frame number"),
        (["--reference", "soon"], ".*reference"),
        (["--size", "3"], "--size is 3, expected 16 to 3840 px"),
        (["--size", "100000"], "--size is 100000, expected 16 to 3840 px"),
        (["--face", "1"], r"no face 1 in .* \(1 face found, counted from 0"),
        (["--face", "-3"], "--face is -3, expected largest or an index from 0"),
        (["--parts", "ears"], ".*ears"),
        (["--motion", "sideways"], ".*sideways"),
        (["--renderer", "magic"], ".*magic"),
        (["--side-by-sid"], "unknown option --side-by-sid; did you mean --side-by-side?"),
        (["--refrence", "3"], "unknown option --refrence; did you mean --reference?"),
        (["--lips", "nan"], "--lips is nan, expected 0 to 4"),
        (["--yaw-limit-deg", "inf"], "--yaw-limit-deg is inf, expected 0 or more"),
        (["--preview", "sheet.mp4"], "cannot write sheet.mp4: a preview is a picture; name it .png or .jpg$"),
    ],
)  # fmt: skip
def test_an_option_that_makes_no_sense(
    refused: Refused, portrait_path: Path, motion_path: Path, out: Path, options: list[str], message: str
) -> None:
    refused("animate", portrait_path, "--driving", motion_path, "-o", out, *options, message=message)


def test_without_a_driver_or_an_output(refused: Refused, portrait_path: Path, motion_path: Path) -> None:
    refused("animate", portrait_path, "--driving", motion_path, message=".*--out")
    refused("animate", portrait_path, "-o", "out.mp4", message=".*--driving")


# --- the target --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["file/out.mp4", "missing/out.mp4", "file/out", "missing/out"])
def test_a_place_that_cannot_be_written(
    refused: Refused, portrait_path: Path, motion_path: Path, tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").write_text("in the way")
    out = tmp_path / place
    refused("animate", portrait_path, "--driving", motion_path, "-o", out, message=f"cannot write {out}: ")


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("out.avi", "unknown suffix .avi; use .mp4, "),
        ("out.motion.safetensors", "unknown suffix .safetensors; use .mp4, "),
        ("out.jpg", "it is the name of one picture, and a motion has many frames; name it out.mp4, "),
    ],
)
def test_an_unknown_kind_of_output(
    refused: Refused, portrait_path: Path, motion_path: Path, tmp_path: Path, name: str, wrong: str
) -> None:
    out = tmp_path / name
    refused(
        "animate", portrait_path, "--driving", motion_path, "-o", out, message=f"cannot write {out}: {wrong}"
    )


def test_a_folder_with_something_in_it(
    refused: Refused, portrait_path: Path, motion_path: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").write_text("keep")
    refused(
        "animate", portrait_path, "--driving", motion_path, "-o", tmp_path / "out",
        message="cannot write .*: it exists and is not an empty folder",
    )  # fmt: skip


def test_an_input_is_never_overwritten(
    refused: Refused, portrait_path: Path, driving_path: Path, out: Path
) -> None:
    animate = ["animate", portrait_path, "--driving", driving_path]
    refused(*animate, "-o", driving_path, message=f"cannot write {driving_path}: it is an input")
    refused(*animate, "-o", portrait_path, message=f"cannot write {portrait_path}: it is an input")
    refused(*animate, "-o", out, "--preview", portrait_path, message="cannot write .*: it is an input")


@pytest.mark.parametrize("name", ["same.png", "frames"])
def test_the_preview_may_not_be_where_the_result_goes(
    refused: Refused, portrait_path: Path, motion_path: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "frames").mkdir()
    out = tmp_path / name
    driving = portrait_path if name == "same.png" else motion_path
    preview = tmp_path / "frames" / "sheet.png" if name == "frames" else out
    refused(
        "animate", portrait_path, "--driving", driving, "-o", out, "--preview", preview,
        message=f"cannot write {preview}: the result goes to {out}; choose another name",
    )  # fmt: skip


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """As if the disk were full: no file may grow beyond `size`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("name", ["out.mp4", "out.webm", "out.gif", "out.webp", "out"])
def test_a_full_target(
    program: Program, portrait_path: Path, motion_path: Path, tmp_path: Path, name: str
) -> None:
    out = tmp_path / name
    with files_up_to(8 * 1024):
        outcome = program("animate", portrait_path, "--driving", motion_path, "-o", out)
    assert_refused(outcome, f"cannot write {out}: .*; free some space or choose another disk")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["out.gif", "out.jpg", "out"])
def test_a_preview_that_cannot_be_written_leaves_no_result_either(
    program: Program, portrait_path: Path, motion_path: Path, tmp_path: Path, name: str
) -> None:
    sheet = tmp_path / "sheet.png"
    driving = portrait_path if name == "out.jpg" else motion_path
    with files_up_to(128 * 1024):  # room enough for every file but the sheet
        outcome = program(
            "animate", portrait_path, "--driving", driving, "-o", tmp_path / name, "--size", "96",
            "--preview", sheet,
        )  # fmt: skip
    assert_refused(outcome, f"cannot write {sheet}: .*; free some space or choose another disk")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_is_refused_before_any_work(
    refused: Refused, tmp_path: Path, motion_path: Path
) -> None:
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "precious").write_text("keep")
    (tmp_path / "unread.png").write_text("not a picture, which would be noticed if it were read")
    refused(
        "animate", tmp_path / "unread.png", "--driving", motion_path, "-o", tmp_path / "frames",
        message=f"cannot write {tmp_path / 'frames'}: it exists and is not an empty folder",
    )  # fmt: skip


# --- training ---------------------------------------------------------------------------------------------


def test_training_wants_its_folder_before_any_work(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    refused(
        "train", "morphable", "--data", tmp_path / "missing", "--out", tmp_path / "file",
        message=f"cannot write to {tmp_path / 'file'}: it is a file; choose another folder",
    )  # fmt: skip


# --- reconstruct -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("portrait", "out.stl", "cannot write .*out.stl: unknown suffix; use .motion.safetensors, .glb, .obj"),
        ("portrait", "out.safetensors", "cannot write .*: unknown suffix"),
        ("portrait", "missing/out.obj", "cannot write .*: the folder .*missing does not exist"),
        ("portrait", "missing/out.motion.safetensors", "cannot write .*: the folder .*missing does not exist"),
        ("missing", "out.glb", "cannot read .*: no such file"),
        ("missing", "out.motion.safetensors", "cannot read .*: no such file"),
        ("sound", "out.glb", "cannot read .*: it holds no video stream"),
        ("sound", "out.motion.safetensors", "cannot read .*: it holds no video stream"),
        ("noise", "out.obj", "no face in "),
        ("noise", "out.motion.safetensors", "no face in "),
        ("motion", "out.glb", ".* is a motion: nothing is to be reconstructed; faceanime edit "),
    ],
)  # fmt: skip
def test_what_cannot_be_reconstructed(
    refused: Refused,
    portrait_path: Path,
    sound_path: Path,
    motion_path: Path,
    tmp_path: Path,
    source: str,
    target: str,
    message: str,
) -> None:
    sources = {
        "portrait": portrait_path,
        "sound": sound_path,
        "motion": motion_path,
        "missing": tmp_path / "missing.mp4",
        "noise": tmp_path / "noise.png",
    }
    write_image(sources["noise"], noise())
    refused("reconstruct", sources[source], "-o", tmp_path / target, message=message)


@pytest.mark.parametrize("suffix", [".obj", ".glb", ".motion.safetensors"])
def test_a_full_target_for_a_reconstruction(
    program: Program, portrait_path: Path, tmp_path: Path, suffix: str
) -> None:
    with files_up_to(512):
        outcome = program("reconstruct", portrait_path, "-o", tmp_path / f"face{suffix}")
    assert_refused(outcome, "cannot write .*: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("source", ["me.png", "me.mtl", "me.obj"])
def test_what_a_face_is_read_from_is_not_overwritten_by_its_texture(
    refused: Refused, portrait_path: Path, tmp_path: Path, source: str
) -> None:
    shutil.copy(portrait_path, tmp_path / source)  # a picture whatever its name says
    refused(
        "reconstruct", tmp_path / source, "-o", tmp_path / "me.obj",
        message=f"cannot write {tmp_path / source}: it is an input; choose another name",
    )  # fmt: skip


def test_a_motion_is_not_reconstructed_into_its_own_file(refused: Refused, motion_path: Path) -> None:
    refused(
        "reconstruct",
        motion_path,
        "-o",
        motion_path,
        message=f"{motion_path} is a motion: nothing is to be reconstructed",
    )
