"""The portrait at the size at which it is rendered, and the square head crop that may be cut from the result."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from faceanime.core.errors import Remedy
from faceanime.face.cover import accepted
from faceanime.face.crop import CropConfig, Square, crop_pixels, moved_landmarks, square_around
from faceanime.face.found import FoundFaces
from faceanime.face.reader import FaceReader
from faceanime.geometry.resize import resized
from faceanime.geometry.similarity import compose_affine, invert_affine
from faceanime.media.contact_sheet import Picture
from faceanime.media.picture_source import PictureSource, name_of, read_picture
from faceanime.morphable.landmark_schema import LandmarkSchema
from faceanime.output_options import LARGEST_SIDE_PX, SMALLEST_SIDE_PX, OutputOptions
from faceanime.pipeline import Animator
from faceanime.render.head.sheet import face_region
from faceanime.structures.frames import Pixels
from faceanime.structures.landmarks import CropTransform, Landmarks
from faceanime.structures.portrait import Portrait

_CUT_MARGIN = 2.2
"""Side of the part of the image that is kept when only the head crop is shown, in sides of that crop; chosen so that no
pixel of the crop changes."""


_SAID_FROM = 0.03
"""Fraction of its side by which a crop is smaller or off center before that is said; chosen by eye."""
_TINY_EYES_PX = 20
"""Distance of the eyes in the result below which a face is tiny; chosen by eye."""
_SMALL_EYES = 0.08
"""The same in longer sides of the result, below which a face is a small part of it; chosen by eye."""
_ENLARGED_FROM = 1.1
"""Factor by which a portrait is enlarged before that is said; chosen by eye."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Subject:
    """A portrait at the size at which it is rendered, and what of it the result shows.

    `crop`, cut from each frame; `choice`, the faces of the given picture if there are several.
    """

    portrait: Portrait
    crop: CropTransform | None
    choice: FoundFaces | None

    def shown(self, pixels: Pixels) -> Picture:
        """The visible part of a rendered frame (H,W,3), in the orientation of the given picture."""
        cut = pixels if self.crop is None else crop_pixels(pixels, self.crop)
        return np.ascontiguousarray(np.rot90(cut, -self.portrait.quarter_turns))

    @property
    def head_place(self) -> tuple[float, float]:
        """The center (x, y) of the face in what `shown` returns, in fractions of its width and height."""
        if self.crop is not None:
            return 0.5, 0.5
        (x, y), (height, width) = self.portrait.landmarks.center_px, self.portrait.pixels.shape[:2]
        place = x / width, y / height
        for _ in range(self.portrait.quarter_turns % 4):  # clockwise
            place = 1.0 - place[1], place[0]
        return place

    @property
    def face_share(self) -> float:
        """The longer side of the face in what `shown` returns, in fractions of its height."""
        left, top, right, bottom = self.portrait.landmarks.box_px
        side_px = max(right - left, bottom - top)
        if self.crop is not None:
            return side_px * float(np.hypot(*self.crop.crop_from_image[0, :2])) / self.crop.size_px
        return side_px / self.portrait.pixels.shape[self.portrait.quarter_turns % 2]


def prepare_subject(animator: Animator, picture: PictureSource, options: OutputOptions) -> Subject:
    """Read the portrait at the size at which it is rendered, turned upright. Raises FaceAnimeError.

    Meanwhile another thread loads the renderer's networks, so that bad weights fail before a driver is tracked.
    """
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(getattr, animator, "renderer")
        where, reader = name_of(picture, "the portrait"), animator.reader
        found = reader.find(read_picture(picture, where), where, options.face)
        found.tell_of_turn(where, "the result stays as the picture is given")
        crop: CropTransform | None = None
        if options.crop:
            portrait, crop = cropped_portrait(reader, found, options, where)
        else:
            portrait = whole_portrait(reader, found, options.size)
        portrait = accepted(portrait, animator.model, where, options.force)
        loading.result()
    _tell_of_size(found.landmarks, portrait, crop, options, where, animator.model.schema)
    portrait = replace(portrait, quarter_turns=found.quarter_turns)
    return Subject(portrait, crop, found.as_given if found.others else None)


def _tell_of_size(
    given: Landmarks,
    portrait: Portrait,
    crop: CropTransform | None,
    options: OutputOptions,
    where: str,
    schema: LandmarkSchema,
) -> None:
    """Tell in one line each of a portrait that `options.size` enlarges, and of a face that is tiny in the result.

    `given` are the landmarks in the picture as it was given. A face that is tiny since a small result is wanted is not
    told, unless it is a small part of it.
    """
    side_px = portrait.side_px if crop is None else crop.size_px
    eyes_px = _eye_distance(portrait.landmarks, schema)
    factor = eyes_px / _eye_distance(given, schema)
    if options.size is not None and factor > _ENLARGED_FROM:
        shown = where if crop is None else f"the head in {where}"
        log.warning(
            "%s is enlarged from %.0f to %d px: no detail is gained", shown, side_px / factor, side_px
        )
    is_small_part = eyes_px < _SMALL_EYES * side_px
    if eyes_px < _TINY_EYES_PX and (options.size is None or is_small_part):
        remedy = Remedy("crop", "{} shows the head alone") if is_small_part else None
        log.warning(
            "the face in %s is tiny in the result, its eyes %.0f px apart: a larger picture shows more of its motion",
            where, eyes_px, extra={"remedy": remedy},
        )  # fmt: skip


def _eye_distance(landmarks: Landmarks, schema: LandmarkSchema) -> float:
    """The distance of the centers of both eyes, px, at least 1."""
    right, left = np.split(landmarks.points_image[schema.eye_corners, :2], 2)
    return max(float(np.linalg.norm(left.mean(axis=0) - right.mean(axis=0))), 1.0)


def whole_portrait(reader: FaceReader, found: FoundFaces, size_px: int | None) -> Portrait:
    """Return the portrait with the longer side of its image `size_px`, by default its own, at most 3840 px."""
    size_px = size_px or min(max(found.pixels.shape[:2]), LARGEST_SIDE_PX)
    scaled, scaled_from_image = _scaled(found.pixels, size_px)
    return reader.fit(scaled, moved_landmarks(found.landmarks, scaled_from_image), found.others)


def cropped_portrait(
    reader: FaceReader, found: FoundFaces, options: OutputOptions, where: str
) -> tuple[Portrait, CropTransform]:
    """Return the portrait at the size at which its head crop has a side of `options.size`, and that crop.

    By default the crop is as large as it is in the image, `where` in messages. It lies in the image: where the head is
    close to an edge, it is off center or smaller, which is said. What lies too far away to be seen is cut off first.
    """
    pixels, landmarks = found.pixels, found.landmarks
    margin = options.crop_margin
    config = CropConfig() if margin is None else CropConfig(enlarge=1.0 + 2.0 * margin)
    square = _square_inside(pixels, square_around(landmarks, config), where)
    size_px = options.size or max(2 * int(square.side_px / 2), SMALLEST_SIDE_PX)
    size_px = min(size_px, LARGEST_SIDE_PX)
    part, part_from_image = _cut_out(pixels, landmarks, max(_CUT_MARGIN * config.enlarge, reader.matte_reach))
    longest_px = max(round(max(part.shape[:2]) * size_px / square.side_px), SMALLEST_SIDE_PX)
    scaled, scaled_from_part = _scaled(part, longest_px)
    scaled_from_image = compose_affine(scaled_from_part, part_from_image)
    portrait = reader.fit(scaled, moved_landmarks(landmarks, scaled_from_image), found.others)
    crop_from_scaled = compose_affine(square.crop(size_px).crop_from_image, invert_affine(scaled_from_image))
    return portrait, CropTransform(crop_from_scaled, size_px)


def _square_inside(pixels: Pixels, wanted: Square, where: str) -> Square:
    """Return the square moved into the image; say so where that is to be seen."""
    height, width = pixels.shape[:2]
    square = wanted.inside(width, height)
    off_center_px = max(abs(a - b) for a, b in zip(square.center_px, wanted.center_px, strict=True))
    changes = []
    if square.side_px < (1.0 - _SAID_FROM) * wanted.side_px:
        changes.append(f"{square.side_px:.0f} px wide instead of {wanted.side_px:.0f}")
    if off_center_px > _SAID_FROM * square.side_px:
        changes.append("off center")
    if changes:
        remedy = Remedy("crop_margin", "a smaller {} is tighter")
        log.warning(
            "%s ends close to the head: the crop is %s",
            where,
            " and ".join(changes),
            extra={"remedy": remedy},
        )
    return square


def _cut_out(
    pixels: Pixels, landmarks: Landmarks, reach: float
) -> tuple[Picture, Float64[np.ndarray, "2 3"]]:
    """Cut out the part of an image within `reach` sizes of the face; return it and part_from_image."""
    height, width = pixels.shape[:2]
    box = face_region(landmarks.points_image, width, height, reach)
    part_from_image = np.array([[1.0, 0.0, -box.left], [0.0, 1.0, -box.top]])
    return np.ascontiguousarray(pixels[box.slices]), part_from_image


def _scaled(pixels: Pixels, longest_px: int) -> tuple[Picture, Float64[np.ndarray, "2 3"]]:
    """Return an image with a longer side of `longest_px`, and scaled_from_image."""
    scaled = resized(pixels, longest_px)
    (height, width), (new_height, new_width) = pixels.shape[:2], scaled.shape[:2]
    return scaled, np.array([[new_width / width, 0.0, 0.0], [0.0, new_height / height, 0.0]])
