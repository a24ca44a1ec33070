"""A clay model of a 3D face, to look at: what a motion file shows where a video shows its driver."""

from __future__ import annotations

from functools import lru_cache
from typing import no_type_check

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int, Int32
from numba import njit

from faceanime.core.errors import check_shape
from faceanime.geometry.rasterize import rasterize_attributes
from faceanime.morphable import topology
from faceanime.morphable.model import MorphableModel, Region
from faceanime.structures.frames import Pixels

_OVERSAMPLING = 2
"""Subpixels along each axis: smooth outlines."""

# colours are linear; directions toward the light have x right, y up, z toward the viewer
_CLAY = np.array([0.82, 0.78, 0.74])
_BACKDROP = np.array([[0.070, 0.078, 0.090], [0.018, 0.020, 0.024]])
"""In the middle and in the corners."""
_KEY = np.array([-0.60, 0.65, 0.65]), np.array([0.80, 0.77, 0.73])
_FILL = np.array([0.85, 0.05, 0.50]), np.array([0.13, 0.15, 0.18])
_AMBIENT = np.array([0.055, 0.06, 0.07])
_WRAP, _FALL = 0.25, 1.6
"""Light creeps around the terminator, as in a soft material, and falls off toward it."""
_GLOSS, _GLOSS_EXPONENT = 0.07, 18.0
_EYE_BRIGHTNESS, _IRIS_BRIGHTNESS, _IRIS_EDGE = 0.92, 0.35, 0.15
"""Of clay; of the eyeball; the iris's soft rim, in its radii."""
_EYE_RADIUS = 0.75
"""Of the eyeball, in widths of the opening."""
_INSIDE = np.array([24.0, 20.0, 20.0], np.float32)
"""The mouth's, sRGB."""
_BALL_PX = 512
"""The lit ball on which each direction of the surface finds its colour."""


def shade_mesh(
    points: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "M 3"], height_px: int, width_px: int
) -> Pixels:
    """A mesh as clay in a warm key light from the upper left and a cool fill light, on a dark backdrop.

    `points` (V,3) in px, x right, y down, z toward the viewer; `triangles` (M,3) counter-clockwise seen from
    outside. Returns (H,W,3) uint8. Raises ShapeError.
    """
    check_shape("points", points, None, 3)
    check_shape("triangles", triangles, None, 3)
    directions, triangle = _faced(points, triangles, _vertex_normals(points, triangles), height_px, width_px)
    return _shrunk(_lit(directions, triangle))


def shade_face(
    points: Float[np.ndarray, "V 3"], model: MorphableModel, height_px: int, width_px: int
) -> Pixels:
    """The model's face as clay, as `shade_mesh`, with eyeballs that look somewhere and a dark mouth.

    `points` (V,3): all vertices of the model in px. Returns (H,W,3) uint8. Raises ShapeError.
    """
    check_shape("points", points, len(model.mean), 3)
    face = model.region != Region.RING
    triangles, region = model.triangles[face], model.region[face]
    # the strips in the openings turn as lids and lips do, and must not bend the light on their edges
    normals = _vertex_normals(points, triangles[region == Region.SKIN])
    directions, triangle = _faced(points, triangles, normals, height_px, width_px)
    shown = np.append(region, np.int32(Region.RING))[triangle]
    painted = []
    for part, iris in ((Region.RIGHT_EYE, topology.RIGHT_IRIS), (Region.LEFT_EYE, topology.LEFT_IRIS)):
        opening = np.nonzero(shown == part)
        places = (np.stack(opening[::-1], axis=-1) + 0.5) / _OVERSAMPLING
        directions[opening] = _ball_directions(places, points[np.unique(triangles[region == part]), :2])
        painted.append((opening, _eye_brightness(places, points[list(iris), :2])))
    picture = _lit(directions, triangle)
    for opening, brightness in painted:
        picture[opening] *= brightness[:, None]
    picture[shown == Region.MOUTH] = _INSIDE
    return _shrunk(picture)


def _faced(
    points: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "M 3"],
    normals: Float[np.ndarray, "V 3"],
    height_px: int,
    width_px: int,
) -> tuple[Float32[np.ndarray, "h w 3"], Int32[np.ndarray, "h w"]]:
    """Oversampled: where the surface in each pixel faces, of any length, and the triangle that it shows."""
    height, width = height_px * _OVERSAMPLING, width_px * _OVERSAMPLING
    return rasterize_attributes(points * float(_OVERSAMPLING), triangles, normals, height, width)


def _lit(
    directions: Float32[np.ndarray, "h w 3"], triangle: Int32[np.ndarray, "h w"]
) -> Float32[np.ndarray, "h w 3"]:
    """Each direction in the colour of the lit ball where it faces the same way; the rest is backdrop."""
    picture = _backdrop(*triangle.shape).copy()
    _lay_clay(picture, directions, triangle, _lit_ball())
    return picture


@njit(cache=True, nogil=True)
@no_type_check
def _lay_clay(picture: np.ndarray, directions: np.ndarray, triangle: np.ndarray, ball: np.ndarray) -> None:
    half = 0.5 * (ball.shape[0] - 1)
    for row in range(triangle.shape[0]):
        for column in range(triangle.shape[1]):
            if triangle[row, column] < 0:
                continue
            x, y, z = directions[row, column]
            per_length = 1.0 / max(np.sqrt(x * x + y * y + z * z), 1e-12)
            at_x, at_y = int((x * per_length + 1.0) * half + 0.5), int((y * per_length + 1.0) * half + 0.5)
            for i in range(3):
                picture[row, column, i] = ball[at_y, at_x, i]


def _shrunk(picture: Float32[np.ndarray, "h w 3"]) -> Pixels:
    height, width = picture.shape[:2]
    size = (width // _OVERSAMPLING, height // _OVERSAMPLING)
    return np.rint(cv2.resize(picture, size, interpolation=cv2.INTER_AREA)).astype(np.uint8)


def _ball_directions(
    places: Float[np.ndarray, "P 2"], lids: Float[np.ndarray, "L 2"]
) -> Float32[np.ndarray, "P 3"]:
    """Where an eyeball behind the lids faces at places of its opening, px."""
    low, high = lids.min(axis=0), lids.max(axis=0)
    radius = _EYE_RADIUS * max(float((high - low)[0]), 1.0)
    across = (places - (low + high) / 2) / radius * [1.0, -1.0]
    toward = np.sqrt(np.clip(1.0 - (across**2).sum(axis=1, keepdims=True), 0.0, 1.0))
    return np.concatenate([across, toward], axis=1).astype(np.float32)


def _eye_brightness(
    places: Float[np.ndarray, "P 2"], iris: Float[np.ndarray, "5 2"]
) -> Float32[np.ndarray, " P"]:
    """Of the eyeball at places of its opening, against clay; `iris` is its centre, then its rim, px."""
    radius = max(float(np.linalg.norm(iris[1:] - iris[0], axis=1).mean()), 0.5)
    distance = np.linalg.norm(places - iris[0], axis=1) / radius
    dark = np.clip((1.0 - distance) / _IRIS_EDGE, 0.0, 1.0)
    return (_EYE_BRIGHTNESS * (1.0 - (1.0 - _IRIS_BRIGHTNESS) * dark)).astype(np.float32)


def _vertex_normals(
    points: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "M 3"]
) -> Float[np.ndarray, "V 3"]:
    """The mean direction of the triangles around each vertex, weighted by area, turned to y up."""
    corners = points.astype(np.float64)[triangles] * [1.0, -1.0, 1.0]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros((len(points), 3))
    np.add.at(normals, triangles.ravel(), np.repeat(facing, 3, axis=0))
    return _unit(normals)


@lru_cache(maxsize=1)
def _lit_ball() -> Float32[np.ndarray, "B B 3"]:
    """The colour of clay for every direction toward the viewer; x right and y up along the axes."""
    y, x = np.mgrid[-1 : 1 : _BALL_PX * 1j, -1 : 1 : _BALL_PX * 1j]
    normals = _unit(np.stack([x, y, np.sqrt(np.clip(1.0 - x**2 - y**2, 0.0, 1.0))], axis=-1))
    light, gloss = np.zeros_like(normals) + _AMBIENT, np.zeros_like(normals)
    for direction, color in (_KEY, _FILL):
        toward = _unit(direction)
        falling = np.clip((normals @ toward + _WRAP) / (1.0 + _WRAP), 0.0, 1.0)
        half_way = _unit(toward + np.array([0.0, 0.0, 1.0]))
        light += falling[..., None] ** _FALL * color
        gloss += np.clip(normals @ half_way, 0.0, 1.0)[..., None] ** _GLOSS_EXPONENT * color
    return _encoded(_CLAY * light + _GLOSS * gloss)


@lru_cache(maxsize=2)
def _backdrop(height: int, width: int) -> Float32[np.ndarray, "h w 3"]:
    """A vignette."""
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)
    share = ((x**2 + y**2) / 2.0)[..., None]
    return _encoded(_BACKDROP[0] + share * (_BACKDROP[1] - _BACKDROP[0]))


def _encoded(linear: Float[np.ndarray, "h w 3"]) -> Float32[np.ndarray, "h w 3"]:
    """Linear light to sRGB, 0 to 255; float, so that the backdrop shows no bands."""
    return (255.0 * np.clip(linear, 0.0, 1.0) ** (1 / 2.2)).astype(np.float32)


def _unit(vectors: Float[np.ndarray, "*B 3"]) -> Float[np.ndarray, "*B 3"]:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12))
