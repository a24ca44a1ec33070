"""ICT-FaceKit: a folder of Wavefront OBJ files (Li et al., "Learning Formation of Physically-Based Face Attributes").

`generic_neutral_mesh.obj` is the mean; `identity000.obj`, `identity001.obj`, ... are the mean plus one standard
deviation of an identity direction each; every other OBJ file is the mean plus one named expression in full. All have
the same vertices; the neutral mesh's materials tell skin and eyeballs from teeth, lashes and tear ducts.

Source: github.com/ICT-VGL/ICT-FaceKit, README.md and FaceXModel/.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64

from faceanime.core.errors import MediaError
from faceanime.core.files import open_input
from faceanime.morphable.formats.raw_model import MOST_VERTICES, RawModel, broken, triangulated

log = logging.getLogger(__name__)

_NEUTRAL = "generic_neutral_mesh.obj"
_FOLDER = "FaceXModel"
_IDENTITY = re.compile(r"identity(\d+)\.obj")
_SKIN = ("M_Face", "M_BackHead")
_EYEBALLS = {"L": ("M_ScleraLeft", "M_IrisLeft"), "R": ("M_ScleraRight", "M_IrisRight")}
"""Materials of the neutral mesh."""
_OUTSIDE = 11248
"""Vertices from this one on line the sockets of mouth and eyes, or are no skin (README.md, "Face Model Geometry")."""
_GAZE_RAD = {
    "eyeLookIn_L": (0.0, -0.5, 0.0), "eyeLookOut_L": (0.0, 0.5, 0.0),
    "eyeLookIn_R": (0.0, 0.5, 0.0), "eyeLookOut_R": (0.0, -0.5, 0.0),
    "eyeLookUp_L": (-0.35, 0.0, 0.0), "eyeLookDown_L": (0.35, 0.0, 0.0),
    "eyeLookUp_R": (-0.35, 0.0, 0.0), "eyeLookDown_R": (0.35, 0.0, 0.0),
}  # fmt: skip
"""By how much an eyeball turns with a shape, a rotation vector in radians: the files move its lids alone. By eye."""
_SHAPES = 155
"""Number of identity and expression files of the whole model: 100 and 55."""
_LARGEST_FILE = 64 << 20
"""Size of the largest OBJ file that is read, bytes; the true ones have 2.6 million."""


def read_ict_facekit(path: Path) -> RawModel:
    """Read the folder `FaceXModel`, or the one that holds it. Raises MorphableModelError."""
    folder = path / _FOLDER if (path / _FOLDER).is_dir() else path
    if not (folder / _NEUTRAL).is_file():
        raise broken(path, f"expected the folder {_FOLDER} with {_NEUTRAL}", "give that folder")
    mean, materials = _neutral(folder / _NEUTRAL)
    if not any(name in materials for name in _SKIN):
        raise broken(folder / _NEUTRAL, f"no polygon has the material {_SKIN[0]}")
    identities = sorted(p for p in folder.glob("*.obj") if _IDENTITY.fullmatch(p.name))
    expressions = sorted(p for p in folder.glob("*.obj") if p not in identities and p.name != _NEUTRAL)
    if not identities or not expressions:
        raise broken(folder, "expected identity000.obj and so on, and expressions such as jawOpen.obj")
    found = len(identities) + len(expressions)
    if found < _SHAPES:
        log.warning(
            "%s holds %d of ICT-FaceKit's %d shapes; the model is made of these", folder, found, _SHAPES
        )
    skin = _polygons(materials, _SKIN)
    names = tuple(p.stem for p in expressions)
    eyeballs = {side: triangulated(_polygons(materials, of)) for side, of in _EYEBALLS.items()}
    expression = _deltas(expressions, mean)
    for name in _GAZE_RAD.keys() & set(names):
        ball = np.unique(eyeballs[name[-1]])
        turned = np.cross(_GAZE_RAD[name], mean[ball] - mean[ball].mean(axis=0))
        expression[ball, :, names.index(name)] += turned
    return RawModel(
        mean=mean,
        identity=_deltas(identities, mean),
        expression=expression,
        triangles=triangulated(skin[(skin < _OUTSIDE).all(axis=1)]),
        eyeballs=np.concatenate(list(eyeballs.values())),
        expression_names=names,
        licence="MIT (ICT-FaceKit, USC Institute for Creative Technologies)",
    )


def _deltas(files: list[Path], mean: Float64[np.ndarray, "V 3"]) -> Float64[np.ndarray, "V 3 K"]:
    basis = np.empty((*mean.shape, len(files)))
    for k, file in enumerate(files):
        shape = _vertices(file, _text(file))
        if shape.shape != mean.shape:
            raise broken(file, f"it has {len(shape)} vertices, expected {len(mean)} as in {_NEUTRAL}")
        basis[..., k] = shape - mean
    return basis


def _neutral(path: Path) -> tuple[Float64[np.ndarray, "V 3"], dict[str, list[list[int]]]]:
    """The vertices, and the polygons of each material, indices from 0, with -1 as the fourth corner of triangles."""
    text = _text(path)
    materials: dict[str, list[list[int]]] = {}
    for material, polygon in _lines_of_polygons(path, text):
        materials.setdefault(material, []).append(polygon)
    return _vertices(path, text), materials


def _lines_of_polygons(path: Path, text: bytes) -> Iterator[tuple[str, list[int]]]:
    material = ""
    for line in text.splitlines():
        word, *rest = line.split() or [b""]
        if word == b"usemtl":
            material = b" ".join(rest).decode("utf-8", "replace")
        elif word == b"f":
            try:
                polygon = [int(corner.split(b"/")[0]) - 1 for corner in rest]
            except ValueError as error:
                raise broken(path, f"a polygon reads {line[:40]!r}") from error
            if len(polygon) not in (3, 4) or min(polygon) < 0 or max(polygon) >= MOST_VERTICES:
                raise broken(path, f"a polygon has the corners {polygon[:6]}, expected 3 or 4 counted from 1")
            yield material, polygon + [-1] * (4 - len(polygon))


def _polygons(materials: dict[str, list[list[int]]], wanted: tuple[str, ...]) -> Int64[np.ndarray, "Q 4"]:
    return np.array([p for name in wanted for p in materials.get(name, [])], np.int64).reshape(-1, 4)


def _vertices(path: Path, text: bytes) -> Float64[np.ndarray, "V 3"]:
    numbers = [line[2:] for line in text.splitlines() if line.startswith(b"v ")]
    if not 0 < len(numbers) <= MOST_VERTICES:
        raise broken(path, f"it has {len(numbers)} vertices, expected 1 to {MOST_VERTICES}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it ends early at what is no number
        flat = np.fromstring(b" ".join(numbers), sep=" ")
    if flat.size != 3 * len(numbers):
        raise broken(path, f"{len(numbers)} vertices have {flat.size} numbers, expected three each")
    return np.asarray(flat.reshape(-1, 3))


def _text(path: Path) -> bytes:
    try:
        with open_input(path) as file:
            text = file.read(_LARGEST_FILE + 1)
    except MediaError as error:
        raise broken(path, error.problem) from error
    if len(text) > _LARGEST_FILE:
        raise broken(path, f"it is larger than {_LARGEST_FILE >> 20} MiB")
    return text
