"""Reading the landmark network through a chosen view of a picture.

A view is an upright 192 px square around the head, placed by the rigid points alone: eye corners, nose and
temples. Were it placed by the box of all points, an opening jaw would enlarge it, and through the network's
small bias toward its frame the head would seem to pump and nod with the speech.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32, Float64, UInt8

from faceanime.face.mediapipe_models import MESH_VIEW_PX, FoundFace, MeshModel
from faceanime.geometry.similarity import apply_affine, apply_affine_with_depth, compose_affine, warp_image
from faceanime.morphable.landmark_schema import LandmarkSchema
from faceanime.structures.frames import Pixels
from faceanime.structures.landmarks import CropTransform

Box = tuple[float, float, float, float]

# Least squares over 198 faces (|yaw| to 60 degrees): where the centre and the side of the points' box lie,
# told by the rigid points. The network was trained on views 1.5 times that box.
_NOSE_WEIGHT, _TEMPLE_WEIGHT = 0.933, 1.138
_VIEW_SIDE_PER_SPREAD = 1.5 * 2.957

# The network puts all points this far to the left, in view px: half of how mirrored faces disagree.
_BIAS_X_VIEW = 0.15


_MARGIN_VIEW_PX = 4.0  # what the smoothing of a shrinking warp reaches


@dataclass(frozen=True)
class Place:
    """Where a head is: `center_px` (x, y), `side_px` of the view, `roll_rad`, positive clockwise as seen."""

    center_px: tuple[float, float]
    side_px: float
    roll_rad: float

    def view(self, size_px: int = MESH_VIEW_PX) -> CropTransform:
        """The upright square view of `size_px` around this place."""
        cos, sin = np.cos(self.roll_rad), np.sin(self.roll_rad)
        linear = size_px / self.side_px * np.array([[cos, sin], [-sin, cos]])
        shift = size_px / 2 - linear @ np.asarray(self.center_px)
        return CropTransform(np.column_stack([linear, shift]), size_px)


@dataclass(frozen=True, eq=False)
class Reading:
    """`points_image` (L,3) as in `Landmarks`, and how surely the view held a face, in [0, 1]."""

    points_image: Float32[np.ndarray, "L 3"]
    presence: float


def place_of(points_image: Float[np.ndarray, "L D"], schema: LandmarkSchema) -> Place:
    """Where the landmark network should look for this face; the mouth and the jaw have no say in it."""
    corners = schema.eye_corners
    eyes, nose, temples = (points_image[i].mean(axis=0) for i in (corners, schema.nose_base, schema.temples))
    center = eyes + _NOSE_WEIGHT * (nose - eyes) + _TEMPLE_WEIGHT * (temples - eyes)
    rigid = points_image[np.concatenate([corners, schema.nose_base, schema.temples, schema.nose_bridge])]
    spread = np.sqrt(np.square(rigid - rigid.mean(axis=0)).sum(axis=1).mean())
    return Place(
        (float(center[0]), float(center[1])),
        float(max(_VIEW_SIDE_PER_SPREAD * spread, 1.0)),
        _roll(
            points_image[schema.right_eye.outer_corner, :2], points_image[schema.left_eye.outer_corner, :2]
        ),
    )


def place_of_box(found: FoundFace) -> Place:
    """A first guess, from the box detector."""
    left, top, right, bottom = found.box_px
    return Place(((left + right) / 2, (top + bottom) / 2), 1.5 * found.side_px, _roll(*found.eyes_px))


def _roll(right_eye: Float[np.ndarray, "2"], left_eye: Float[np.ndarray, "2"]) -> float:
    x, y = left_eye - right_eye
    return float(np.arctan2(y, x))


def read_mesh(model: MeshModel, pixels: Pixels, place: Place) -> Reading | None:
    """The landmarks that the network reads at a place of a picture; None where it sees no face."""
    view = place.view()
    points_view, presence = model.read(look(pixels, view))
    if points_view is None:
        return None
    points_view[:, 0] += _BIAS_X_VIEW
    points_view[:, 2] *= -1.0
    points_image = apply_affine_with_depth(view.image_from_crop, points_view)
    return Reading(points_image.astype(np.float32), presence)


def look(pixels: Pixels, view: CropTransform) -> UInt8[np.ndarray, "S S 3"]:
    """Sample a view of a picture, touching no more of the picture than it shows."""
    height, width = pixels.shape[:2]
    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.float64) * view.size_px
    seen = apply_affine(view.image_from_crop, corners)
    image_px = 1.0 / np.sqrt(abs(np.linalg.det(view.crop_from_image[:, :2])))  # to one of the view
    margin = _MARGIN_VIEW_PX * image_px
    low = np.clip(np.floor(seen.min(axis=0) - margin), 0, [width - 1, height - 1]).astype(int)
    high = np.clip(np.ceil(seen.max(axis=0) + margin), low + 1, [width, height]).astype(int)
    part = pixels[low[1] : high[1], low[0] : high[0]]
    size = np.maximum((high - low) // max(int(image_px), 1), 1)
    if image_px >= 2.0:  # means of blocks are the cheapest smoothing
        part = cv2.resize(part, (int(size[0]), int(size[1])), interpolation=cv2.INTER_AREA)
    image_from_part = np.column_stack([np.diag((high - low) / size), low])
    view_from_part = compose_affine(view.crop_from_image, image_from_part)
    return warp_image(part, view_from_part, view.size_px, view.size_px)


def moved(found: FoundFace, target_from_source: Float64[np.ndarray, "2 3"]) -> FoundFace:
    """The same face in a picture that this one's px map to, without a turn."""
    left, top, right, bottom = apply_affine(target_from_source, np.reshape(found.box_px, (2, 2))).ravel()
    eyes = apply_affine(target_from_source, found.eyes_px)
    return FoundFace((float(left), float(top), float(right), float(bottom)), eyes, found.score)


def area(box: Box) -> float:
    """Of a box (left, top, right, bottom)."""
    return max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)


def overlap(a: Box, b: Box) -> float:
    """The part of the smaller box that lies in the other, in [0, 1]."""
    shared = area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))
    return shared / max(min(area(a), area(b)), 1e-9)
