import errno
import os
from pathlib import Path

import pytest

from faceanime.core.errors import MediaError, OutputError
from faceanime.core.files import atomic_output, check_input, check_output, is_same_file, make_folder


def test_success_replaces_the_target_and_leaves_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.mp4"
    target.write_text("old")
    with atomic_output(target) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".mp4"
        assert temporary.name.startswith(".")
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.mp4"]  # noqa: PTH208  # hidden names, too


@pytest.mark.parametrize(
    "name", ["x.motion.safetensors", "v1." + 240 * "a" + ".mp4", 62 * "\N{GRINNING FACE}" + ".mp4"]
)
def test_a_name_of_any_length_is_written_under_one_that_ends_alike(tmp_path: Path, name: str) -> None:
    with atomic_output(tmp_path / name) as draft:
        assert draft.name.endswith(name[-20:])
        draft.write_text("x")
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, OutputError, GeneratorExit])
@pytest.mark.parametrize("folder", [False, True])
def test_failure_keeps_the_old_target(tmp_path: Path, failure: type[BaseException], folder: bool) -> None:
    kept = tmp_path / "a.mp4"
    kept.write_text("old")
    target = tmp_path / "frames" if folder else kept
    with pytest.raises(failure), atomic_output(target, folder=folder) as temporary:
        (temporary / "1.png" if folder else temporary).write_text("half")
        raise failure
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert kept.read_text() == "old"


def test_folder_appears_whole(tmp_path: Path) -> None:
    with atomic_output(tmp_path / "frames", folder=True) as temporary:
        (temporary / "1.png").write_text("x")
        assert not (tmp_path / "frames").exists()
    assert (tmp_path / "frames" / "1.png").read_text() == "x"


def test_a_folder_that_holds_something_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(OutputError, match="not an empty folder"), atomic_output(tmp_path, folder=True):
        pass
    assert (tmp_path / "mine").exists()


def test_target_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for target, words in [
        (tmp_path / "none" / "a.mp4", "create it first"),
        (tmp_path / "file" / "a.mp4", "file is a file; choose a folder"),
        (tmp_path, "it is a folder"),
        (Path("/dev/null"), "not a regular file"),
        (Path("/proc/a.mp4"), "choose another place"),
    ]:
        with pytest.raises(OutputError, match=words) as caught, atomic_output(target):
            pass
        assert "\n" not in str(caught.value)
        assert str(target) in str(caught.value)


def test_full_disk_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"a\.mp4: no space left"), atomic_output(tmp_path / "a.mp4"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert not list(tmp_path.iterdir())


def test_other_system_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError), atomic_output(tmp_path / "a.mp4"):
        raise ConnectionResetError(errno.ECONNRESET, "reset")


@pytest.mark.parametrize("name", ["a" * 300, "a" * 300 + ".mp4", "loop.mp4", "loop.mp4/a.mp4"])
def test_a_name_that_cannot_be_is_refused_in_a_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    for check, error in ((check_output, OutputError), (check_input, MediaError), (make_folder, OutputError)):
        with pytest.raises(error) as caught:
            check(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert not is_same_file(tmp_path / name, tmp_path)


def test_only_a_file_that_is_there_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe")
    check_input(tmp_path / "file")
    for name, words in {
        "none": "no such file",
        "file/none": "no such file",
        "": "it is a folder",
        "empty": "the file is empty",
        "pipe": "not a file",
    }.items():
        with pytest.raises(MediaError, match=words):
            check_input(tmp_path / name)


def test_a_folder_is_made_unless_a_file_is_in_the_way(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    for name in ("file", "file/b"):
        with pytest.raises(
            OutputError, match=f"cannot write to {tmp_path / name}: .*; choose another folder"
        ):
            make_folder(tmp_path / name)


def test_a_folder_that_appears_before_the_output_is_moved_there_is_kept(tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    refused = pytest.raises(OutputError, match=f"cannot write {frames}: .*; choose another place")
    with refused, atomic_output(frames, folder=True):
        frames.mkdir()
        (frames / "mine").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["frames", "mine"]


def test_writes_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to(tmp_path / "real.txt")
    with atomic_output(tmp_path / "link.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text() == "new"


def test_new_file_has_ordinary_rights(tmp_path: Path) -> None:
    with atomic_output(tmp_path / "a.txt") as temporary:
        temporary.write_text("x")
    (tmp_path / "b.txt").touch()
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "b.txt").stat().st_mode
