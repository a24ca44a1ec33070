"""The table of a run: one row a step, however often it was stopped."""

from pathlib import Path

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
