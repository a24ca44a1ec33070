"""`faceanime predict` and `faceanime morph`: from one picture to an imagined motion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from program import Outcome, Program, difference, pictures

from faceanime.dynamics.motion_file import bundled_motion, load_motion
from faceanime.geometry.rotation import angle_between
from faceanime.media.image import read_image, write_image
from faceanime.pipeline import Animator
from faceanime.structures.coefficients import Dynamics
from faceanime.structures.portrait import Portrait


def test_a_future_is_written_and_its_seed_decides(
    program: Program, portrait_path: Path, tmp_path: Path
) -> None:
    motions = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        out, motion = tmp_path / f"{name}.mp4", tmp_path / f"{name}.motion.safetensors"
        arguments = ("--seconds", "1.2", "--seed", str(seed), "--motion-out", motion, "--size", "192")
        outcome = program("predict", portrait_path, *arguments, "-o", out)
        assert outcome.status == 0, outcome.err
        assert outcome.out.splitlines() == [str(out), str(motion)]
        motions.append(motion.read_bytes())
        assert len(pictures(out)) == 30
    assert motions[0] == motions[1]
    assert motions[0] != motions[2]


def test_the_first_frame_is_the_portrait_and_then_it_moves(
    program: Program, portrait_path: Path, tmp_path: Path
) -> None:
    out = tmp_path / "frames"
    assert program("predict", portrait_path, "--seconds", "2", "--style", "talk", "-o", out).status == 0
    frames = pictures(out)
    still = frames[0].astype(int)
    assert difference(frames[0], read_image(portrait_path)) < 1.0
    assert max(np.abs(frame - still).mean() for frame in frames.astype(int)) > 0.5


def test_count_numbers_the_files_and_lists_them(
    program: Program, portrait_path: Path, tmp_path: Path
) -> None:
    arguments = ("--seconds", "0.4", "--count", "2", "--seed", "7", "--size", "128")
    more = ("--motion-out", tmp_path / "m.motion.safetensors", "--preview", tmp_path / "p.png")
    done = program("predict", portrait_path, *arguments, *more, "-o", tmp_path / "v.mp4")
    names = [f"v-{n}.mp4 m-{n}.motion.safetensors p-{n}.png" for n in (7, 8)]
    assert done == Outcome(0, "".join(f"{tmp_path / name}\n" for name in " ".join(names).split()), "")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(" ".join(names).split())


@pytest.mark.parametrize("verb", ["predict", "morph"])
def test_an_imagined_motion_takes_the_limits_and_strengths_of_animate(
    program: Program, portrait_path: Path, tmp_path: Path, verb: str
) -> None:
    toward = ("--target", portrait_path, "--seed", "5") if verb == "morph" else ("--style", "look-around")
    arguments = (verb, portrait_path, *toward, "--seconds", "1.2", "--size", "128", "--renderer", "geometric")

    def hair_moves(name: str, *options: str) -> float:
        """The largest change of the hair above the forehead, which moves with the head alone."""
        frames = pictures(program.makes(tmp_path / name, *arguments, *options))
        hair = frames[:, 10:25, 50:75].astype(int)
        return float(np.abs(hair - hair[0]).mean(axis=(1, 2, 3)).max())

    free = hair_moves("free")
    assert free > 5.0
    held = ("--yaw-limit-deg", "0", "--pitch-limit-deg", "0", "--shift-limit", "0", "--scale-limit", "1.001")
    assert hair_moves("held", *held) < 0.8 * free, "it still rolls"
    assert hair_moves("still", "--head", "0") < 0.3
    assert hair_moves("lips", "--parts", "lips") < 0.3
    wrong = program(*arguments, "--lips", "9", "-o", tmp_path / "x.mp4")
    assert (wrong.status, wrong.err.count("\n")) == (2, 1)
    assert "--lips" in wrong.err


def test_a_loop_ends_as_it_begins(program: Program, portrait_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.motion.safetensors"
    arguments = ("--seconds", "4", "--loop", "--size", "128", "--motion-out", path)
    assert program("predict", portrait_path, *arguments, "-o", tmp_path / "v.mp4").status == 0
    motion = load_motion(path)
    steps = np.linalg.norm(np.diff(motion.expression, axis=0), axis=1)
    assert np.linalg.norm(motion.expression[-1] - motion.expression[0]) <= 1.5 * steps.max()
    turns = angle_between(motion.pose.rotation[1:], motion.pose.rotation[:-1])
    assert angle_between(motion.pose.rotation[-1], motion.pose.rotation[0]) <= 1.5 * turns.max()


def test_the_way_to_another_face_ends_there(
    program: Program,
    animator: Animator,
    portrait: Portrait,
    motion: Dynamics,
    portrait_path: Path,
    tmp_path: Path,
) -> None:
    goal_path = tmp_path / "goal.png"
    write_image(goal_path, list(animator.animate(portrait, motion))[5])
    path = tmp_path / "m.motion.safetensors"
    arguments = ("--target", goal_path, "--seconds", "1", "--motion-out", path, "--size", "192")
    arguments += ("--same-person", "no")  # the target's own fit is the goal then
    assert program("morph", portrait_path, *arguments, "-o", tmp_path / "v.mp4").status == 0
    way, goal = load_motion(path), animator.motion(goal_path)
    assert len(way) == 25
    assert np.degrees(angle_between(way.pose.rotation[-1], goal.pose.rotation[0])) < 2.0
    from_start, from_goal = (np.abs(way.expression[at] - goal.expression[0]).mean() for at in (0, -1))
    assert from_goal < 0.2 * from_start


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--seconds", "0.01"), "--seconds is 0.01"),
        (("--energy", "7"), "--energy is 7"),
        (("--count", "0"), "--count is 0"),
        (("--loop", "--seconds", "1"), "too short"),
        (("--style", "angry"), "style"),
    ],
)
def test_senseless_settings_are_one_line(
    program: Program, portrait_path: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    outcome = program("predict", portrait_path, *arguments, "-o", tmp_path / "v.mp4")
    assert outcome.status == 2
    assert message in outcome.err
    assert not list(tmp_path.iterdir())


def test_the_papers_predictor_drives_predict(program: Program, portrait_path: Path, tmp_path: Path) -> None:
    """Given by its name alone: every second of four is about as lively as filmed talking."""
    path = tmp_path / "m.motion.safetensors"
    small = ("--size", "64", "--renderer", "geometric", "--seconds", "4", "--seed", "1")
    arguments = ("--predictor", "paper", *small, "--motion-out", path)
    outcome = program("predict", portrait_path, *arguments, "-o", tmp_path / "v.mp4")
    assert outcome.status == 0, outcome.err
    motion = load_motion(path)
    speeds, usual = (
        np.linalg.norm(np.diff(some.expression, axis=0), axis=1) for some in (motion, bundled_motion("talk"))
    )
    assert len(motion) == 100
    for second in np.array_split(speeds, 4):
        assert 0.25 * usual.mean() < second.mean() < 3.0 * usual.mean()


def test_the_papers_predictor_drives_morph(
    program: Program, portrait_path: Path, wandering_lstm: Path, tmp_path: Path
) -> None:
    """Toward itself it stays near, toward another face it goes away; how far it misses is the network's matter."""
    goal_path = tmp_path / "goal.png"
    write_image(goal_path, np.ascontiguousarray(read_image(portrait_path)[:, ::-1]))
    went = []
    for name, goal in (("itself", portrait_path), ("mirrored", goal_path)):
        path = tmp_path / f"{name}.motion.safetensors"
        arguments = (
            "--target",
            goal,
            "--predictor",
            wandering_lstm,
            "--seconds",
            "1",
            "--size",
            "64",
            "--renderer",
            "geometric",
        )
        outcome = program(
            "morph", portrait_path, *arguments, "--motion-out", path, "-o", tmp_path / f"{name}.mp4"
        )
        assert outcome.status == 0, outcome.err
        motion = load_motion(path)
        assert len(motion) == 25
        went.append(np.linalg.norm(motion.expression[-1] - motion.expression[0]))
    assert went[0] < went[1] < 20.0


@pytest.mark.parametrize(("option", "value"), [("--style", "talk"), ("--energy", "2")])
def test_what_the_papers_predictor_does_not_know_is_one_line(
    program: Program, portrait_path: Path, circling_lstm: Path, tmp_path: Path, option: str, value: str
) -> None:
    outcome = program(
        "predict", portrait_path, "--predictor", circling_lstm, option, value, "-o", tmp_path / "v.mp4"
    )
    assert outcome.status == 2
    assert f"{option.removeprefix('--')} is {value}" in outcome.err
    assert "the LSTM predictor knows only" in outcome.err
    assert not list(tmp_path.iterdir())
