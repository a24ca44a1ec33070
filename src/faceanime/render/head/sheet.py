"""The warp sheet: a mesh over the portrait whose motion defines the backward flow.

It consists of the fitted face, rings of vertices around it that carry hair and neck and fade the head's motion out
toward a still border (`rings.py`), and a band of lashes (`eyes/lashes.py`). Rasterized at the target's geometry, each
vertex carrying its place in the portrait, it gives a backward flow at native resolution and, for each pixel, the part
of the face that it shows. Places are px of the picture unless said otherwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import Float, Float32, Int32
from scipy.ndimage import gaussian_filter1d

from faceanime.geometry.camera import FLIP_Y, project, unproject
from faceanime.geometry.flow import flow_from_mesh
from faceanime.geometry.rotation import nearest_rotation, rotation_from_vector, vector_from_rotation
from faceanime.morphable.model import MorphableModel, Region
from faceanime.render.config import WarpConfig
from faceanime.render.eyes.lashes import LashBand
from faceanime.render.head.body import Body
from faceanime.render.head.rings import make_rings, rigid_rings
from faceanime.structures.coefficients import FaceCoefficients, FittedFace, HeadPose
from faceanime.structures.raster import Box, WarpField

Vertices = Float[np.ndarray, "V 3"]

RING = len(Region)
"""Region of the triangles that only the sheet has, not the model: hair, neck, background."""


class WarpSheet:
    """The sheet over one portrait's face: made once, then asked for the flow to any target."""

    def __init__(
        self,
        face: FittedFace,
        model: MorphableModel,
        width_px: int,
        height_px: int,
        moving: Float32[np.ndarray, "H W"] | None,
        config: WarpConfig,
    ) -> None:
        """`moving` (H,W) in [0,1] is the matte of what moves with the head; None if unknown."""
        self._model = model
        self._face = face
        self._pose = face.coefficients.pose
        placed = project(source_shape(face, model), self._pose)
        landmarks = model.landmarks_of(placed)
        self.region = face_region(landmarks, width_px, height_px, config.reach)
        rings = make_rings(
            landmarks[model.schema.oval],
            project(rigid_rings(model, face.coefficients.identity), self._pose),
            self.region,
            (width_px, height_px),
            moving,
            further_rings=config.rings,
            fade=config.fade,
            depth=config.depth,
        )
        self._rings_model = unproject(rings.points, self._pose)
        self._ring_motion = rings.motion
        self._body = Body(
            rings.points[:, :2],
            self._pose,
            landmarks[model.schema.oval, :2],
            self.region,
            (width_px, height_px),
        )
        points = np.concatenate([placed, rings.points])
        triangles, region = _sheet_triangles(model, rings.count)
        lash_line = np.concatenate([eye.upper[1:-1] for eye in model.schema.eyes])
        self._lashes = LashBand(
            points,
            triangles,
            region,
            lash_line=model.embedding.nearest_vertex[lash_line],
            eye_width_px=float(np.mean([eye.width(landmarks[:, :2]) for eye in model.schema.eyes])),
        )
        self._source_points = np.concatenate([points, self._lashes.source_points])
        self.triangles, self.triangle_region = self._lashes.triangles, self._lashes.triangle_region
        self._part_of = np.append(self.triangle_region, np.int32(RING))  # the last for triangle -1

    @property
    def source_points(self) -> Float[np.ndarray, "N 2"]:
        """The sheet's vertices in the portrait, px; the model's come first."""
        return self._source_points[:, :2]

    @property
    def source_landmarks(self) -> Float[np.ndarray, "L 2"]:
        """The landmarks in the portrait, px."""
        return self._landmarks_of(self._source_points)[:, :2]

    def _landmarks_of(self, points: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "L 3"]:
        """The landmarks when the sheet's vertices are at `points`."""
        return self._model.landmarks_of(points[: len(self._model.mean)])

    def target_points(
        self, target: FaceCoefficients, hair: HeadPose | None = None
    ) -> Float[np.ndarray, "N 3"]:
        """The sheet's vertices at the target's geometry, px; the rings have the pose `hair` (see `hair_pose`)."""
        count = len(self._model.mean)
        shape = self._model.vertices(target.identity, target.expression) + self._face.residual
        face = project(shape, target.pose)
        hair = target.pose if hair is None else hair
        rigid = project(self._rings_model, hair)
        rings = self._source_points[count : count + len(rigid)].copy()
        rings[:, :2] = self._body.moved(target.pose)
        rings += self._ring_motion[:, None] * (rigid - rings)
        points = np.concatenate([face, rings])
        turn = (target.pose.rotation * FLIP_Y[:, None]) @ (self._pose.rotation * FLIP_Y[:, None]).T
        return np.concatenate(
            [points, self._lashes.target_points(points, turn * target.pose.scale / self._pose.scale)]
        )

    def field(self, target: FaceCoefficients, hair: HeadPose | None = None) -> WarpField:
        """The backward flow inside the region, and the part that each pixel shows; `hair` as in `target_points`."""
        origin = np.array([self.region.left, self.region.top, 0.0])
        points = self.target_points(target, hair)
        flow, triangle = flow_from_mesh(
            self.source_points - origin[:2],
            points - origin,
            self.triangles,
            self.region.height,
            self.region.width,
        )
        parts = self._part_of.take(triangle, mode="wrap")
        return WarpField(flow, parts, self._landmarks_of(points).astype(np.float32), self.region)


def _sheet_triangles(
    model: MorphableModel, ring_count: int
) -> tuple[Int32[np.ndarray, "F 3"], Int32[np.ndarray, " F"]]:
    """The model's triangles, then those between outline and rings; and each one's region."""
    oval = model.embedding.nearest_vertex[model.schema.oval]
    first, n = len(model.mean), len(oval)
    grid = np.concatenate([oval[None], first + np.arange(ring_count * n).reshape(ring_count, n)])
    a, b = grid[:-1], np.roll(grid[:-1], -1, axis=1)
    c, d = np.roll(grid[1:], -1, axis=1), grid[1:]
    rings = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    triangles = np.concatenate([model.triangles, rings]).astype(np.int32)
    region = np.concatenate([model.region, np.full(len(rings), RING)]).astype(np.int32)
    return triangles, region


def source_shape(face: FittedFace, model: MorphableModel) -> Vertices:
    """The portrait's own shape in model space, residual included: it projects onto the landmarks exactly."""
    coefficients = face.coefficients
    return np.asarray(model.vertices(coefficients.identity, coefficients.expression) + face.residual)


def face_region(points: Float[np.ndarray, "N 3"], width_px: int, height_px: int, reach: float) -> Box:
    """The square of `reach` face sizes around a face's points, cut at the picture's edge."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    center, half = (low + high) / 2, reach * float((high - low).max()) / 2
    left, top = np.maximum(np.floor(center - half), 0).astype(int)
    right, bottom = np.minimum(np.ceil(center + half), (width_px, height_px)).astype(int)
    return Box(int(left), int(top), int(right), int(bottom))


def affine_between(
    source: HeadPose, target: HeadPose, anchor: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "2 3"]:
    """target_from_source: how a small frontal plane of the head at an anchor point (model space) moves, px."""
    patch = anchor + np.array([[0.0, 0, 0], [0.1, 0, 0], [0, 0.1, 0]])
    a, b = project(patch, source)[:, :2], project(patch, target)[:, :2]
    linear = (b[1:] - b[0]).T @ np.linalg.inv((a[1:] - a[0]).T)
    return np.concatenate([linear, (b[0] - linear @ a[0])[:, None]], axis=1)


@dataclass(frozen=True)
class HairMotion:
    """Lag of hair and neck behind the face's pose."""

    deviation_s: float = 0.04
    """Standard deviation of the Gaussian over time, s. Hair of validation clips is steadier by a tenth, and no
    further from where it is filmed (docs/log/training.md, "The background")."""
    most_turn_deg: float = 2.0
    """Largest lag of the rotation, so that a cut does not shear the picture, degrees. Chosen by eye."""
    most_lag: float = 0.03
    """Largest lag of the translation, in model units, and of the logarithm of the scale. Chosen by eye."""


_HAIR_MOTION = HairMotion()


def hair_pose(pose: HeadPose, frame_rate: Fraction) -> HeadPose:
    """The poses of hair and neck for poses (T,) of a face: smoothed, for its quickest motion is skin's, or noise.

    Where the face rests, begins and ends, both are the same. A motion that loops joins in place, and in speed as far
    as the face's own ends are alike.
    """
    frames, deviation = len(pose.scale), _HAIR_MOTION.deviation_s * float(frame_rate)
    margin = math.ceil(4.0 * deviation)

    def smoothed(values: np.ndarray) -> np.ndarray:
        ends = [(margin, margin)] + [(0, 0)] * (values.ndim - 1)
        padded = np.pad(values, ends, mode="reflect", reflect_type="odd")
        return np.asarray(gaussian_filter1d(padded, deviation, axis=0)[margin : margin + frames])

    turn = vector_from_rotation(pose.rotation.swapaxes(-1, -2) @ nearest_rotation(smoothed(pose.rotation)))
    shift = (smoothed(pose.translation_px) - pose.translation_px) / pose.scale[:, None]
    growth = smoothed(np.log(pose.scale)) - np.log(pose.scale)
    lag = _HAIR_MOTION.most_lag
    return HeadPose(
        pose.rotation @ rotation_from_vector(_shortened(turn, np.radians(_HAIR_MOTION.most_turn_deg))),
        pose.scale * np.exp(np.clip(growth, -lag, lag)),
        pose.translation_px + pose.scale[:, None] * _shortened(shift, lag),
    )


def _shortened(vectors: Float[np.ndarray, "T C"], length: float) -> Float[np.ndarray, "T C"]:
    """The vectors, those longer than `length` shortened to it."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors * np.minimum(1.0, length / np.maximum(lengths, 1e-12)))
