"""`faceanime animate`: a portrait and a motion in, a video out; and the laws that every result keeps."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from filmed import CLICK_S, FRAMES, NTSC
from program import PROGRAM, Outcome, Program, difference, pictures, run_process

from faceanime.core.errors import Cancelled
from faceanime.core.progress import CallbackProgress, SilentProgress
from faceanime.dynamics.editing import motion_from_keyframes
from faceanime.dynamics.motion_file import bundled_motion, load_motion, save_motion
from faceanime.dynamics.motion_path import bundled_motions
from faceanime.dynamics.retarget_config import RetargetConfig
from faceanime.media.animation import animation_timing
from faceanime.media.image import read_image, write_image
from faceanime.media.video import probe_video
from faceanime.media.video_writer import VideoWriter
from faceanime.morphable.mediapipe_schema import MEDIAPIPE
from faceanime.morphable.model import MorphableModel
from faceanime.output_options import OutputOptions
from faceanime.pipeline import Animator, AnimatorConfig
from faceanime.render.config import GeometricConfig
from faceanime.render.geometric import PortraitLayers
from faceanime.render.geometric_renderer import GeometricDrawer, GeometricRenderer
from faceanime.render.masks import soft_polygon
from faceanime.structures.coefficients import Dynamics
from faceanime.structures.portrait import Portrait
from faceanime.workflows import animate_file

MOUTH = slice(137, 157), slice(136, 183)
RIGHT_EYE = slice(95, 106), slice(129, 151)
HAIR = slice(33, 63), slice(115, 207)


def most_moved(frames: np.ndarray, still: np.ndarray, zone: tuple[slice, slice]) -> float:
    """Largest difference of a zone of any frame from the picture, in levels of 255."""
    return max(difference(frame[zone], still[zone]) for frame in frames)


def repeated(motion: Dynamics, frame: int, times: int) -> Dynamics:
    """One frame of a motion, held."""
    index = np.full(times, frame)
    return motion.replaced(
        expression=motion.expression[index], pose=motion.pose[index], valid=motion.valid[index]
    )


def heard_at_s(path: Path) -> float:
    """Time at which the first loud sound begins."""
    with av.open(str(path)) as container:
        for frame in container.decode(container.streams.audio[0]):
            loud = np.abs(frame.to_ndarray()).max(axis=0) > 0.3
            if loud.any():
                return float(frame.pts * frame.time_base) + int(np.argmax(loud)) / frame.sample_rate
    raise AssertionError(f"no click in {path}")


# --- what is written ---------------------------------------------------------------------------------------


def test_a_video_drives_a_video_with_its_rate_its_length_and_its_sound(
    program: Program, portrait_path: Path, driving_path: Path, tmp_path: Path
) -> None:
    out = program.makes(tmp_path / "out.mp4", "animate", portrait_path, "--driving", driving_path)
    info = probe_video(out)
    assert (info.width_px, info.height_px) == (320, 320)
    assert info.frame_rate == NTSC
    assert len(pictures(out)) == FRAMES
    assert heard_at_s(out) == pytest.approx(CLICK_S, abs=0.03)
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_a_driver_s_name_does_not_cost_its_sound(
    program: Program, portrait_path: Path, driving_path: Path, tmp_path: Path
) -> None:
    shutil.copy(driving_path, tmp_path / "driving.f4v")
    out = program.makes(
        tmp_path / "out.mp4", "animate", portrait_path, "--driving", tmp_path / "driving.f4v", "--size", "64"
    )
    with av.open(out) as written:
        assert written.streams.audio


@pytest.mark.parametrize("suffix", [".webm", ".gif"])
def test_every_kind_of_video_has_the_motion_s_length_and_rate(
    program: Program, portrait_path: Path, motion_path: Path, tmp_path: Path, suffix: str
) -> None:
    out = program.makes(
        tmp_path / f"out{suffix}", "animate", portrait_path, "--driving", motion_path, "--size", "160"
    )
    frames = pictures(out)
    assert frames.shape == (FRAMES, 160, 160, 3)
    assert probe_video(out).frame_rate == 25
    assert difference(frames[0], frames[6]) > 1.0


def test_an_animated_webp_lasts_as_long_as_the_motion(
    program: Program, portrait_path: Path, motion_path: Path, tmp_path: Path
) -> None:
    out = program.makes(
        tmp_path / "out.webp", "animate", portrait_path, "--driving", motion_path, "--size", "160"
    )
    width, height, durations_s = animation_timing(out)  # equal frames are stored once, and shown longer
    assert (width, height) == (160, 160)
    assert sum(durations_s) == Fraction(FRAMES, 25)
    assert len(durations_s) > FRAMES // 2


def test_a_name_without_a_suffix_is_a_folder_of_pictures(
    program: Program, portrait_path: Path, motion_path: Path, tmp_path: Path
) -> None:
    program.makes(tmp_path / "frames", "animate", portrait_path, "--driving", motion_path)
    assert [path.name for path in tmp_path.iterdir()] == ["frames"]
    assert pictures(tmp_path / "frames").shape == (FRAMES, 320, 320, 3)


def test_a_picture_drives_one_picture(
    program: Program, portrait_path: Path, astronaut: np.ndarray, tmp_path: Path
) -> None:
    write_image(tmp_path / "mirrored.png", np.ascontiguousarray(astronaut[:190, ::-1]))
    out = program.makes(
        tmp_path / "out.png", "animate", portrait_path, "--driving", tmp_path / "mirrored.png"
    )
    still = read_image(out)
    assert still.shape == astronaut.shape
    assert difference(still, astronaut) > 1.0


def test_a_picture_drives_a_video_that_goes_from_the_portrait_to_its_expression(
    program: Program, portrait_path: Path, astronaut: np.ndarray, tmp_path: Path
) -> None:
    write_image(tmp_path / "mirrored.png", np.ascontiguousarray(astronaut[:190, ::-1]))
    driven = ["animate", portrait_path, "--driving", tmp_path / "mirrored.png"]
    goal = read_image(program.makes(tmp_path / "goal.png", *driven))
    frames = pictures(program.makes(tmp_path / "way", *driven))
    assert len(frames) > 10
    np.testing.assert_array_equal(frames[0], astronaut)
    assert difference(frames[-1], goal) < 0.1


def test_the_size_is_the_longer_side(
    program: Program, pair_path: Path, motion_path: Path, tmp_path: Path
) -> None:
    out = program.makes(
        tmp_path / "out.mp4", "animate", pair_path, "--driving", motion_path, "--size", "400", "--face", "0"
    )
    assert pictures(out).shape == (FRAMES, 200, 400, 3)


def test_the_crop_is_a_square_around_the_head(
    program: Program, portrait_path: Path, motion_path: Path, tmp_path: Path
) -> None:
    crop = ["animate", portrait_path, "--driving", motion_path, "--crop"]
    sized = pictures(program.makes(tmp_path / "sized.mp4", *crop, "--size", "96"))
    assert sized.shape == (FRAMES, 96, 96, 3)
    _, height, width, _ = pictures(program.makes(tmp_path / "native.mp4", *crop)).shape
    assert height == width
    assert 160 < width < 240  # the face is 110 px high


def test_a_small_face_of_a_large_picture_is_cut_out_before_it_is_scaled(
    model: MorphableModel, astronaut: np.ndarray, motion_path: Path, tmp_path: Path
) -> None:
    sides: list[int] = []

    class Watched(GeometricRenderer):
        def prepare(self, portrait: Portrait) -> GeometricDrawer:
            sides.append(portrait.side_px)
            return super().prepare(portrait)

    animator = Animator(model=model, renderer=Watched(model, GeometricConfig()))
    wide = np.pad(astronaut, ((400, 500), (900, 600), (0, 0)), mode="edge")
    write_image(tmp_path / "wide.png", wide)
    write_image(tmp_path / "near.png", astronaut)
    options, progress = OutputOptions(crop=True, size=256), SilentProgress()
    far, near = (
        pictures(
            animate_file(animator, tmp_path / f"{name}.png", motion_path, tmp_path / name, options, progress)
        )
        for name in ("wide", "near")
    )
    assert len(sides) == 2
    assert max(sides) < 2.3 * 256
    assert difference(far[6], near[6]) < 4.0


@pytest.mark.parametrize("face", ["0", "1"])
def test_the_chosen_face_stays_the_same_in_a_tiny_crop(
    program: Program, pair_path: Path, motion_path: Path, tmp_path: Path, face: str
) -> None:
    driven = ["animate", pair_path, "--driving", motion_path, "--face", face, "--crop", "--size"]
    small, large = (pictures(program.makes(tmp_path / size, *driven, size))[6] for size in ("32", "160"))
    shrunk = cv2.resize(large, (32, 32), interpolation=cv2.INTER_AREA)
    assert difference(small, shrunk) < 6.0


def test_side_by_side_shows_source_driver_prior_and_result(
    program: Program, portrait_path: Path, driving_path: Path, tmp_path: Path
) -> None:
    out = program.makes(
        tmp_path / "row", "animate", portrait_path, "--driving", driving_path, "--side-by-side"
    )
    frames = pictures(out)
    assert frames.shape == (FRAMES, 320, 4 * 320 + 3 * 2, 3)
    source, driver, prior, result = (frames[:, :, at : at + 320] for at in (0, 322, 644, 966))
    np.testing.assert_array_equal(source, np.broadcast_to(read_image(portrait_path), source.shape))
    np.testing.assert_array_equal(driver, pictures(driving_path))
    assert difference(prior[0], source[0]) > 5.0
    np.testing.assert_array_equal(
        result,
        pictures(program.makes(tmp_path / "alone", "animate", portrait_path, "--driving", driving_path)),
    )


def test_the_preview_is_a_sheet_of_five_times_three(
    program: Program, portrait_path: Path, motion_path: Path, tmp_path: Path
) -> None:
    sheet = tmp_path / "sheet.png"
    out = program.makes(
        tmp_path / "out.mp4", "animate", portrait_path, "--driving", motion_path, "--preview", sheet
    )
    assert probe_video(out).width_px == 320  # the video is what it would be without
    height, width, _ = read_image(sheet).shape
    assert 5 * 320 < width < 5.2 * 320
    assert 3 * 320 < height < 3.6 * 320


def test_a_still_has_its_preview_too(program: Program, portrait_path: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    program.makes(
        tmp_path / "out.png", "animate", portrait_path, "--driving", portrait_path, "--preview", sheet
    )
    assert read_image(sheet).shape[0] > 3 * 320


@pytest.mark.parametrize("kind", ["motion", "video"])
def test_a_driver_of_one_frame_gives_the_whole_way_beside_its_picture(
    program: Program,
    portrait_path: Path,
    astronaut: np.ndarray,
    motion: Dynamics,
    tmp_path: Path,
    kind: str,
) -> None:
    driving = tmp_path / {"motion": "one.motion.safetensors", "video": "one.mp4"}[kind]
    if kind == "motion":
        save_motion(repeated(motion, 6, 1), driving)
    else:
        mirrored = np.pad(astronaut[:190, ::-1], ((0, 130), (0, 0), (0, 0)), mode="edge")
        with VideoWriter(driving, Fraction(25), 320, 320) as writer:
            writer.write(np.ascontiguousarray(mirrored))
    driven = ["animate", portrait_path, "--driving", driving, "--size", "160"]
    assert program(*driven, "-o", tmp_path / "plain").status == 0
    plain = pictures(tmp_path / "plain")
    assert len(plain) == 38
    beside = ("--side-by-side", "--preview", tmp_path / "sheet.png", "-o", tmp_path / "row")
    assert program(*driven, *beside).status == 0
    shown = pictures(tmp_path / "row")
    np.testing.assert_array_equal(shown[:, :, -160:], plain)
    drivers = shown[:, :, 162:322]
    np.testing.assert_array_equal(drivers, np.broadcast_to(drivers[0], drivers.shape))
    assert read_image(tmp_path / "sheet.png").shape[1] > 5 * 320


@pytest.mark.parametrize("part", [(), ("--end", "0.1")])
def test_a_video_of_one_frame_is_used_as_a_picture_and_that_is_said(
    program: Program, portrait_path: Path, astronaut: np.ndarray, tmp_path: Path, part: tuple[str, ...]
) -> None:
    driving, out = tmp_path / "one.mp4", tmp_path / "out.gif"
    with VideoWriter(driving, Fraction(10), *astronaut.shape[1::-1]) as writer:
        for _ in range(3 if part else 1):
            writer.write(astronaut)
    done = program("animate", portrait_path, "--driving", driving, *part, "--size", "64", "-o", out)
    assert done == Outcome(
        0, f"{out}\n", f"{driving} gives a single frame: the portrait moves to its face, as with a picture\n"
    )
    assert len(pictures(out)) == 15


def test_one_frame_of_a_motion_makes_one_picture(
    program: Program, portrait_path: Path, motion: Dynamics, tmp_path: Path
) -> None:
    driving = tmp_path / "one.motion.safetensors"
    save_motion(repeated(motion, 6, 1), driving)
    out = program.makes(tmp_path / "out.jpg", "animate", portrait_path, "--driving", driving)
    assert read_image(out).shape == (320, 320, 3)


def test_an_older_output_is_replaced(
    program: Program, portrait_path: Path, motion_path: Path, tmp_path: Path
) -> None:
    (tmp_path / "out.gif").write_text("old")
    out = program.makes(
        tmp_path / "out.gif", "animate", portrait_path, "--driving", motion_path, "--size", "64"
    )
    assert len(pictures(out)) == FRAMES


# --- what moves --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "moving", "still"),
    [
        ("all", {"mouth", "eyes", "hair"}, set()),
        ("expression", {"mouth", "eyes"}, {"hair"}),
        ("head", {"hair"}, set()),
        ("lips", {"mouth"}, {"hair", "eyes"}),
        ("eyes", {"eyes"}, {"hair", "mouth"}),
    ],
)
def test_only_the_parts_asked_for_move(
    program: Program,
    portrait_path: Path,
    motion_path: Path,
    astronaut: np.ndarray,
    tmp_path: Path,
    parts: str,
    moving: set[str],
    still: set[str],
) -> None:
    out = program.makes(
        tmp_path / "out", "animate", portrait_path, "--driving", motion_path, "--parts", parts
    )
    frames, zones = pictures(out), {"mouth": MOUTH, "eyes": RIGHT_EYE, "hair": HAIR}
    moved = {name: most_moved(frames, astronaut, zone) for name, zone in zones.items()}
    assert all(moved[name] > 10.0 for name in moving), moved
    assert all(moved[name] < 0.1 for name in still), moved


@pytest.mark.parametrize(("face", "moving"), [("0", "left"), ("1", "right"), ("largest", "left")])
def test_only_the_chosen_face_moves(
    program: Program, pair_path: Path, motion_path: Path, tmp_path: Path, face: str, moving: str
) -> None:
    outcome = program("animate", pair_path, "--driving", motion_path, "--face", face, "-o", tmp_path / "out")
    assert outcome.status == 0
    frames, source = pictures(tmp_path / "out"), read_image(pair_path)
    halves = {"left": frames[:, :, :320] - source[:, :320], "right": frames[:, :, 320:] - source[:, 320:]}
    assert halves.pop(moving).any()
    (other,) = halves.values()
    assert not other.any(), "the other face stays bit-exact"


def test_of_several_faces_the_largest_is_animated_and_said_so(
    pair_path: Path, motion_path: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.gif"
    done = run_process("animate", pair_path, "--driving", motion_path, "--size", "320", "-o", out)
    assert (done.status, done.out) == (0, f"{out}\n")
    assert (
        done.err
        == f"{pair_path} shows 2 faces: the largest is taken, on the left (--face 1 takes the other)\n"
    )


@pytest.mark.parametrize("kind", ["picture", "video"])
def test_of_several_faces_of_a_driver_the_largest_drives_and_that_is_said(
    program: Program,
    portrait_path: Path,
    pair_path: Path,
    tmp_path: Path,
    kind: str,
) -> None:
    driving = pair_path if kind == "picture" else tmp_path / "pair.mp4"
    if kind == "video":
        with VideoWriter(driving, Fraction(25), 640, 320) as writer:
            for _ in range(3):
                writer.write(read_image(pair_path))
    driven = ["animate", portrait_path, "--driving", driving, "--size", "64"]
    program.makes(tmp_path / "chosen.gif", *driven, "--track.face", "1")
    out = tmp_path / "largest.gif"
    warning = f"{driving} shows 2 faces: the largest is taken, on the left (--track.face 1 takes the other)\n"
    assert program(*driven, "-o", out) == Outcome(0, f"{out}\n", warning)


@pytest.mark.parametrize("face", ["none", "largest", "1"])
def test_a_driver_whose_face_hardly_moves_is_told(
    program: Program, portrait_path: Path, astronaut: np.ndarray, pair_path: Path, tmp_path: Path, face: str
) -> None:
    """A photograph of one face, or of two, in a video."""
    driving, out = tmp_path / "still.mp4", tmp_path / "out.gif"
    picture = astronaut if face == "none" else read_image(pair_path)
    with VideoWriter(driving, Fraction(10), *picture.shape[1::-1]) as writer:
        for _ in range(12):
            writer.write(picture)
    chosen = ("--track.face", face) if face != "none" else ()
    done = program("animate", portrait_path, "--driving", driving, *chosen, "--size", "64", "-o", out)
    hint = {
        "none": "",
        "largest": " (--track.face 1 takes another face)",
        "1": " (--track.face 0 takes another face)",
    }
    assert done.status == 0
    assert done.err.splitlines()[-1] == f"the face in {driving} hardly moves{hint[face]}"


def test_a_face_that_moves_little_is_not_told(
    program: Program,
    portrait_path: Path,
    animator: Animator,
    portrait: Portrait,
    model: MorphableModel,
    tmp_path: Path,
) -> None:
    """A mouth that opens by a tenth of its range."""
    tracks = {"jaw_open": [(0.0, 0.0), (0.5, 0.1), (1.0, 0.0)]}
    driving = tmp_path / "calm.mp4"
    with VideoWriter(driving, Fraction(10), 320, 320) as writer:
        for pixels in animator.animate(portrait, motion_from_keyframes(tracks, 1.2, Fraction(10), model)):
            writer.write(pixels)
    program.makes(tmp_path / "out.gif", "animate", portrait_path, "--driving", driving, "--size", "64")


def test_several_faces_in_several_shots_of_a_driver_are_told_in_one_line(
    program: Program, portrait_path: Path, pair_path: Path, astronaut: np.ndarray, tmp_path: Path
) -> None:
    """One face, then two shots of a pair."""
    pair = read_image(pair_path)
    alone = np.zeros_like(pair)
    alone[:, 160:480] = astronaut
    driving, out = tmp_path / "cuts.mp4", tmp_path / "out.gif"
    with VideoWriter(driving, Fraction(10), 640, 320) as writer:
        for picture in (alone, pair, pair[:, ::-1]):
            for _ in range(6):
                writer.write(np.ascontiguousarray(picture))
    outcome = program("animate", portrait_path, "--driving", driving, "--size", "64", "-o", out)
    assert outcome.status == 0
    assert outcome.err.splitlines()[0] == (
        f"{driving} shows several faces in the shots from 0.6 s, 1.2 s: the largest is taken in each "
        "(--track.face 1 takes the second largest)"
    )
    assert outcome.err.count("several faces") == 1


def test_a_driver_that_holds_still_poses_the_portrait_only_when_absolute(
    program: Program,
    portrait_path: Path,
    astronaut: np.ndarray,
    motion: Dynamics,
    model: MorphableModel,
    tmp_path: Path,
) -> None:
    held = repeated(motion, 0, 3)
    grinning = held.replaced(expression=held.expression + 0.7 * model.axis("smile"))
    save_motion(grinning, tmp_path / "grin.motion.safetensors")
    driven = ["animate", portrait_path, "--driving", tmp_path / "grin.motion.safetensors", "--motion"]
    relative = pictures(program.makes(tmp_path / "relative", *driven, "relative"))
    np.testing.assert_array_equal(relative, np.broadcast_to(astronaut, relative.shape))
    absolute = pictures(program.makes(tmp_path / "absolute", *driven, "absolute"))
    assert difference(absolute[0][MOUTH], astronaut[MOUTH]) > 5.0
    np.testing.assert_array_equal(absolute[1], absolute[0])


def test_the_portrait_as_its_own_absolute_driver_stays_itself(
    program: Program, portrait_path: Path, astronaut: np.ndarray, tmp_path: Path
) -> None:
    out = program.makes(
        tmp_path / "out.png", "animate", portrait_path, "--driving", portrait_path, "--motion", "absolute"
    )
    assert difference(read_image(out), astronaut) < 0.5


def test_a_frame_of_the_driver_as_portrait_gives_the_driver_back(
    program: Program, driving_path: Path, tmp_path: Path
) -> None:
    driver = pictures(driving_path)
    portrait_path = tmp_path / "frame2.png"
    write_image(portrait_path, driver[2])
    out = program.makes(
        tmp_path / "out", "animate", portrait_path, "--driving", driving_path, "--reference", "2"
    )
    frames = pictures(out)
    assert difference(frames[2], driver[2]) < 1.0
    head = slice(20, 200), slice(80, 240)
    for t in (5, 6, 7):  # the mouth is open, the lids are down, the head is turned
        error = difference(frames[t][head], driver[t][head])
        assert error < 0.6 * difference(driver[2][head], driver[t][head])


# --- laws of the Python interface --------------------------------------------------------------------------


def test_animate_yields_a_picture_a_frame_and_leaves_the_portrait_as_it_was(
    animator: Animator, astronaut: np.ndarray, motion: Dynamics
) -> None:
    before = astronaut.copy()
    portrait = animator.portrait(astronaut)
    frames = list(animator.animate(portrait, motion))
    assert len(frames) == len(motion) == FRAMES
    assert all(frame.shape == astronaut.shape and frame.dtype == np.uint8 for frame in frames)
    np.testing.assert_array_equal(astronaut, before)


def test_animating_twice_gives_the_same_bits(
    animator: Animator, portrait: Portrait, motion: Dynamics
) -> None:
    first, again = (np.stack(list(animator.animate(portrait, motion))) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_a_still_driver_gives_the_still_portrait(
    animator: Animator, portrait: Portrait, motion: Dynamics
) -> None:
    frames = np.stack(list(animator.animate(portrait, repeated(motion, 4, 4))))
    np.testing.assert_array_equal(frames, np.broadcast_to(portrait.pixels, frames.shape))


@pytest.mark.parametrize("name", bundled_motions())
def test_outside_the_moving_region_every_frame_is_bit_exact(
    animator: Animator, portrait: Portrait, model: MorphableModel, name: str
) -> None:
    motion = bundled_motion(name)
    index = np.linspace(0, len(motion) - 1, 6).astype(int)
    few = motion.replaced(
        expression=motion.expression[index], pose=motion.pose[index], valid=motion.valid[index]
    )
    region = PortraitLayers(portrait.pixels, portrait.face, portrait.matte, model, GeometricConfig()).region
    outside = np.ones(portrait.pixels.shape[:2], bool)
    outside[region.slices] = False
    assert outside.any()
    moved = False
    for frame in animator.animate(portrait, few):
        np.testing.assert_array_equal(frame[outside], portrait.pixels[outside])
        moved |= bool((frame != portrait.pixels).any())
    assert moved


def test_the_portrait_driven_by_its_own_motion_is_itself_at_the_reference(
    model: MorphableModel, portrait: Portrait, motion: Dynamics
) -> None:
    config = AnimatorConfig(retarget=RetargetConfig(reference=3, rest=False))
    frames = list(Animator(config, model).animate(portrait, motion))
    oval = portrait.landmarks.points_image[MEDIAPIPE.oval, :2]
    inside = (oval.mean(axis=0) + 0.9 * (oval - oval.mean(axis=0))).astype(np.float32)
    face = soft_polygon(inside, *portrait.pixels.shape[:2], 0.0) == 1.0
    np.testing.assert_array_equal(frames[3][face], portrait.pixels[face])
    assert difference(frames[3], portrait.pixels) < 0.25 * difference(frames[6], portrait.pixels)  # hair lags
    assert difference(frames[6], portrait.pixels) > 1.0


def test_a_motion_from_its_file_draws_the_same_bits(
    animator: Animator, portrait: Portrait, driving_path: Path, motion: Dynamics, tmp_path: Path
) -> None:
    for name, kept in {"made": motion, "tracked": animator.motion(driving_path)}.items():
        path = tmp_path / f"{name}.motion.safetensors"
        save_motion(kept, path)
        direct, loaded = (
            np.stack(list(animator.animate(portrait, each))) for each in (kept, load_motion(path))
        )
        np.testing.assert_array_equal(direct, loaded)


def test_a_single_frame_is_taken_as_a_goal(animator: Animator, portrait: Portrait, motion: Dynamics) -> None:
    (goal,) = animator.animate(portrait, repeated(motion, 6, 1))
    assert difference(goal[MOUTH], portrait.pixels[MOUTH]) > 5.0


# --- the process -------------------------------------------------------------------------------------------


def test_the_module_animates_as_the_program_does(
    portrait_path: Path, motion_path: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    done = subprocess.run(
        [sys.executable, "-m", "faceanime", "animate", portrait_path, "--driving", portrait_path, "-o", out],
        capture_output=True,
        text=True,
        check=False,
    )
    assert Outcome(done.returncode, done.stdout, done.stderr) == Outcome(0, f"{out}\n", "")
    assert read_image(out).shape == (320, 320, 3)


def test_the_geometric_renderer_loads_neither_torch_nor_matplotlib(
    portrait_path: Path, motion_path: Path, tmp_path: Path
) -> None:
    args = ["animate", str(portrait_path), "--driving", str(motion_path), "-o", str(tmp_path / "out.mp4")]
    code = (
        f"import sys, faceanime.cli; faceanime.cli.main({[*args, '--renderer', 'geometric']}); "
        "print({'torch', 'matplotlib', 'jax'} & set(sys.modules))"
    )
    done = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert done.splitlines() == [str(tmp_path / "out.mp4"), "set()"]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_ctrl_c_and_its_like_leave_nothing_and_say_so_in_a_line(
    portrait_path: Path, motion: Dynamics, tmp_path: Path, name: str
) -> None:
    if not hasattr(signal, name):
        pytest.skip(f"there is no {name} here")
    driving = tmp_path / "minutes.motion.safetensors"
    save_motion(repeated(motion, 6, 4_000), driving)
    folder = tmp_path / "out"
    folder.mkdir()
    process = subprocess.Popen(
        [PROGRAM, "animate", portrait_path, "--driving", driving, "-o", folder / "out.mp4"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(getattr(signal, name), signal.SIG_DFL),  # pytest may run by nohup
    )
    while not any(folder.iterdir()):  # the draft appears when rendering has begun
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(getattr(signal, name))
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines() == [
        "stopping... (once more stops at once)",
        "faceanime: stopped by the user; nothing was written",
    ]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("stage", ["tracking", "rendering"])
def test_stopping_leaves_nothing_at_any_stage(
    animator: Animator, portrait_path: Path, driving_path: Path, tmp_path: Path, stage: str
) -> None:
    def stop(name: str, fraction: float | None, left_s: float | None) -> None:
        if name.startswith(stage) and fraction:
            progress.cancel()

    progress = CallbackProgress(stop)
    before = set(threading.enumerate())
    with pytest.raises(Cancelled):
        animate_file(animator, portrait_path, driving_path, tmp_path / "out.mp4", OutputOptions(), progress)
    assert list(tmp_path.iterdir()) == []
    assert set(threading.enumerate()) <= before
