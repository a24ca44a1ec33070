"""The comparison lets rounding pass and nothing else."""

from pathlib import Path

import numpy as np
import pytest
from comparison import (
    EDGE_WORST,
    INNER_WORST,
    Golden,
    GoldenMismatchError,
    edges_of,
    faults_of,
    wrong_numbers,
)
from PIL import Image


@pytest.fixture
def picture() -> np.ndarray:
    """A soft slope, and a bright square with a hard edge."""
    y, x = np.mgrid[:80, :100]
    picture = np.stack([60 + y, 60 + x, 200 - x], axis=-1).astype(np.uint8)
    picture[30:50, 40:70] = 240
    return picture


def test_edges_are_where_levels_jump(picture: np.ndarray) -> None:
    edges = edges_of(picture)
    assert edges[29:31, 40:70].all()
    assert edges[30:50, 69:71].all()
    assert not edges[:25].any()
    assert not edges[34:46, 44:66].any()


def test_rounding_is_no_fault(picture: np.ndarray) -> None:
    rounded = picture.astype(int)
    rng = np.random.default_rng(0)
    rounded += (rng.random(picture.shape) < 0.05) * rng.choice([-1, 1], picture.shape)
    assert faults_of(rounded.astype(np.uint8), picture) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p + 1,
        lambda p: np.roll(p, 1, axis=1),
        lambda p: np.where(np.mgrid[:80, :100][0][..., None] < 8, p + 2, p),
        lambda p: p[:, :-1],
    ],
)
def test_what_is_brighter_or_moved_or_cut_is_a_fault(picture: np.ndarray, change: object) -> None:
    assert callable(change)
    changed = np.ascontiguousarray(change(picture)).astype(np.uint8)
    assert faults_of(changed, picture)


@pytest.mark.parametrize(("at", "worst"), [((10, 10), INNER_WORST), ((30, 50), EDGE_WORST)])
def test_one_pixel_far_off_is_a_fault_that_is_named(
    picture: np.ndarray, at: tuple[int, int], worst: int
) -> None:
    changed = picture.copy()
    changed[at] -= np.uint8(worst)
    assert not faults_of(changed, picture)
    changed[at] -= np.uint8(1)
    assert f"worst at (x, y): ({at[1]}, {at[0]})" in faults_of(changed, picture)[-1]


def test_numbers_beyond_their_bound_and_nan_are_faults() -> None:
    known, bound = {"a": np.array([1.0, 2.0, 3.0])}, {"a": 0.1}
    assert wrong_numbers({"a": np.array([1.0, 2.05, 3.0])}, known, bound) == []
    (told,) = wrong_numbers({"a": np.array([1.0, 2.2, 3.0])}, known, bound)
    assert "worst at (1,): 2.2, expected 2" in told
    assert wrong_numbers({"a": np.array([1.0, np.nan, 3.0])}, known, bound)
    assert wrong_numbers({"a": np.array([1.0, 2.0])}, known, bound)
    assert wrong_numbers({"b": known["a"]}, known, bound)


def test_a_mismatch_leaves_a_picture_of_the_difference(picture: np.ndarray, tmp_path: Path) -> None:
    folder, failures = tmp_path / "data", tmp_path / "failures"
    Golden(folder, failures, update=True).pictures({"some/square": picture})
    golden = Golden(folder, failures)
    golden.pictures({"some/square": picture})
    changed = picture.copy()
    changed[30:50, 40:70] = 200
    with pytest.raises(GoldenMismatchError, match=r"some/square.*\n(.*\n)*.*some_square\.png"):
        golden.pictures({"some/square": changed})
    shown = np.asarray(Image.open(failures / "some_square.png"))
    assert shown.shape == (80, 308, 3)
    np.testing.assert_array_equal(shown[:, :100], changed)
    np.testing.assert_array_equal(shown[:, 104:204], picture)
    assert (shown[:, 208:] > 0).any(axis=-1).sum() == 600


def test_an_update_writes_only_what_no_longer_agrees(picture: np.ndarray, tmp_path: Path) -> None:
    golden, bound = Golden(tmp_path, tmp_path / "failures", update=True), {"n": 0.1}
    for name in ("kept", "replaced"):
        golden.pictures({name: picture})
        golden.numbers(name, {"n": np.zeros(3)}, bound)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    nearly = picture.copy()
    nearly[5, 5] += np.uint8(1)
    golden.pictures({"kept": nearly, "replaced": picture // 2})
    golden.numbers("kept", {"n": np.full(3, 0.05)}, bound)
    golden.numbers("replaced", {"n": np.ones(3)}, bound)
    changed = {path.name for path in tmp_path.iterdir() if path.read_bytes() != before[path.name]}
    assert changed == {"replaced.png", "replaced.npz"}
    Golden(tmp_path, tmp_path / "failures").numbers("replaced", {"n": np.ones(3)}, bound)


def test_what_is_not_stored_fails(picture: np.ndarray, tmp_path: Path) -> None:
    golden = Golden(tmp_path, tmp_path / "failures")
    with pytest.raises(GoldenMismatchError, match="is not there"):
        golden.pictures({"new": picture})
    with pytest.raises(GoldenMismatchError, match="is not there"):
        golden.numbers("new", {"n": np.ones(3)}, {"n": 0.1})
