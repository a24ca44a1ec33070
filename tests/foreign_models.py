"""The bundled face as models of other formats, small but laid out as the true files are.

`foreign` is the face on a mesh of its own: other vertices, other order, another unit. The writers put it into files.
"""

from __future__ import annotations

import pickle
import struct
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy.io
import scipy.sparse

from faceanime.geometry.subdivide import divided
from faceanime.morphable.axes import measure_landmarks
from faceanime.morphable.formats.raw_model import RawModel
from faceanime.morphable.model import MorphableModel, Region

UNIT_CM = 9.0
"""Centimeters between the outer eye corners."""
PLACE_CM = (0.0, 3.0, -2.0)
"""Where the origin of the bundled model lies."""
NAMES = ("jawOpen", "mouthSmile_L", "eyeBlink_L", "eyeBlink_R")


def foreign(model: MorphableModel, identities: int = 5) -> RawModel:
    """The bundled face, its mouth closed but a hole, its eyes skin, with four expressions that have names.

    Its triangles are halved and its vertices are shuffled; the irises are no vertices.
    """
    closed = model.region != Region.MOUTH
    mesh = divided(model.triangles[closed], len(model.mean), 2)
    used = np.unique(mesh.triangles)
    order = np.random.default_rng(3).permutation(used)
    new = np.zeros(len(mesh.corner), np.int32)
    new[order] = np.arange(len(order))

    def at(values: np.ndarray) -> np.ndarray:
        fine = np.einsum("wc,wc...->w...", mesh.weight, values[mesh.corner].astype(np.float64))
        return np.asarray(UNIT_CM * fine[order])

    parted = measure_landmarks("lips_apart", model.landmark_mean, model.schema)
    shapes = ("jaw_open", "smile", "blink_left", "blink_right")
    expression = np.stack([model.expression_basis @ model.axis(name) for name in shapes], axis=-1)
    return RawModel(
        mean=at(model.mean - parted / 0.08 * model.expression_basis @ model.axis("lips_part"))
        + np.array(PLACE_CM),
        identity=at(model.identity_basis[..., :identities]),
        expression=at(expression),
        triangles=new[mesh.triangles],
        expression_names=NAMES,
        licence="made by a test",
    )


def write_surrey(folder: Path, raw: RawModel) -> Path:
    folder.mkdir(exist_ok=True)
    deviation = np.linalg.norm(raw.identity.reshape(-1, raw.identity.shape[2]), axis=0)
    basis = raw.identity.reshape(-1, len(deviation)) / deviation
    path = folder / "sfm_shape_3448.bin"
    path.write_bytes(
        struct.pack("<I", 1)
        + _matrix(raw.mean.reshape(-1, 1))
        + _matrix(basis)
        + _matrix(deviation[:, None] ** 2)
        + struct.pack("<Q", len(raw.triangles))
        + raw.triangles.astype("<i4").tobytes()
        + bytes(40)
    )
    parts = [struct.pack("<Q", len(raw.expression_names))]
    for k, name in enumerate(raw.expression_names):
        parts += [struct.pack("<Q", len(name)), name.encode(), _matrix(raw.expression[..., k].reshape(-1, 1))]
    (folder / "expression_blendshapes_3448.bin").write_bytes(b"".join(parts))
    return path


def _matrix(values: np.ndarray) -> bytes:
    return struct.pack("<ii", *values.shape) + values.T.astype("<f4").tobytes()


def write_ict(folder: Path, raw: RawModel) -> Path:
    folder.mkdir(exist_ok=True)
    lines = [
        "mtllib x.mtl",
        "usemtl M_Face",
        *("f " + " ".join(f"{v}/1" for v in t) for t in raw.triangles + 1),
    ]
    _write_obj(folder / "generic_neutral_mesh.obj", raw.mean, lines)
    for k in range(raw.identity.shape[2]):
        _write_obj(folder / f"identity{k:03d}.obj", raw.mean + raw.identity[..., k], lines)
    for k, name in enumerate(raw.expression_names):
        _write_obj(folder / f"{name}.obj", raw.mean + raw.expression[..., k], lines)
    return folder


def _write_obj(path: Path, vertices: np.ndarray, lines: list[str]) -> None:
    points = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in vertices]
    path.write_text("\n".join(["# made by a test", *points, "vt 0 0", *lines]) + "\n")


def write_bfm_2009(path: Path, raw: RawModel) -> Path:
    deviation = np.linalg.norm(raw.identity.reshape(-1, raw.identity.shape[2]), axis=0)
    arrays = {
        "shapeMU": raw.mean.reshape(-1, 1).astype(np.float32),
        "shapePC": (raw.identity.reshape(-1, len(deviation)) / deviation).astype(np.float32),
        "shapeEV": deviation[:, None].astype(np.float32),
        "tl": (raw.triangles[:, ::-1] + 1).astype(np.float64),
    }
    scipy.io.savemat(path, arrays, do_compression=True)
    return path


def write_bfm_2017(path: Path, raw: RawModel) -> Path:
    import h5py

    with h5py.File(path, "w") as file:
        for group, basis, mean in (
            ("shape", raw.identity, raw.mean),
            ("expression", raw.expression, 0 * raw.mean),
        ):
            flat = basis.reshape(-1, basis.shape[2])
            deviation = np.linalg.norm(flat, axis=0)
            file[f"{group}/model/mean"] = mean.ravel().astype(np.float32)
            file[f"{group}/model/pcaBasis"] = (flat / deviation).astype(np.float32)
            file[f"{group}/model/pcaVariance"] = (deviation**2).astype(np.float32)
        file["shape/representer/cells"] = raw.triangles.T.astype(np.uint32)
    return path


def write_3ddfa(folder: Path, raw: RawModel) -> Path:
    """`raw` must have 40 identity directions; its expressions are filled up to ten."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    mean, deviation = rng.normal(size=62), rng.uniform(0.5, 2.0, 62)
    identity = raw.identity.reshape(-1, 40) / deviation[12:52]
    expression = np.zeros((len(identity), 10))
    expression[:, : raw.expression.shape[2]] = raw.expression.reshape(len(identity), -1)
    expression /= deviation[52:]
    shifted = raw.mean.reshape(-1, 1) - identity @ mean[12:52, None] - expression @ mean[52:, None]
    files = {
        "bfm_noneck_v3.pkl": {
            "u": shifted.astype(np.float32),
            "w_shp": identity.astype(np.float32),
            "w_exp": expression.astype(np.float32),
            "keypoints": np.arange(204),
        },
        "tri.pkl": raw.triangles.T.astype(np.int64),
        "param_mean_std_62d_120x120.pkl": {"mean": mean, "std": deviation},
    }
    for name, content in files.items():
        (folder / name).write_bytes(pickle.dumps(content))
    return folder / "bfm_noneck_v3.pkl"


def flame_arrays(raw: RawModel) -> dict[str, np.ndarray]:
    """FLAME's arrays for the face, with joints on it; the left eye's is at vertex 3, the right eye's at 4."""
    vertices = len(raw.mean)
    shapes = np.zeros((vertices, 3, 300 + raw.expression.shape[2]))
    shapes[..., : raw.identity.shape[2]], shapes[..., 300:] = raw.identity, raw.expression
    regressor, weights = np.zeros((5, vertices)), np.zeros((vertices, 5))
    regressor[np.arange(5), np.arange(5)] = 1.0
    low = raw.mean[:, 1] < np.median(raw.mean[:, 1])
    weights[low, 2], weights[~low, 1] = 1.0, 1.0
    rng = np.random.default_rng(1)
    return {
        "v_template": raw.mean,
        "shapedirs": shapes,
        "f": raw.triangles.astype(np.uint32),
        "J_regressor": regressor,
        "weights": weights,
        "posedirs": rng.normal(0.0, 0.01, (vertices, 3, 36)),
    }


def write_flame(path: Path, raw: RawModel) -> Path:
    """A pickle of protocol 2 with arrays of chumpy and a sparse matrix, as FLAME's own; or an .npz."""
    arrays = flame_arrays(raw)
    if path.suffix == ".npz":
        np.savez_compressed(path, **arrays)
        return path
    with _chumpy() as wrapped:
        content: dict[str, object] = {
            **arrays,
            "v_template": wrapped(arrays["v_template"]),
            "shapedirs": wrapped(arrays["shapedirs"]),
            "J_regressor": scipy.sparse.csc_matrix(arrays["J_regressor"]),
            "bs_type": "lrotmin",
        }
        path.write_bytes(pickle.dumps(content, protocol=2))
    return path


@contextmanager
def _chumpy() -> Iterator[type]:
    """A class that pickles as chumpy's does: an object of `chumpy.ch.Ch` with its numbers as `x`."""

    class Ch:
        def __init__(self, x: np.ndarray) -> None:
            self.x = x

    Ch.__module__, Ch.__qualname__ = "chumpy.ch", "Ch"
    module = types.ModuleType("chumpy.ch")
    module.Ch = Ch  # type: ignore[attr-defined]
    sys.modules |= {"chumpy": types.ModuleType("chumpy"), "chumpy.ch": module}
    try:
        yield Ch
    finally:
        del sys.modules["chumpy"], sys.modules["chumpy.ch"]


def without_expressions(raw: RawModel) -> RawModel:
    return replace(raw, expression=raw.expression[..., :0], expression_names=())
