"""Cut a video into segments, stretches that show one face in one shot, and fit the 3D face to each.

Everything streams: no more of a video is held in memory than the landmarks of the present segment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import groupby, tee
from typing import TypeAlias

import cv2
import numpy as np
from jaxtyping import Float

from faceanime.face.anchor import FaceView
from faceanime.face.config import SmoothConfig
from faceanime.face.crop import CropConfig, crop_around, crop_pixels, moved_landmarks
from faceanime.face.detect import LandmarkDetector
from faceanime.face.landmark_view import FaceBox, overlap
from faceanime.face.sequence import fit_sequence
from faceanime.face.shots import has_jumped, numbered_shots
from faceanime.face.smooth import smooth_dynamics
from faceanime.face.track import LandmarkTracker
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import Dynamics
from faceanime.structures.frames import Frame, Pixels
from faceanime.structures.landmarks import CropTransform, Landmarks
from faceanime.train.data.config import PrepareConfig

Size: TypeAlias = tuple[int, int]
"""Height and width of a picture, px."""


@dataclass(frozen=True, eq=False)
class FrameFaces:
    """The faces of one frame."""

    index: int
    """Number of the frame in the video."""
    landmarks: Landmarks | None
    """Landmarks of the followed face; None where it is lost."""
    box_px: FaceBox | None
    """FaceBox of the followed face."""
    sharpness: float | None
    """Sharpness of the followed face, in the frames in which it is measured."""
    others: tuple[FaceBox, ...]
    """Boxes of the other faces, in the frames in which they are searched for."""


@dataclass(frozen=True, eq=False)
class Segment:
    """The frames from `first` on, `width_px` by `height_px`; the first and the last one show the face."""

    first: int
    landmarks: tuple[Landmarks | None, ...]
    sharpness: float
    others: tuple[FaceBox, ...]
    width_px: int
    height_px: int

    @property
    def boxes_px(self) -> Float[np.ndarray, "N 4"]:
        """Left, top, right, bottom of the face in the frames that show it."""
        return np.array([face.box_px for face in self.landmarks if face is not None])


@dataclass(frozen=True)
class _Motion:
    """Limits of a face's motion within a segment, in sizes of the face; chosen by eye."""

    travel: float = 1.8
    """Largest side of the box of all places of the face, since in a larger one the face would be too small."""


@dataclass(frozen=True)
class _OtherFaces:
    """The search for other faces; chosen by eye."""

    every_s: int = 2
    """Seconds between two searches."""
    same_overlap: float = 0.5
    """Least overlap of the boxes of the same face."""


_MOTION, _OTHER_FACES = _Motion(), _OtherFaces()
_COVER = 1.1
"""Least side of the crop relative to the box of all places of the face; chosen by eye."""
_SHARPNESS_EVERY, _SHARPNESS_PX = 5, 128
"""Stride of the frames in which sharpness is measured, and side to which the face is scaled for it; chosen by eye."""
_AS_FITTED = SmoothConfig(method="none", max_gap_s=0.0)
"""Settings without smoothing, so that frames without a face stay marked for the smoother."""


def find_faces(
    frames: Iterable[Frame], tracker: LandmarkTracker, detector: LandmarkDetector, config: PrepareConfig
) -> Iterator[tuple[int, FrameFaces, Size]]:
    """The shot, the faces and the size of each frame; face and anchor frame are chosen anew in each shot.

    The tracker follows one face; the detector finds the others.
    """
    index = 0
    for shot, group in groupby(numbered_shots(frames), key=lambda pair: pair[0]):
        seen, again = tee(_read(tracker.read(frame for _, frame in group), index, detector, config))
        pinned = tracker.pin(view for _, view, _ in again)
        for (faces, _, size), landmarks in zip(seen, pinned, strict=True):
            yield (
                shot,
                replace(faces, landmarks=landmarks, box_px=None if landmarks is None else landmarks.box_px),
                size,
            )
            index += 1


def _read(
    frames: Iterable[tuple[Frame, Landmarks | None]],
    first: int,
    detector: LandmarkDetector,
    config: PrepareConfig,
) -> Iterator[tuple[FrameFaces, FaceView | None, Size]]:
    """The faces of frames, the view of the followed one for pinning, and the frames' sizes; no frame is kept."""
    for index, (frame, landmarks) in enumerate(frames, start=first):
        sharpness, others = None, ()  # type: tuple[float | None, tuple[FaceBox, ...]]
        if landmarks is not None and index % _SHARPNESS_EVERY == 0:
            sharpness = sharpness_of(frame.pixels, landmarks)
        if landmarks is not None and index % (_OTHER_FACES.every_s * config.frame_rate) == 0:
            faces = [face.box_px for face in detector.detect(frame.pixels, small_faces=False)]
            others = tuple(box for box in faces if overlap(box, landmarks.box_px) < _OTHER_FACES.same_overlap)
        view = None if landmarks is None else FaceView.of(frame.pixels, landmarks, detector.schema)
        height, width = frame.pixels.shape[:2]
        yield FrameFaces(index, landmarks, None, sharpness, others), view, (height, width)


def find_segments(frames: Iterable[tuple[int, FrameFaces, Size]], config: PrepareConfig) -> Iterator[Segment]:
    """Cut a video where a shot ends, and where the face is lost for too long, jumps or leaves its place."""
    longest, most_lost = (int(s * config.frame_rate) for s in (config.max_s, config.smooth.max_gap_s))
    segment: list[FrameFaces] = []
    segment_shot, lost, height, width = 0, 0, 0, 0
    for shot, faces, (height, width) in frames:
        if faces.landmarks is None:
            lost += 1
            if segment and lost <= most_lost:
                segment.append(faces)
            continue
        ends = shot != segment_shot or lost > most_lost or len(segment) >= longest
        if segment and (
            ends or _is_elsewhere(segment, faces.landmarks, Fraction(lost + 1) / Fraction(config.frame_rate))
        ):
            yield _closed(segment, width, height)
            segment = []
        segment.append(faces)
        segment_shot, lost = shot, 0
    if segment:
        yield _closed(segment, width, height)


def crop_of(segment: Segment, size_px: int) -> CropTransform:
    """The fixed square crop of a segment: its center and size by the convention of `face.crop`, over all frames.

    It is moved into the picture, and shrunk to it, as far as it still contains the face in every frame.
    """
    convention, boxes = CropConfig(), segment.boxes_px
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    least = _COVER * (high - low).max()
    side = max(convention.enlarge * np.median(longer_sides(boxes)), least)
    side = max(min(side, segment.width_px, segment.height_px), least)
    corner = (low + high) / 2 - side * np.array([0.5, 0.5 + convention.raised])
    room = np.array([segment.width_px, segment.height_px]) - side
    corner = np.clip(corner, np.minimum(room, 0.0), np.maximum(room, 0.0))
    factor = size_px / side
    return CropTransform(np.column_stack([factor * np.eye(2), -factor * corner]), size_px)


@dataclass(frozen=True, eq=False)
class FittedSegment:
    """A segment in px of its crop: the landmarks as tracked, the dynamics as fitted to them, and smoothed."""

    landmarks: tuple[Landmarks | None, ...]
    fitted: Dynamics
    smoothed: Dynamics


def fit_segment(
    segment: Segment, crop: CropTransform, model: MorphableModel, config: PrepareConfig, where: str
) -> FittedSegment:
    """Fit the 3D face to a segment; `where` names its video."""
    landmarks = tuple(face and moved_landmarks(face, crop.crop_from_image) for face in segment.landmarks)
    rate, size_px = Fraction(config.frame_rate), crop.size_px
    fitted = fit_sequence(landmarks, rate, size_px, model, config.fit, _AS_FITTED, where)
    smoothed = smooth_dynamics(fitted, model.part, config.smooth)
    return FittedSegment(landmarks, _in_crop(fitted, size_px), _in_crop(smoothed, size_px))


def sharpness_of(pixels: Pixels, landmarks: Landmarks) -> float:
    """Variance of the Laplacian of the grey face, scaled to 128 px; an enlarged small face counts as blurred."""
    face = crop_pixels(pixels, crop_around(landmarks, CropConfig(1.0, 0.0, _SHARPNESS_PX)))
    return float(cv2.Laplacian(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())


def _is_elsewhere(segment: list[FrameFaces], landmarks: Landmarks, elapsed_s: Fraction) -> bool:
    """Whether a face has jumped since the last frame that shows it, or left the place of the segment."""
    last = next(faces.landmarks for faces in reversed(segment) if faces.landmarks is not None)
    if has_jumped(last, landmarks, elapsed_s):
        return True
    boxes = np.array([*(faces.box_px for faces in segment if faces.box_px is not None), landmarks.box_px])
    smallest = longer_sides(boxes).min()
    return bool((boxes[:, 2:].max(axis=0) - boxes[:, :2].min(axis=0)).max() > _MOTION.travel * smallest)


def _closed(frames: list[FrameFaces], width_px: int, height_px: int) -> Segment:
    """A segment without the frames after its face was last seen."""
    while frames[-1].landmarks is None:
        frames = frames[:-1]
    sharpness = [faces.sharpness for faces in frames if faces.sharpness is not None]
    others = tuple(box for faces in frames for box in faces.others)
    landmarks = tuple(faces.landmarks for faces in frames)
    return Segment(
        frames[0].index, landmarks, float(np.median(sharpness or [0.0])), others, width_px, height_px
    )


def longer_sides(boxes: Float[np.ndarray, "N 4"]) -> Float[np.ndarray, " N"]:
    """The longer sides of boxes, px."""
    return np.asarray((boxes[:, 2:] - boxes[:, :2]).max(axis=1))


def _in_crop(dynamics: Dynamics, size_px: int) -> Dynamics:
    """Dynamics whose poses are in px of the crop."""
    pose = dynamics.pose.resized(size_px / dynamics.picture_side_px)
    return replace(dynamics, pose=pose, picture_side_px=size_px)
