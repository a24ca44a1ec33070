"""The lashes keep their thickness while the lid's skin stretches.

A closing lid stretches the thin row of triangles between the lash line and the lid's fold several times over,
and would smear lashes and liner over the closed eye. Here these triangles are split along a line just above the
lashes: the band below it moves rigidly with the lash line, only the skin above it stretches.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int32

from faceanime.morphable import topology
from faceanime.morphable.model import Region

_LASH_LINE = frozenset(topology.RIGHT_EYE_UPPER[1:-1] + topology.LEFT_EYE_UPPER[1:-1])
_BAND = 0.075
"""Thickness of the band, in widths of the eye."""
_MOST_SHARE = 0.6
"""The band never takes more of the way from lash line to fold."""


class LashBand:
    """Extra vertices of a sheet, one on each edge that leaves an upper lash line, and the triangles split there."""

    def __init__(
        self,
        points: Float[np.ndarray, "N 3"],
        triangles: Int32[np.ndarray, "F 3"],
        region: Int32[np.ndarray, " F"],
    ) -> None:
        """`points` are the sheet's vertices in the source, px."""
        touched = np.isin(triangles, list(_LASH_LINE)).any(axis=1) & (region == Region.SKIN)
        edges: dict[tuple[int, int], int] = {}
        split = [
            face for triangle in triangles[touched] for face in _split(triangle.tolist(), edges, len(points))
        ]
        self._lash, self._other = np.array(list(edges), dtype=np.int32).T
        self._along = points[self._other] - points[self._lash]
        width = (
            float(
                np.linalg.norm(points[133, :2] - points[33, :2])
                + np.linalg.norm(points[263, :2] - points[362, :2])
            )
            / 2
        )
        length = np.linalg.norm(self._along[:, :2], axis=1)
        self._share = np.minimum(_BAND * width / np.maximum(length, 1e-6), _MOST_SHARE)[:, None]
        self.source_points = points[self._lash] + self._share * self._along
        self.triangles = np.concatenate([triangles[~touched], np.array(split, dtype=np.int32)])
        skin = np.full(len(split), Region.SKIN, dtype=np.int32)
        self.triangle_region = np.concatenate([region[~touched], skin])

    def at(
        self, points: Float[np.ndarray, "N 3"], turned: Float[np.ndarray, "3 3"]
    ) -> Float[np.ndarray, "E 3"]:
        """The extra vertices when the sheet's own are at `points`; `turned` is the head's motion in the picture."""
        rigid = self._share * self._along @ turned.T
        length = np.maximum(np.linalg.norm(rigid, axis=1), 1e-6)
        way = ((points[self._other] - points[self._lash]) * rigid).sum(axis=1) / length
        room = np.clip(_MOST_SHARE * way / length, 0.0, 1.0)  # a wide eye folds the lid away, lashes and all
        return points[self._lash] + room[:, None] * rigid


def _split(triangle: list[int], edges: dict[tuple[int, int], int], first: int) -> list[tuple[int, int, int]]:
    """The triangle cut off its corners on the lash line; `edges` numbers the cuts from `first` on."""
    on = [v in _LASH_LINE for v in triangle]
    turn = on.index(True) if sum(on) == 1 else (on.index(False) + 1) % 3
    a, b, c = triangle[turn:] + triangle[:turn]

    def cut(lash: int, other: int) -> int:
        return edges.setdefault((lash, other), first + len(edges))

    if sum(on) == 1:  # a lies on the line
        ab, ac = cut(a, b), cut(a, c)
        return [(a, ab, ac), (ab, b, c), (ab, c, ac)]
    if sum(on) == 2:  # a and b do
        ac, bc = cut(a, c), cut(b, c)
        return [(a, b, bc), (a, bc, ac), (ac, bc, c)]
    return [(a, b, c)]
