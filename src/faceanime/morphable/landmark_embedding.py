"""Landmark embedding: the sparse (landmark x vertex) matrix by which a model's vertices determine its landmarks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Float32, Int, Int32

from faceanime.core.errors import MorphableModelError, check_shape
from faceanime.core.short_repr import short_repr

Spread: TypeAlias = Callable[[np.ndarray], np.ndarray]
"""Moves of the landmarks (L,C) in, displacements of all vertices (V,C) out."""

_SUM_TOLERANCE = 1e-4
"""Largest deviation from 1 of the sum of a landmark's weights; chosen by eye, loose enough for float32 files."""


@dataclass(frozen=True, eq=False)
class LandmarkEmbedding:
    """Landmarks as weighted means of up to three vertices each, usually barycentric coordinates in a triangle.

    `vertex` (L,3) holds indices of vertices, `weight` (L,3) their weights; each row of weights sums to 1. A landmark
    that is a vertex has weight 1 at that vertex and 0 at the other two.
    """

    vertex: Int32[np.ndarray, "L 3"]
    weight: Float32[np.ndarray, "L 3"]

    __repr__ = short_repr

    def __post_init__(self) -> None:
        check_shape("LandmarkEmbedding.vertex", self.vertex, None, 3)
        check_shape("LandmarkEmbedding.weight", self.weight, len(self.vertex), 3)
        if (np.abs(self.weight.sum(axis=1) - 1.0) > _SUM_TOLERANCE).any():
            sums = self.weight.sum(axis=1)
            worst = int(np.abs(sums - 1.0).argmax())
            raise MorphableModelError(
                f"the weights of landmark {worst}'s vertices add up to {sums[worst]:g}, expected 1"
            )

    @classmethod
    def selecting(cls, vertices: Int[np.ndarray, " L"]) -> LandmarkEmbedding:
        """The embedding whose landmarks are the given vertices."""
        weight = np.zeros((len(vertices), 3), np.float32)
        weight[:, 0] = 1.0
        return cls(np.repeat(np.asarray(vertices, np.int32)[:, None], 3, axis=1), weight)

    @cached_property
    def nearest_vertex(self) -> Int32[np.ndarray, " L"]:
        """The vertex with the largest weight in each landmark: there other meshes are attached, or the mesh is cut."""
        return np.take_along_axis(self.vertex, self.weight.argmax(axis=1)[:, None], axis=1)[:, 0]

    @cached_property
    def is_selection(self) -> bool:
        """Whether every landmark is a vertex."""
        return bool((self.weight.max(axis=1) == 1.0).all())

    def of(self, vertices: Float[np.ndarray, "*B V C"]) -> Float[np.ndarray, "*B L C"]:
        """The landmarks' values of any quantity that is given at the vertices, such as positions.

        May be a view of `vertices`.
        """
        if self._is_first:
            return vertices[..., : len(self.vertex), :]
        if self.is_selection:
            return vertices[..., self.nearest_vertex, :]
        corners = vertices[..., self.vertex, :]
        return np.asarray((corners * self.weight[..., None].astype(vertices.dtype)).sum(axis=-2))

    def is_identity(self, vertex_count: int) -> bool:
        """Whether landmarks and vertices are the same points in the same order."""
        return self._is_first and len(self.vertex) == vertex_count

    @cached_property
    def _is_first(self) -> bool:
        """Whether landmark i is vertex i."""
        return self.is_selection and bool((self.nearest_vertex == np.arange(len(self.vertex))).all())

    def spread(
        self, moves: Float[np.ndarray, "L C"], triangles: Int[np.ndarray, "F 3"], vertex_count: int
    ) -> Float[np.ndarray, "V C"]:
        """The smoothest displacement of all vertices that moves the landmarks by `moves`; see `spreader`."""
        return self.spreader(triangles, vertex_count)(moves)

    def spreader(self, triangles: Int[np.ndarray, "F 3"], vertex_count: int) -> Spread:
        """The function that gives the smoothest displacement of all vertices for moves of the landmarks.

        It minimizes the sum of squared differences along the edges of the mesh (harmonic interpolation with uniform
        weights). Vertices that no path of edges connects to a landmark do not move. To make it takes a second for
        10,000 vertices, to call it some milliseconds.
        """
        count = len(self.vertex)
        if self.is_selection and np.unique(np.r_[self.nearest_vertex, triangles.ravel()]).size == count:
            return _Placing(self.nearest_vertex, vertex_count)
        return _harmonic(self.vertex, self.weight, triangles, vertex_count)


@dataclass(frozen=True, eq=False)
class _Placing:
    """Spreads moves of landmarks that are all the vertices that count."""

    vertex: Int32[np.ndarray, " L"]
    vertex_count: int

    __repr__ = short_repr

    def __call__(self, moves: Float[np.ndarray, "L C"]) -> Float[np.ndarray, "V C"]:
        spread = np.zeros((self.vertex_count, moves.shape[1]), moves.dtype)
        spread[self.vertex] = moves
        return spread


_STAY = 1e-9
"""Weight of each vertex's own squared displacement, against 1 for an edge: makes the linear system solvable where no
edge leads to a landmark, and is too small to matter elsewhere."""


def _harmonic(
    vertex: Int32[np.ndarray, "L 3"],
    weight: Float32[np.ndarray, "L 3"],
    triangles: Int[np.ndarray, "F 3"],
    vertex_count: int,
) -> Spread:
    """Solve `LandmarkEmbedding.spreader` for any embedding by Lagrange multipliers."""
    from scipy.sparse import block_array, csr_array, diags_array, eye_array  # rarely needed, slow to import
    from scipy.sparse.linalg import splu

    a, b = triangles.ravel(), np.roll(triangles, -1, axis=1).ravel()
    joined = csr_array((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), (vertex_count, vertex_count))
    joined.data[:] = 1.0  # an edge counts once, however many triangles share it
    laplacian = diags_array(joined.sum(axis=1)) - joined + _STAY * eye_array(vertex_count)
    rows = np.repeat(np.arange(len(vertex)), 3)
    embedding = csr_array(
        (weight.ravel().astype(np.float64), (rows, vertex.ravel())), (len(vertex), vertex_count)
    )
    factors = splu(block_array([[laplacian, embedding.T], [embedding, None]], format="csc"))

    def spread(moves: Float[np.ndarray, "L C"]) -> Float[np.ndarray, "V C"]:
        right = np.concatenate([np.zeros((vertex_count, moves.shape[1])), moves])
        return np.asarray(factors.solve(right)[:vertex_count])

    return spread
