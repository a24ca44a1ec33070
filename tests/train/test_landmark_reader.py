"""Landmarks of a stopped training of the face model are kept, and read again where a file has changed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from faceanime.core.errors import Cancelled, ConfigError
from faceanime.core.progress import SilentProgress
from faceanime.train.data.clip_table import read_rows
from faceanime.train.morphable.config import LearnConfig
from faceanime.train.morphable.landmark_reader import FaceLandmarks, KeptLandmarks
from faceanime.train.morphable.training import WORK_FOLDER, landmarks_of_people, train_morphable

PEOPLE = ("ann", "bob", "cleo")


class CountingReader:
    """Landmarks that depend on the file's content, and the files that were read; it stops the work at one of them."""

    def __init__(self, stop_at: str = "", error: type[BaseException] | None = None) -> None:
        self.read_files: list[str] = []
        self.progress, self._stop_at, self._error = SilentProgress(), stop_at, error

    def read(self, path: Path) -> FaceLandmarks:
        if path.stem == self._stop_at:
            self.progress.cancel()
            if self._error is not None:
                raise self._error
        self.read_files.append(path.stem)
        points = np.random.default_rng(list(path.read_bytes())).random((2, 5, 3), np.float32)
        return FaceLandmarks(list(points), list(points[:1]))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for person in PEOPLE:
        (folder / f"{person}.png").write_text(person)
    rows = "".join(f"{person}.png,train,{person}\n" for person in PEOPLE)
    (folder / "portraits.csv").write_text(f"file,split,person\n{rows}")
    return folder


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_a_stopped_training_goes_on_with_the_next_file(
    data: Path, tmp_path: Path, error: type[BaseException] | None
) -> None:
    out, first = tmp_path / "out", CountingReader("bob", error)
    with pytest.raises(Cancelled, match="keeps the landmarks that were read, and the same command goes on"):
        train_morphable(data, out, LearnConfig(), first, first.progress)
    second, whole = CountingReader(), CountingReader()
    resumed = landmarks_of_people(data, "train", KeptLandmarks(out / WORK_FOLDER, second), SilentProgress())
    assert first.read_files + second.read_files == list(PEOPLE)
    expected = landmarks_of_people(data, "train", whole, SilentProgress())
    for a, b in zip(resumed, expected, strict=True):
        assert a.name == b.name
        np.testing.assert_array_equal(a.points, b.points)
        np.testing.assert_array_equal(a.as_read, b.as_read)


def test_a_file_that_has_changed_is_read_again(data: Path, tmp_path: Path) -> None:
    reader = CountingReader()
    kept = KeptLandmarks(tmp_path / "kept", reader)
    for path in (data / "ann.png", data / "bob.png"):
        kept.read(path)
    (data / "ann.png").write_text("anna")
    os.utime(data / "bob.png", ns=(0, 0))
    for path in (data / "ann.png", data / "bob.png"):
        kept.read(path)
        kept.read(path)
    assert reader.read_files == ["ann", "bob", "ann", "bob"]


def test_a_file_without_a_face_is_not_read_twice(data: Path, tmp_path: Path) -> None:
    class Nobody(CountingReader):
        def read(self, path: Path) -> FaceLandmarks:
            self.read_files.append(path.stem)
            return FaceLandmarks([], [])

    reader = Nobody()
    kept = KeptLandmarks(tmp_path / "kept", reader)
    for _ in range(2):
        assert kept.read(data / "ann.png") == FaceLandmarks([], [])
    assert reader.read_files == ["ann"]


def test_a_missing_table_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"no .*portraits\.csv: write a table with the columns file \(its path in"
    ):
        read_rows(tmp_path / "portraits.csv")
    with pytest.raises(ConfigError, match=r"expected a clips\.csv or a portraits\.csv with the columns file"):
        landmarks_of_people(tmp_path, "train", CountingReader(), SilentProgress())
