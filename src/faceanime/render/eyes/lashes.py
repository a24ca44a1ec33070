"""The band of lashes: a strip of the warp sheet above each upper lash line that keeps its thickness.

A closing lid stretches the thin row of triangles between the lash line and the lid's fold several times over, and
would smear lashes and eyeliner over the closed eye. Here these triangles are split along a line just above the
lashes: the band below that line moves rigidly with the lash line, only the skin above it stretches. Input and output
are vertices (px) and triangles of the sheet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int32

from faceanime.morphable.model import Region


@dataclass(frozen=True)
class LashLook:
    """The size of the band. Chosen by eye."""

    thickness: float = 0.075
    """Thickness of the band, in widths of the eye."""
    most_of_lid: float = 0.6
    """Largest thickness of the band, as a fraction of the way from lash line to fold."""


_LOOK = LashLook()


class LashBand:
    """Extra vertices of a sheet, one on each edge that leaves an upper lash line, and the triangles split there."""

    def __init__(
        self,
        points: Float[np.ndarray, "N 3"],
        triangles: Int32[np.ndarray, "F 3"],
        region: Int32[np.ndarray, " F"],
        *,
        lash_line: Int32[np.ndarray, " U"],
        eye_width_px: float,
    ) -> None:
        """`points` are the sheet's vertices in the portrait, px; `region` is that of each triangle.

        `lash_line` are the vertices of both upper lids' edges, without the corners.
        """
        touched = np.isin(triangles, lash_line).any(axis=1) & (region == Region.SKIN)
        edges: dict[tuple[int, int], int] = {}
        line = frozenset(lash_line.tolist())
        split = [
            face
            for triangle in triangles[touched]
            for face in _split(triangle.tolist(), line, edges, len(points))
        ]
        self._lash, self._other = np.array(list(edges), dtype=np.int32).T
        self._along = points[self._other] - points[self._lash]
        length = np.linalg.norm(self._along[:, :2], axis=1)
        fraction = np.minimum(_LOOK.thickness * eye_width_px / np.maximum(length, 1e-6), _LOOK.most_of_lid)
        self._fraction = fraction[:, None]
        self.source_points = points[self._lash] + self._fraction * self._along
        self.triangles = np.concatenate([triangles[~touched], np.array(split, dtype=np.int32)])
        skin = np.full(len(split), Region.SKIN, dtype=np.int32)
        self.triangle_region = np.concatenate([region[~touched], skin])

    def target_points(
        self, points: Float[np.ndarray, "N 3"], target_from_source: Float[np.ndarray, "3 3"]
    ) -> Float[np.ndarray, "E 3"]:
        """The extra vertices when the sheet's own are at `points`, px.

        `target_from_source` is the head's rotation and scale in the picture.
        """
        rigid = self._fraction * self._along @ target_from_source.T
        length = np.maximum(np.linalg.norm(rigid, axis=1), 1e-6)
        lid = ((points[self._other] - points[self._lash]) * rigid).sum(axis=1) / length
        room = np.clip(
            _LOOK.most_of_lid * lid / length, 0.0, 1.0
        )  # a wide eye folds the lid away, lashes too
        return points[self._lash] + room[:, None] * rigid


def _split(
    triangle: list[int], line: frozenset[int], edges: dict[tuple[int, int], int], first: int
) -> list[tuple[int, int, int]]:
    """The triangle with its corners on the lash line cut off; `edges` numbers the cuts, from `first` on."""
    on_line = [v in line for v in triangle]
    turn = on_line.index(True) if sum(on_line) == 1 else (on_line.index(False) + 1) % 3
    a, b, c = triangle[turn:] + triangle[:turn]

    def cut(lash: int, other: int) -> int:
        return edges.setdefault((lash, other), first + len(edges))

    if sum(on_line) == 1:  # a lies on the line
        ab, ac = cut(a, b), cut(a, c)
        return [(a, ab, ac), (ab, b, c), (ab, c, ac)]
    if sum(on_line) == 2:  # a and b do
        ac, bc = cut(a, c), cut(b, c)
        return [(a, b, bc), (a, bc, ac), (ac, bc, c)]
    return [(a, b, c)]
