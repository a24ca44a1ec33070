"""The clay view: a 3D face as a clay model, which a motion file shows where a video shows its driver.

Input are the model's vertices in px, output a picture. The face is rasterized with its normals, oversampled; each
normal finds its color on a sphere that was lit once (a material capture). Eyeballs have the normals of a sphere and
a dark iris; the mouth's opening is dark.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import no_type_check

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int, Int32
from numba import njit

from faceanime.core.errors import check_shape
from faceanime.geometry.rasterize import rasterize_attributes
from faceanime.morphable.model import MorphableModel, Region
from faceanime.structures.frames import Pixels
from faceanime.structures.raster import Rgb

Direction = tuple[float, float, float]
"""X, y and z of a vector of any length, in the camera's axes."""


@dataclass(frozen=True)
class ClayLook:
    """Material and light; colors are linear, directions have x right, y up, z toward the viewer. Chosen by eye."""

    oversampling: int = 2
    """Number of subpixels along each axis."""
    clay: Rgb = (0.82, 0.78, 0.74)
    """Color of the clay."""
    backdrop_middle: Rgb = (0.070, 0.078, 0.090)
    """Color of the backdrop in its middle."""
    backdrop_corners: Rgb = (0.018, 0.020, 0.024)
    """Color of the backdrop in its corners."""
    key_direction: Direction = (-0.60, 0.65, 0.65)
    """Direction toward the key light, upper left."""
    key_color: Rgb = (0.80, 0.77, 0.73)
    """Color of the key light, warm."""
    fill_direction: Direction = (0.85, 0.05, 0.50)
    """Direction toward the fill light, right."""
    fill_color: Rgb = (0.13, 0.15, 0.18)
    """Color of the fill light, cool."""
    ambient: Rgb = (0.055, 0.06, 0.07)
    """Light from everywhere."""
    wrap: float = 0.25
    """Negative cosine of the angle to the light at which light ends, beyond the terminator, as in a soft material."""
    falloff: float = 1.6
    """Exponent on the cosine of the light."""
    gloss: float = 0.07
    """Strength of the highlight."""
    gloss_exponent: float = 18.0
    """Sharpness of the highlight (Blinn-Phong)."""
    eyeball: float = 0.92
    """Brightness of the eyeball, a fraction of the clay's."""
    iris: float = 0.35
    """Brightness of the iris, a fraction of the eyeball's."""
    iris_edge: float = 0.15
    """Width of the iris's soft rim, in radii of the iris."""
    eyeball_radius: float = 0.75
    """Radius of the eyeball, in widths of the opening."""
    mouth: Rgb = (24.0, 20.0, 20.0)
    """Color of the mouth's opening, sRGB 0 to 255."""
    sphere_px: int = 512
    """Side of the picture of the lit sphere, px."""


_LOOK = ClayLook()
_NOTHING = -1
"""The part number of pixels outside of all triangles."""


def shade_face(
    points: Float[np.ndarray, "V 3"], model: MorphableModel, height_px: int, width_px: int
) -> Pixels:
    """The model's face as clay, in a warm key light and a cool fill light, before a dark backdrop.

    `points` (V,3): all vertices of the model in px, x right, y down, z toward the viewer. Returns (H,W,3) uint8.
    Raises ShapeError.
    """
    check_shape("points", points, len(model.mean), 3)
    triangles, region = model.triangles, model.region
    # the strips in the openings turn as lids and lips do, and must not bend the light on their edges
    normals = _vertex_normals(points, triangles[region == Region.SKIN])
    normal, triangle = _rasterize_normals(points, triangles, normals, height_px, width_px)
    part_of = np.append(region, np.int32(_NOTHING))[triangle]
    eyes = []
    landmarks = model.landmarks_of(points)[:, :2]
    for part, eye in zip((Region.RIGHT_EYE, Region.LEFT_EYE), model.schema.eyes, strict=True):
        opening = np.nonzero(part_of == part)
        places = (np.stack(opening[::-1], axis=-1) + 0.5) / _LOOK.oversampling
        normal[opening] = _eyeball_normals(places, points[np.unique(triangles[region == part]), :2])
        eyes.append((opening, _eyeball_brightness(places, landmarks[eye.iris])))
    picture = _backdrop(*triangle.shape).copy()
    _shade(picture, normal, triangle, _lit_sphere())
    for opening, brightness in eyes:
        picture[opening] *= brightness[:, None]
    picture[part_of == Region.MOUTH] = np.array(_LOOK.mouth, np.float32)
    return _downsampled(picture)


def shade_surface(
    points: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "M 3"], height_px: int, width_px: int
) -> Pixels:
    """Any mesh as clay, in the light and before the backdrop of `shade_face`; nothing tells eyes from skin.

    `points` (V,3) in px as there; `triangles` (M,3), counter-clockwise for the viewer. Returns (H,W,3) uint8.
    """
    normal, triangle = _rasterize_normals(
        points, triangles, _vertex_normals(points, triangles), height_px, width_px
    )
    picture = _backdrop(*triangle.shape).copy()
    _shade(picture, normal, triangle, _lit_sphere())
    return _downsampled(picture)


def _rasterize_normals(
    points: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "M 3"],
    normals: Float[np.ndarray, "V 3"],
    height_px: int,
    width_px: int,
) -> tuple[Float32[np.ndarray, "h w 3"], Int32[np.ndarray, "h w"]]:
    """The normal in each subpixel, of any length, and the triangle that it shows, -1 for none."""
    height, width = height_px * _LOOK.oversampling, width_px * _LOOK.oversampling
    return rasterize_attributes(points * float(_LOOK.oversampling), triangles, normals, height, width)


@njit(cache=True, nogil=True)
@no_type_check
def _shade(picture, normal, triangle, sphere):
    """Color each subpixel of a triangle by its normal (h,w,3), looked up on the lit `sphere` (B,B,3), in place."""
    half = 0.5 * (sphere.shape[0] - 1)
    for row in range(triangle.shape[0]):
        for column in range(triangle.shape[1]):
            if triangle[row, column] < 0:
                continue
            x, y, z = normal[row, column]
            per_length = 1.0 / max(np.sqrt(x * x + y * y + z * z), 1e-12)
            at_x, at_y = int((x * per_length + 1.0) * half + 0.5), int((y * per_length + 1.0) * half + 0.5)
            for i in range(3):
                picture[row, column, i] = sphere[at_y, at_x, i]


def _downsampled(picture: Float32[np.ndarray, "h w 3"]) -> Pixels:
    """The picture without oversampling."""
    height, width = picture.shape[:2]
    size = (width // _LOOK.oversampling, height // _LOOK.oversampling)
    return np.rint(cv2.resize(picture, size, interpolation=cv2.INTER_AREA)).astype(np.uint8)


def _eyeball_normals(
    places: Float[np.ndarray, "P 2"], lids: Float[np.ndarray, "L 2"]
) -> Float32[np.ndarray, "P 3"]:
    """The normals of an eyeball behind the lids, at places of its opening, px."""
    low, high = lids.min(axis=0), lids.max(axis=0)
    radius = _LOOK.eyeball_radius * max(float((high - low)[0]), 1.0)
    across = (places - (low + high) / 2) / radius * [1.0, -1.0]
    toward = np.sqrt(np.clip(1.0 - (across**2).sum(axis=1, keepdims=True), 0.0, 1.0))
    return np.concatenate([across, toward], axis=1).astype(np.float32)


def _eyeball_brightness(
    places: Float[np.ndarray, "P 2"], iris: Float[np.ndarray, "5 2"]
) -> Float32[np.ndarray, " P"]:
    """The brightness of the eyeball at places of its opening, a fraction of clay's; `iris`: center, then rim, px."""
    radius = max(float(np.linalg.norm(iris[1:] - iris[0], axis=1).mean()), 0.5)
    distance = np.linalg.norm(places - iris[0], axis=1) / radius
    dark = np.clip((1.0 - distance) / _LOOK.iris_edge, 0.0, 1.0)
    return (_LOOK.eyeball * (1.0 - (1.0 - _LOOK.iris) * dark)).astype(np.float32)


def _vertex_normals(
    points: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "M 3"]
) -> Float[np.ndarray, "V 3"]:
    """Unit normals with y up: the mean of the triangles around each vertex, weighted by area."""
    corners = points.astype(np.float64)[triangles] * [1.0, -1.0, 1.0]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros((len(points), 3))
    np.add.at(normals, triangles.ravel(), np.repeat(facing, 3, axis=0))
    return _unit(normals)


@lru_cache(maxsize=1)
def _lit_sphere() -> Float32[np.ndarray, "B B 3"]:
    """The color of clay for every normal toward the viewer; the axes are x (right) and y (up) from -1 to 1."""
    y, x = np.mgrid[-1 : 1 : _LOOK.sphere_px * 1j, -1 : 1 : _LOOK.sphere_px * 1j]
    normals = _unit(np.stack([x, y, np.sqrt(np.clip(1.0 - x**2 - y**2, 0.0, 1.0))], axis=-1))
    light, gloss = np.zeros_like(normals) + _LOOK.ambient, np.zeros_like(normals)
    lights = (_LOOK.key_direction, _LOOK.key_color), (_LOOK.fill_direction, _LOOK.fill_color)
    for direction, color in lights:
        toward = _unit(np.array(direction))
        diffuse = np.clip((normals @ toward + _LOOK.wrap) / (1.0 + _LOOK.wrap), 0.0, 1.0)
        half_way = _unit(toward + np.array([0.0, 0.0, 1.0]))
        light += diffuse[..., None] ** _LOOK.falloff * np.array(color)
        gloss += np.clip(normals @ half_way, 0.0, 1.0)[..., None] ** _LOOK.gloss_exponent * np.array(color)
    return _encoded(np.array(_LOOK.clay) * light + _LOOK.gloss * gloss)


@lru_cache(maxsize=2)
def _backdrop(height: int, width: int) -> Float32[np.ndarray, "h w 3"]:
    """The backdrop, darker toward its corners."""
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)
    weight = ((x**2 + y**2) / 2.0)[..., None]
    middle, corners = np.array(_LOOK.backdrop_middle), np.array(_LOOK.backdrop_corners)
    return _encoded(middle + weight * (corners - middle))


def _encoded(linear: Float[np.ndarray, "h w 3"]) -> Float32[np.ndarray, "h w 3"]:
    """Encode linear light with a gamma of 2.2, close to sRGB, 0 to 255; float, so that the backdrop shows no bands."""
    return (255.0 * np.clip(linear, 0.0, 1.0) ** (1 / 2.2)).astype(np.float32)


def _unit(vectors: Float[np.ndarray, "*B 3"]) -> Float[np.ndarray, "*B 3"]:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12))
