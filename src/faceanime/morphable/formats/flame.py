"""FLAME (Li et al., "Learning a model of facial shape and expression from 4D scans", SIGGRAPH Asia 2017).

A pickle (.pkl) or the same arrays as .npz: `v_template` (V,3) in m; `shapedirs` (V,3,K), 300 identity directions and
then the expressions, per standard deviation; `f` (F,3); and for the joints neck, jaw, left and right eye `J_regressor`
(5,V), `weights` (V,5) and `posedirs` (V,3,36).

Its jaw and eyes turn at joints, which is not linear. Here they are expression directions: the velocity of every vertex
as the joint begins to turn (skinning and corrective shapes together), per standard deviation of the angle. The neck is
left out: it is the head's pose.

Source: github.com/TimoBolkart/TF_FLAME, github.com/vchoutas/smplx (lbs.py: joint order, pose features).
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from faceanime.core.errors import ShapeError, check_shape, one_line
from faceanime.morphable.formats.array_pickle import read_arrays
from faceanime.morphable.formats.raw_model import MOST_DIRECTIONS, RawModel, broken, corners

_IDENTITIES = 300
"""Number of identity directions at the beginning of `shapedirs`."""
_JOINTS = {"jaw": 2, "left eye": 3, "right eye": 4}
_TURNS = {
    ("jaw", (0.15, 0.0, 0.0)): "jaw_pitch",
    ("jaw", (0.0, 0.05, 0.0)): "jaw_yaw",
    ("left eye", (0.15, 0.0, 0.0)): "left_eye_pitch",
    ("left eye", (0.0, 0.2, 0.0)): "left_eye_yaw",
    ("right eye", (0.15, 0.0, 0.0)): "right_eye_pitch",
    ("right eye", (0.0, 0.2, 0.0)): "right_eye_yaw",
}
"""The turns of joints that become expression directions, as rotation vectors of one standard deviation in radians;
chosen by eye."""
_LARGEST_ARRAY = 1 << 30
"""Size of the largest array of an .npz that is read, bytes."""
_KEYS = ("v_template", "shapedirs", "f", "J_regressor", "weights", "posedirs")


def read_flame(path: Path) -> RawModel:
    """Read generic_model.pkl, FLAME2020's and FLAME2023's pickles, or the same as .npz. Raises MorphableModelError."""
    arrays = _npz(path) if path.suffix.lower() == ".npz" else read_arrays(path)
    missing = [key for key in _KEYS if key not in arrays]
    if missing:
        raise broken(
            path, f"it lacks {', '.join(missing)}", "give FLAME's generic_model.pkl or the same as .npz"
        )
    try:
        return _model(arrays)
    except (ShapeError, ValueError) as error:
        raise broken(path, one_line(error)) from error


def _model(arrays: Mapping[str, np.ndarray]) -> RawModel:
    mean, shapes = arrays["v_template"].astype(np.float64), arrays["shapedirs"].astype(np.float64)
    check_shape("v_template", mean, None, 3)
    check_shape("shapedirs", shapes, len(mean), 3, None)
    if not _IDENTITIES < shapes.shape[2] <= MOST_DIRECTIONS:
        raise ShapeError(
            f"shapedirs has {shapes.shape[2]} directions, expected {_IDENTITIES} of identity and some of expression"
        )
    joints = max(_JOINTS.values()) + 1
    check_shape("J_regressor", arrays["J_regressor"], joints, len(mean))
    check_shape("weights", arrays["weights"], len(mean), joints)
    check_shape("posedirs", arrays["posedirs"], len(mean), 3, 9 * (joints - 1))
    turned = [_turned(arrays, mean, _JOINTS[joint], np.array(turn)) for joint, turn in _TURNS]
    triangles = corners(arrays["f"])
    on_eye = np.isin(arrays["weights"].argmax(axis=1), [_JOINTS["left eye"], _JOINTS["right eye"]])
    if triangles.size and (triangles.min() < 0 or triangles.max() >= len(mean)):
        raise ShapeError(
            f"f has vertices {triangles.min()} to {triangles.max()}, expected 0 to {len(mean) - 1}"
        )
    is_eyeball = on_eye[triangles].all(axis=1)
    return RawModel(
        mean=mean,
        identity=shapes[..., :_IDENTITIES],
        expression=np.concatenate([np.stack(turned, axis=2), shapes[..., _IDENTITIES:]], axis=2),
        triangles=triangles[~is_eyeball],
        eyeballs=triangles[is_eyeball],
        licence="FLAME's own: research only, non-commercial, up to version 2020; CC BY 4.0 for FLAME 2023 Open",
    )


def _turned(
    arrays: Mapping[str, np.ndarray],
    mean: Float64[np.ndarray, "V 3"],
    joint: int,
    turn: Float64[np.ndarray, "3"],
) -> Float64[np.ndarray, "V 3"]:
    """The displacement of every vertex by a small turn of a joint, to first order."""
    center = arrays["J_regressor"][joint].astype(np.float64) @ mean
    skinned = arrays["weights"][:, joint, None].astype(np.float64) * np.cross(turn, mean - center)
    x, y, z = turn
    feature = np.array([0.0, -z, y, z, 0.0, -x, -y, x, 0.0])  # of R - 1, row by row; the root has none
    corrective = arrays["posedirs"][..., 9 * (joint - 1) : 9 * joint].astype(np.float64) @ feature
    return np.asarray(skinned + corrective)


def _npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays that are needed of an .npz; sizes are checked before they are read, and no pickle in it is opened."""
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {item.filename.removesuffix(".npy"): item.file_size for item in archive.infolist()}
            arrays = {}
            for key in (key for key in _KEYS if key in sizes):
                if sizes[key] > _LARGEST_ARRAY:
                    raise ShapeError(f"{key} claims {sizes[key]} bytes")
                arrays[key] = _npy(key, archive.read(f"{key}.npy"))
            return arrays
    except (
        OSError, zipfile.BadZipFile, zipfile.LargeZipFile, KeyError, ValueError, ShapeError, EOFError,
        NotImplementedError, RuntimeError, OverflowError, MemoryError,
    ) as error:  # fmt: skip
        raise broken(path, f"it is no .npz of arrays: {one_line(error)}") from error


def _npy(name: str, content: bytes) -> np.ndarray:
    """The array of an .npy file's content. Raises ShapeError, ValueError; no pickle in it is opened."""
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)  # type: ignore[no-untyped-call]
    read_header = (
        np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    )
    shape, is_column_major, kind = read_header(file)  # type: ignore[no-untyped-call]
    if kind.hasobject or kind.kind not in "biuf":
        raise ShapeError(f"{name} is of type {kind}, expected numbers")
    left = len(content) - file.tell()
    if math.prod(shape) * kind.itemsize != left:
        raise ShapeError(f"{name} claims the shape {shape} in {left} bytes")
    return np.frombuffer(content, kind, offset=file.tell()).reshape(
        shape, order="F" if is_column_major else "C"
    )
