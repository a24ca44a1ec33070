"""The functions of the package, as a script or a notebook calls them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from filmed import FRAMES, NTSC
from PIL import Image
from program import difference, pictures

import faceanime
from faceanime.core.errors import ConfigError, MediaError, NoFaceError, OutputError, ShapeError
from faceanime.core.progress import CallbackProgress
from faceanime.dynamics.motion_file import load_motion
from faceanime.media.image import read_image
from faceanime.media.video import probe_video
from faceanime.pipeline import Animator
from faceanime.structures.coefficients import Dynamics
from faceanime.structures.portrait import Portrait

PLAIN = {"renderer": "geometric", "size": 160}
"""Options that make a small result quickly."""


def test_one_line_animates(tmp_path: Path, portrait_path: Path, motion_path: Path) -> None:
    out = faceanime.animate(str(portrait_path), str(motion_path), str(tmp_path / "a.mp4"), **PLAIN)
    assert out == tmp_path / "a.mp4"
    frames = pictures(out)
    assert frames.shape == (FRAMES, 160, 160, 3)
    assert difference(frames[0], frames[6]) > 0.5


def test_names_arrays_images_and_motions_give_the_same_video(
    tmp_path: Path, portrait_path: Path, astronaut: np.ndarray, motion_path: Path, motion: Dynamics
) -> None:
    made = [
        faceanime.animate(portrait, driving, tmp_path / f"{number}.mp4", **PLAIN)
        for number, (portrait, driving) in enumerate(
            [
                (str(portrait_path), str(motion_path)),
                (astronaut, load_motion(motion_path)),
                (Image.fromarray(astronaut), motion_path),
            ]
        )
    ]
    assert len({path.read_bytes() for path in made}) == 1


def test_a_picture_in_memory_drives(tmp_path: Path, astronaut: np.ndarray) -> None:
    out = faceanime.animate(astronaut, Image.fromarray(astronaut), tmp_path / "a.png", **PLAIN)
    assert read_image(out).shape == (160, 160, 3)


def test_an_animator_of_ones_own_keeps_its_settings(
    tmp_path: Path, portrait_path: Path, motion_path: Path
) -> None:
    animator = Animator(faceanime.AnimatorConfig(draw=faceanime.RendererConfig("geometric")))
    out = faceanime.animate(portrait_path, motion_path, tmp_path / "a", animator=animator, size=64)
    assert pictures(out).shape == (FRAMES, 64, 64, 3)
    with pytest.raises(ConfigError, match="head is a setting of the animator"):
        faceanime.animate(portrait_path, motion_path, tmp_path / "b.mp4", animator=animator, head=0.5)


def test_progress_is_reported(tmp_path: Path, portrait_path: Path, motion_path: Path) -> None:
    stages: list[str] = []
    progress = CallbackProgress(lambda stage, fraction, left_s: stages.append(stage))
    faceanime.animate(portrait_path, motion_path, tmp_path / "a.mp4", progress=progress, **PLAIN)
    assert "rendering a.mp4" in stages


def test_options_reach_what_is_made(tmp_path: Path, portrait_path: Path, motion_path: Path) -> None:
    still = faceanime.animate(
        portrait_path, motion_path, tmp_path / "a.mp4", lips=0, eyes=0.0, head=0, preview=str(tmp_path / "a.jpg"),
        **PLAIN,
    )  # fmt: skip
    frames = pictures(still)
    assert difference(frames[0], frames[6]) < 0.2
    assert read_image(tmp_path / "a.jpg").shape[1] > 160


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hed": 0.5}, "animate: unknown option hed; did you mean head"),
        ({"head": "much"}, r'animate: head is "much" \(str\), expected float'),
        ({"head": 40.0}, "head is 40.0, expected 0 to 4"),
        ({"frame_rate": 25}, "animate: unknown option frame_rate; did you mean fps"),
        ({"parts": "nose"}, 'animate: parts is "nose" .*expected one of "all"'),
    ],
)
def test_wrong_options_are_refused_before_any_work(
    tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        faceanime.animate("missing.jpg", "talk", tmp_path / "a.mp4", **options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: faceanime.write_video([], "a.mp4", fps=25),
            "write_video: unknown option fps; did you mean frame_rate?",
        ),
        (
            lambda: faceanime.write_video([], "a.mp4", audio=None),
            "write_video: unknown option audio; there are frames, out, like, frame_rate",
        ),
        (
            lambda: faceanime.Animator(quality="best"),
            "Animator, whose settings are an AnimatorConfig: unknown option quality; there are config, model, "
            "detector, segmenter, renderer, predictor",
        ),
        (
            lambda: faceanime.write_video([], "a.mp4", framerate=25),
            "write_video: unknown option framerate; did you mean frame_rate?",
        ),
        (
            lambda: faceanime.reconstruct("a.jpg", "a.glb", faces=1),
            "reconstruct: unknown option faces; did you mean face?",
        ),
        (
            lambda: faceanime.motion("talk", progres=None),
            "motion: unknown option progres; did you mean progress?",
        ),
    ],
)
def test_unknown_options_of_every_function_are_answered(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        call()


def test_errors_name_what_was_given(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"missing\.jpg"):
        faceanime.animate("missing.jpg", "talk", tmp_path / "a.mp4", **PLAIN)
    with pytest.raises(NoFaceError, match="no face in the portrait"):
        faceanime.animate(np.zeros((64, 64, 3), np.uint8), "talk", tmp_path / "a.mp4", **PLAIN)
    assert list(tmp_path.iterdir()) == []


def test_predict_and_morph_write_their_motions(tmp_path: Path, astronaut: np.ndarray) -> None:
    motion_out = tmp_path / "a.motion.safetensors"
    out = faceanime.predict(
        astronaut, tmp_path / "a.mp4", seconds=0.4, seed=3, motion_out=str(motion_out), **PLAIN
    )
    assert len(pictures(out)) == len(load_motion(motion_out)) == 10
    mirrored = np.ascontiguousarray(astronaut[:, ::-1])
    out = faceanime.morph(astronaut, mirrored, tmp_path / "b.mp4", seconds=0.4, **PLAIN)
    assert len(pictures(out)) == 10


def test_reconstruct_takes_a_picture_in_memory(tmp_path: Path, astronaut: np.ndarray) -> None:
    out = faceanime.reconstruct(astronaut, tmp_path / "a.motion.safetensors")
    assert len(load_motion(out)) == 1
    assert faceanime.reconstruct(astronaut, str(tmp_path / "a.obj")).exists()


def test_edit_joins_and_changes_motions(tmp_path: Path) -> None:
    out = faceanime.edit(["talk", "nod"], tmp_path / "a.motion.safetensors", end=1.0, mirror=True)
    assert len(faceanime.motion(out)) == 25
    with pytest.raises(ConfigError, match="edit: unknown option miror; did you mean mirror"):
        faceanime.edit("talk", tmp_path / "b.motion.safetensors", miror=True)


def test_motion_takes_a_name_a_file_and_a_picture(motion_path: Path, astronaut: np.ndarray) -> None:
    assert len(faceanime.motion("talk")) == 165
    assert len(faceanime.motion(str(motion_path))) == FRAMES
    assert faceanime.motion(astronaut).is_goal
    with pytest.raises(ConfigError, match="neither a file nor a bundled motion"):
        faceanime.motion("tlak")


@pytest.fixture
def stripes() -> list[np.ndarray]:
    return [np.full((32, 48, 3), 20 * t, np.uint8) for t in range(10)]


def test_a_video_is_written_like_its_driver(
    tmp_path: Path, stripes: list[np.ndarray], driving_path: Path, sound_path: Path
) -> None:
    out = faceanime.write_video(iter(stripes), str(tmp_path / "a.mp4"), like=str(driving_path))
    assert probe_video(out).frame_rate == NTSC
    assert len(pictures(out)) == 10
    import av

    with av.open(str(out)) as film:
        assert film.streams.audio


@pytest.mark.parametrize(
    ("like", "given", "rate"),
    [
        (None, None, 25),
        ("talk", None, 25),
        (None, 30, 30),
        (None, 29.97, NTSC),
        (None, 12.5, Fraction(25, 2)),
        ("talk", Fraction(30000, 1001), Fraction(30000, 1001)),
    ],
)
def test_the_rate_of_a_video(
    tmp_path: Path,
    stripes: list[np.ndarray],
    like: str | None,
    given: Fraction | float | None,
    rate: Fraction,
) -> None:
    out = faceanime.write_video(stripes, tmp_path / "a.mp4", like, frame_rate=given)
    assert probe_video(out).frame_rate == rate


WRONG_TYPES = """
import sys
import numpy as np
from PIL import Image
import faceanime
from faceanime.media.picture_source import read_picture

pixels = np.zeros((32, 32, 3), np.uint8)
for call in (
    lambda: read_picture(b"bytes", "the portrait"),
    lambda: read_picture([pixels], "the portrait"),
    lambda: read_picture(None, "the driver"),
    lambda: faceanime.write_video([Image.fromarray(pixels)], sys.argv[1]),
    lambda: faceanime.animate("me.png", "talk", None),
    lambda: faceanime.predict("me.png", 5),
    lambda: faceanime.predict("me.png", "a.mp4", motion_out=5),
    lambda: faceanime.reconstruct("me.png", None),
    lambda: faceanime.edit("talk", None),
    lambda: faceanime.edit(None, "a.motion.safetensors"),
    lambda: faceanime.write_video([pixels], None),
    lambda: faceanime.write_image(None, pixels),
    lambda: faceanime.motion(42),
    lambda: faceanime.Animator("quality"),
):
    try:
        call()
    except faceanime.FaceAnimeError as error:
        print(error)
"""


def test_arguments_of_other_types_are_refused_in_words(tmp_path: Path) -> None:
    """In a program of its own, since the tests check annotations before the functions see their arguments."""
    program = (sys.executable, "-c", WRONG_TYPES, tmp_path / "x.mp4")
    done = subprocess.run(program, check=True, timeout=100, capture_output=True, text=True)
    expected = ", expected a path, an array or a Pillow image"
    assert done.stdout.splitlines() == [
        f"the portrait is of type bytes{expected}",
        f"the portrait is of type list{expected}",
        f"the driver is of type NoneType{expected}",
        "a frame is of type Image, expected an array",
        "out is of type NoneType, expected a path",
        "out is of type int, expected a path",
        "motion_out is of type int, expected a path",
        "out is of type NoneType, expected a path",
        "out is of type NoneType, expected a path",
        "a motion is of type NoneType, expected a path",
        "out is of type NoneType, expected a path",
        "path is of type NoneType, expected a path",
        "the driver is of type int, expected a path, the name of a bundled motion, a motion, an array or a Pillow "
        "image",
        "config is of type str, expected an AnimatorConfig",
    ]


def test_a_video_that_cannot_be_written_is_refused(tmp_path: Path, stripes: list[np.ndarray]) -> None:
    with pytest.raises(OutputError, match="no frame"):
        faceanime.write_video([], tmp_path / "a.mp4")
    with pytest.raises(ConfigError, match="frame_rate is -1"):
        faceanime.write_video(stripes, tmp_path / "a.mp4", frame_rate=-1)
    with pytest.raises(ShapeError):
        faceanime.write_video([*stripes, stripes[0][:8]], tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []


def test_printed_values_are_short(portrait: Portrait, animator: Animator, motion: Dynamics) -> None:
    assert repr(portrait).startswith("Portrait(320x320 px, face from (")
    for value in (portrait, portrait.face, portrait.landmarks, motion, motion[0], animator.model):
        assert len(repr(value)) < 250, repr(value)
