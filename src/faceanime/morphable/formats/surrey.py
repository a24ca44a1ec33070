"""The Surrey Face Model in the binary files of eos (Huber et al., VISAPP 2016).

They are written by the C++ library cereal without alignment, little-endian. A matrix is its numbers of rows and columns
(int32) and its float32 numbers, column by column; a list is its length (uint64) and its items.

- The shape file: version (uint32); mean (3V,1), orthonormal basis (3V,K), variances (K,1), triangles (int32, three
  each); then colors and texture coordinates, which are not read here.
- `expression_blendshapes_*.bin`: a list of names, each with its displacements (3V,1) in full.

Source: github.com/patrikhuber/eos, include/eos/morphablemodel/{MorphableModel,PcaModel,Blendshape}.hpp and
io/eigen_cerealisation.hpp.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int32

from faceanime.core.errors import MediaError, MorphableModelError, ShapeError
from faceanime.core.files import open_input
from faceanime.morphable.formats.raw_model import (
    MOST_DIRECTIONS,
    MOST_VERTICES,
    RawModel,
    broken,
    corners,
    directions,
    positions,
)

_EXPRESSIONS = "expression_blendshapes*.bin"
_VERSIONS = range(1, 5)
"""Versions of the shape file; all begin with the shape."""
_LONGEST_NAME = 64


def read_surrey(path: Path) -> RawModel:
    """Read a shape file, or the only one in a folder, and the expressions beside it. Raises MorphableModelError."""
    folder = path if path.is_dir() else path.parent
    expression_files = sorted(folder.glob(_EXPRESSIONS))
    if path.is_dir():
        shapes = [p for p in sorted(folder.glob("*.bin")) if p not in expression_files]
        if len(shapes) != 1:
            raise broken(path, f"it holds {len(shapes)} shape files, expected one", "name the file")
        (path,) = shapes
    if not expression_files:
        raise broken(path, f"no {_EXPRESSIONS} lies beside it", "put the file of expressions there")
    try:
        mean, identity, triangles = _shape(_Bytes.of(path))
        names, expression = _blendshapes(_Bytes.of(expression_files[0]), mean.size)
        return RawModel(
            mean=positions(mean),
            identity=identity,
            expression=directions(expression),
            triangles=triangles,
            expression_names=names,
            licence="non-commercial and academic use only (Surrey Face Model, University of Surrey)",
        )
    except ShapeError as error:
        raise broken(path, str(error)) from error


class _Bytes:
    """The content of a file, read from front to back; no size that it claims is believed before it is there."""

    def __init__(self, path: Path, content: bytes) -> None:
        self.path, self._content, self._at = path, content, 0

    @classmethod
    def of(cls, path: Path) -> _Bytes:
        try:
            with open_input(path) as file:
                return cls(path, file.read())
        except MediaError as error:
            raise broken(path, error.problem) from error

    def bytes(self, count: int) -> bytes:
        if not 0 <= count <= len(self._content) - self._at:
            raise self.error(
                f"it ends at byte {len(self._content)}, {count} more were expected from {self._at}"
            )
        self._at += count
        return self._content[self._at - count : self._at]

    def number(self, kind: str) -> int:
        return int(struct.unpack(f"<{kind}", self.bytes(struct.calcsize(kind)))[0])

    def length(self, most: int, of: str) -> int:
        count = self.number("Q")
        if not 0 < count <= most:
            raise self.error(f"it claims {count} {of}, expected 1 to {most}")
        return count

    def matrix(self) -> Float32[np.ndarray, "R C"]:
        rows, columns = self.number("i"), self.number("i")
        if not (0 < rows <= 3 * MOST_VERTICES and 0 < columns <= MOST_DIRECTIONS):
            raise self.error(f"it claims a matrix of {rows} by {columns}")
        return np.frombuffer(self.bytes(4 * rows * columns), "<f4").reshape(columns, rows).T

    def error(self, problem: str) -> MorphableModelError:
        return broken(self.path, problem)


def _shape(file: _Bytes) -> tuple[np.ndarray, np.ndarray, Int32[np.ndarray, "F 3"]]:
    """Mean (3V,1), identity basis (V,3,K) and triangles."""
    version = file.number("I")
    if version not in _VERSIONS:
        raise file.error(f"it is no shape file of eos: its version is {version}, expected 1 to 4")
    mean, basis, variance = file.matrix(), file.matrix(), file.matrix()
    if mean.shape[1] != 1 or basis.shape[0] != mean.shape[0] or variance.shape != (basis.shape[1], 1):
        raise file.error(f"mean {mean.shape}, basis {basis.shape} and variances {variance.shape} do not fit")
    count = file.length(4 * MOST_VERTICES, "triangles")
    triangles = corners(np.frombuffer(file.bytes(12 * count), "<i4").reshape(-1, 3))
    return mean, directions(basis, np.sqrt(np.maximum(variance[:, 0].astype(np.float64), 0.0))), triangles


def _blendshapes(file: _Bytes, size: int) -> tuple[tuple[str, ...], Float32[np.ndarray, "D K"]]:
    names, shapes = [], []
    for _ in range(file.length(MOST_DIRECTIONS, "expressions")):
        names.append(file.bytes(file.length(_LONGEST_NAME, "letters of a name")).decode("utf-8", "replace"))
        shape = file.matrix()
        if shape.shape != (size, 1):
            raise file.error(
                f"expression {names[-1]} has {shape.shape} numbers, expected {size} as the mean has"
            )
        shapes.append(shape[:, 0])
    return tuple(names), np.stack(shapes, axis=1)
