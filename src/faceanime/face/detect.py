"""Detection of faces in still pictures, with landmarks averaged over several views for precision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np

from faceanime.core.errors import NoFaceError, NoSuchFaceError, Remedy, check_shape
from faceanime.face.config import DetectConfig, FaceChoice
from faceanime.face.landmark_view import (
    Place,
    Reading,
    box_area,
    crop_view,
    overlap,
    place_of,
    place_of_box,
    read_mesh,
    transform_found_face,
)
from faceanime.face.mediapipe_models import BoxModel, FoundFace, MeshModel
from faceanime.geometry.similarity import apply_affine_with_depth
from faceanime.morphable.landmark_schema import LandmarkSchema
from faceanime.morphable.mediapipe_schema import MEDIAPIPE
from faceanime.structures.frames import Pixels
from faceanime.structures.landmarks import Landmarks

Face = TypeVar("Face", FoundFace, Landmarks)


@runtime_checkable
class LandmarkDetector(Protocol):
    """The seam for landmark detectors: pixels in, landmarks out; no state from one call to the next."""

    @property
    def schema(self) -> LandmarkSchema:
        """The schema of its landmarks."""

    def detect(
        self, pixels: Pixels, threshold: float | None = None, small_faces: bool = True
    ) -> tuple[Landmarks, ...]:
        """Return all faces of an image (H,W,3) whose score reaches `threshold`, the largest first.

        `threshold` in [0, 1], the detector's own if None; without `small_faces` a costly search for tiny faces is left
        out.
        """

    def read(self, pixels: Pixels, place: Place) -> Reading | None:
        """Return the landmarks of the face expected at `place`, in px of the image; None if there is no face.

        The side of a place is `landmark_view.VIEW_PER_BOX` times that of the face's box.
        """


_LOWEST_SCORE = 0.1
"""Score below which a box is not reported; chosen by eye."""
_SEARCH_PX = 256
"""Side to which searched windows are scaled; the box networks read 128 and 192 px."""


@dataclass(frozen=True)
class _SearchWindows:
    """The square windows in which faces are searched for, one step after the other; chosen by eye."""

    sides: tuple[float, ...] = (1.0, 2.0)
    """Sides of windows around the picture's center, in longer sides of the picture: a face may fill the picture."""
    tiles: tuple[int, ...] = (2, 4)
    """Equal parts of the longer side, each with a tile around it: a face may be tiny."""
    tile_side: float = 1.3
    """Side of a tile over that of its part."""
    tile_step: float = 0.75
    """Largest distance between tiles, in sides of a tile."""


_SEARCH = _SearchWindows()
_WORK_PX, _WORK_MARGIN = 512, 1.6
"""Side of the crop from which a face's landmarks are read, in px and in sides of the landmark view; chosen by eye."""
_UPRIGHT_SCORE = 0.85
"""Score below which a face may stand on its head: six portraits had 0.93 to 0.97, and 0.71 to 0.78 when they were
turned upside down."""
_SAME_FACE_OVERLAP = 0.5
"""Least overlap of two boxes that count as one face; chosen by eye."""
_JITTERED_VIEWS = [
    (0.0, 0.0, 1.0), (0.02, 0.0, 1.04), (-0.02, 0.0, 1.04), (0.0, 0.02, 0.96), (0.0, -0.02, 0.96),
]  # fmt: skip
"""Shift x and y, in sides, and scale of the views over which landmarks are averaged, since they vary by tenths of px
from view to view; chosen by eye."""

_WIDE_MOUTH = 0.09
"""Opening of the lips in sides of the view, 0.21 distances of the outer eye corners, from which it is read again."""
_LOWERED_VIEW = (0.0, 0.06, 1.2)
"""Shift x and y, in sides, and scale of the view in which it is. A yawn whose opening is 0.42 is read as 0.33 in the
usual view, and as 0.40 to 0.42 in those from (0, 0.12, 0.85) to (0, 0.12, 1.2)."""


class MediapipeDetector:
    """Detection and landmarks by the networks in mediapipe's wheel. Stateless; one thread at a time.

    A picture in which no face is found is searched again with a margin around it, then in overlapping tiles.
    """

    schema = MEDIAPIPE

    def __init__(self, config: DetectConfig = DetectConfig()) -> None:
        self._config = config
        self._boxes = (BoxModel("near", _LOWEST_SCORE), BoxModel("full", _LOWEST_SCORE))
        self._mesh = MeshModel()

    def detect(
        self, pixels: Pixels, threshold: float | None = None, small_faces: bool = True
    ) -> tuple[Landmarks, ...]:
        """Return all faces, the largest first.

        `pixels` (H,W,3) uint8 sRGB; `threshold`, the least score in [0, 1], is the configuration's if None.
        `small_faces` searches tile by tile if nothing else is found, unless the configuration forbids it.

        Raises:
            ShapeError: if `pixels` is not (H,W,3).
        """
        check_shape("pixels", pixels, None, None, 3)
        least = self._config.threshold if threshold is None else threshold
        height, width = pixels.shape[:2]
        for windows in _searches(height, width, small_faces and self._config.small_faces):
            candidates = _distinct([face for window in windows for face in self._find(pixels, window)])
            confirmed = [face for found in candidates if (face := self._confirm(pixels, found)) is not None]
            faces = _distinct([face for face in confirmed if face.score >= least])
            if faces:
                return tuple(_largest_first(faces)[: self._config.max_faces])
        return ()

    def read(self, pixels: Pixels, place: Place) -> Reading | None:
        """The landmarks at a place of a picture, from one view (5 ms); None if there is no face."""
        return read_mesh(self._mesh, pixels, place)

    def _find(self, pixels: Pixels, window: Place) -> list[FoundFace]:
        """Candidates in one window of a picture."""
        view = window.view(_SEARCH_PX)
        part = crop_view(pixels, view)
        found = [face for model in self._boxes for face in model.find(part)]
        return [transform_found_face(face, view.image_from_crop) for face in found]

    def _confirm(self, pixels: Pixels, found: FoundFace) -> Landmarks | None:
        """Score a candidate and read its landmarks; None if it shows no face.

        A face that stands on its head is taken for an upright one with a low score: such a face is read both ways,
        and taken as turned if that leaves no doubt.
        """
        guess = place_of_box(found)
        face = self._read_around(pixels, found, guess)
        if face is not None and face.score >= _UPRIGHT_SCORE:
            return face
        turned = self._read_turned(pixels, guess)
        return face if turned is None or turned.score < _UPRIGHT_SCORE else turned

    def _read_around(self, pixels: Pixels, found: FoundFace, guess: Place) -> Landmarks | None:
        """Score and landmarks of a candidate, read in a crop around a place; None if it shows no face."""
        crop = replace(guess, side_px=_WORK_MARGIN * guess.side_px).view(_WORK_PX)
        part = crop_view(pixels, crop)
        place = Place((_WORK_PX / 2, _WORK_PX / 2), _WORK_PX / _WORK_MARGIN, 0.0)
        reading = self._refine(part, place)
        if reading is None:
            return None
        scores = [face.score for model in self._boxes for face in model.find(part)]
        score = min(max([found.score, *scores]), reading.presence)
        points_image = apply_affine_with_depth(crop.image_from_crop, reading.points_image)
        return Landmarks(points_image.astype(np.float32), score)

    def _read_turned(self, pixels: Pixels, guess: Place) -> Landmarks | None:
        """The face that is found around a place when the picture is turned upside down."""
        side_px = _WORK_MARGIN * guess.side_px
        crop = replace(guess, side_px=side_px, roll_rad=guess.roll_rad + np.pi).view(_WORK_PX)
        part = crop_view(pixels, crop)
        found = [face for model in self._boxes for face in model.find(part)]
        if not found:
            return None
        best = max(found, key=lambda face: face.score)
        reading = self._refine(part, place_of_box(best))
        if reading is None:
            return None
        points_image = apply_affine_with_depth(crop.image_from_crop, reading.points_image)
        return Landmarks(points_image.astype(np.float32), min(best.score, reading.presence))

    def _refine(self, part: Pixels, place: Place) -> Reading | None:
        """Center the view on the face, then average the landmarks over slightly different views.

        The view does not follow the jaw (`landmark_view`), so that in a mouth opened wide the lower lip is taken for
        higher than it is: such a face is read once more, in a larger view that reaches further down.
        """
        for _ in range(self._config.passes - 1):
            reading = read_mesh(self._mesh, part, place)
            if reading is None:
                return None
            place = place_of(reading.points_image, self.schema)
        reading = self._mean_reading(part, place)
        if reading is None or self._opening(reading) < _WIDE_MOUTH * place.side_px:
            return reading
        lowered = self._mean_reading(part, _jittered(place, *_LOWERED_VIEW))
        return reading if lowered is None or self._opening(lowered) < self._opening(reading) else lowered

    def _opening(self, reading: Reading) -> float:
        """The opening of the lips, px."""
        points, schema = reading.points_image, self.schema
        upper, lower = (
            points[lip, :2].mean(axis=0) for lip in (schema.upper_lip_middle, schema.lower_lip_middle)
        )
        return float(np.linalg.norm(lower - upper))

    def _mean_reading(self, part: Pixels, place: Place) -> Reading | None:
        """The mean of the landmarks from slightly different views."""
        views = [_jittered(place, *jitter) for jitter in _JITTERED_VIEWS]
        readings = [r for view in views if (r := read_mesh(self._mesh, part, view))]
        if not readings:
            return None
        points = np.mean([r.points_image for r in readings], axis=0, dtype=np.float64)
        return Reading(points.astype(np.float32), float(np.mean([r.presence for r in readings])))


def _searches(height: int, width: int, small_faces: bool) -> Iterator[list[Place]]:
    """Square windows to search, in steps of growing cost: the picture, the picture with a margin, tiles."""
    side = max(height, width)
    for factor in _SEARCH.sides:
        yield [Place((width / 2, height / 2), factor * side, 0.0)]
    for parts in _SEARCH.tiles if small_faces else ():
        tile = _SEARCH.tile_side * side / parts
        centers = product(_tile_centers(width, tile), _tile_centers(height, tile))
        yield [Place(center, tile, 0.0) for center in centers]


def _tile_centers(length: int, tile: float) -> list[float]:
    """Centers of tiles that cover a length and overlap by at least a quarter."""
    count = max(1, int(np.ceil((length - tile) / (_SEARCH.tile_step * tile))) + 1)
    return [length / 2] if count == 1 else np.linspace(tile / 2, length - tile / 2, count).tolist()


def _jittered(place: Place, x: float, y: float, scale: float) -> Place:
    center = (place.center_px[0] + x * place.side_px, place.center_px[1] + y * place.side_px)
    return replace(place, center_px=center, side_px=scale * place.side_px)


def _distinct(found: Sequence[Face]) -> list[Face]:
    """The face with the highest score of each group that overlaps (non-maximum suppression)."""
    kept: list[Face] = []
    for face in sorted(found, key=lambda face: -face.score):
        if all(overlap(face.box_px, other.box_px) < _SAME_FACE_OVERLAP for other in kept):
            kept.append(face)
    return kept


def choose_face(faces: Sequence[Landmarks], which: FaceChoice, where: str, setting: str = "face") -> int:
    """The index of the largest of `faces`, which come in order of size, or of the one that is asked for, from 0.

    Raises:
        NoFaceError: if there is no such face; `where` names the picture, `setting` what chooses another face.
    """
    if not faces:
        raise NoFaceError(where, remedies=(Remedy("detect.threshold", "a lower {}"), _FRONTAL))
    index = 0 if which == "largest" else which
    if not 0 <= index < len(faces):
        raise NoSuchFaceError(where, index, len(faces), setting)
    return index


_LEAST_PROMISING_SCORE = 0.1
"""Score from which a lower threshold is suggested: candidates below it are hardly ever faces. Chosen by eye."""
_FRONTAL = "a picture that shows a face from the front"


def require_faces(
    detector: LandmarkDetector, pixels: Pixels, where: str, threshold: float
) -> tuple[Landmarks, ...]:
    """All faces of a picture (H,W,3), the largest first; if there is none, the error has the best score.

    Raises:
        NoFaceError: if there is no face; `where` names the picture.
    """
    faces = detector.detect(pixels, threshold)
    if faces:
        return faces
    best = max((face.score for face in detector.detect(pixels, 0.0)), default=0.0)
    lower = Remedy("detect.threshold", f"{{}} {int(best * 20) / 20:g}")
    raise NoFaceError(
        where, best, threshold, (lower, _FRONTAL) if best >= _LEAST_PROMISING_SCORE else (_FRONTAL,)
    )


def _largest_first(faces: Sequence[Landmarks]) -> list[Landmarks]:
    return sorted(faces, key=lambda face: -box_area(face.box_px))
