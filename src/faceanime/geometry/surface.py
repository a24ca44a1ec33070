"""Surfaces made of triangles: which side is outside, and the normals of vertices."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from jaxtyping import Float, Float32, Integer


def consistent_winding(triangles: Integer[np.ndarray, "F 3"]) -> Integer[np.ndarray, "F 3"]:
    """The triangles (F,3), those reversed that run against their neighbors.

    Neighbors run along their common edge in opposite directions. In each connected part the fewer ones are reversed.
    Edges of more than two triangles connect nothing.
    """
    at_edge: dict[tuple[int, int], list[tuple[int, bool]]] = defaultdict(list)
    for index, corners in enumerate(triangles.tolist()):
        for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
            at_edge[min(a, b), max(a, b)].append((index, a < b))
    neighbors: dict[int, list[tuple[int, bool]]] = defaultdict(list)
    for sides in at_edge.values():
        if len(sides) == 2:
            (one, runs_up), (other, also) = sides
            neighbors[one].append((other, runs_up == also))
            neighbors[other].append((one, runs_up == also))
    reverse = np.zeros(len(triangles), bool)
    left = set(range(len(triangles)))
    while left:
        part = [left.pop()]
        for index in part:  # grows meanwhile
            for other, against in neighbors[index]:
                if other in left:
                    left.remove(other)
                    reverse[other] = reverse[index] != against
                    part.append(other)
        if reverse[part].mean() > 0.5:
            reverse[part] = ~reverse[part]
    return np.where(reverse[:, None], triangles[:, ::-1], triangles)


def vertex_normals(
    vertices: Float[np.ndarray, "V 3"], triangles: Integer[np.ndarray, "F 3"]
) -> Float32[np.ndarray, "V 3"]:
    """The outward unit normal of each vertex: the mean of its triangles', weighted by their areas.

    Triangles run counter-clockwise seen from outside. A vertex without triangles has the normal (0, 0, 1).
    """
    a, b, c = (vertices[triangles[:, corner]].astype(np.float64) for corner in range(3))
    total = np.zeros((len(vertices), 3))
    for corner in range(3):
        np.add.at(total, triangles[:, corner], np.cross(b - a, c - a))
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.where(length > 0.0, total / np.maximum(length, 1e-300), [0.0, 0.0, 1.0]).astype(np.float32)
