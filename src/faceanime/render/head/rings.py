"""The rings of the warp sheet: vertices around the face's outline that carry hair, neck and background.

They lie on rays from the middle of the face through its outline to the border of the moving region. A ray that leaves
the person before the border (over hair, into the background) moves rigidly with the head as far as the person
reaches; on one that does not (over neck and shoulders) the motion fades to nothing at the border. A ray that meets the
picture's own edge continues beyond it, so that a cropped head moves as a whole and is not stretched toward the edge.
All distances are px along a ray, from the middle of the face.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from faceanime.geometry.interpolation import smoothstep
from faceanime.morphable.model import MorphableModel
from faceanime.structures.raster import Box

PerRay = Float[np.ndarray, " R"]


@dataclass(frozen=True)
class RingLook:
    """Positions and rigidity of the rings; radii are the face's along each ray. Chosen by eye."""

    least_border: float = 1.05
    """Least distance of the border from the middle of the face, in radii."""
    beyond_picture: float = 0.6
    """Length by which a ray that meets the picture's edge continues beyond it, in radii."""
    sides_end: float = 0.6
    """Fraction of the picture's height down to which rays continue beyond the sides; below, the body reaches there."""
    person: float = 0.3
    """Least matte of the pixels that belong to the person."""
    person_samples: int = 128
    """Number of samples of the matte along a ray."""
    person_margin: float = 0.1
    """Width of the rigid margin beyond the person's edge, in radii."""
    most_rigid: float = 0.97
    """Largest fraction of the way to the border over which the sheet is rigid."""
    least_rigid: float = 0.2
    """Least fraction of the way to the border over which the sheet is rigid."""
    smoothing: float = 1.5
    """Standard deviation of the smoothing of the rigid fraction over neighboring rays, in rays."""
    rigid_rings: tuple[tuple[float, float], ...] = ((1.12, 0.35), (1.28, 0.75), (1.5, 1.0))
    """Distance of each rigid ring from the middle of the face as a factor of the outline's, and its depth as a fraction
    of the way from the outline to the skull."""
    skull_depth: float = -1.05
    """z of the head's widest outline (about the plane of the ears), model units."""
    first_ring: float = 0.02
    """Least distance of a rigid ring from the outline, as a fraction of the way to the border."""
    bend_from: float = 0.4
    """Fraction of the way to the border beyond which rings are bent back, so that none crosses the border."""
    bend_over: float = 0.5
    """Largest fraction that the bent part, a hyperbolic tangent, adds to `bend_from`."""
    apron: float = 0.5
    """Length by which rays below the chin continue beyond the border, in radii, so that the sheet covers the corners
    between them, whose body moves."""
    depth_step: float = 0.01
    """Increase of the depth from ring to ring, in radii: where rings fold over, the inner one is visible."""


_LOOK = RingLook()


@dataclass(frozen=True, eq=False)
class Rings:
    """K rings of R vertices around a face."""

    points: Float[np.ndarray, "N 3"]
    """The vertices, px of the picture, ring by ring from the inner one."""
    motion: Float[np.ndarray, " N"]
    """1 where a vertex moves rigidly with the head, 0 where it is still."""
    count: int
    """The number K of rings."""


@dataclass(frozen=True, eq=False)
class _Rays:
    """One ray through each point of the outline: unit `direction`, distances of `outline` and `border`, px."""

    center: Float[np.ndarray, "2"]
    direction: Float[np.ndarray, "R 2"]
    outline: PerRay
    border: PerRay

    @classmethod
    def through(cls, oval: Float[np.ndarray, "R 3"], region: Box) -> _Rays:
        center = (oval[:, :2].min(axis=0) + oval[:, :2].max(axis=0)) / 2
        direction = oval[:, :2] - center
        outline = np.linalg.norm(direction, axis=1)
        direction = direction / outline[:, None]
        border = np.maximum(_distance_to_border(center, direction, region), _LOOK.least_border * outline)
        return cls(center, direction, outline, border)

    def places(self, distance: Float[np.ndarray, "K R"]) -> Float[np.ndarray, "K R 2"]:
        """Places at distances along the rays, px."""
        return np.asarray(self.center + distance[..., None] * self.direction)


def rigid_rings(model: MorphableModel, identity: Float[np.ndarray, " K_id"]) -> Float[np.ndarray, "M R 3"]:
    """Rings over forehead, temples, jaw and neck of a person, in model space, which carry hair and neck.

    They lie around the mean face's outline; the identity moves each of their vertices as the outline's vertex on the
    same ray.
    """
    oval = model.landmark_mean[model.schema.oval].astype(np.float64)
    center = (oval.max(axis=0) + oval.min(axis=0)) / 2
    rings = []
    for factor, back in _LOOK.rigid_rings:
        ring = center + (oval - center) * factor
        ring[:, 2] = oval[:, 2] + (_LOOK.skull_depth - oval[:, 2]) * back
        rings.append(ring)
    return np.stack(rings) + model.landmark_identity_basis[model.schema.oval] @ identity


def make_rings(
    oval: Float[np.ndarray, "R 3"],
    rigid_rings: Float[np.ndarray, "M R 3"],
    region: Box,
    picture_size: tuple[int, int],
    moving: Float32[np.ndarray, "H W"] | None,
    *,
    further_rings: int,
    fade: float,
    depth: float,
) -> Rings:
    """The rings around a face: the rigid ones, then `further_rings` to the border, then one beyond it.

    `oval` and `rigid_rings` in px of the picture; `picture_size` is its width and height; `moving` the matte of
    what moves with the head, None if unknown; `fade` and `depth` as in `WarpConfig`.
    """
    rays = _Rays.through(oval, region)
    rigid = rays.outline
    if moving is not None:
        rays, rigid = _extended(rays, moving, picture_size)
    fractions = [_fraction(ring, rays) for ring in rigid_rings]
    depths = [oval[:, 2] + depth * (ring[:, 2] - oval[:, 2]) for ring in rigid_rings]
    for step in np.linspace(0.0, 1.0, further_rings + 1)[1:]:
        fractions.append(fractions[len(rigid_rings) - 1] * (1 - step) + step)
        depths.append(depths[-1] - _LOOK.depth_step * rays.outline)
    distance = rays.outline + np.stack(fractions) * (rays.border - rays.outline)
    is_below = rays.places(rays.border[None])[0, :, 1] > oval[:, 1].max()
    distance = np.concatenate([distance, (rays.border + _LOOK.apron * is_below * rays.outline)[None]])
    depths.append(depths[-1] - _LOOK.depth_step * rays.outline)
    points = np.concatenate([rays.places(distance), np.stack(depths)[..., None]], axis=-1)
    fade_px = np.maximum(fade * (rays.border - rigid), 1e-3)
    motion = 1.0 - smoothstep((distance - rigid) / fade_px)
    return Rings(points.reshape(-1, 3), motion.reshape(-1), len(distance))


def _extended(
    rays: _Rays, moving: Float32[np.ndarray, "H W"], picture_size: tuple[int, int]
) -> tuple[_Rays, PerRay]:
    """The rays, longer where the picture's edge crops the person, and how far each is rigid, px."""
    person_end = _person_end(rays, moving)
    cropped = _meets_picture_edge(rays, picture_size)
    border = np.where(cropped, rays.border + _LOOK.beyond_picture * rays.outline, rays.border)
    reached = np.where(np.isinf(person_end), rays.outline, np.minimum(person_end, _LOOK.most_rigid * border))
    rigid = np.where(cropped, border, reached)
    smoothed = gaussian_filter1d(
        maximum_filter1d(rigid / border, 3, mode="wrap"), _LOOK.smoothing, mode="wrap"
    )
    rigid = np.maximum(smoothed, _LOOK.least_rigid) * border
    return _Rays(rays.center, rays.direction, rays.outline, border), rigid


def _person_end(rays: _Rays, matte: Float32[np.ndarray, "H W"]) -> PerRay:
    """The distance at which the person ends on each ray, px; infinite where the person reaches the border."""
    height, width = matte.shape
    fraction = np.linspace(0.0, 1.0, _LOOK.person_samples)
    along = rays.outline[:, None] + fraction * (rays.border - rays.outline)[:, None] - 1.0
    places = (rays.center + along[..., None] * rays.direction[:, None]).astype(int)
    x, y = np.clip(places[..., 0], 0, width - 1), np.clip(places[..., 1], 0, height - 1)
    outside = matte[y, x] < _LOOK.person
    first = np.argmax(outside, axis=1)
    end = along[np.arange(len(along)), first] + _LOOK.person_margin * rays.outline
    return np.asarray(np.where(outside.any(axis=1), end, np.inf))


def _meets_picture_edge(rays: _Rays, picture_size: tuple[int, int]) -> Bool[np.ndarray, " R"]:
    """Whether a ray's border lies on the picture's upper edge, or on the upper part of a side."""
    width, height = picture_size
    x, y = (rays.center + rays.border[:, None] * rays.direction).T
    at_side = (x < 1.0) | (x > width - 1.0)
    return np.asarray((y < 1.0) | (at_side & (y < _LOOK.sides_end * height)))


def _distance_to_border(
    center: Float[np.ndarray, "2"], direction: Float[np.ndarray, "R 2"], region: Box
) -> PerRay:
    """The distance along each ray to the region's border, px."""
    corner = np.where(direction > 0, [region.right, region.bottom], [region.left, region.top])
    with np.errstate(divide="ignore"):
        distance = (corner - center) / direction
    return np.asarray(np.where(np.abs(direction) < 1e-9, np.inf, distance).min(axis=1))


def _fraction(ring: Float[np.ndarray, "R 3"], rays: _Rays) -> PerRay:
    """Position of a rigid ring on each ray: 0 at the outline, 1 at the border, bent to stay below 1."""
    along = ((ring[:, :2] - rays.center) * rays.direction).sum(axis=1)
    fraction = np.maximum((along - rays.outline) / (rays.border - rays.outline), _LOOK.first_ring)
    bent = _LOOK.bend_from + _LOOK.bend_over * np.tanh((fraction - _LOOK.bend_from) / _LOOK.bend_over)
    return np.asarray(np.where(fraction < _LOOK.bend_from, fraction, bent))
