"""Sparse texture mapping, the paper's prior: the portrait's skin on a coarse mesh, at any geometry.

A subset of the model's vertices (`SparseSkin`, chosen once per model) carries the portrait's colors
(`sample_texture`), and each triangle between them is drawn flat at the target's geometry (`render_texture`). The prior
shows a generator where each patch of skin goes; the detail is the generator's.

Source: arXiv 2105.14678, sec. III-B.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Int32

from faceanime.core.errors import check_range, check_shape
from faceanime.geometry.camera import project
from faceanime.geometry.flow import sample
from faceanime.geometry.rasterize import rasterize
from faceanime.morphable.landmark_schema import Group, LandmarkSchema
from faceanime.morphable.model import MorphableModel, Region
from faceanime.structures.coefficients import FaceCoefficients, FittedFace
from faceanime.structures.frames import Pixels
from faceanime.structures.raster import SparseTexture

LARGEST_INTERVAL = 16
"""Interval of the coarsest subset of vertices: of a coarser one most would be texture anchors. Chosen by eye."""
BACKGROUND = -1.0
"""The prior's value outside of the skin, and where the skin is occluded in the portrait: black."""

_DEPTH_BUFFER_PX = 512
"""Side of the depth buffer in px; the face fills it at any size in the picture. Chosen by eye."""
_DEPTH_TOLERANCE = 0.05
"""Largest depth behind the surface in the buffer at which a vertex counts as visible, in sizes of the face: within a
pixel a steep cheek falls away by as much. Chosen by eye."""


Neighbors: TypeAlias = list[list[tuple[int, float]]]
"""For each vertex the vertices that an edge joins to it, with the edge's length."""


@dataclass(frozen=True)
class TextureConfig:
    """The sparse texture."""

    interval: int = 4
    """Keep every n-th vertex of the face: 1 keeps them all, 16 is the coarsest."""

    def __post_init__(self) -> None:
        check_range(self, "", "interval", least=1, most=LARGEST_INTERVAL)


@dataclass(frozen=True, eq=False)
class SparseSkin:
    """A subset of a model's skin.

    `vertex` (N,), indices of the model's vertices, ascending; `triangles` (M,3) between them, indices into the N.
    """

    vertex: Int32[np.ndarray, " N"]
    triangles: Int32[np.ndarray, "M 3"]


def anchor_landmarks(schema: LandmarkSchema) -> Group:
    """Landmarks that every subset keeps, since they show a face's motion.

    They are some of the outline, chin and forehead among them; the corners of the eyes and the middles of the lids; the
    corners of the mouth and the middles of the lips' edges; the tip of the nose.
    """
    corners = [*schema.eye_corners, schema.right_mouth_corner[0], schema.left_mouth_corner[0]]
    edges = [schema.upper_lip_middle, schema.lower_lip_middle]
    edges += [edge for eye in schema.eyes for edge in (eye.upper_middle, eye.lower_middle)]
    middles = [edge[len(edge) // 2] for edge in edges]
    return np.concatenate([schema.oval[::3], corners, middles, schema.nose_ridge[-1:]])


def sparse_skin(model: MorphableModel, interval: int) -> SparseSkin:
    """Every `interval`-th vertex of a model's skin, in mirrored pairs, spread evenly over the mesh.

    A larger interval keeps a subset of what a smaller one keeps; 1 gives the model's own skin. Irises are no
    skin; the openings of eyes and mouth stay open, so that the prior shows blinks and speech. Takes some
    tens of milliseconds: compute it once per model.

    Source: arXiv 2105.14678, sec. III-B, where the interval counts vertex indices; a face mesh of 468 points
    is too irregular in its order for that, so vertices are chosen by farthest-point sampling.
    """
    triangles = model.triangles[model.region == Region.SKIN]
    skin = np.unique(triangles)
    triangles = np.searchsorted(skin, triangles)
    twin = np.searchsorted(skin, model.mirror[skin])
    anchors = model.embedding.nearest_vertex[anchor_landmarks(model.schema)]
    anchors = np.searchsorted(skin, anchors).tolist()
    neighbors = _surface_neighbors(model.mean[skin], triangles)
    kept, owner = _farthest_points(neighbors, twin, anchors, -(-len(skin) // interval))
    # each kept vertex owns those nearest to it: a triangle where three such cells meet joins them
    joined = np.searchsorted(kept, owner)[triangles]
    distinct = (joined != np.roll(joined, 1, axis=1)).all(axis=1)
    _, first = np.unique(np.sort(joined[distinct], axis=1), axis=0, return_index=True)
    return SparseSkin(skin[kept].astype(np.int32), joined[distinct][np.sort(first)].astype(np.int32))


def model_points(
    target: FaceCoefficients, residual: Float[np.ndarray, "V 3"], model: MorphableModel
) -> Float[np.ndarray, "V 3"]:
    """All vertices of one face in the picture: x, y in px, z in px toward the viewer."""
    return project(model.vertices(target.identity, target.expression) + residual, target.pose)


def sample_texture(
    source: Pixels, face: FittedFace, model: MorphableModel, skin: SparseSkin
) -> SparseTexture:
    """The colors of a portrait (H,W,3) at the face's kept vertices, and which of them it shows.

    A vertex is occluded where the fitted skin lies before it, by a depth test, or where it lies outside of
    the picture. Raises ShapeError.

    Source: arXiv 2105.14678, sec. III-B.
    """
    check_shape("source", source, None, None, 3)
    points = model_points(face.coefficients, face.residual, model)
    visible = _visible(points, model.triangles[model.region == Region.SKIN])[skin.vertex]
    places = points[skin.vertex, :2]
    inside = ((places >= 0) & (places <= source.shape[1::-1])).all(axis=1)
    color = sample(source, places[None].astype(np.float32))[0].astype(np.float32) / 127.5 - 1.0
    return SparseTexture(skin.vertex, color, visible & inside, skin.triangles)


def render_texture(
    texture: SparseTexture, points: Float[np.ndarray, "V 3"], height_px: int, width_px: int
) -> Float32[np.ndarray, "H W 3"]:
    """The prior: each triangle in the mean color of its corners, at the geometry of `points`.

    `points` (V,3) are all vertices of the model in px, z toward the viewer (`model_points`). Returns (H,W,3)
    in [-1, 1], `BACKGROUND` outside. A triangle with a corner that the portrait hides is drawn as background
    too: what lies behind it must not shine through. Raises ShapeError.

    Source: arXiv 2105.14678, sec. III-B.
    """
    check_shape("points", points, None, 3)
    mean = texture.color[texture.triangles].mean(axis=1)
    known = texture.visible[texture.triangles].all(axis=1)
    palette = np.where(known[:, None], mean, np.float32(BACKGROUND))
    palette = np.concatenate([palette, np.full((1, 3), BACKGROUND, np.float32)])  # for triangle -1
    drawn = rasterize(points[texture.vertex], texture.triangles, height_px, width_px, cull_back=True)
    return palette[drawn.triangle]


def _surface_neighbors(shape: Float[np.ndarray, "S 3"], triangles: Int[np.ndarray, "F 3"]) -> Neighbors:
    """The neighbors of each vertex along the mesh's edges, with the length of the edge.

    An edge has the root of its length: where the mesh is fine, as around eyes and mouth, the subset stays finer too.
    """
    corners = np.stack([triangles.ravel(), np.roll(triangles, -1, axis=1).ravel()], axis=-1)
    a, b = np.unique(np.sort(corners, axis=1), axis=0).T
    length = np.sqrt(np.linalg.norm(shape[a] - shape[b], axis=1))
    neighbors: Neighbors = [[] for _ in shape]
    for one, other, apart in zip(a.tolist(), b.tolist(), length.tolist(), strict=True):
        neighbors[one].append((other, apart))
        neighbors[other].append((one, apart))
    return neighbors


def _farthest_points(
    neighbors: Neighbors, twin: Int[np.ndarray, " S"], anchors: list[int], count: int
) -> tuple[Int[np.ndarray, " N"], Int[np.ndarray, " S"]]:
    """Farthest-point sampling by distance along the edges: `count` vertices or one more, and the owner of each vertex.

    Begins with the texture anchors, then adds again and again the vertex furthest from all before, with its mirrored
    `twin`. The owner is the nearest kept vertex, of equally near ones the first. Each vertex that is added is searched
    around only as far as it is the nearest one: 30,000 vertices take some seconds.
    """
    kept: list[int] = []
    nearest, owner = [math.inf] * len(twin), [len(twin)] * len(twin)
    added = anchors
    while added:
        for vertex in added:
            _claim(vertex, neighbors, nearest, owner)
        kept += added
        farthest = nearest.index(max(nearest))
        added = sorted({farthest, int(twin[farthest])}) if len(kept) < count else []
    return np.sort(kept), np.array(owner)


def _claim(source: int, neighbors: Neighbors, nearest: list[float], owner: list[int]) -> None:
    """Make `source` the owner of all vertices to which it is the nearest so far, in place (Dijkstra's algorithm)."""
    nearest[source], owner[source] = 0.0, source
    front = [(0.0, source)]
    while front:
        distance, vertex = heapq.heappop(front)
        if owner[vertex] != source or distance > nearest[vertex]:
            continue
        for other, apart in neighbors[vertex]:
            reached = distance + apart
            if reached < nearest[other] or (reached == nearest[other] and source < owner[other]):
                nearest[other], owner[other] = reached, source
                heapq.heappush(front, (reached, other))


def _visible(points: Float[np.ndarray, "V 3"], triangles: Int32[np.ndarray, "F 3"]) -> Bool[np.ndarray, " V"]:
    """Visibility of each vertex by a depth buffer: True where no triangle occludes it."""
    corners = points[np.unique(triangles)]
    low, high = corners.min(axis=0), corners.max(axis=0)
    scale = (_DEPTH_BUFFER_PX - 1) / float((high - low)[:2].max())
    placed = (points - low) * scale
    side = _DEPTH_BUFFER_PX
    depth = rasterize(placed, triangles, side, side).depth
    column, row = np.clip(placed[:, :2], 0, side - 1).astype(np.int64).T
    return np.asarray(placed[:, 2] >= depth[row, column] - _DEPTH_TOLERANCE * side)
