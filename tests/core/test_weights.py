"""Weights come back bit for bit; what does not fit is refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from faceanime.core.errors import OutputError, WeightsError
from faceanime.core.weights import bundled, load_weights, read_header, save_weights

TENSORS = {
    "basis": np.arange(12, dtype=np.float32).reshape(3, 4).T,  # not contiguous
    "half": np.array([0.5, -1.0], np.float16),
    "mean": np.linspace(0, 1, 5),
    "triangles": np.array([[0, 1, 2]], np.int64),
    "count": np.array(7, np.int32),
    "empty": np.zeros((0, 3), np.float32),
    "mask": np.array([True, False]),
}
HEADER = {"axes": ["smile", "blink"], "note": "café", "nested": {"b": 1, "a": None}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    target = tmp_path / "a.safetensors"
    save_weights(target, TENSORS, "morphable", HEADER)
    return target


def test_everything_comes_back(path: Path) -> None:
    tensors, header = load_weights(path, "morphable")
    assert header == {**HEADER, "format": "faceanime", "kind": "morphable", "version": 1}
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        np.testing.assert_array_equal(tensors[name], tensor)
        assert tensors[name].shape == tensor.shape


def test_the_header_alone_can_be_read(path: Path) -> None:
    assert read_header(path)["kind"] == "morphable"


def test_the_same_content_gives_the_same_bytes(path: Path, tmp_path: Path) -> None:
    again = tmp_path / "b.safetensors"
    save_weights(again, dict(reversed(TENSORS.items())), "morphable", dict(reversed(HEADER.items())))
    assert again.read_bytes() == path.read_bytes()


def test_nothing_else_is_left_in_the_folder(path: Path) -> None:
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()

    def full_disk(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(OutputError, match="no space left"):
        save_weights(path, {}, "morphable", {})
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_another_kind_is_refused(path: Path) -> None:
    with pytest.raises(WeightsError, match=r"a.safetensors holds morphable, expected motion"):
        load_weights(path, "motion")


def test_a_newer_version_is_refused(path: Path) -> None:
    save_weights(path, {}, "morphable", {}, version=3)
    with pytest.raises(WeightsError, match="version 3 of morphable, this faceanime reads up to 2"):
        load_weights(path, "morphable", newest=2)
    assert load_weights(path, "morphable", newest=3)[1]["version"] == 3


@pytest.mark.parametrize("length", [0, 4, 60, 400, -1])
def test_a_truncated_file_is_refused(path: Path, length: int) -> None:
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(WeightsError, match="damaged"):
        load_weights(path, "morphable")


def test_files_of_others_are_refused(tmp_path: Path) -> None:
    foreign = tmp_path / "x.safetensors"
    for metadata in (None, {"format": "pt"}, {"faceanime": "{}"}, {"faceanime": "[1"}, {"faceanime": "3"}):
        save_file({"a": np.zeros(1)}, foreign, metadata=metadata)
        with pytest.raises(WeightsError, match=r"x\.safetensors is (not a faceanime file|damaged)"):
            load_weights(foreign, "morphable")


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="does not exist"):
        load_weights(tmp_path / "absent", "morphable")
    with pytest.raises(WeightsError, match="is not a file"):
        load_weights(tmp_path, "morphable")
    with pytest.raises(WeightsError, match="bundled file nothing"):
        bundled("nothing")


def test_an_unwritable_target_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        save_weights(tmp_path / "no" / "folder", TENSORS, "morphable", {})


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_numbers_that_are_not_finite_are_refused(path: Path, bad: float, dtype: type[np.floating]) -> None:
    poisoned = {"mean": np.array([0, bad], dtype)}
    before = path.read_bytes()
    with pytest.raises(WeightsError, match="tensor mean holds NaN or infinity"):
        save_weights(path, poisoned, "morphable", {})
    assert path.read_bytes() == before
    header = '{"format": "faceanime", "kind": "morphable", "version": 1}'
    save_file(poisoned, path, metadata={"faceanime": header})
    with pytest.raises(WeightsError, match="tensor mean holds NaN or infinity"):
        load_weights(path, "morphable")
