"""A file is whole or not there."""

from pathlib import Path

import pytest

from faceanime.files import written_whole


def test_the_draft_takes_the_place_of_the_target(tmp_path: Path) -> None:
    target = tmp_path / "a.mp4"
    target.write_text("old")
    with written_whole(target) as draft:
        draft.write_text("new")
        assert target.read_text() == "old"
        assert draft.suffix == ".mp4"
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_everything_as_it_was(tmp_path: Path, stop: type[BaseException]) -> None:
    target = tmp_path / "a.mp4"
    target.write_text("old")

    def write_half() -> None:
        with written_whole(target) as draft:
            draft.write_text("half")
            raise stop

    with pytest.raises(stop):
        write_half()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_the_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    with written_whole(tmp_path / "ours") as draft:
        draft.touch()
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode
