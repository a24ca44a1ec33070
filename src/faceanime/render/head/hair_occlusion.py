"""Hair that occludes a cheek: the mesh is pulled forward to the hair that the picture shows there.

A cheek's outline lies far behind the cheek. Where hair occludes it, the mesh carries hair, which hangs in front of the
face: left at the outline's depth, it would be stretched into a dark blot as the cheek turns to the viewer. The face
is examined along rays from its middle to its outline; a position on a ray is given as a fraction of that way, 1 at
the outline. Hair is what belongs to the person by the matte and differs in color from the skin nearby.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float, Float32
from scipy.ndimage import gaussian_filter1d, minimum_filter1d

from faceanime.geometry.camera import project, unproject
from faceanime.geometry.flow import sample
from faceanime.geometry.interpolation import Ramp
from faceanime.geometry.rasterize import rasterize_attributes
from faceanime.morphable.landmark_schema import LandmarkSchema
from faceanime.morphable.model import MorphableModel
from faceanime.render.head.rings import PerRay
from faceanime.render.head.sheet import face_region, source_shape
from faceanime.structures.coefficients import FittedFace
from faceanime.structures.frames import Pixels


@dataclass(frozen=True)
class HairLook:
    """Detection of hair in front of a face. Color differences are distances in CIELAB (CIE 1976 delta E).

    Chosen by eye; docs/log/training.md, "Hair before a cheek", measures them together.
    """

    inner_end: float = 0.6
    """Fraction of a ray up to which hair may reach inward from the outline."""
    inner_samples: int = 41
    """Number of samples on a ray between `inner_end` and the outline."""
    inner_difference: Ramp = (28.0, 42.0)
    """Ramp of the color difference to the skin nearby, for pixels within the outline: 0 means skin, 1 means hair.
    Shadows on skin differ by up to 28."""
    covered: Ramp = (0.04, 0.08)
    """Ramp of the fraction of a ray that hair occludes, from the outline inward: 1 means that it hangs in front of the
    face."""
    beside: tuple[float, float] = (1.03, 1.15)
    """Interval of a ray, beyond the outline, in which long hair is looked for."""
    beside_samples: int = 13
    """Number of samples on a ray in the interval `beside`."""
    beside_difference: Ramp = (18.0, 32.0)
    """Ramp of the color difference to the skin nearby, for pixels beyond the outline: 0 means skin, 1 means hair. Lower
    than `inner_difference`, since no shadowed skin lies there."""
    touching: Ramp = (0.5, 0.9)
    """Ramp of the fraction of the samples in the interval `beside` that are hair: 1 means that it hangs in front of the
    cheek."""
    fade_above: float = 0.1
    """Height above the eyes over which the weight of hair falls to 0, in face heights: temples' hair lies close."""
    fade_below: float = 0.2
    """Height below the mouth over which the weight of hair falls to 0, in face heights: beards and shadows lie there.
    """
    skin_reach: float = 0.3
    """Standard deviation of the distance over which skin predicts the skin's color at a place, in face heights."""
    blur: float = 0.008
    """Standard deviation of the blur of the picture, which removes single strands, in face heights."""
    rim: float = 0.02
    """Distance from the hair's inner end further inward to where the pull begins, as a fraction of the ray: there the
    surface faces the viewer enough not to be stretched."""
    slope: float = 1.2
    """Largest decrease of the hair's depth per distance outward from where it begins."""
    ray_smoothing: float = 1.0
    """Standard deviation of the smoothing over neighboring rays, in rays."""
    region: float = 1.2
    """Side of the square in which colors are looked up, in sizes of the face."""
    depth_map_px: float = 128.0
    """Side of the depth map of the face, px."""


_LOOK = HairLook()


def pull_outline_to_hair(
    face: FittedFace, picture: Pixels, matte: Float32[np.ndarray, "H W"], model: MorphableModel
) -> FittedFace:
    """The face with its outer landmarks no deeper than the hair that the picture (H,W,3) shows before them.

    Their places in the picture stay. `matte` (H,W) is the probability that a pixel is the person's.
    """
    pose, shape = face.coefficients.pose, source_shape(face, model)
    own = model.landmarks_of(shape)
    landmarks = project(own, pose)
    rays = _OutlineRays.to(landmarks[model.schema.oval, :2])
    hair = _HairFinder.of(picture, matte, landmarks[model.schema.plain_skin, :2], landmarks, rays.height_px)
    covered = hair.covered_fraction(rays)
    occlusion = np.maximum(
        np.interp(covered, _LOOK.covered, (0.0, 1.0)),
        np.interp(hair.beside_fraction(rays), _LOOK.touching, (0.0, 1.0)),
    )
    occlusion = _smooth(occlusion * _between_eyes_and_mouth(rays, landmarks, model.schema))
    if not occlusion.any():
        return face
    start = _smooth(1.0 - covered - _LOOK.rim)
    depth = _depth_at(project(shape, pose), model, rays.places(start))
    landmarks[:, 2] += _pull(landmarks, rays, start, depth, occlusion)
    residual = model.landmarks_of(face.residual) + unproject(landmarks, pose) - own
    return replace(face, residual=model.spread(residual))


@dataclass(frozen=True, eq=False)
class _OutlineRays:
    """Rays from the middle of a face to its outline, px of the picture."""

    center: Float[np.ndarray, "2"]
    outward: Float[np.ndarray, "R 2"]
    """Vectors from the center to the outline, px."""
    height_px: float
    """Height of the face, px."""

    @classmethod
    def to(cls, outline: Float[np.ndarray, "R 2"]) -> _OutlineRays:
        center = (outline.min(axis=0) + outline.max(axis=0)) / 2
        return cls(center, outline - center, float(np.ptp(outline[:, 1])))

    def places(self, fraction: Float[np.ndarray, "*S #R"]) -> Float[np.ndarray, "*S R 2"]:
        """The places at fractions of the rays, px."""
        return np.asarray(self.center + fraction[..., None] * self.outward)


@dataclass(frozen=True, eq=False)
class _HairFinder:
    """Distinguishes hair from skin in a picture: `lab` (h,w,3), its part from `corner` on, in CIELAB."""

    lab: Float32[np.ndarray, "h w 3"]
    corner: Float[np.ndarray, "2"]
    matte: Float32[np.ndarray, "H W"]
    skin_places: Float[np.ndarray, "K 2"]
    skin_lab: Float32[np.ndarray, "K 3"]
    skin_reach_px: float

    @classmethod
    def of(
        cls,
        picture: Pixels,
        matte: Float32[np.ndarray, "H W"],
        skin_places: Float[np.ndarray, "K 2"],
        landmarks: Float[np.ndarray, "L 3"],
        face_px: float,
    ) -> _HairFinder:
        box = face_region(landmarks, picture.shape[1], picture.shape[0], _LOOK.region)
        corner = np.array([box.left, box.top], np.float64)
        blurred = cv2.GaussianBlur(picture[box.slices], (0, 0), max(_LOOK.blur * face_px, 0.5))
        lab = cv2.cvtColor(blurred.astype(np.float32) / np.float32(255.0), cv2.COLOR_RGB2LAB)
        skin = sample(lab, (skin_places - corner)[None].astype(np.float32))[0]
        return cls(lab, corner, matte, skin_places, skin, _LOOK.skin_reach * face_px)

    def covered_fraction(self, rays: _OutlineRays) -> PerRay:
        """The fraction of each ray that hair occludes without interruption, from the outline inward."""
        fractions = np.linspace(1.0, _LOOK.inner_end, _LOOK.inner_samples)
        hair = self._probability(rays.places(fractions[:, None]), _LOOK.inner_difference)
        return np.minimum.accumulate(hair).mean(axis=0) * float(np.ptp(fractions))

    def beside_fraction(self, rays: _OutlineRays) -> PerRay:
        """The fraction of the samples just beyond the outline that are hair: the least of a ray and both its neighbors.

        An ear's shadow is narrower than three rays.
        """
        fractions = np.linspace(*_LOOK.beside, _LOOK.beside_samples)
        hair = self._probability(rays.places(fractions[:, None]), _LOOK.beside_difference)
        return np.asarray(minimum_filter1d(hair.mean(axis=0), 3, mode="wrap"))

    def _probability(self, places: Float[np.ndarray, "S R 2"], difference: Ramp) -> Float[np.ndarray, "S R"]:
        """The probability that places (px) show hair; `difference` is the ramp of the color difference to skin."""
        person = sample(self.matte[..., None], places.astype(np.float32))[..., 0]
        return person * np.interp(self._skin_difference(places), difference, (0.0, 1.0))

    def _skin_difference(self, places: Float[np.ndarray, "S R 2"]) -> Float[np.ndarray, "S R"]:
        """The difference of the colors at places (px) to that of the skin nearby, in CIELAB."""
        distance = np.linalg.norm(places[..., None, :] - self.skin_places, axis=-1) / self.skin_reach_px
        weight = np.exp(-0.5 * distance**2)
        skin = (weight @ self.skin_lab) / np.maximum(weight.sum(axis=-1, keepdims=True), 1e-9)
        color = sample(self.lab, (places - self.corner).astype(np.float32))
        return np.asarray(np.linalg.norm(color - skin, axis=-1))


def _between_eyes_and_mouth(
    rays: _OutlineRays, landmarks: Float[np.ndarray, "L 3"], schema: LandmarkSchema
) -> PerRay:
    """1 for rays that end between the heights of eyes and mouth, 0 well above and below."""
    lids = [eye.lower_middle[len(eye.lower_middle) // 2] for eye in schema.eyes]
    corners = [schema.right_mouth_corner[0], schema.left_mouth_corner[0]]
    top, bottom = (float(landmarks[ends, 1].mean()) for ends in (lids, corners))
    above, below = _LOOK.fade_above * rays.height_px, _LOOK.fade_below * rays.height_px
    rows = rays.center[1] + rays.outward[:, 1]
    return np.interp(rows, (top - above, top, bottom, bottom + below), (0.0, 1.0, 1.0, 0.0))


def _smooth(values: PerRay) -> PerRay:
    """The values smoothed over neighboring rays."""
    return np.asarray(gaussian_filter1d(values, _LOOK.ray_smoothing, mode="wrap"))


def _pull(
    landmarks: Float[np.ndarray, "L 3"], rays: _OutlineRays, start: PerRay, depth: PerRay, occlusion: PerRay
) -> Float[np.ndarray, " L"]:
    """Displacement of each landmark (px) toward the viewer, px.

    On each ray, hair begins at the fraction `start`, where the face has `depth` px, and occludes the face with the
    weight `occlusion`.
    """
    away = landmarks[:, :2] - rays.center
    angle, ray_angle = (np.arctan2(way[:, 1], way[:, 0]) for way in (away, rays.outward))

    def at_landmarks(values: PerRay) -> Float[np.ndarray, " L"]:
        return np.interp(angle, ray_angle, values, period=2.0 * np.pi)

    start_px = at_landmarks(start * np.linalg.norm(rays.outward, axis=1))
    beyond_start = np.linalg.norm(away, axis=1) - start_px
    deepest_hair = at_landmarks(depth) - _LOOK.slope * beyond_start
    missing = np.maximum(deepest_hair - landmarks[:, 2], 0.0)
    return np.asarray((beyond_start > 0.0) * at_landmarks(occlusion) * missing)


def _depth_at(
    points: Float[np.ndarray, "V 3"], model: MorphableModel, places: Float[np.ndarray, "R 2"]
) -> PerRay:
    """The depth of the face at places (px) of its picture, px toward the viewer."""
    low = points.min(axis=0)
    scale = _LOOK.depth_map_px / float((points[:, :2].max(axis=0) - low[:2]).max())
    side = int(_LOOK.depth_map_px) + 1
    depth, _ = rasterize_attributes(
        scale * (points - low), model.triangles, points[:, 2:].copy(), side, side, background=low[2]
    )
    at = (scale * (places - low[:2]))[None].astype(np.float32)
    return np.asarray(sample(depth, at)[0, :, 0], np.float64)
