"""The eyeballs: behind the lids and rigid with the head, save for the iris, which looks about.

A mesh alone would squash the eye as the lid comes down. Here the lids are cut out of the way: what the source
shows of the eyeball is completed (sclera smoothly, iris by its radial profile), kept in place, and seen through
the target's opening.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32

from faceanime.geometry.flow import identity_flow, sample
from faceanime.morphable import topology
from faceanime.morphable.model import MorphableModel
from faceanime.render.head.sheet import affine_between
from faceanime.render.inpaint import fill_holes, soft_polygon
from faceanime.structures.coefficients import FaceCoefficients, FittedFace, HeadPose
from faceanime.structures.frames import Pixels
from faceanime.structures.raster import WarpField

_CONTOURS = {
    "right": (topology.RIGHT_EYE_LOWER, topology.RIGHT_EYE_UPPER, topology.RIGHT_IRIS),
    "left": (topology.LEFT_EYE_LOWER, topology.LEFT_EYE_UPPER, topology.LEFT_IRIS),
}

_MARGIN = 0.5
"""The plate around an eye, in widths of the eye, on each side."""
_LID_EDGE = 0.02
"""Along the opening's edge so much (in widths of the eye) belongs to the lashes."""
_SHADE_GOES_ON = 6.0
"""How far beyond what is seen of the eyeball its shade goes on, in widths of that edge."""
_IRIS_SOLID, _IRIS_FADED = 1.08, 1.3
"""The moving disc in iris radii: solid up to the first, gone at the second."""
_FULL_DEPARTURE = 0.035
"""The layer shows fully once lid or iris has moved so far (in widths of the eye): at rest the source shows."""


class EyeLayer:
    """The eyes of one source picture that lie wholly in it."""

    def __init__(
        self, source: Pixels, face: FittedFace, model: MorphableModel, points: Float[np.ndarray, "N 2"]
    ) -> None:
        shape = model.vertices(face.coefficients.identity, face.coefficients.expression) + face.residual
        self._pose = face.coefficients.pose
        seen = (_Eye.seen(source, points, shape, *_CONTOURS[side]) for side in ("right", "left"))
        self._eyes = [eye for eye in seen if eye is not None]

    def paint(self, canvas: Pixels, field: WarpField, target: FaceCoefficients) -> None:
        """Draw the eyes of `target` into `canvas` (h,w,3), the picture of the field's region, in place."""
        origin = np.array([field.region.left, field.region.top], np.float32)
        for eye in self._eyes:
            eye.paint(canvas, field.target_points[:, :2], origin, self._pose, target.pose)


@dataclass(frozen=True, eq=False)
class _Eye:
    opening: tuple[int, ...]  # landmarks around the opening, in order
    iris: tuple[int, ...]  # landmarks: centre, then rim
    anchor: Float[np.ndarray, "3"]  # the eye's middle in model space
    source_opening: Float[np.ndarray, "n 2"]  # source px
    source_iris: Float[np.ndarray, "2"]
    iris_radius: float
    width: float
    origin: Float[np.ndarray, "2"]  # of the plates, source px
    sclera: Pixels  # the eyeball without iris
    ball: Pixels  # the eyeball with the iris where the source has it

    @classmethod
    def seen(
        cls,
        source: Pixels,
        points: Float[np.ndarray, "N 2"],
        shape: Float[np.ndarray, "V 3"],
        lower: tuple[int, ...],
        upper: tuple[int, ...],
        iris: tuple[int, ...],
    ) -> _Eye | None:
        """An eye as the source shows it; none where the picture's edge cuts its opening."""
        opening = lower + upper[-2:0:-1]
        outline, size_px = points[list(opening)], np.array(source.shape[1::-1])
        if (outline < 0).any() or (outline > size_px).any():
            return None
        corners = points[[lower[0], lower[-1]]]
        width = float(np.linalg.norm(corners[1] - corners[0]))
        low = np.maximum(np.floor(outline.min(axis=0) - _MARGIN * width), 0).astype(int)
        high = np.minimum(np.ceil(outline.max(axis=0) + _MARGIN * width), size_px).astype(int)
        patch = source[low[1] : high[1], low[0] : high[0]]
        centre = points[iris[0]]
        radius = float(np.linalg.norm(points[list(iris[1:])] - centre, axis=1).mean())
        sclera, ball = _plates(patch, outline - low, centre - low, radius, _LID_EDGE * width)
        return cls(
            opening, iris, shape[[lower[0], lower[-1]]].mean(axis=0), outline, centre, radius, width,
            low.astype(np.float64), sclera, ball,
        )  # fmt: skip

    def paint(
        self,
        canvas: Pixels,
        points: Float[np.ndarray, "N 2"],
        origin: Float[np.ndarray, "2"],
        source_pose: HeadPose,
        target_pose: HeadPose,
    ) -> None:
        target_from_source = affine_between(source_pose, target_pose, self.anchor)
        linear, offset = target_from_source[:, :2], target_from_source[:, 2]
        outline = points[list(self.opening)]
        gaze = points[self.iris[0]] - (linear @ self.source_iris + offset)
        shown = self._departure(outline - (self.source_opening @ linear.T + offset), gaze, linear)
        low = np.maximum(np.floor(outline.min(axis=0) - origin) - 2, 0).astype(int)
        high = np.minimum(np.ceil(outline.max(axis=0) - origin) + 3, canvas.shape[1::-1]).astype(int)
        if shown == 0.0 or (high <= low).any():
            return
        alpha = soft_polygon(
            (outline - origin - low).astype(np.float32),
            int(high[1] - low[1]),
            int(high[0] - low[0]),
            0.008 * self.width,
        )
        xy = identity_flow(alpha.shape[0], alpha.shape[1]) + (low + origin - offset)
        back = np.linalg.inv(linear)
        still = xy @ back.T
        moved = still - back @ gaze
        distance = np.linalg.norm(moved - self.source_iris, axis=-1) / self.iris_radius
        disc = np.clip((_IRIS_FADED - distance) / (_IRIS_FADED - _IRIS_SOLID), 0.0, 1.0)[..., None]
        sclera = self._look(self.sclera, still)
        eyeball = sclera + disc * (self._look(self.ball, moved) - sclera)
        part = canvas[low[1] : high[1], low[0] : high[0]]
        part[:] = np.rint(part + shown * alpha[..., None] * (eyeball - part)).astype(np.uint8)

    def _departure(
        self, lids: Float[np.ndarray, "n 2"], gaze: Float[np.ndarray, "2"], linear: Float[np.ndarray, "2 2"]
    ) -> float:
        size = self.width * float(np.sqrt(abs(np.linalg.det(linear))))
        moved = max(float(np.linalg.norm(lids, axis=1).max()), float(np.linalg.norm(gaze))) / size
        return min(moved / _FULL_DEPARTURE, 1.0)

    def _look(self, plate: Pixels, places: Float[np.ndarray, "h w 2"]) -> Float32[np.ndarray, "h w 3"]:
        return sample(plate, (places - self.origin).astype(np.float32), "cubic").astype(np.float32)


def _plates(
    patch: Pixels,
    outline: Float[np.ndarray, "n 2"],
    iris: Float[np.ndarray, "2"],
    radius: float,
    edge_px: float,
) -> tuple[Pixels, Pixels]:
    """The eyeball without and with its iris, completed beyond the lids."""
    height, width = patch.shape[:2]
    inside = soft_polygon(outline.astype(np.float32), height, width, 0.0)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(edge_px) + 1,) * 2)
    inside = cv2.GaussianBlur(cv2.erode(inside, kernel), (0, 0), max(0.5 * edge_px, 0.4))
    y, x = np.mgrid[:height, :width] + 0.5
    distance = np.hypot(x - iris[0], y - iris[1]) / radius
    off_iris = np.clip((distance - 1.12) / 0.15, 0.0, 1.0)
    light = patch.mean(
        axis=-1
    )  # lids shade the sclera beside them: what is uncovered is as bright as the rest
    bright = (light / max(float((light * inside * off_iris).max()), 1.0)) ** 1.5
    sclera = fill_holes(patch, np.maximum(inside * off_iris * bright, 1e-4).astype(np.float32))
    known = inside * off_iris
    way, nearby = _nearest(patch, known > 0.5)
    beyond = np.clip(way / (_SHADE_GOES_ON * edge_px), 0.0, 1.0)[..., None]
    sclera = nearby + beyond * (sclera.astype(np.float32) - nearby)  # else a bright line runs along the lids
    known = known[..., None]
    sclera = np.rint(known * patch + (1.0 - known) * sclera).astype(np.uint8)
    whole_iris = _radial_iris(patch, inside, distance)
    disc = np.clip((1.06 - distance) / 0.1, 0.0, 1.0)[..., None]
    behind = disc * whole_iris + (1.0 - disc) * sclera
    ball = inside[..., None] * patch + (1.0 - inside[..., None]) * behind
    return sclera, np.rint(ball).astype(np.uint8)


def _nearest(
    patch: Pixels, known: Bool[np.ndarray, "h w"]
) -> tuple[Float32[np.ndarray, "h w"], Float32[np.ndarray, "h w 3"]]:
    """How far the nearest known pixel is from each, px, and its colour."""
    way, label = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colors = np.zeros((int(label.max()) + 1, 3), np.float32)
    colors[label[known]] = patch[known]
    return way, colors[label]


def _radial_iris(
    patch: Pixels, inside: Float32[np.ndarray, "h w"], distance: Float[np.ndarray, "h w"]
) -> Float32[np.ndarray, "h w 3"]:
    """The iris as the mean of its visible pixels at each distance from its centre."""
    bins = np.linspace(0.0, 1.3, 14)
    index = np.clip(np.digitize(distance, bins) - 1, 0, len(bins) - 1)
    weight = np.bincount(index.ravel(), inside.ravel(), len(bins)) + 1e-6
    profile = np.stack(
        [np.bincount(index.ravel(), (inside * patch[..., c]).ravel(), len(bins)) for c in range(3)], axis=-1
    )
    profile = profile / weight[:, None]
    seen = weight > 0.5
    if not seen.any():
        return patch.astype(np.float32)
    middle = (bins + 0.5 * (bins[1] - bins[0]))[seen]
    return np.stack([np.interp(distance, middle, profile[seen, c]) for c in range(3)], axis=-1).astype(
        np.float32
    )
