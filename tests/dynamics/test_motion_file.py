"""A motion file gives back what went in, always in the same bytes, and refuses what is not a sound motion."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError
from safetensors.numpy import save

from faceanime.core.errors import OutputError, WeightsError
from faceanime.core.weights import load_weights, read_header
from faceanime.dynamics.motion_file import MotionNote, load_motion, save_motion
from faceanime.dynamics.motion_path import is_motion_file
from faceanime.geometry.rotation import rotation_from_vector
from faceanime.structures.coefficients import Dynamics, HeadPose

NAME = "a.motion.safetensors"


def some_motion(frames: int = 5, seed: int = 0, dtype: type[np.floating] = np.float64) -> Dynamics:
    rng = np.random.default_rng(seed)
    return Dynamics(
        identity=rng.normal(size=40).astype(dtype),
        expression=rng.normal(size=(frames, 30)).astype(dtype),
        pose=HeadPose(
            rotation_from_vector(0.3 * rng.normal(size=(frames, 3))),
            rng.uniform(50, 90, frames),
            rng.uniform(0, 256, (frames, 2)),
        ),
        frame_rate=Fraction(30000, 1001),
        valid=rng.uniform(size=frames) > 0.3,
        picture_side_px=256,
        model_id="0123abcd",
    )


def assert_same(a: Dynamics, b: Dynamics) -> None:
    for field in ("identity", "expression", "valid"):
        np.testing.assert_array_equal(getattr(a, field), getattr(b, field), strict=True)
    for field in ("rotation", "scale", "translation_px"):
        np.testing.assert_array_equal(getattr(a.pose, field), getattr(b.pose, field), strict=True)
    assert (a.frame_rate, a.picture_side_px, a.model_id) == (b.frame_rate, b.picture_side_px, b.model_id)


def change(path: Path, edit: Callable[[dict[str, np.ndarray], dict[str, Any]], None]) -> None:
    """Rewrite a motion file past its own checks."""
    tensors, header = load_weights(path, "motion")
    edit(tensors, header)
    path.write_bytes(save(tensors, metadata={"faceanime": json.dumps(header)}))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@settings(max_examples=20, deadline=None)
@given(frames=st.integers(1, 40), seed=st.integers(0, 2**32 - 1))
def test_what_was_saved_is_loaded_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, dtype: type[np.floating], frames: int, seed: int
) -> None:
    path = tmp_path_factory.mktemp("motion") / NAME
    motion = some_motion(frames, seed, dtype)
    save_motion(motion, path)
    assert_same(load_motion(path), motion)


def test_the_same_motion_gives_the_same_bytes(tmp_path: Path) -> None:
    note = MotionNote(licence="MIT", provenance="nobody's clip")
    for name in ("a", "b"):
        save_motion(some_motion(), tmp_path / f"{name}.motion.safetensors", note)
    a, b = (path.read_bytes() for path in sorted(tmp_path.iterdir()))
    assert a == b


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / NAME
    save_motion(some_motion(), path, MotionNote(licence="CC0-1.0", provenance="seed 0"))
    header = read_header(path)
    assert header["kind"] == "motion"
    assert header["version"] == 1
    assert header["frame_rate"] == [30000, 1001]
    assert header["model_id"] == "0123abcd"
    assert header["licence"] == "CC0-1.0"
    assert header["provenance"] == "seed 0"


def test_only_its_own_suffix_is_a_motion_file(tmp_path: Path) -> None:
    assert is_motion_file(Path("x/smile.motion.safetensors"))
    assert not is_motion_file(Path("x/smile.safetensors"))
    with pytest.raises(OutputError, match=r"ends in \.motion\.safetensors"):
        save_motion(some_motion(), tmp_path / "a.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["identity", "expression", "rotation", "scale", "translation_px"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(tmp_path: Path, name: str, value: float) -> None:
    path = tmp_path / NAME
    save_motion(some_motion(), path)
    change(path, lambda tensors, _: tensors[name].reshape(-1).__setitem__(-1, value))
    with pytest.raises(WeightsError, match=f"{NAME}: tensor {name} holds NaN or infinity"):
        load_motion(path)


def set_header(key: str, value: object) -> Callable[[dict[str, np.ndarray], dict[str, Any]], None]:
    return lambda _, header: header.__setitem__(key, value)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (set_header("version", 2), "version 2 of motion.*update faceanime"),
        (set_header("kind", "morphable model"), "holds morphable model, expected motion"),
        (set_header("frame_rate", [25, 0]), "damaged"),
        (set_header("frame_rate", [-25, 1]), "damaged"),
        (set_header("frame_rate", [1_000_000, 1]), "damaged: Dynamics.frame_rate is 1000000, expected"),
        (set_header("frame_rate", "fast"), "damaged"),
        (set_header("frame_rate", None), "damaged"),
        (set_header("crop_size_px", "large"), "damaged"),
        (set_header("crop_size_px", 1e999), "damaged"),
        (set_header("crop_size_px", 0), "damaged: Dynamics.picture_side_px is 0, expected"),
        (set_header("crop_size_px", -256), "damaged: Dynamics.picture_side_px is -256, expected"),
        (lambda _, header: header.pop("model_id"), "damaged"),
        (lambda tensors, _: tensors.pop("scale"), "damaged"),
    ],
)
def test_a_header_that_makes_no_sense_is_refused(
    tmp_path: Path, edit: Callable[[dict[str, np.ndarray], dict[str, Any]], None], message: str
) -> None:
    path = tmp_path / NAME
    save_motion(some_motion(), path)
    change(path, edit)
    with pytest.raises(WeightsError, match=message):
        load_motion(path)


NO_ROTATIONS = {
    "zero": np.zeros((3, 3)),
    "twice": 2 * np.eye(3),
    "mirror": np.diag([-1.0, 1.0, 1.0]),
    "sheared": np.eye(3) + 0.01 * np.eye(3, k=1),
    "huge": np.full((3, 3), 1e300),
    "both signs": 1e300 * np.array([[1.0, -1.0, 1.0], [-1.0, 1.0, 1.0], [1.0, 1.0, -1.0]]),
}


@pytest.mark.parametrize("name", NO_ROTATIONS)
@pytest.mark.filterwarnings("error")
def test_matrices_that_are_no_rotations_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / NAME
    save_motion(some_motion(), path)
    change(path, lambda tensors, _: tensors["rotation"].__setitem__(3, NO_ROTATIONS[name]))
    with pytest.raises(WeightsError, match=r"damaged: HeadPose\.rotation .* not rotations") as caught:
        load_motion(path)
    assert "\n" not in str(caught.value)


def test_single_precision_rotations_are_rotations(tmp_path: Path) -> None:
    path = tmp_path / NAME
    save_motion(some_motion(), path)
    change(path, lambda tensors, _: tensors.update(rotation=tensors["rotation"].astype(np.float32)))
    assert len(load_motion(path)) == 5


def test_numbers_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    path = tmp_path / NAME
    save_motion(some_motion(), path)
    change(path, lambda tensors, _: tensors.update(scale=np.ones(4)))
    with pytest.raises(
        (WeightsError, TypeCheckError)
    ):  # the second where the tests' type checker comes first
        load_motion(path)


@settings(max_examples=40, deadline=None)
@given(share=st.floats(0.0, 0.999))
def test_a_file_cut_anywhere_is_refused(tmp_path_factory: pytest.TempPathFactory, share: float) -> None:
    path = tmp_path_factory.mktemp("motion") / NAME
    save_motion(some_motion(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(WeightsError, match=NAME):
        load_motion(path)


def test_an_older_file_survives_a_failed_write(tmp_path: Path) -> None:
    path = tmp_path / NAME
    save_motion(some_motion(), path)
    before = path.read_bytes()
    broken = some_motion()
    object.__setattr__(broken, "expression", np.full((5, 30), np.nan))
    with pytest.raises(WeightsError, match="NaN"):
        save_motion(broken, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in ("file", "missing"):
        with pytest.raises(OutputError, match=f"cannot write .*{folder}"):
            save_motion(some_motion(), tmp_path / folder / NAME)


def test_notes_do_not_change_the_motion(tmp_path: Path) -> None:
    motion = dataclasses.replace(some_motion(), frame_rate=Fraction(25))
    save_motion(motion, tmp_path / NAME, MotionNote("MIT", "naïve “quotes” \n and lines"))
    assert_same(load_motion(tmp_path / NAME), motion)
