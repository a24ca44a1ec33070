"""The points of a triangle mesh that lie nearest to given points."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, Int64
from scipy.spatial import KDTree

_CANDIDATES = 32
"""Triangles whose distance is measured for each point: those with the nearest centers. Chosen by eye."""


def nearest_on_mesh(
    points: Float[np.ndarray, "N 3"],
    vertices: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
) -> tuple[Int64[np.ndarray, " N"], Float[np.ndarray, "N 3"]]:
    """The triangle in which the nearest point of a mesh lies, and its barycentric coordinates there.

    Only the triangles with the nearest centers are measured: exact for triangles of similar size.
    """
    corners = vertices[triangles].astype(np.float64)
    count = min(_CANDIDATES, len(triangles))
    _, near = KDTree(corners.mean(axis=1)).query(points, k=count)
    near = np.asarray(near, np.int64).reshape(len(points), count)
    weights = _nearest_in_triangles(points[:, None].astype(np.float64), corners[near])
    places = np.einsum("nkc,nkcx->nkx", weights, corners[near])
    best = np.square(places - points[:, None]).sum(axis=-1).argmin(axis=1)
    rows = np.arange(len(points))
    return near[rows, best], weights[rows, best]


def _nearest_in_triangles(
    points: Float[np.ndarray, "N 1 3"], corners: Float[np.ndarray, "N K 3 3"]
) -> Float[np.ndarray, "N K 3"]:
    """Barycentric coordinates of the nearest point of each triangle: in its inside, else on one of its edges."""
    a, b, c = np.moveaxis(corners, -2, 0)
    inside = _in_plane(points - a, b - a, c - a)
    candidates = [np.where((inside >= 0.0).all(axis=-1, keepdims=True), inside, np.nan)]
    for first, second, (i, j) in ((a, b, (0, 1)), (b, c, (1, 2)), (c, a, (2, 0))):
        edge = second - first
        length = np.maximum(np.square(edge).sum(axis=-1), 1e-300)
        along = np.clip(((points - first) * edge).sum(axis=-1) / length, 0.0, 1.0)
        weight = np.zeros_like(inside)
        weight[..., i], weight[..., j] = 1.0 - along, along
        candidates.append(weight)
    every = np.stack(candidates)
    apart = np.square(np.einsum("enkc,nkcx->enkx", every, corners) - points).sum(axis=-1)
    best = np.where(np.isnan(apart), np.inf, apart).argmin(axis=0)
    return np.asarray(np.take_along_axis(every, best[None, ..., None], axis=0)[0])


def _in_plane(
    point: Float[np.ndarray, "N K 3"], u: Float[np.ndarray, "N K 3"], v: Float[np.ndarray, "N K 3"]
) -> Float[np.ndarray, "N K 3"]:
    """Barycentric coordinates of the foot of each point in the plane of u and v; -1 for triangles without area."""
    uu, uv, vv = ((x * y).sum(axis=-1) for x, y in ((u, u), (u, v), (v, v)))
    pu, pv = (point * u).sum(axis=-1), (point * v).sum(axis=-1)
    area = uu * vv - uv * uv
    flat = area <= 1e-12 * uu * vv
    area = np.where(flat, 1.0, area)
    s, t = (vv * pu - uv * pv) / area, (uu * pv - uv * pu) / area
    weights = np.stack([1.0 - s - t, s, t], axis=-1)
    return np.where(flat[..., None], -1.0, weights)
