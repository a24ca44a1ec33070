"""The table of a run: one row a step, however often it was stopped."""

from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from faceanime.train.curve import Curve


def rows(out: Path) -> list[str]:
    return (out / "curve.csv").read_text(encoding="utf-8").splitlines()


def test_a_row_is_written_once(tmp_path: Path) -> None:
    """A run that was killed after a row and before its checkpoint comes to that step again."""
    with Curve(tmp_path, resumed=False) as curve:
        curve.note(5, {"loss": 0.25})
        curve.note(10, {"loss": 0.125})
    with Curve(tmp_path, resumed=True) as curve:
        curve.note(10, {"loss": 0.125})
        curve.note(15, {"loss": 0.1})
    assert rows(tmp_path) == ["step,loss", "5,0.25", "10,0.125", "15,0.1"]


def test_a_new_run_begins_anew(tmp_path: Path) -> None:
    for resumed in (False, False, True):
        with Curve(tmp_path, resumed) as curve:
            if not resumed:
                curve.note(3, {"loss": 1.0})
    assert rows(tmp_path) == ["step,loss", "3,1"]


def test_half_a_row_of_a_run_that_was_killed_is_written_again(tmp_path: Path) -> None:
    for first in ("", "step,lo", "step,loss\n5,0.25\n10,0.1"):
        (tmp_path / "curve.csv").write_text(first)
        with Curve(tmp_path, resumed=True) as curve:
            for step in (5, 10):
                curve.note(step, {"loss": 0.25})
        assert rows(tmp_path) == ["step,loss", "5,0.25", "10,0.25"]


def test_tensorboard_has_numbers_and_pictures(tmp_path: Path) -> None:
    for resumed in (False, True):
        with Curve(tmp_path, resumed) as curve:
            for step in (5, 10) if resumed else (5,):
                curve.show(step, "mouth", np.full((8, 16, 3), 100, np.uint8))
                curve.note(step, {"loss": 0.5})
    board = EventAccumulator(str(tmp_path))
    board.Reload()
    assert sorted(event.step for event in board.Scalars("loss")) == [5, 10]
    assert sorted((event.step, event.width) for event in board.Images("mouth")) == [(5, 16), (10, 16)]
