"""Models of other formats are read as they were written; wrong, cut and hostile files give one line and run no code."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from faceanime.core.errors import ConfigError, MorphableModelError
from faceanime.morphable.formats.array_pickle import read_arrays
from faceanime.morphable.formats.kinds import FORMATS, read_raw_model
from faceanime.morphable.formats.raw_model import RawModel
from faceanime.morphable.model import MorphableModel
from foreign_models import (
    NAMES,
    flame_arrays,
    foreign,
    write_3ddfa,
    write_bfm_2009,
    write_bfm_2017,
    write_flame,
    write_ict,
    write_surrey,
)

Written = tuple[str, Path, RawModel]
WRITERS: dict[str, Callable[[Path, RawModel], Path]] = {
    "ict": lambda folder, raw: write_ict(folder / "FaceXModel", raw),
    "bfm2009": lambda folder, raw: write_bfm_2009(folder / "01_MorphableModel.mat", raw),
    "bfm2017": lambda folder, raw: write_bfm_2017(folder / "model2017-1_bfm_nomouth.h5", raw),
    "3ddfa": lambda folder, raw: write_3ddfa(folder / "configs", raw),
    "flame": lambda folder, raw: write_flame(folder / "generic_model.pkl", raw),
    "surrey": lambda folder, raw: write_surrey(folder / "share", raw),
}


@pytest.fixture(params=sorted(FORMATS))
def written(request: pytest.FixtureRequest, model: MorphableModel, tmp_path: Path) -> Written:
    """A kind, a file of it, and what it holds."""
    kind: str = request.param
    if kind == "bfm2017":
        pytest.importorskip("h5py")
    raw = foreign(model, identities=40)
    return kind, WRITERS[kind](tmp_path, raw), raw


def main_file(path: Path) -> Path:
    return path / "generic_neutral_mesh.obj" if path.is_dir() else path


def test_what_was_written_is_read(written: Written) -> None:
    kind, path, raw = written
    read = read_raw_model(kind, path)
    np.testing.assert_allclose(read.mean, raw.mean, atol=1e-5)
    found = min(raw.identity.shape[2], read.identity.shape[2])
    np.testing.assert_allclose(read.identity[..., :found], raw.identity, atol=1e-5)
    assert not read.identity[..., found:].any()
    assert {tuple(t) for t in read.triangles.tolist()} == {tuple(t) for t in raw.triangles.tolist()}
    assert read.licence


@pytest.mark.parametrize("kind", ["ict", "surrey"])
def test_named_shapes_keep_their_names(kind: str, model: MorphableModel, tmp_path: Path) -> None:
    raw = foreign(model)
    read = read_raw_model(kind, WRITERS[kind](tmp_path, raw))
    assert sorted(read.expression_names) == sorted(NAMES)
    order = [read.expression_names.index(name) for name in NAMES]
    np.testing.assert_allclose(read.expression[..., order], raw.expression, atol=1e-5)


def test_flame_as_npz_is_flame_as_pickle(model: MorphableModel, tmp_path: Path) -> None:
    raw = foreign(model)
    one, other = (read_raw_model("flame", write_flame(tmp_path / name, raw)) for name in ("f.pkl", "f.npz"))
    for name in ("mean", "identity", "expression", "triangles"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_flames_jaw_is_the_derivative_of_its_skinning(model: MorphableModel, tmp_path: Path) -> None:
    """A small turn by linear blend skinning, with the corrective shapes, moves vertices as the direction says."""
    raw = foreign(model)
    arrays = flame_arrays(raw)
    read = read_raw_model("flame", write_flame(tmp_path / "f.npz", raw))
    small = 1e-4
    c, s = np.cos(0.15 * small), np.sin(0.15 * small)
    turn = np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
    center = arrays["J_regressor"][2] @ raw.mean
    posed = raw.mean + arrays["posedirs"][..., 9:18] @ (turn - np.eye(3)).ravel()
    moved = posed + arrays["weights"][:, 2:3] * ((posed - center) @ turn.T + center - posed)
    np.testing.assert_allclose((moved - raw.mean) / small, read.expression[..., 0], atol=1e-3)


def test_a_cut_file_gives_one_line(written: Written) -> None:
    kind, path, _ = written
    file = main_file(path)
    content = file.read_bytes()
    for share in (0.0, 0.02, 0.5, 0.97):
        file.write_bytes(content[: int(share * len(content))])
        with pytest.raises(MorphableModelError) as caught:
            read_raw_model(kind, path)
        assert "\n" not in str(caught.value)
        assert path.name in str(caught.value)


def test_a_file_of_another_kind_gives_one_line(written: Written, tmp_path: Path) -> None:
    kind, _, _ = written
    for name, content in (("a.txt", b"hello, I am no face model\n"), ("b.bin", os.urandom(4096))):
        other = tmp_path / name
        other.write_bytes(content)
        with pytest.raises(MorphableModelError, match="cannot read the face model") as caught:
            read_raw_model(kind, other)
        assert "\n" not in str(caught.value)


def test_a_missing_file_and_an_unknown_kind_are_named(tmp_path: Path) -> None:
    with pytest.raises(MorphableModelError, match="no such file or folder; give generic_model"):
        read_raw_model("flame", tmp_path / "none.pkl")
    with pytest.raises(ConfigError, match=r"unknown kind of face model flam, expected one of .*flame"):
        read_raw_model("flam", tmp_path)


class Harmful:
    """An object whose unpickling makes a file."""

    def __init__(self, call: tuple[object, ...]) -> None:
        self.call = call

    def __reduce__(self) -> tuple[object, ...]:
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_hostile_pickle_runs_no_code(protocol: int, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    calls: list[tuple[object, ...]] = [
        (os.system, (f"touch {trap}",)),
        (Path.touch, (trap,)),
        (exec, (f"open({str(trap)!r}, 'w')",)),
        (np.save, (str(trap), np.zeros(1))),
        (getattr, (os, "getcwd")),
    ]
    for call in calls:
        try:
            content = pickle.dumps({"v_template": Harmful(call)}, protocol=protocol)
        except (pickle.PicklingError, TypeError):
            continue  # modules are no arguments of a pickle
        path = tmp_path / "model.pkl"
        path.write_bytes(content)
        with pytest.raises(MorphableModelError, match="which is not opened since it may run code"):
            read_arrays(path)
    assert list(tmp_path.iterdir()) == [tmp_path / "model.pkl"]


def test_an_npz_with_a_pickle_inside_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "flame.npz"
    objects = np.array([Harmful((os.system, (f"touch {tmp_path / 'trap'}",)))], dtype=object)
    np.savez(path, v_template=objects)
    with pytest.raises(MorphableModelError, match="v_template is of type object, expected numbers"):
        read_raw_model("flame", path)
    assert not (tmp_path / "trap").exists()


OVERSIZED = {
    "a memo of 32 GB": b"\x80\x02}r\xff\xff\xff\xff.",
    "an array without its bytes": pickle.dumps({"u": np.zeros(8)}, 2).replace(b"K\x08", b"J\xff\xff\xff\x7f"),
    "an array of objects": pickle.dumps({"u": np.array([{}, {}], dtype=object)}, 2),
    "a persistent object": b"\x80\x02}X\x01\x00\x00\x00uPname\ns.",
}


@pytest.mark.parametrize("name", OVERSIZED)
def test_a_pickle_that_claims_too_much_gives_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(OVERSIZED[name])
    with pytest.raises(MorphableModelError, match="it is no pickle of arrays"):
        read_arrays(path)


def test_arrays_of_any_order_and_type_are_read(tmp_path: Path) -> None:
    arrays = {
        "rows": np.arange(6.0).reshape(2, 3),
        "columns": np.asfortranarray(np.arange(6, dtype=np.int32).reshape(2, 3)),
        "big": np.arange(4, dtype=">f4"),
        "flags": np.array([True, False]),
    }
    for protocol in range(2, 5):
        path = tmp_path / f"{protocol}.pkl"
        path.write_bytes(pickle.dumps({**arrays, "note": "text", "count": 3}, protocol=protocol))
        read = read_arrays(path)
        assert read.keys() == arrays.keys()
        for name, array in arrays.items():
            np.testing.assert_array_equal(read[name], array)
