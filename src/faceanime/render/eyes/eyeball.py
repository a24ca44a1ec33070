"""The eyeballs: behind the lids and rigid with the head, except for the iris, which moves with the gaze.

A mesh alone would squash the eye as the lid comes down. Here the eyeball that the portrait shows is completed behind
the lids (sclera by inpainting, iris by its radial profile) into two plates, one without and one with the iris. Per
frame they are drawn through the target's opening, the iris at its place. Lengths are widths of the eye, corner to
corner, unless said otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32

from faceanime.geometry.flow import identity_flow, sample
from faceanime.geometry.interpolation import Ramp, linear_step
from faceanime.morphable.landmark_schema import EyeLandmarks
from faceanime.morphable.model import MorphableModel
from faceanime.render.head.sheet import affine_between, source_shape
from faceanime.render.inpaint import fill_holes
from faceanime.render.masks import disc, soft_polygon
from faceanime.structures.coefficients import FaceCoefficients, FittedFace, HeadPose
from faceanime.structures.frames import Pixels
from faceanime.structures.raster import WarpField

EyeMap = Float32[np.ndarray, "h w"]


@dataclass(frozen=True)
class EyeLook:
    """Completion and drawing of eyeballs. Chosen by eye."""

    plate_margin: float = 0.5
    """Margin of the plates around the opening on each side."""
    lash_rim: float = 0.02
    """Width of the rim of the opening whose pixels are lashes, not eyeball."""
    shade_reach: float = 6.0
    """Distance over which the shade beside the lids fades to the bright sclera behind them, in units of `lash_rim`."""
    shade_exponent: float = 1.5
    """Exponent of a sclera pixel's brightness in its inpainting weight: lids shade the sclera beside them, and what
    becomes visible is as bright as the rest."""
    sclera_from: Ramp = (1.12, 1.27)
    """Ramp of the distance from the iris's center in radii of the iris: 1 means sclera."""
    iris_plate: Ramp = (1.06, 0.96)
    """Ramp of the distance from the iris's center in radii of the iris: the weight of the completed iris in its plate.
    """
    iris_disc: Ramp = (1.3, 1.08)
    """Ramp of the distance from the iris's center in radii of the iris: the weight of the moving iris."""
    profile_end: float = 1.3
    """Radius up to which the iris's radial profile is measured, in radii of the iris."""
    profile_bins: int = 14
    """Number of samples of the iris's radial profile."""
    edge_blur: float = 0.008
    """Standard deviation of the blur of the opening's edge."""
    full_departure: float = 0.035
    """Distance of lid or iris from the portrait's at which the layer is opaque; at rest the portrait itself shows."""


_LOOK = EyeLook()


class EyeLayer:
    """The eyes of one portrait that lie wholly in it."""

    def __init__(
        self, source: Pixels, face: FittedFace, model: MorphableModel, points: Float[np.ndarray, "L 2"]
    ) -> None:
        """`source` (H,W,3); `points` (L,2) px, its landmarks."""
        shape = model.landmarks_of(source_shape(face, model))
        self._pose = face.coefficients.pose
        eyes = (_Eye.read(source, points, shape, group) for group in model.schema.eyes)
        self._eyes = [eye for eye in eyes if eye is not None]

    def paint(self, canvas: Pixels, field: WarpField, target: FaceCoefficients) -> None:
        """Draw the eyes of `target` into `canvas` (h,w,3), the picture of the field's region, in place."""
        origin = np.array([field.box.left, field.box.top], np.float32)
        for eye in self._eyes:
            eye.paint(canvas, field.landmarks[:, :2], origin, self._pose, target.pose)


@dataclass(frozen=True, eq=False)
class _Eye:
    """One eye of a portrait; lengths and places in px of the portrait."""

    group: EyeLandmarks
    anchor: Float[np.ndarray, "3"]  # anchor point: the eye's middle in model space
    opening: Float[np.ndarray, "n 2"]
    iris: Float[np.ndarray, "2"]  # its center
    iris_radius: float
    width: float
    origin: Float[np.ndarray, "2"]  # upper left corner of the plates
    sclera_plate: Pixels  # the eyeball without its iris
    iris_plate: Pixels  # the eyeball with its iris where the portrait has it

    @classmethod
    def read(
        cls,
        source: Pixels,
        points: Float[np.ndarray, "L 2"],
        shape: Float[np.ndarray, "L 3"],
        group: EyeLandmarks,
    ) -> _Eye | None:
        """An eye as the portrait shows it; None where the picture's edge cuts its opening."""
        opening, size_px = points[group.opening], np.array(source.shape[1::-1])
        if (opening < 0).any() or (opening > size_px).any():
            return None
        width, iris, radius = group.width(points), points[group.iris[0]], group.iris_radius(points)
        margin = _LOOK.plate_margin * width
        low = np.maximum(np.floor(opening.min(axis=0) - margin), 0).astype(int)
        high = np.minimum(np.ceil(opening.max(axis=0) + margin), size_px).astype(int)
        patch = source[low[1] : high[1], low[0] : high[0]]
        plates = _complete_eyeball(patch, opening - low, iris - low, radius, _LOOK.lash_rim * width)
        anchor = shape[group.corners].mean(axis=0)
        return cls(group, anchor, opening, iris, radius, width, low.astype(np.float64), *plates)

    def paint(
        self,
        canvas: Pixels,
        points: Float[np.ndarray, "L 2"],
        origin: Float[np.ndarray, "2"],
        source_pose: HeadPose,
        target_pose: HeadPose,
    ) -> None:
        """Draw the eye into `canvas`, whose corner is `origin`, with the target's landmarks at `points`, all px."""
        target_from_source = affine_between(source_pose, target_pose, self.anchor)
        linear, offset = target_from_source[:, :2], target_from_source[:, 2]
        outline = points[self.group.opening]
        gaze = points[self.group.iris[0]] - (linear @ self.iris + offset)
        opacity = self._opacity(outline - (self.opening @ linear.T + offset), gaze, linear)
        low = np.maximum(np.floor(outline.min(axis=0) - origin) - 2, 0).astype(int)
        high = np.minimum(np.ceil(outline.max(axis=0) - origin) + 3, canvas.shape[1::-1]).astype(int)
        if opacity == 0.0 or (high <= low).any():
            return
        width, height = (high - low).tolist()
        corners = (outline - origin - low).astype(np.float32)
        alpha = soft_polygon(corners, height, width, _LOOK.edge_blur * self.width)
        source_from_target = np.linalg.inv(linear)
        xy = identity_flow(height, width) + (low + origin - offset)
        sclera_places = xy @ source_from_target.T
        iris_places = sclera_places - source_from_target @ gaze
        eyeball = self._blend_plates(sclera_places, iris_places)
        part = canvas[low[1] : high[1], low[0] : high[0]]
        part[:] = np.rint(part + opacity * alpha[..., None] * (eyeball - part)).astype(np.uint8)

    def _opacity(
        self, lids: Float[np.ndarray, "n 2"], gaze: Float[np.ndarray, "2"], linear: Float[np.ndarray, "2 2"]
    ) -> float:
        """The layer's opacity, from how far lids and iris have moved in the head, px of the target."""
        width = self.width * float(np.sqrt(abs(np.linalg.det(linear))))
        moved = max(float(np.linalg.norm(lids, axis=1).max()), float(np.linalg.norm(gaze))) / width
        return min(moved / _LOOK.full_departure, 1.0)

    def _blend_plates(
        self, sclera_places: Float[np.ndarray, "h w 2"], iris_places: Float[np.ndarray, "h w 2"]
    ) -> Float[np.ndarray, "h w 3"]:
        """The eyeball, its plates looked up at places of the portrait: the iris's are shifted by the gaze."""
        distance = np.linalg.norm(iris_places - self.iris, axis=-1) / self.iris_radius
        weight = linear_step(distance, *_LOOK.iris_disc)[..., None]
        sclera = self._sample(self.sclera_plate, sclera_places)
        return np.asarray(sclera + weight * (self._sample(self.iris_plate, iris_places) - sclera))

    def _sample(self, plate: Pixels, places: Float[np.ndarray, "h w 2"]) -> Float32[np.ndarray, "h w 3"]:
        return sample(plate, (places - self.origin).astype(np.float32), "cubic").astype(np.float32)


def _complete_eyeball(
    patch: Pixels,
    outline: Float[np.ndarray, "n 2"],
    iris: Float[np.ndarray, "2"],
    radius: float,
    rim_px: float,
) -> tuple[Pixels, Pixels]:
    """The eyeball without and with its iris, completed behind the lids.

    `patch` (h,w,3) shows the eye; `outline` of the opening, center and `radius` of the iris in its px.
    """
    height, width = patch.shape[:2]
    inside = soft_polygon(outline.astype(np.float32), height, width, 0.0)
    inside = cv2.GaussianBlur(cv2.erode(inside, disc(round(rim_px))), (0, 0), max(0.5 * rim_px, 0.4))
    y, x = np.mgrid[:height, :width] + 0.5
    distance = np.hypot(x - iris[0], y - iris[1]) / radius
    sclera = _complete_sclera(patch, inside * linear_step(distance, *_LOOK.sclera_from), rim_px)
    iris_weight = linear_step(distance, *_LOOK.iris_plate)[..., None]
    behind = iris_weight * _complete_iris(patch, inside, distance) + (1.0 - iris_weight) * sclera
    ball = inside[..., None] * patch + (1.0 - inside[..., None]) * behind
    return sclera, np.rint(ball).astype(np.uint8)


def _complete_sclera(patch: Pixels, known: Float[np.ndarray, "h w"], rim_px: float) -> Pixels:
    """The sclera behind iris and lids.

    Near `known` sclera its shade continues; further away the sclera is as bright as its brightest parts. If it were
    bright at once, a line would run along lids that open a little further.
    """
    brightness = patch.mean(axis=-1)
    brightest = max(float((brightness * known).max()), 1.0)
    confidence = known * (brightness / brightest) ** _LOOK.shade_exponent
    filled = fill_holes(patch, np.maximum(confidence, 1e-4).astype(np.float32))
    distance, nearest = _nearest_known(patch, known > 0.5)
    beyond = np.clip(distance / (_LOOK.shade_reach * rim_px), 0.0, 1.0)[..., None]
    shaded = nearest + beyond * (filled.astype(np.float32) - nearest)
    return np.rint(known[..., None] * patch + (1.0 - known[..., None]) * shaded).astype(np.uint8)


def _nearest_known(
    patch: Pixels, known: Bool[np.ndarray, "h w"]
) -> tuple[EyeMap, Float32[np.ndarray, "h w 3"]]:
    """The distance of each pixel from the nearest known one, px, and the color of the known one."""
    distance, label = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colors = np.zeros((int(label.max()) + 1, 3), np.float32)
    colors[label[known]] = patch[known]
    return distance, colors[label]


def _complete_iris(
    patch: Pixels, inside: EyeMap, distance: Float[np.ndarray, "h w"]
) -> Float32[np.ndarray, "h w 3"]:
    """The iris by its radial profile: the mean of its visible pixels at each distance from its center."""
    bins = np.linspace(0.0, _LOOK.profile_end, _LOOK.profile_bins)
    index = np.clip(np.digitize(distance, bins) - 1, 0, len(bins) - 1).ravel()
    weight = np.bincount(index, inside.ravel(), len(bins)) + 1e-6
    sums = [np.bincount(index, (inside * patch[..., c]).ravel(), len(bins)) for c in range(3)]
    profile = np.stack(sums, axis=-1) / weight[:, None]
    visible = weight > 0.5
    if not visible.any():
        return patch.astype(np.float32)
    middle = (bins + 0.5 * (bins[1] - bins[0]))[visible]
    channels = [np.interp(distance, middle, profile[visible, c]) for c in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)
