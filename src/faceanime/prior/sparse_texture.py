"""Sparse texture mapping: the source's skin on a coarse mesh, at any geometry (arXiv 2105.14678, sec. III-B).

The prior tells a generator where each patch of skin goes, and leaves the detail to it: a subset of the
model's vertices carries the source's colours, and each triangle between them is drawn flat.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int, Int32
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from faceanime.core.errors import ConfigError, check_shape
from faceanime.geometry.camera import project
from faceanime.geometry.flow import sample
from faceanime.geometry.rasterize import rasterize
from faceanime.morphable import topology
from faceanime.morphable.model import MorphableModel, Region
from faceanime.structures.coefficients import FaceCoefficients, FittedFace
from faceanime.structures.frames import Pixels
from faceanime.structures.raster import SparseTexture

LARGEST_INTERVAL = 16
BACKGROUND = -1.0
"""What the prior shows where it knows nothing: black."""

ANCHORS = (
    *topology.OVAL[::3],                      # the outline, chin and forehead among them
    33, 133, 159, 145, 263, 362, 386, 374,    # the eyes: corners and the middles of the lids
    61, 291, 13, 14,                          # the mouth: corners and the middles of the lips' edges
    1,                                        # the tip of the nose
)  # fmt: skip
"""Landmarks that every subset keeps: what the motion of a face is read from."""

_DEPTH_BUFFER_PX = 512
"""The face fills a depth buffer of this size, whatever its size in the picture."""
_DEPTH_TOLERANCE = 0.05
"""A vertex so little behind what the buffer shows, in sizes of the face, still counts as seen: within a pixel
a steep cheek falls away by as much."""


@dataclass(frozen=True)
class TextureConfig:
    """The sparse texture."""

    interval: int = 4
    """Keep one of so many vertices of the face: 1 keeps them all, 16 is the coarsest."""

    def __post_init__(self) -> None:
        if not 1 <= self.interval <= LARGEST_INTERVAL:
            raise ConfigError(f"interval is {self.interval}, expected 1 to {LARGEST_INTERVAL}")


@lru_cache(maxsize=8)
def sparse_mesh(
    model: MorphableModel, interval: int
) -> tuple[Int32[np.ndarray, " N"], Int32[np.ndarray, "M 3"]]:
    """The kept vertices (N,), ascending, and the triangles (M,3) between them, indices into the N.

    One of `interval` vertices of the skin is kept, in mirrored pairs, spread evenly over the mesh; a larger
    interval keeps a subset of what a smaller one keeps. 1 gives the model's own skin. Irises and the ring are
    no skin; the openings of eyes and mouth stay open, so that the prior tells blinks and speech.

    Source: arXiv 2105.14678, sec. III-B, where the interval counts vertex indices; a face mesh of 468 points
    is too irregular in its order for that.
    """
    triangles = model.triangles[model.region == Region.SKIN]
    skin = np.unique(triangles)
    triangles = np.searchsorted(skin, triangles)
    distance = _surface_distances(model.mean[skin], triangles)
    twin = np.searchsorted(skin, model.mirror[skin])
    kept = _spread(distance, twin, np.searchsorted(skin, ANCHORS).tolist(), -(-len(skin) // interval))
    # each kept vertex stands for those nearest to it: a triangle where three such cells meet joins them
    owner = distance[kept].argmin(axis=0)
    joined = owner[triangles]
    distinct = (joined != np.roll(joined, 1, axis=1)).all(axis=1)
    _, first = np.unique(np.sort(joined[distinct], axis=1), axis=0, return_index=True)
    return skin[kept].astype(np.int32), joined[distinct][np.sort(first)].astype(np.int32)


def model_points(
    target: FaceCoefficients, residual: Float[np.ndarray, "V 3"], model: MorphableModel
) -> Float[np.ndarray, "V 3"]:
    """All vertices of one face in the picture: x, y in px, z in px toward the viewer."""
    return project(model.vertices(target.identity, target.expression) + residual, target.pose)


def sample_texture(
    source: Pixels, face: FittedFace, model: MorphableModel, config: TextureConfig
) -> SparseTexture:
    """The colours of `source` (H,W,3) at the face's kept vertices, and which of them it shows.

    A vertex is hidden where the fitted skin itself covers it, by a depth test, or where it lies outside of
    the picture. Raises ShapeError.

    Source: arXiv 2105.14678, sec. III-B.
    """
    check_shape("source", source, None, None, 3)
    vertex, triangles = sparse_mesh(model, config.interval)
    points = model_points(face.coefficients, face.residual, model)
    seen = _unoccluded(points, model.triangles[model.region == Region.SKIN])[vertex]
    places = points[vertex, :2]
    inside = ((places >= 0) & (places <= source.shape[1::-1])).all(axis=1)
    color = sample(source, places[None].astype(np.float32))[0].astype(np.float32) / 127.5 - 1.0
    return SparseTexture(vertex, color, seen & inside, triangles)


def render_texture(
    texture: SparseTexture, points: Float[np.ndarray, "V 3"], height_px: int, width_px: int
) -> Float32[np.ndarray, "H W 3"]:
    """The prior: each triangle in the mean colour of its corners, at the geometry of `points`.

    `points` (V,3) are all vertices of the model in px, z toward the viewer (`model_points`). Returns (H,W,3)
    in [-1, 1], `BACKGROUND` outside. A triangle with a corner that the source hides is drawn as background
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


def _surface_distances(
    shape: Float[np.ndarray, "S 3"], triangles: Int[np.ndarray, "F 3"]
) -> Float64[np.ndarray, "S S"]:
    """Between all vertices, along the edges of the mesh.

    An edge counts with the root of its length: where the mesh is fine, as around eyes and mouth, the subset
    stays finer too.
    """
    a, b = triangles.ravel(), np.roll(triangles, -1, axis=1).ravel()
    length = np.sqrt(np.linalg.norm(shape[a] - shape[b], axis=1))
    graph = np.zeros((len(shape), len(shape)))
    graph[a, b] = graph[b, a] = length
    return dijkstra(csr_array(graph), directed=False)


def _spread(
    distance: Float64[np.ndarray, "S S"], twin: Int[np.ndarray, " S"], anchors: list[int], count: int
) -> list[int]:
    """`count` vertices or one more: the anchors, then ever the one furthest from all before, and its twin."""
    kept = list(anchors)
    nearest = distance[kept].min(axis=0)
    while len(kept) < count:
        furthest = int(nearest.argmax())
        pair = {furthest, int(twin[furthest])}
        kept += pair
        nearest = np.minimum(nearest, distance[list(pair)].min(axis=0))
    return sorted(kept)


def _unoccluded(
    points: Float[np.ndarray, "V 3"], triangles: Int32[np.ndarray, "F 3"]
) -> Bool[np.ndarray, " V"]:
    """Which vertices no triangle covers, by a depth buffer."""
    corners = points[np.unique(triangles)]
    low, high = corners.min(axis=0), corners.max(axis=0)
    scale = (_DEPTH_BUFFER_PX - 1) / float((high - low)[:2].max())
    placed = (points - low) * scale
    side = _DEPTH_BUFFER_PX
    depth = rasterize(placed, triangles, side, side).depth
    column, row = np.clip(placed[:, :2], 0, side - 1).astype(np.int64).T
    return np.asarray(placed[:, 2] >= depth[row, column] - _DEPTH_TOLERANCE * side)
