"""Reading 3D faces from pixels: detect, segment, fit, and track through a video.

`FaceReader` holds the parts that need loading (detector, segmenter, morphable model), so that they are loaded once and
shared by everything that reads faces: portraits, drivers, the preparation of training data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import groupby
from operator import itemgetter

import cv2
import numpy as np
from jaxtyping import Float32

from faceanime.core.errors import MorphableModelError, NoSuchFaceError
from faceanime.face.camera import CameraMotion
from faceanime.face.config import FaceChoice, ReadConfig
from faceanime.face.cover import covered_parts
from faceanime.face.detect import LandmarkDetector, choose_face, require_faces
from faceanime.face.fit import fit_face
from faceanime.face.found import FoundFaces
from faceanime.face.landmark_view import place_of, quarter_turns
from faceanime.face.segment import Segmenter
from faceanime.face.sequence import Shot, fit_sequence, fit_shots
from faceanime.face.shots import has_jumped, numbered_shots
from faceanime.face.track import LandmarkTracker
from faceanime.geometry.resize import resized
from faceanime.morphable.model import MorphableModel
from faceanime.render.head.hair_occlusion import pull_outline_to_hair
from faceanime.render.head.sheet import face_region
from faceanime.structures.coefficients import Dynamics
from faceanime.structures.frames import Frame, Pixels
from faceanime.structures.landmarks import Landmarks
from faceanime.structures.portrait import Portrait

_DRIVER_FACE = "track.face"
"""Name of the setting that chooses the face of a driver."""
SEGMENTED_SIDE_PX = 1024
"""Largest side at which a person is segmented: the network was trained on whole people and reads 256 px."""


class FaceReader:
    """Finds, fits and tracks faces with one detector, one segmenter and one morphable model."""

    def __init__(
        self,
        detector: LandmarkDetector,
        segmenter: Segmenter,
        model: MorphableModel,
        config: ReadConfig,
        matte_reach: float,
    ) -> None:
        """`matte_reach`: side of the part of an image that is segmented, in sizes of the face.

        Raises MorphableModelError if detector and model have different landmarks.
        """
        if detector.schema.name != model.schema.name:
            raise MorphableModelError(
                f"the detector finds landmarks {detector.schema.name}, model {model.id} has {model.schema.name}"
            )
        self.model, self.config = model, config
        self.matte_reach = matte_reach
        self._detector, self._segmenter = detector, segmenter
        self._tracker = LandmarkTracker(config.track, detector, model)

    def find(
        self, pixels: Pixels, where: str, face: FaceChoice = "largest", setting: str | None = "face"
    ) -> FoundFaces:
        """Find the faces of an image (H,W,3) uint8, and turn it so that the chosen one is upright.

        `where` names the image in messages, `setting` what chooses a face. Which of several faces is taken is told in
        one line; of a turned image, `FoundFaces.tell_of_turn` tells. Raises NoFaceError.
        """
        name, threshold = setting or "face", self.config.detect.threshold
        faces = require_faces(self._detector, pixels, where, threshold)
        is_there = face == "largest" or face < len(faces)
        # a turned picture may show more faces to the detector, among them the one that is asked for
        found = FoundFaces(pixels, faces, choose_face(faces, face if is_there else "largest", where, name))
        turns = quarter_turns(place_of(found.landmarks.points_image, self.model.schema).roll_rad)
        if turns:
            turned = np.ascontiguousarray(np.rot90(pixels, turns))
            faces = require_faces(self._detector, turned, where, threshold)
            found = found.turned(turned, faces, turns)
        if not is_there:
            found = replace(found, chosen=choose_face(faces, face, where, name))
        found.as_given.tell(face, where, setting)
        return found

    def portrait(
        self, pixels: Pixels, where: str, face: FaceChoice = "largest", setting: str | None = "face"
    ) -> Portrait:
        """Find and fit the face of an image (H,W,3) uint8, which is turned upright, which is told; else as `find`."""
        found = self.find(pixels, where, face, setting)
        found.tell_of_turn(where)
        portrait = self.fit(found.pixels, found.landmarks, found.others)
        return replace(portrait, quarter_turns=found.quarter_turns)

    def fit(self, pixels: Pixels, landmarks: Landmarks, other_faces: int = 0) -> Portrait:
        """Fit the face whose `landmarks` are known, in px of the image (H,W,3) uint8."""
        face = fit_face(landmarks.points_image.astype(np.float64), self.model, self.config.fit)
        matte = self.matte(pixels, landmarks)
        face = pull_outline_to_hair(face, pixels, matte, self.model)
        covered = covered_parts(pixels, landmarks.points_image, self.model)
        return Portrait(pixels, landmarks, face, matte, other_faces, covered)

    def find_near(self, pixels: Pixels, place: Landmarks) -> Landmarks | None:
        """Find the face of an image (H,W,3) that is nearest to the place of another one; None if it shows no face."""
        faces = self._detector.detect(pixels, small_faces=False)
        return min(faces, key=lambda face: math.dist(face.center_px, place.center_px), default=None)

    def matte(self, pixels: Pixels, landmarks: Landmarks) -> Float32[np.ndarray, "H W"]:
        """Segment the person whose `landmarks` (px) are given: probability for each pixel of (H,W,3), in [0, 1].

        Only the surroundings of the face are segmented, at the scale at which the network knows people; it is 0 beyond.
        """
        height, width = pixels.shape[:2]
        box = face_region(landmarks.points_image, width, height, self.matte_reach)
        matte = np.zeros((height, width), np.float32)
        part = np.ascontiguousarray(pixels[box.slices])
        found = self._segmenter.segment(resized(part, min(max(part.shape[:2]), SEGMENTED_SIDE_PX)))
        matte[box.slices] = cv2.resize(found, (box.width, box.height), interpolation=cv2.INTER_LINEAR)
        return matte

    def still(self, pixels: Pixels, where: str, frame_rate: Fraction) -> tuple[Dynamics, FoundFaces]:
        """Return the dynamics of one frame: the face of an image (H,W,3) that `config.track.face` chooses.

        The image is turned upright, which is told; the second value is what was found in it. Raises NoFaceError.
        """
        config = self.config
        found = self.find(pixels, where, config.track.face, _DRIVER_FACE)
        found.tell_of_turn(where)
        side_px = max(pixels.shape[:2])
        return fit_sequence(
            [found.landmarks], frame_rate, side_px, self.model, config.fit, config.smooth, where
        ), found

    def track(
        self,
        frames: Iterable[Frame],
        frame_rate: Fraction,
        side_px: int,
        where: str,
        found: Callable[[FoundFaces], None] | None = None,
    ) -> Dynamics:
        """Track the face that `config.track.face` chooses through the frames of a video, in constant memory.

        `side_px` is the longer side of the frames; `found` receives the first frame in which one of several faces is
        chosen, if there is one. Raises NoFaceError.
        """
        config = self.config
        return fit_shots(
            self._followed(frames, frame_rate, where, found),
            frame_rate, side_px, self.model, config.fit, config.smooth, where,
        )  # fmt: skip

    def _followed(
        self,
        frames: Iterable[Frame],
        frame_rate: Fraction,
        where: str,
        found: Callable[[FoundFaces], None] | None,
    ) -> Iterator[tuple[Shot, Landmarks | None]]:
        """Yield the shot, and the landmarks of the face chosen in it. Raises NoFaceError if only others are found."""
        search = _Search(self.config.track.face)
        number, is_found = 0, False
        for _, group in groupby(numbered_shots(frames), key=itemgetter(0)):
            camera = CameraMotion(self._segmenter)
            shot, last, elapsed = Shot(number, camera), None, 0  # type: Shot, Landmarks | None, int
            pictures = camera.watched(frame for _, frame in group)
            for index, landmarks in enumerate(self._tracker.track(pictures, search.look)):
                elapsed += 1
                if landmarks is not None:
                    if last is not None and has_jumped(last, landmarks, elapsed / frame_rate):
                        shot = Shot(shot.number + 1, camera, index)
                    last, elapsed, is_found = landmarks, 0, True
                yield shot, landmarks
            number = shot.number + 1
        if search.which != "largest" and not is_found and search.most:
            raise NoSuchFaceError(where, search.which, search.most, _DRIVER_FACE)
        if search.choice is not None:
            search.choice.tell_in_shots(search.times_s, search.which, where, _DRIVER_FACE)
            if found is not None:
                found(search.choice)


class _Search:
    """Remembers the first frame of a video in which one of several faces is chosen, and the time of each choice."""

    def __init__(self, which: FaceChoice) -> None:
        self.which, self.most = which, 0
        self.choice: FoundFaces | None = None
        self.times_s: list[Fraction] = []

    def look(self, frame: Frame, faces: Sequence[Landmarks]) -> None:
        """Take note of the faces in a frame."""
        self.most = max(self.most, len(faces))
        index = 0 if self.which == "largest" else self.which
        if len(faces) > 1 and index < len(faces):
            self.choice = self.choice or FoundFaces(frame.pixels, tuple(faces), index)
            self.times_s.append(frame.time_s)
