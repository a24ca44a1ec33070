"""`faceanime demo`: the bundled portrait, animated by bundled motions."""

from __future__ import annotations

from pathlib import Path

from program import Program, pictures

from faceanime.commands.demo import MOTIONS
from faceanime.dynamics.motion_file import bundled_motion
from faceanime.dynamics.motion_path import bundled_motions
from faceanime.media.image import read_image


def test_the_demo_makes_a_video_and_its_contact_sheet(program: Program, tmp_path: Path) -> None:
    out = tmp_path / "out" / "demo"
    outcome = program("demo", "--out", out, "--motions", "wink", "--size", "160")
    assert (outcome.status, outcome.out, outcome.err) == (0, f"{out / 'wink.mp4'}\n", "")
    assert sorted(path.name for path in out.iterdir()) == ["astronaut.png", "wink.mp4", "wink.png"]
    assert pictures(out / "wink.mp4").shape == (len(bundled_motion("wink")), 160, 160, 3)
    height, width, _ = read_image(out / "wink.png").shape
    assert width > 5 * 320
    assert height > 3 * 320


def test_a_size_out_of_range_is_refused(program: Program, tmp_path: Path) -> None:
    outcome = program("demo", "--out", tmp_path / "demo", "--size", "3")
    assert (outcome.status, outcome.err) == (2, "faceanime: --size is 3, expected 16 to 3840 px\n")
    assert list(tmp_path.iterdir()) == []


def test_the_demo_s_motions_are_bundled() -> None:
    assert set(MOTIONS) <= set(bundled_motions())


def test_an_unknown_motion_is_refused_with_the_names_of_those_there_are(
    program: Program, tmp_path: Path
) -> None:
    outcome = program("demo", "--out", tmp_path / "demo", "--motions", "wnik")
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.startswith("faceanime: no bundled motion 'wnik'; there are look-around, ")
    assert outcome.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_place_where_no_folder_can_be_is_refused(program: Program, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    outcome = program("demo", "--out", tmp_path / "file" / "demo", "--motions", "wink")
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.startswith(f"faceanime: cannot write to {tmp_path / 'file' / 'demo'}: ")
    assert outcome.err.count("\n") == 1
