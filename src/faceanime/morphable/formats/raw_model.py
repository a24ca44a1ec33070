"""A face model as its file holds it, before it is brought to our conventions."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int32, Integer

from faceanime.core.errors import MorphableModelError, ShapeError, check_shape
from faceanime.core.short_repr import short_repr

MOST_VERTICES = 500_000
"""Largest number of vertices that is read; the largest known face models have 60,000."""
MOST_DIRECTIONS = 1000
"""Largest number of identity or expression directions that is read; the largest known face models have 300."""


def no_triangles() -> Int32[np.ndarray, "0 3"]:
    """No triangle at all."""
    return np.zeros((0, 3), np.int32)


@dataclass(frozen=True, eq=False)
class RawModel:
    """A linear face model S = mean + identity a_id + expression a_exp, in its own unit and place.

    Axes are right-handed with y up and z out of the face, as in all formats that are read here.

    - `mean` (V,3); `identity` (V,3,K_id), per standard deviation; `expression` (V,3,K_exp), per unit of its own kind:
      a standard deviation, or a named shape in full.
    - `triangles` (F,3) of the skin, counter-clockwise seen from outside; `eyeballs` (E,3), those of the eyeballs, none
      where the model has no eyeballs that turn.
    - `expression_names` (K_exp) of directions that people know by name; empty where they have none.
    - `licence` under which the file's owner gives it away, in words.
    """

    mean: Float64[np.ndarray, "V 3"]
    identity: Float64[np.ndarray, "V 3 K_id"]
    expression: Float64[np.ndarray, "V 3 K_exp"]
    triangles: Int32[np.ndarray, "F 3"]
    licence: str
    eyeballs: Int32[np.ndarray, "E 3"] = field(default_factory=no_triangles)
    expression_names: tuple[str, ...] = ()

    __repr__ = short_repr

    def __post_init__(self) -> None:
        vertices = len(self.mean)
        check_shape("mean", self.mean, None, 3)
        check_shape("identity", self.identity, vertices, 3, None)
        check_shape("expression", self.expression, vertices, 3, None)
        for name, triangles in (("triangles", self.triangles), ("eyeballs", self.eyeballs)):
            check_shape(name, triangles, None, 3)
            if len(triangles) and (triangles.min() < 0 or triangles.max() >= vertices):
                raise ShapeError(
                    f"{name} have vertices {triangles.min()} to {triangles.max()}, expected 0 to {vertices - 1}"
                )
        if not len(self.triangles):
            raise ShapeError("it has no triangle")
        for name in ("mean", "identity", "expression"):
            if not np.isfinite(getattr(self, name)).all():
                raise ShapeError(f"{name} holds NaN or infinity")
        if not np.ptp(self.mean[np.unique(self.triangles), :2]) > 0.0:
            raise ShapeError("all its vertices lie in one point")
        if self.expression_names and len(self.expression_names) != self.expression.shape[2]:
            raise ShapeError(
                f"{len(self.expression_names)} names for {self.expression.shape[2]} expression directions"
            )


def broken(path: Path, problem: str, remedy: str = "download it again") -> MorphableModelError:
    """The error for a file that is not what its kind should be, in one line."""
    return MorphableModelError(f"cannot read the face model {path}: {problem}; {remedy}")


def directions(flat: np.ndarray, scale: np.ndarray | float = 1.0) -> Float64[np.ndarray, "V 3 K"]:
    """A basis (3V,K) whose rows are x, y and z of one vertex after the other, each direction times its `scale`.

    Raises ShapeError.
    """
    if flat.ndim != 2 or flat.shape[0] % 3:
        raise ShapeError(f"a basis has shape {flat.shape}, expected three rows for each vertex")
    return np.asarray((flat.astype(np.float64) * scale).reshape(-1, 3, flat.shape[1]))


def positions(flat: np.ndarray) -> Float64[np.ndarray, "V 3"]:
    """Vertices from their coordinates in one row: x, y and z of one after the other. Raises ShapeError."""
    if flat.size % 3:
        raise ShapeError(f"a mean has {flat.size} numbers, expected three for each vertex")
    return np.asarray(flat.astype(np.float64).reshape(-1, 3))


def corners(numbers: np.ndarray, first: int = 0) -> Int32[np.ndarray, "F 3"]:
    """Triangles (F,3) from indices that count from `first`. Raises ShapeError unless they are whole numbers."""
    check_shape("triangles", numbers, None, 3)
    if not (
        np.isfinite(numbers).all()
        and (np.abs(numbers) < 2**31 - 1).all()
        and (numbers == np.rint(numbers)).all()
    ):
        raise ShapeError("triangles hold numbers that are no indices")
    return np.asarray(numbers, np.int64).astype(np.int32) - np.int32(first)


def first_of(basis: Float64[np.ndarray, "V 3 K"], most: int) -> Float64[np.ndarray, "V 3 k"]:
    """The first, largest, directions of a basis, `most` at most."""
    return np.ascontiguousarray(basis[..., :most])


def triangulated(polygons: Integer[np.ndarray, "Q 4"]) -> Int32[np.ndarray, "F 3"]:
    """Two triangles for each polygon of four corners, one where the last corner is -1."""
    both = np.concatenate([polygons[:, [0, 1, 2]], polygons[:, [0, 2, 3]]])
    return np.asarray(both[(both >= 0).all(axis=1)], np.int32)
