"""Places of heads in a picture, and the views through which the landmark network reads a face.

A place is the same for every detector: a square around the head, placed by the rigid landmarks alone: eye corners, nose
and temples. The view that the bundled network reads is this square, upright, of 192 px. A square placed by the box of
all landmarks would grow as the jaw opens, and through the network's small bias toward its frame the head would seem to
pulsate and nod with the speech.
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

FaceBox = tuple[float, float, float, float]
"""Left, top, right and bottom of a face, px."""

VIEW_PER_BOX = 1.5
"""Side of a place's square over that of the face's box: the bundled network was trained with it. A detector whose
network needs another view scales the side."""


@dataclass(frozen=True)
class _BoxFromRigid:
    """The box of all landmarks, predicted by the rigid ones; least squares over 198 faces (|yaw| up to 60 degrees).

    It was fitted to MediaPipe's landmarks; with another schema, whose rigid landmarks are the same points of the face,
    the square is as steady but may be a little larger or smaller.
    """

    nose_weight: float = 0.933
    """Weight in the center of the way from the eyes to the base of the nose."""
    temple_weight: float = 1.138
    """Weight in the center of the way from the eyes to the temples."""
    side_per_spread: float = 2.957
    """Side over the rigid landmarks' root mean square distance from their mean."""


_BOX = _BoxFromRigid()
_BIAS_X_VIEW_PX = 0.15
"""Offset of the network's landmarks to the left: half of the difference between faces and mirrored faces, measured."""
_MARGIN_VIEW_PX = 4.0
"""Margin around a view that the smoothing of a shrinking warp reads."""


@dataclass(frozen=True)
class Place:
    """The place of a head in a picture: `center_px` (x, y), `side_px` of its square, `roll_rad` clockwise as seen."""

    center_px: tuple[float, float]
    side_px: float
    roll_rad: float

    def view(self, size_px: int = MESH_VIEW_PX) -> CropTransform:
        """The transform to the upright square view of `size_px` around this place."""
        cos, sin = np.cos(self.roll_rad), np.sin(self.roll_rad)
        linear = size_px / self.side_px * np.array([[cos, sin], [-sin, cos]])
        shift = size_px / 2 - linear @ np.asarray(self.center_px)
        return CropTransform(np.column_stack([linear, shift]), size_px)


@dataclass(frozen=True, eq=False)
class Reading:
    """`points_image` (L,3) as in `Landmarks`, and the probability that the view shows a face, in [0, 1]."""

    points_image: Float32[np.ndarray, "L 3"]
    presence: float


def place_of(points_image: Float[np.ndarray, "L D"], schema: LandmarkSchema) -> Place:
    """The place at which a detector should read a face of these landmarks, independent of its mouth and jaw."""
    corners = schema.eye_corners
    eyes, nose, temples = (points_image[i].mean(axis=0) for i in (corners, schema.nose_base, schema.temples))
    center = eyes + _BOX.nose_weight * (nose - eyes) + _BOX.temple_weight * (temples - eyes)
    rigid = points_image[np.concatenate([corners, schema.nose_base, schema.temples, schema.nose_bridge])]
    spread = np.sqrt(np.square(rigid - rigid.mean(axis=0)).sum(axis=1).mean())
    return Place(
        (float(center[0]), float(center[1])),
        float(max(VIEW_PER_BOX * _BOX.side_per_spread * spread, 1.0)),
        _roll(
            points_image[schema.right_eye.outer_corner, :2], points_image[schema.left_eye.outer_corner, :2]
        ),
    )


def quarter_turns(roll_rad: float) -> int:
    """By how many quarter turns counterclockwise, 0 to 3, a picture must be turned to bring a head upright.

    >>> [quarter_turns(np.radians(roll)) for roll in (-30, 95, 175, -88)]
    [0, 1, 2, 3]
    """
    return round(roll_rad / (np.pi / 2)) % 4


def place_of_box(found: FoundFace) -> Place:
    """The place of a face that a box detector found, a first guess."""
    left, top, right, bottom = found.box_px
    return Place(
        ((left + right) / 2, (top + bottom) / 2), VIEW_PER_BOX * found.side_px, _roll(*found.eyes_px)
    )


def _roll(right_eye: Float[np.ndarray, "2"], left_eye: Float[np.ndarray, "2"]) -> float:
    x, y = left_eye - right_eye
    return float(np.arctan2(y, x))


def read_mesh(model: MeshModel, pixels: Pixels, place: Place) -> Reading | None:
    """The landmarks that the network reads at a place of a picture; None if it sees no face there."""
    view = place.view()
    points_view, presence = model.read(crop_view(pixels, view))
    if points_view is None:
        return None
    points_view[:, 0] += _BIAS_X_VIEW_PX
    points_view[:, 2] *= -1.0
    points_image = apply_affine_with_depth(view.image_from_crop, points_view)
    return Reading(points_image.astype(np.float32), presence)


def crop_view(pixels: Pixels, view: CropTransform) -> UInt8[np.ndarray, "S S 3"]:
    """Sample a view of a picture; only the part of the picture that it shows is read."""
    height, width = pixels.shape[:2]
    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.float64) * view.size_px
    corners = apply_affine(view.image_from_crop, corners)
    image_px_per_view_px = 1.0 / np.sqrt(abs(np.linalg.det(view.crop_from_image[:, :2])))
    margin = _MARGIN_VIEW_PX * image_px_per_view_px
    low = np.clip(np.floor(corners.min(axis=0) - margin), 0, [width - 1, height - 1]).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0) + margin), low + 1, [width, height]).astype(int)
    part = pixels[low[1] : high[1], low[0] : high[0]]
    size = np.maximum((high - low) // max(int(image_px_per_view_px), 1), 1)
    if image_px_per_view_px >= 2.0:  # block means are the cheapest smoothing
        part = cv2.resize(part, (int(size[0]), int(size[1])), interpolation=cv2.INTER_AREA)
    image_from_part = np.column_stack([np.diag((high - low) / size), low])
    view_from_part = compose_affine(view.crop_from_image, image_from_part)
    return warp_image(part, view_from_part, view.size_px, view.size_px)


def transform_found_face(found: FoundFace, target_from_source: Float64[np.ndarray, "2 3"]) -> FoundFace:
    """A found face in px of another picture, to which this one is scaled and shifted."""
    left, top, right, bottom = apply_affine(target_from_source, np.reshape(found.box_px, (2, 2))).ravel()
    eyes = apply_affine(target_from_source, found.eyes_px)
    return FoundFace((float(left), float(top), float(right), float(bottom)), eyes, found.score)


def box_area(box: FaceBox) -> float:
    """Area of a box (left, top, right, bottom), in squares of its unit."""
    return max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)


def overlap(a: FaceBox, b: FaceBox) -> float:
    """The fraction of the smaller box that lies in the other, in [0, 1]."""
    shared = box_area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))
    return shared / max(min(box_area(a), box_area(b)), 1e-9)
