"""Several portraits by one driver: as single runs would do it, but tracked once, and one failure stops no other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from program import Program, pictures

from faceanime.face.reader import FaceReader
from faceanime.media.image import write_image


@pytest.fixture
def people(astronaut: np.ndarray, tmp_path: Path) -> list[Path]:
    """Two portraits, and between them a picture without a face. An empty file lies beside them."""
    (tmp_path / "empty.png").touch()
    noise = np.random.default_rng(0).integers(0, 255, (96, 96, 3), np.uint8)
    shown = {"left.png": astronaut[:240, :240], "nobody.png": noise, "right.jpg": astronaut[:240, 60:300]}
    for name, pixels in shown.items():
        write_image(tmp_path / name, np.ascontiguousarray(pixels))
    return [tmp_path / name for name in shown]


def test_each_portrait_gets_the_video_of_a_single_run_and_the_driver_is_tracked_once(
    program: Program,
    people: list[Path],
    driving_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tracked: list[str] = []
    track = FaceReader.track

    def counted(*given, **named):  # type: ignore[no-untyped-def]
        tracked.append("tracked")
        return track(*given, **named)

    monkeypatch.setattr(FaceReader, "track", counted)
    driven = ("--driving", driving_path, "--size", "96", "--renderer", "geometric")
    preview = ("--preview", tmp_path / "sheet.png")
    out = tmp_path / "videos"
    done = program("animate", *people, *driven, *preview, "-o", out)
    assert done.status == 2
    assert done.out.splitlines() == [
        str(path)
        for name in ("left", "right")
        for path in (out / f"{name}.mp4", tmp_path / f"sheet-{name}.png")
    ]
    failure, summary = done.err.splitlines()
    assert "nobody.png" in failure
    assert "no face" in failure
    assert summary == f"faceanime: 1 of 3 portraits failed: {people[1]}"
    assert len(tracked) == 1
    assert sorted(path.name for path in out.iterdir()) == ["left.mp4", "right.mp4"]
    assert sorted(path.name for path in tmp_path.glob("sheet*")) == ["sheet-left.png", "sheet-right.png"]
    alone = program.makes(tmp_path / "alone.mp4", "animate", people[2], *driven)
    np.testing.assert_array_equal(pictures(out / "right.mp4"), pictures(alone))


def test_a_file_that_cannot_be_read_stops_no_other(
    program: Program, people: list[Path], motion_path: Path, tmp_path: Path
) -> None:
    given = (tmp_path / "empty.png", people[0], tmp_path / "none.png")
    driven = ("--driving", motion_path, "--size", "96", "--renderer", "geometric")
    done = program("animate", *given, *driven, "-o", tmp_path / "videos")
    assert done.out.splitlines() == [str(tmp_path / "videos" / "left.mp4")]
    assert [line.partition(": ")[2] for line in done.err.splitlines()[:2]] == [
        "the file is empty",
        "no such file",
    ]


def test_a_sound_that_no_result_can_use_is_told_before_the_driver_is_tracked(
    program: Program, people: list[Path], driving_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FaceReader, "track", lambda *given: pytest.fail("tracked"))
    silent = ("--sound", people[0], "--driving", driving_path, "-o", tmp_path / "videos")
    done = program("animate", people[0], people[2], *silent)
    assert done.status == 2
    assert len(done.err.splitlines()) == 1


def test_a_batch_in_which_all_succeed_ends_well(
    program: Program, people: list[Path], motion_path: Path, tmp_path: Path
) -> None:
    (tmp_path / "there").mkdir()
    driven = ("--driving", motion_path, "--size", "96", "--renderer", "geometric")
    done = program("animate", people[0], people[2], *driven, "-o", tmp_path / "there")
    assert (done.status, done.err) == (0, "")


def test_what_no_portrait_can_use_is_one_line_and_leaves_nothing(
    program: Program, people: list[Path], motion_path: Path, tmp_path: Path
) -> None:
    twin = tmp_path / "twin" / "left.jpg"
    twin.parent.mkdir()
    twin.write_bytes(people[0].read_bytes())
    before = sorted(tmp_path.rglob("*"))
    for portraits, driving, out, problem in (
        (people, motion_path, "all.mp4", "the videos of 3 portraits need a folder"),
        ([people[0], twin], motion_path, "out", "would both be written to"),
        (people, tmp_path / "absent.mp4", "out", "absent.mp4: no such file"),
        (people, people[1], "out", "no face"),
    ):
        done = program("animate", *portraits, "--driving", driving, "-o", tmp_path / out)
        assert done.status == 2
        assert done.out == ""
        assert problem in done.err
        assert done.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
