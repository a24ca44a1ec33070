"""The Basel Face Model: of 2009 (.mat), of 2017 (.h5), and as 3DDFA reduces that of 2009 (.pkl).

- 2009, 01_MorphableModel.mat (Paysan et al., AVSS 2009): `shapeMU` (3V,1) in micrometers, `shapePC` (3V,K), `shapeEV`
  (K,1) standard deviations, `tl` (F,3) triangles from 1 on, clockwise. It has no expressions.
- 2017, model2017-1_*.h5 (Gerig et al., FG 2018), as statismo writes it: groups `shape` and `expression`, each with
  `model/mean`, `model/pcaBasis`, `model/pcaVariance`; `shape/representer/cells` (3,F).
- 3DDFA, bfm_noneck_v3.pkl (Zhu et al.; github.com/cleardusk/3DDFA_V2, bfm/bfm.py and configs/): `u` (3V,1), `w_shp`
  (3V,K), `w_exp` (3V,K). Triangles are in tri.pkl; the mean and the standard deviations of 40 identity and 10
  expression coefficients in param_mean_std_62d_120x120.pkl, after 12 numbers of pose. Both lie beside it.

Source: the pages of the models at faces.dmi.unibas.ch, and the readme files there.
"""

from __future__ import annotations

import warnings
import zlib
from pathlib import Path

import numpy as np

from faceanime.core.errors import MediaError, MorphableModelError, ShapeError, check_shape, one_line
from faceanime.core.files import check_input
from faceanime.morphable.formats.array_pickle import read_arrays
from faceanime.morphable.formats.raw_model import (
    MOST_DIRECTIONS,
    MOST_VERTICES,
    RawModel,
    broken,
    corners,
    directions,
    positions,
)

_LICENCE = "Basel Face Model's own: research only, non-commercial (University of Basel)"
_TRIANGLES, _DEVIATIONS = "tri.pkl", "param_mean_std_62d_120x120.pkl"
_POSE_NUMBERS, _DDFA_IDENTITIES, _DDFA_EXPRESSIONS = 12, 40, 10


def read_bfm_2009(path: Path) -> RawModel:
    """Read 01_MorphableModel.mat, or the folder that holds it. Raises MorphableModelError."""
    path = path / "01_MorphableModel.mat" if path.is_dir() else path
    arrays = _matlab(path, {"shapeMU": 1, "shapePC": MOST_DIRECTIONS, "shapeEV": 1, "tl": 3})
    try:
        mean = positions(arrays["shapeMU"])
        return RawModel(
            mean=mean,
            identity=directions(arrays["shapePC"], arrays["shapeEV"].ravel()),
            expression=np.zeros((len(mean), 3, 0)),
            triangles=np.ascontiguousarray(corners(arrays["tl"], first=1)[:, ::-1]),
            licence=_LICENCE,
        )
    except (ShapeError, ValueError) as error:
        raise broken(path, one_line(error)) from error


def read_bfm_2017(path: Path) -> RawModel:
    """Read model2017-1_*.h5. Raises MorphableModelError, also if h5py is not installed."""
    _check(path)
    try:
        import h5py
    except ImportError as error:
        raise MorphableModelError(
            f'cannot read {path}: .h5 needs an extra; pip install "faceanime[bfm]"'
        ) from error
    try:
        with h5py.File(path, "r") as file:

            def array(name: str) -> np.ndarray:
                found = file.get(name, getlink=False)
                if not isinstance(found, h5py.Dataset) or found.dtype.kind not in "iuf":
                    raise ShapeError(f"it lacks numbers at {name}")
                if found.size > 3 * MOST_VERTICES * MOST_DIRECTIONS or len(found.shape) > 2:
                    raise ShapeError(f"{name} claims the shape {found.shape}")
                return np.asarray(found[()])

            mean = positions(array("shape/model/mean")) + positions(array("expression/model/mean"))
            identity, expression = (
                directions(
                    array(f"{group}/model/pcaBasis"),
                    np.sqrt(np.maximum(array(f"{group}/model/pcaVariance"), 0.0)),
                )
                for group in ("shape", "expression")
            )
            triangles = corners(array("shape/representer/cells").T)
        return RawModel(mean, identity, expression, triangles, licence=_LICENCE)
    except (OSError, KeyError, ValueError, RuntimeError, TypeError, ShapeError, MemoryError) as error:
        raise broken(path, one_line(error)) from error


def read_3ddfa(path: Path) -> RawModel:
    """Read bfm_noneck_v3.pkl and the two pickles beside it. Raises MorphableModelError."""
    arrays = read_arrays(path)
    missing = [key for key in ("u", "w_shp", "w_exp") if key not in arrays]
    if missing:
        raise broken(path, f"it lacks {', '.join(missing)}", "give 3DDFA_V2's bfm_noneck_v3.pkl")
    triangles = arrays["tri"] if "tri" in arrays else _beside(path, _TRIANGLES).get("")
    statistics = _beside(path, _DEVIATIONS)
    count = _POSE_NUMBERS + _DDFA_IDENTITIES + _DDFA_EXPRESSIONS
    try:
        if triangles is None:
            raise ShapeError(f"{_TRIANGLES} holds no array")
        for key in ("mean", "std"):
            if key not in statistics:
                raise ShapeError(f"{_DEVIATIONS} lacks {key}")
            check_shape(f"{key} of {_DEVIATIONS}", statistics[key], count)
        of_identity, of_expression = np.split(np.arange(_POSE_NUMBERS, count), [_DDFA_IDENTITIES])
        bases, mean = [], arrays["u"].reshape(-1, 1).astype(np.float64)
        for key, which in (("w_shp", of_identity), ("w_exp", of_expression)):
            check_shape(key, arrays[key], len(mean), None)
            basis = arrays[key][:, : len(which)].astype(np.float64)
            check_shape(key, basis, len(mean), len(which))
            mean = mean + basis @ statistics["mean"][which, None]
            bases.append(directions(basis, statistics["std"][which]))
        faces = triangles.T if triangles.shape[0] == 3 else triangles
        return RawModel(positions(mean), bases[0], bases[1], corners(faces), licence=_LICENCE)
    except (ShapeError, ValueError) as error:
        raise broken(path, one_line(error)) from error


def _beside(path: Path, name: str) -> dict[str, np.ndarray]:
    """The arrays of another pickle in the folder of `path`."""
    if not (path.parent / name).is_file():
        raise broken(
            path, f"{name} does not lie beside it", "put the file of 3DDFA_V2's folder configs there"
        )
    return read_arrays(path.parent / name)


def _check(path: Path) -> None:
    try:
        check_input(path)
    except MediaError as error:
        raise broken(path, error.problem) from error


def _matlab(path: Path, columns: dict[str, int]) -> dict[str, np.ndarray]:
    """Arrays of a MATLAB file by name, each with its largest number of columns; sizes are checked before reading."""
    from scipy.io import loadmat, whosmat  # rarely needed, slow to import

    _check(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of duplicate variables
            claimed = {name: (shape, kind) for name, shape, kind in whosmat(path)}
            for name, most in columns.items():
                if name not in claimed:
                    raise ShapeError(f"it lacks {name}")
                shape, kind = claimed[name]
                if len(shape) != 2 or kind not in ("single", "double", "int32", "uint32"):
                    raise ShapeError(f"{name} is a {kind} of shape {shape}")
                if shape[0] > 3 * MOST_VERTICES or shape[1] > most:
                    raise ShapeError(f"{name} claims the shape {shape}")
            loaded = loadmat(path, variable_names=list(columns))
    except (
        OSError, ValueError, TypeError, KeyError, IndexError, EOFError, NotImplementedError, ShapeError, MemoryError,
        OverflowError, AttributeError, zlib.error,
    ) as error:  # fmt: skip
        raise broken(path, f"it is no MATLAB file of BFM 2009: {one_line(error)}") from error
    return {name: np.asarray(loaded[name]) for name in columns}
