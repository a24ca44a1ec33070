"""Points on the surface of a face model of another format, found in a picture of it.

A point on the surface is a row of a sparse matrix (points x vertices): the weights of the vertices whose mean it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Int32
from scipy.sparse import csr_array
from scipy.spatial import KDTree

from faceanime.core.short_repr import short_repr
from faceanime.geometry.nearest import nearest_on_mesh
from faceanime.geometry.rasterize import rasterize
from faceanime.geometry.subdivide import DividedMesh
from faceanime.morphable.formats.raw_model import RawModel
from faceanime.morphable.landmark_schema import LandmarkSchema
from faceanime.render.clay import shade_surface
from faceanime.structures.frames import Pixels

ReadFace = Callable[[Pixels], Float64[np.ndarray, "L 3"]]
"""Landmarks of the face in a picture, px."""

_PICTURE_PX = 512
"""Side of the pictures of the face. Chosen by eye."""
_FACE_SHARE = 0.62
"""Side of the face in them, as a fraction. Chosen by eye."""
_FINER = 4
"""How many times finer the picture is drawn in which it is looked up which triangle a landmark shows. By eye."""
_NEIGHBORS = 16
"""Number of nearest landmarks, itself among them, whose median depth is expected of a landmark. Chosen by eye."""
_DEPTH = 0.07
"""Distance in depth from where a point is expected beyond which what is seen at its place is something else, such as
the inside of the mouth; in distances of the outer eye corners. Chosen by eye."""


@dataclass(frozen=True, eq=False)
class FrontView:
    """A frontal picture of the model's vertices, and the face that was read in it.

    `points` (V,3): the vertices in px, z toward the viewer; `landmarks` (L,3): the face's, px.
    """

    points: Float64[np.ndarray, "V 3"]
    landmarks: Float64[np.ndarray, "L 3"]

    __repr__ = short_repr


@dataclass(frozen=True, eq=False)
class Surface:
    """The skin (F,3) and the eyeballs (E,3) of a model with `count` vertices; counter-clockwise seen from outside."""

    count: int
    skin: Int32[np.ndarray, "F 3"]
    eyeballs: Int32[np.ndarray, "E 3"]

    __repr__ = short_repr

    @classmethod
    def of(cls, raw: RawModel) -> Surface:
        return cls(len(raw.mean), raw.triangles, raw.eyeballs)

    def view(self, shape: Float64[np.ndarray, "V 3"], read: ReadFace) -> FrontView:
        """The face from the front, read twice: in a picture of everything, then in one that the face fills."""
        drawn = np.unique(self.skin)
        shown = shape[drawn, :2]
        for _ in range(2):
            low, high = shown.min(axis=0), shown.max(axis=0)
            scale = _FACE_SHARE * _PICTURE_PX / float((high - low).max())
            middle = (low + high) / 2
            points = shape * scale * [1.0, -1.0, 1.0]
            points[:, :2] += _PICTURE_PX / 2 - scale * middle * [1.0, -1.0]
            triangles = np.concatenate([self.skin, self.eyeballs])
            landmarks = read(shade_surface(points, triangles, _PICTURE_PX, _PICTURE_PX))
            shown = (landmarks[:, :2] - _PICTURE_PX / 2) / scale * [1.0, -1.0] + middle
        return FrontView(points, landmarks)

    def landmarks(self, view: FrontView, depth: Float[np.ndarray, " L"], schema: LandmarkSchema) -> csr_array:
        """The landmarks (L,V) of a view; `depth` is what another face has there, px toward the viewer, from any zero.

        Neighbors should be as far before it as each other: one that is not shows something else, or is beyond the skin.
        Such a landmark is the point of the front-facing skin that is nearest to where it is expected. Those of the
        irises lie on the eyeballs; without eyeballs they move as the corners of their eye. Some landmark must be seen
        (`share_seen`).
        """
        triangle, weight = self._seen_at(view, self.skin, view.landmarks)
        found = triangle >= 0
        reached = np.einsum("nc,nc->n", weight, view.points[self.skin[triangle], 2])
        beyond = reached - depth
        beyond[~found] = np.median(beyond[found])
        _, near = KDTree(view.landmarks[:, :2]).query(view.landmarks[:, :2], k=_NEIGHBORS)
        expected = view.landmarks.copy()
        expected[:, 2] = depth + np.median(beyond[near], axis=1)
        wrong = self._is_wrong(view, expected, triangle, weight, schema)
        if wrong.any():
            front = np.flatnonzero(_faces_viewer(view.points, self.skin))
            near, at = nearest_on_mesh(expected[wrong], view.points, self.skin[front])
            triangle[wrong], weight[wrong] = front[near], at
        rows = self._rows(self.skin[triangle], weight)
        return (
            self._with_irises(view, rows, schema) if len(self.eyeballs) else _irises_at_corners(rows, schema)
        )

    def share_seen(self, view: FrontView) -> float:
        """The fraction of the landmarks of a view at whose places front-facing skin is seen."""
        return float((self._seen_at(view, self.skin, view.landmarks)[0] >= 0).mean())

    def samples(
        self,
        landmarks: csr_array,
        mesh: DividedMesh,
        shown: Sequence[tuple[FrontView, Bool[np.ndarray, " M"]]],
        schema: LandmarkSchema,
    ) -> csr_array:
        """The vertices (W,V) of a divided mesh of landmarks.

        `shown` are views, each with the triangles of the mesh that are looked up in it; the last view counts where
        triangles of several meet. Vertices inside of these lie on the surface, at the place in the view that they have
        between the landmarks, so that no triangle is folded. All others, those on the edges between these and others
        (eyes and mouth), and those where something else is seen, lie straight between the landmarks.
        """
        row = np.repeat(np.arange(len(mesh.corner)), 3)
        between = csr_array(
            (mesh.weight.ravel(), (row, mesh.corner.ravel())), (len(mesh.corner), landmarks.shape[0])
        )
        rows = flat = csr_array(between @ landmarks)
        is_surface = np.any([triangles for _, triangles in shown], axis=0)
        straight = np.zeros(len(mesh.corner), bool)
        straight[mesh.triangles[~is_surface]] = True
        straight[: landmarks.shape[0]] = True
        for view, triangles in shown:
            index = np.setdiff1d(mesh.triangles[triangles], np.flatnonzero(straight))
            places = flat[index] @ view.points
            triangle, weight = self._seen_at(view, self.skin, places)
            right = ~self._is_wrong(view, places, triangle, weight, schema)
            seen = self._rows(self.skin[triangle[right]], weight[right])
            rows = replaced(rows, index[right], seen)
        return rows

    def triangles_seen(self, view: FrontView) -> int:
        """The number of triangles of the skin that are seen within the landmarks' box."""
        drawn = rasterize(
            view.points * _FINER, self.skin, _FINER * _PICTURE_PX, _FINER * _PICTURE_PX, cull_back=True
        )
        low, high = (
            (_FINER * view.landmarks[:, :2].min(axis=0)).astype(int),
            _FINER * view.landmarks[:, :2].max(axis=0),
        )
        box = drawn.triangle[low[1] : int(high[1]) + 1, low[0] : int(high[0]) + 1]
        return int((np.unique(box) >= 0).sum())

    def _seen_at(
        self, view: FrontView, triangles: Int32[np.ndarray, "F 3"], places: Float[np.ndarray, "N _"]
    ) -> tuple[Int[np.ndarray, " N"], Float[np.ndarray, "N 3"]]:
        """The front-facing triangle that is seen at each place (px), -1 for none, and barycentric coordinates there."""
        side = _FINER * _PICTURE_PX
        drawn = rasterize(view.points * _FINER, triangles, side, side, cull_back=True)
        column, row = np.clip((places[:, :2] * _FINER).astype(int), 0, side - 1).T
        triangle = drawn.triangle[row, column].astype(np.int64)
        a, b, c = np.moveaxis(view.points[triangles[triangle], :2], 1, 0)
        u, v, p = b - a, c - a, places[:, :2] - a
        area = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
        area = np.where(np.abs(area) < 1e-12, 1.0, area)
        s = (p[:, 0] * v[:, 1] - p[:, 1] * v[:, 0]) / area
        t = (u[:, 0] * p[:, 1] - u[:, 1] * p[:, 0]) / area
        weight = np.clip(np.stack([1.0 - s - t, s, t], axis=1), 0.0, 1.0)  # the place may be just outside
        return triangle, weight / weight.sum(axis=1, keepdims=True)

    def _is_wrong(
        self,
        view: FrontView,
        expected: Float[np.ndarray, "N 3"],
        triangle: Int[np.ndarray, " N"],
        weight: Float[np.ndarray, "N 3"],
        schema: LandmarkSchema,
    ) -> Bool[np.ndarray, " N"]:
        """Whether no triangle is seen at a place, or one that is too far in depth from `expected`."""
        right, left = (view.landmarks[eye.outer_corner, :2] for eye in schema.eyes)
        most = _DEPTH * float(np.linalg.norm(left - right))
        reached = np.einsum("nc,nc->n", weight, view.points[self.skin[triangle], 2])
        return np.asarray((triangle < 0) | (np.abs(reached - expected[:, 2]) > most))

    def _rows(self, vertex: Int[np.ndarray, "N 3"], weight: Float[np.ndarray, "N 3"]) -> csr_array:
        row = np.repeat(np.arange(len(vertex)), 3)
        return csr_array((weight.ravel(), (row, vertex.ravel())), (len(vertex), self.count))

    def _with_irises(self, view: FrontView, rows: csr_array, schema: LandmarkSchema) -> csr_array:
        """The rows with those of the irises replaced by points of the eyeballs."""
        irises = np.concatenate([eye.iris for eye in schema.eyes])
        triangle, weight = self._seen_at(view, self.eyeballs, view.landmarks[irises])
        missed = triangle < 0
        if missed.any():
            near, at = nearest_on_mesh(rows[irises[missed]] @ view.points, view.points, self.eyeballs)
            triangle[missed], weight[missed] = near, at
        return replaced(rows, irises, self._rows(self.eyeballs[triangle], weight))


def _irises_at_corners(rows: csr_array, schema: LandmarkSchema) -> csr_array:
    """The rows with those of the irises replaced by the middle of their eye's corners."""
    for eye in schema.eyes:
        middle = csr_array(np.full((len(eye.iris), 2), 0.5)) @ rows[eye.corners]
        rows = replaced(rows, eye.iris, csr_array(middle))
    return rows


def replaced(rows: csr_array, index: Int[np.ndarray, " I"], new: csr_array) -> csr_array:
    """The matrix with the rows of an index replaced by others, in that order."""
    keep = np.ones(rows.shape[0])
    keep[index] = 0.0
    put = csr_array((np.ones(len(index)), (index, np.arange(len(index)))), (rows.shape[0], len(index)))
    return csr_array(csr_array((keep, (np.arange(len(keep)),) * 2)) @ rows + put @ new)


def _faces_viewer(
    points: Float[np.ndarray, "V 3"], triangles: Int32[np.ndarray, "F 3"]
) -> Bool[np.ndarray, " F"]:
    """Whether each triangle runs counter-clockwise as seen in the picture, whose y points down."""
    a, b, c = np.moveaxis(points[triangles, :2], 1, 0)
    u, v = b - a, c - a
    return np.asarray(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0] < 0)
