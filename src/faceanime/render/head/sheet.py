"""Dense flow: the source picture as a rubber sheet pinned to a moving 3D head.

The sheet is one mesh: the fitted face, rigid rings of the model for skull and neck, and further rings that
fade the head's motion out toward a still border. The mesh is rasterised at the target's geometry, each vertex
carrying its place in the source: the result is a backward flow at native resolution, and for each pixel the
part of the face it shows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import Bool, Float, Float32, Int32
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from faceanime.geometry.camera import FLIP_Y, project, unproject
from faceanime.geometry.flow import flow_from_mesh
from faceanime.geometry.rotation import nearest_rotation, rotation_from_vector, vector_from_rotation
from faceanime.morphable import topology
from faceanime.morphable.model import MorphableModel, Region
from faceanime.render.eyes.lashes import LashBand
from faceanime.structures.coefficients import FaceCoefficients, FittedFace, HeadPose
from faceanime.structures.raster import Box, WarpField

Vertices = Float[np.ndarray, "V 3"]


@dataclass(frozen=True)
class WarpConfig:
    """How the picture around the face follows the head."""

    reach: float = 2.8
    """Side of the moving region, in sizes of the face; cut at the picture's edge."""
    rings: int = 6
    """Rings of vertices between the model's last ring and the still border."""
    fade: float = 0.5
    """Share of the rest of the way over which the motion fades to nothing."""
    depth: float = 0.75
    """How far back hair and neck lie behind the face's outline, in shares of the model's rings."""


class WarpSheet:
    """The sheet over one source face: made once, then asked for the flow to any target."""

    def __init__(
        self,
        face: FittedFace,
        model: MorphableModel,
        width_px: int,
        height_px: int,
        matte: Float32[np.ndarray, "H W"] | None,
        config: WarpConfig,
    ) -> None:
        """`matte` (H,W) in [0,1], how surely a pixel moves with the person; None where nobody knows."""
        self._model = model
        self._face = face
        source = face.coefficients
        self._pose = source.pose
        placed = project(source_shape(face, model), source.pose)
        self.region = face_region(placed[: model.landmark_count], width_px, height_px, config.reach)
        rays = _Rays(placed, model, self.region, (width_px, height_px), matte, config)
        self._rings_model = unproject(rays.points, source.pose)
        self._ring_weight = rays.weight
        points = np.concatenate([placed[: model.landmark_count], rays.points])
        triangles, region = _sheet_triangles(model, rays.loops)
        self._lashes = LashBand(points, triangles, region)
        self._source_points = np.concatenate([points, self._lashes.source_points])
        self.triangles, self.triangle_region = self._lashes.triangles, self._lashes.triangle_region
        self._part_shown = np.append(self.triangle_region, np.int32(Region.RING))  # the last for triangle -1

    @property
    def source_points(self) -> Float[np.ndarray, "N 2"]:
        """The sheet's vertices in the source picture, px; the landmarks come first."""
        return self._source_points[:, :2]

    def target_points(
        self, target: FaceCoefficients, hair: HeadPose | None = None
    ) -> Float[np.ndarray, "N 3"]:
        """The sheet's vertices at the target's geometry, px; what is not face as `hair` (see `hair_pose`) has it."""
        count = self._model.landmark_count
        shape = self._model.vertices(target.identity, target.expression) + self._face.residual
        face = project(shape[:count], target.pose)
        rings = project(self._rings_model, target.pose if hair is None else hair)
        still = self._source_points[count : count + len(rings)]
        moved = still + self._ring_weight[:, None] * (rings - still)
        points = np.concatenate([face, moved])
        turned = (target.pose.rotation * FLIP_Y[:, None]) @ (self._pose.rotation * FLIP_Y[:, None]).T
        return np.concatenate(
            [points, self._lashes.at(points, turned * target.pose.scale / self._pose.scale)]
        )

    def field(self, target: FaceCoefficients, hair: HeadPose | None = None) -> WarpField:
        """The backward flow inside the region, and what each of its pixels shows; `hair` as in `target_points`."""
        origin = np.array([self.region.left, self.region.top, 0.0])
        points = self.target_points(target, hair)
        flow, triangle = flow_from_mesh(
            self.source_points - origin[:2],
            points - origin,
            self.triangles,
            self.region.height,
            self.region.width,
        )
        parts = self._part_shown.take(triangle, mode="wrap")
        return WarpField(flow, parts, points.astype(np.float32), self.region)


def hair_pose(pose: HeadPose, frame_rate: Fraction) -> HeadPose:
    """How hair and neck follow the poses (T,) of a face: without what is quickest, which is skin, or noise.

    A Gaussian over `_HAIR_S`, never far from the face; where that rests, begins and ends, the same. (A motion that
    loops joins in place, and in speed as far as the face's own ends are alike.)
    """
    frames, deviation = len(pose.scale), _HAIR_S * float(frame_rate)
    margin = math.ceil(4.0 * deviation)

    def slow(values: np.ndarray) -> np.ndarray:
        ends = [(margin, margin)] + [(0, 0)] * (values.ndim - 1)
        longer = np.pad(values, ends, mode="reflect", reflect_type="odd")
        return np.asarray(gaussian_filter1d(longer, deviation, axis=0)[margin : margin + frames])

    turn = vector_from_rotation(pose.rotation.swapaxes(-1, -2) @ nearest_rotation(slow(pose.rotation)))
    shift = (slow(pose.translation_px) - pose.translation_px) / pose.scale[:, None]
    growth = slow(np.log(pose.scale)) - np.log(pose.scale)
    return HeadPose(
        pose.rotation @ rotation_from_vector(_within(turn, np.radians(_HAIR_LAG_DEG))),
        pose.scale * np.exp(np.clip(growth, -_HAIR_LAG, _HAIR_LAG)),
        pose.translation_px + pose.scale[:, None] * _within(shift, _HAIR_LAG),
    )


def _within(steps: Float[np.ndarray, "T C"], length: float) -> Float[np.ndarray, "T C"]:
    """The steps, none longer than that."""
    lengths = np.linalg.norm(steps, axis=1, keepdims=True)
    return np.asarray(steps * np.minimum(1.0, length / np.maximum(lengths, 1e-12)))


_HAIR_S = 0.04
"""Chosen on films of validation people: hair, drawn so, is steadier by a tenth, and no further from where it is."""
_HAIR_LAG_DEG, _HAIR_LAG = 2.0, 0.03
"""Hair stays this close to the face's pose, in turning, and in shift (model units) and growth: a cut is no shear."""


def source_shape(face: FittedFace, model: MorphableModel) -> Vertices:
    """The source's own shape in model space, residual included: it projects onto the landmarks exactly."""
    coefficients = face.coefficients
    return np.asarray(model.vertices(coefficients.identity, coefficients.expression) + face.residual)


def affine_between(
    source: HeadPose, target: HeadPose, anchor: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "2 3"]:
    """How a small plane facing out of the head at `anchor` (model space) maps from source px to target px."""
    patch = anchor + np.array([[0.0, 0, 0], [0.1, 0, 0], [0, 0.1, 0]])
    a, b = project(patch, source)[:, :2], project(patch, target)[:, :2]
    linear = (b[1:] - b[0]).T @ np.linalg.inv((a[1:] - a[0]).T)
    return np.concatenate([linear, (b[0] - linear @ a[0])[:, None]], axis=1)


def face_region(points: Float[np.ndarray, "N 3"], width_px: int, height_px: int, reach: float) -> Box:
    """The square of `reach` face sizes around a face's points, cut at the picture's edge."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    centre, half = (low + high) / 2, reach * float((high - low).max()) / 2
    left, top = np.maximum(np.floor(centre - half), 0).astype(int)
    right, bottom = np.minimum(np.ceil(centre + half), (width_px, height_px)).astype(int)
    return Box(int(left), int(top), int(right), int(bottom))


class _Rays:
    """Rings of vertices on rays from the face's centre through its oval to the region's border.

    A ray that leaves the person before the border (over hair, into the background) is rigid as far as the
    person goes; one that does not (over neck and shoulders) fades to the border. Where a ray meets the picture's
    own edge it goes on beyond, so that nothing is stretched toward that edge and a cut-off head moves whole.
    """

    def __init__(
        self,
        placed: Vertices,
        model: MorphableModel,
        region: Box,
        picture_size: tuple[int, int],
        matte: Float32[np.ndarray, "H W"] | None,
        config: WarpConfig,
    ) -> None:
        count = model.landmark_count
        oval = placed[list(topology.OVAL)]
        centre = (oval[:, :2].min(axis=0) + oval[:, :2].max(axis=0)) / 2
        out = oval[:, :2] - centre
        near = np.linalg.norm(out, axis=1)
        out = out / near[:, None]
        border = np.maximum(_distance_to_border(centre, out, region), 1.05 * near)
        rigid = near
        if matte is not None:
            end = _person_end(matte, centre, out, near, border)
            cut = _ends_at_picture_edge(centre + border[:, None] * out, picture_size)
            border = np.where(cut, border + _BEYOND * near, border)
            rigid = np.where(cut, border, np.where(np.isinf(end), rigid, np.minimum(end, 0.97 * border)))
            rigid = np.maximum(_around(maximum_filter1d(rigid / border, 3, mode="wrap")), 0.2) * border
        model_rings = placed[count:].reshape(-1, len(oval), 3)
        shares = [_share(ring, centre, out, near, border) for ring in model_rings]
        depths = [oval[:, 2] + config.depth * (ring[:, 2] - oval[:, 2]) for ring in model_rings]
        for step in np.linspace(0.0, 1.0, config.rings + 1)[1:]:
            shares.append(shares[len(model_rings) - 1] * (1 - step) + step)
            depths.append(depths[-1] - 0.01 * near)  # where rings fold over, the inner one is seen
        distance = near + np.stack(shares) * (border - near)
        xy = centre + distance[..., None] * out
        self.points = np.concatenate([xy, np.stack(depths)[..., None]], axis=-1).reshape(-1, 3)
        still = rigid + config.fade * (border - rigid)
        fade = np.clip((distance - rigid) / np.maximum(still - rigid, 1e-3), 0.0, 1.0)
        self.weight = (1.0 - fade**2 * (3.0 - 2.0 * fade)).reshape(-1)
        self.loops = len(shares)


_BEYOND = 0.6
"""How far beyond the picture a cut-off head goes on, in radii of the face."""
_PERSON = 0.3
"""A pixel is taken for the person's from this matte on."""


def _person_end(
    matte: Float32[np.ndarray, "H W"],
    centre: Float[np.ndarray, "2"],
    out: Float[np.ndarray, "R 2"],
    near: Float[np.ndarray, " R"],
    border: Float[np.ndarray, " R"],
) -> Float[np.ndarray, " R"]:
    """How far along each ray the person goes, px from the centre; infinite where it reaches the border."""
    height, width = matte.shape
    share = np.linspace(0.0, 1.0, 128)
    along = near[:, None] + share * (border - near)[:, None] - 1.0
    places = (centre + along[..., None] * out[:, None]).astype(int)
    x, y = np.clip(places[..., 0], 0, width - 1), np.clip(places[..., 1], 0, height - 1)
    left = matte[y, x] < _PERSON
    first = np.argmax(left, axis=1)
    end = along[np.arange(len(out)), first] + _MARGIN * near
    return np.asarray(np.where(left.any(axis=1), end, np.inf))


_MARGIN = 0.1
"""Beyond a person's edge, in radii of the face, the sheet is still rigid."""


def _ends_at_picture_edge(
    ends: Float[np.ndarray, "R 2"], picture_size: tuple[int, int]
) -> Bool[np.ndarray, " R"]:
    """Whether a ray meets the picture's own upper or side edge (below, the body goes on anyway)."""
    x, y = ends.T
    return np.asarray((y < 1.0) | (((x < 1.0) | (x > picture_size[0] - 1.0)) & (y < 0.6 * picture_size[1])))


def _around(values: Float[np.ndarray, " R"]) -> Float[np.ndarray, " R"]:
    """Smoothed over neighbouring rays."""
    return np.asarray(gaussian_filter1d(values, 1.5, mode="wrap"))


def _distance_to_border(
    centre: Float[np.ndarray, "2"], out: Float[np.ndarray, "R 2"], region: Box
) -> Float[np.ndarray, " R"]:
    """Along each ray, the way to the region's edge."""
    corner = np.where(out > 0, [region.right, region.bottom], [region.left, region.top])
    with np.errstate(divide="ignore"):
        ways = (corner - centre) / out
    return np.asarray(np.where(np.abs(out) < 1e-9, np.inf, ways).min(axis=1))


def _share(
    ring: Float[np.ndarray, "R 3"],
    centre: Float[np.ndarray, "2"],
    out: Float[np.ndarray, "R 2"],
    near: Float[np.ndarray, " R"],
    border: Float[np.ndarray, " R"],
) -> Float[np.ndarray, " R"]:
    """How far along its ray a ring of the model lies, 0 at the oval, 1 at the border; bent to stay below 1."""
    along = ((ring[:, :2] - centre) * out).sum(axis=1)
    share = np.maximum((along - near) / (border - near), 0.02)
    return np.where(share < 0.4, share, 0.4 + 0.5 * np.tanh((share - 0.4) / 0.5))


def _sheet_triangles(
    model: MorphableModel, loops: int
) -> tuple[Int32[np.ndarray, "F 3"], Int32[np.ndarray, " F"]]:
    face = model.region != Region.RING
    count, n = model.landmark_count, len(topology.OVAL)
    grid = np.concatenate([[topology.OVAL], count + np.arange(loops * n).reshape(loops, n)])
    a, b = grid[:-1], np.roll(grid[:-1], -1, axis=1)
    c, d = np.roll(grid[1:], -1, axis=1), grid[1:]
    rings = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    triangles = np.concatenate([model.triangles[face], rings]).astype(np.int32)
    region = np.concatenate([model.region[face], np.full(len(rings), Region.RING)]).astype(np.int32)
    return triangles, region
