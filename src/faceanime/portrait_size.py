"""The size at which a portrait is rendered, and the square head crop that may be cut from the result."""

from __future__ import annotations

import numpy as np

from faceanime.face.crop import CropConfig, crop_around, moved_landmarks
from faceanime.face.reader import FaceReader
from faceanime.geometry.resize import resized
from faceanime.media.contact_sheet import Picture
from faceanime.output_options import LARGEST_SIDE_PX, SMALLEST_SIDE_PX
from faceanime.render.head.sheet import face_region
from faceanime.structures.frames import Pixels
from faceanime.structures.landmarks import CropTransform, Landmarks
from faceanime.structures.portrait import Portrait

_CUT_MARGIN = 2.2
"""Side of the part of the image that is kept when only the head crop is shown, in sides of that crop; chosen so that no
pixel of the crop changes."""


def whole_portrait(
    reader: FaceReader, pixels: Pixels, landmarks: Landmarks, other_faces: int, size_px: int | None
) -> Portrait:
    """Return the portrait with the longer side of its image `size_px`, by default its own, at most 3840 px."""
    size_px = size_px or min(max(pixels.shape[:2]), LARGEST_SIDE_PX)
    return reader.fit(*_scaled(pixels, landmarks, size_px), other_faces)


def cropped_portrait(
    reader: FaceReader,
    pixels: Pixels,
    landmarks: Landmarks,
    other_faces: int,
    size_px: int | None,
    moving_reach: float,
) -> tuple[Portrait, CropTransform]:
    """Return the portrait at the size at which its head crop has a side of `size_px`, and that crop.

    By default the crop is as large as it is in the image. What lies too far away to be seen is cut off first:
    `moving_reach` is the side of the part that moves, in sizes of the face.
    """
    crop = crop_around(landmarks, CropConfig())
    side_px = CropConfig().size_px / float(np.sqrt(np.linalg.det(crop.crop_from_image[:, :2])))
    size_px = size_px or min(2 * round(side_px / 2), LARGEST_SIDE_PX)
    pixels, landmarks = _cut_out(pixels, landmarks, moving_reach)
    longest_px = max(round(max(pixels.shape[:2]) * size_px / side_px), SMALLEST_SIDE_PX)
    portrait = reader.fit(*_scaled(pixels, landmarks, longest_px), other_faces)
    return portrait, crop_around(portrait.landmarks, CropConfig(size_px=size_px))


def _cut_out(pixels: Pixels, landmarks: Landmarks, moving_reach: float) -> tuple[Picture, Landmarks]:
    """Cut out the part of an image that a head crop can show or that moves with the head."""
    height, width = pixels.shape[:2]
    reach = max(_CUT_MARGIN * CropConfig().enlarge, moving_reach)
    box = face_region(landmarks.points_image, width, height, reach)
    part_from_image = np.array([[1.0, 0.0, -box.left], [0.0, 1.0, -box.top]])
    return np.ascontiguousarray(pixels[box.slices]), moved_landmarks(landmarks, part_from_image)


def _scaled(pixels: Pixels, landmarks: Landmarks, longest_px: int) -> tuple[Picture, Landmarks]:
    """Return an image and its landmarks at another size."""
    scaled = resized(pixels, longest_px)
    (height, width), (new_height, new_width) = pixels.shape[:2], scaled.shape[:2]
    scaled_from_image = np.array([[new_width / width, 0.0, 0.0], [0.0, new_height / height, 0.0]])
    return scaled, moved_landmarks(landmarks, scaled_from_image)
