"""A clay model of a 3D face, to look at: what a motion file shows where a video shows its driver."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int

from faceanime.errors import check_shape
from faceanime.geometry.rasterize import rasterize_attributes
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
_BALL_PX = 512
"""The lit ball on which each direction of the surface finds its colour."""


def shade_mesh(
    points: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "M 3"], height_px: int, width_px: int
) -> Pixels:
    """A mesh as clay in a warm key light from the upper left and a cool fill light, on a dark backdrop.

    `points` (V,3) in px, x right, y down, z toward the viewer; `triangles` (M,3) counter-clockwise seen from
    outside, without those of openings that should look dark. Returns (H,W,3) uint8. Raises ShapeError.
    """
    check_shape("points", points, None, 3)
    check_shape("triangles", triangles, None, 3)
    height, width = height_px * _OVERSAMPLING, width_px * _OVERSAMPLING
    normals, triangle = rasterize_attributes(
        points * float(_OVERSAMPLING), triangles, _vertex_normals(points, triangles), height, width
    )
    covered = triangle >= 0
    picture = _backdrop(height, width).copy()
    picture[covered] = _looked_up(normals[covered])
    return np.asarray(cv2.resize(picture, (width_px, height_px), interpolation=cv2.INTER_AREA), np.uint8)


def _vertex_normals(
    points: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "M 3"]
) -> Float[np.ndarray, "V 3"]:
    """The mean direction of the triangles around each vertex, weighted by area, turned to y up."""
    corners = points.astype(np.float64)[triangles] * [1.0, -1.0, 1.0]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros((len(points), 3))
    np.add.at(normals, triangles.ravel(), np.repeat(facing, 3, axis=0))
    return _unit(normals)


def _looked_up(normals: Float32[np.ndarray, "P 3"]) -> Float32[np.ndarray, "P 3"]:
    """The colours of directions of the surface: those of the lit ball where it faces the same way."""
    place = (_unit(normals)[:, :2] + 1.0) * (0.5 * (_BALL_PX - 1))
    x, y = np.rint(place).astype(np.int64).T
    return _lit_ball()[y, x]


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
