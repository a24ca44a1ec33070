"""Division of each triangle of a mesh into smaller ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int, Int32

from faceanime.core.short_repr import short_repr


@dataclass(frozen=True, eq=False)
class DividedMesh:
    """A mesh whose triangles are divided into n x n each, or a few less at the outline, whose edges are left whole.

    The old V vertices come first. `corner` (W,3) are old vertices and `weight` (W,3) their weights, which sum to 1, by
    which each of the W new vertices is their mean; `triangles` (M,3) between them, wound as the old ones; `parent`
    (M,), the old triangle of each.
    """

    corner: Int32[np.ndarray, "W 3"]
    weight: Float64[np.ndarray, "W 3"]
    triangles: Int32[np.ndarray, "M 3"]
    parent: Int32[np.ndarray, " M"]

    __repr__ = short_repr


def divided(triangles: Int[np.ndarray, "F 3"], vertex_count: int, parts: int) -> DividedMesh:
    """Divide every edge into `parts` equal ones, and each triangle accordingly; neighbors share the new vertices.

    Edges that only one triangle has, the outline, are left whole: other meshes are attached there.
    """
    steps = [(i, j) for i in range(parts + 1) for j in range(parts + 1 - i)]
    place = {step: k for k, step in enumerate(steps)}
    rows = [
        face
        for i, j in steps
        if i + j < parts
        for face in (
            [(i, j), (i + 1, j), (i, j + 1)],
            *([[(i + 1, j), (i + 1, j + 1), (i, j + 1)]] if i + j < parts - 1 else []),
        )
    ]
    small = np.array([[place[corner] for corner in face] for face in rows])
    share = np.array([(parts - i - j, i, j) for i, j in steps])
    corner = np.repeat(np.asarray(triangles, np.int64)[:, None], len(steps), axis=1).reshape(-1, 3)
    numerator = np.tile(share, (len(triangles), 1))
    # one name for each place, whichever triangle it is seen from: corners ascending, those without weight left out
    named = np.where(numerator > 0, corner, vertex_count)
    order = np.argsort(named, axis=1, kind="stable")
    corner, numerator = (np.take_along_axis(values, order, axis=1) for values in (named, numerator))
    corner = np.where(corner == vertex_count, corner[:, :1], corner)
    old = np.stack(
        [np.arange(vertex_count)] * 3 + [np.full(vertex_count, parts)] + [np.zeros(vertex_count)] * 2, axis=1
    )
    every = np.concatenate([old.astype(np.int64), np.concatenate([corner, numerator], axis=1)])
    _, first, number = np.unique(every, axis=0, return_index=True, return_inverse=True)
    number = number.reshape(-1)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(
        len(first)
    )  # in order of appearance: the old ones first
    kept = every[np.sort(first)]
    index = rank[number[vertex_count:]].reshape(len(triangles), len(steps))
    corner, weight = kept[:, :3], kept[:, 3:] / parts
    small_triangles = index[:, small].reshape(-1, 3)
    parent = np.repeat(np.arange(len(triangles)), len(small))
    merged = np.arange(len(corner))  # a vertex within an edge of the outline with the nearer end of the edge
    outer = outline(small_triangles)
    merged[outer] = np.take_along_axis(corner[outer], weight[outer].argmax(axis=1)[:, None], axis=1)[:, 0]
    small_triangles = merged[small_triangles]
    whole = (small_triangles != np.roll(small_triangles, 1, axis=1)).all(axis=1)
    left = merged == np.arange(len(corner))
    renumbered = (np.cumsum(left) - 1)[small_triangles[whole]]
    return DividedMesh(
        corner[left].astype(np.int32),
        weight[left],
        renumbered.astype(np.int32),
        parent[whole].astype(np.int32),
    )


def outline(triangles: Int[np.ndarray, "F 3"]) -> Int[np.ndarray, " N"]:
    """The vertices on edges that only one triangle has."""
    edges = np.sort(np.stack([triangles, np.roll(triangles, -1, axis=1)], axis=-1).reshape(-1, 2), axis=1)
    each, count = np.unique(edges, axis=0, return_counts=True)
    return np.unique(each[count == 1])
