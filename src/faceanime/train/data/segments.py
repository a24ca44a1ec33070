"""From a video's frames to runs: stretches that show one face in one shot, and whether each is good to learn from.

Everything streams: of a video, no more is held than the landmarks of the run that is being looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from itertools import groupby, tee
from typing import TypeAlias

import cv2
import numpy as np
from jaxtyping import Float

from faceanime.core.errors import ConfigError
from faceanime.face.anchor import FaceView
from faceanime.face.crop import CropConfig, crop_around, crop_pixels, moved_landmarks
from faceanime.face.detect import LandmarkDetector
from faceanime.face.fit import FitConfig, seen_basis
from faceanime.face.landmark_view import overlap
from faceanime.face.sequence import DYNAMICS_SIZE_PX, fit_sequence
from faceanime.face.smooth import SmoothConfig, smooth_dynamics
from faceanime.face.track import LandmarkTracker, TrackConfig
from faceanime.geometry.camera import project
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import Dynamics
from faceanime.structures.frames import Frame, Pixels
from faceanime.structures.landmarks import CropTransform, Landmarks

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class PrepareConfig:
    """How clips are cut from videos, and which of them are good enough to learn from."""

    size: int = 256
    """Side of the clips, px; even."""
    frame_rate: int = 25
    """Frames per second of the clips; videos of other rates are resampled."""
    min_s: float = 1.6
    """Shorter runs are dropped."""
    max_s: float = 10.0
    """Longer runs are cut into clips of this length."""
    min_face_px: float = 80.0
    """Least longer side of the landmarks' box in the video, px, for most of the clip."""
    min_tracked: float = 0.9
    """Least share of frames in which the face was found."""
    min_sharpness: float = 20.0
    """Least variance of the Laplacian of the face, scaled to 128 px."""
    max_turn_deg: float = 50.0
    """How far the head may be turned away from the camera for most of the clip."""
    max_misfit_px: float = 1.6
    """Largest mean distance of the landmarks from the 3D face fitted to them, px of a 256 px crop."""
    max_smoothed_px: float = 1.6
    """The same for the smoothed 3D face: smoothing blunts what is very quick."""
    max_cut_off: float = 0.02
    """Largest share of landmarks that lie beyond the picture."""
    max_outside: float = 0.1
    """Largest share of the crop that lies beyond the picture."""
    crf: int = 14
    """Loss of the H.264 clips, 0 to 51."""
    shard_samples: int = 100
    """So many clips in each tar file."""
    track: TrackConfig = field(default_factory=TrackConfig)
    fit: FitConfig = field(default_factory=FitConfig)
    smooth: SmoothConfig = field(default_factory=SmoothConfig)

    def __post_init__(self) -> None:
        if not 16 <= self.size <= 2048 or self.size % 2:
            raise ConfigError(f"size is {self.size}, expected an even number from 16 to 2048 px")
        if not 1 <= self.frame_rate <= 240:
            raise ConfigError(f"frame_rate is {self.frame_rate}, expected 1 to 240 frames/s")
        if not 0.0 < self.min_s <= self.max_s <= 600.0:
            raise ConfigError(
                f"min_s {self.min_s} and max_s {self.max_s}: expected 0 < min_s <= max_s <= 600"
            )
        if not 0 <= self.crf <= 51 or self.shard_samples < 1:
            raise ConfigError("crf must be 0 to 51 and shard_samples at least 1")


@dataclass(frozen=True, eq=False)
class Look:
    """What one frame shows: the followed face, how sharp it is, and who else is there, where that was asked."""

    index: int
    landmarks: Landmarks | None
    box_px: Box | None
    sharpness: float | None
    others: tuple[Box, ...]


@dataclass(frozen=True, eq=False)
class Run:
    """Frames `first` and on, of a picture of `width_px` by `height_px`; the first and the last show the face."""

    first: int
    landmarks: tuple[Landmarks | None, ...]
    sharpness: float
    others: tuple[Box, ...]
    width_px: int
    height_px: int

    @property
    def boxes_px(self) -> Float[np.ndarray, "N 4"]:
        """Left, top, right, bottom of the face in the frames that show it."""
        return np.array([face.box_px for face in self.landmarks if face is not None])


@dataclass(frozen=True)
class Quality:
    """What was measured of a run; the units and limits are those of `PrepareConfig`."""

    seconds: float
    face_px: float
    tracked: float
    sharpness: float
    cut_off: float
    outside: float
    others: int
    turn_deg: float
    misfit_px: float
    smoothed_px: float

    def rounded(self) -> dict[str, float]:
        """The numbers by name, to four digits after the point: what is written down."""
        return {each.name: round(getattr(self, each.name), 4) for each in fields(self)}


# A thumbnail that changes by so much of 255, and by so many times what it did of late: a cut.
_CUT_LEVEL, _CUT_RATIO = 15.0, 4.0
_USUAL_GAIN = 0.2
_THUMBNAIL_PX = 32
# Landmarks that move by so much of the face's size a frame, or so much over a gap: another shot.
_JUMP, _JUMP_MOST = 0.25, 0.5
_TRAVEL = 1.8  # the box of all places of the face over the face's: beyond, one window would show it too small
_COVER = 1.1  # the window's side over that box, at least
_SHARPNESS_EVERY, _SHARPNESS_PX = 5, 128
_OTHERS_EVERY_S = 2
_OTHER_SIZE = 0.25  # a face in the window that is smaller than so much of ours is background
_OTHER_SHOWN = 0.3  # how much of its box must be in the window to count
_SAME_FACE_OVERLAP = 0.5
_AS_FITTED = SmoothConfig(method="none", max_gap_s=0.0)  # frames without a face stay marked for the smoother


Size: TypeAlias = tuple[int, int]
"""Of a picture: height, width, px."""


def look_at(
    frames: Iterable[Frame], tracker: LandmarkTracker, detector: LandmarkDetector, config: PrepareConfig
) -> Iterator[tuple[int, Look, Size]]:
    """Each frame's shot, what was seen of it, and its size; the face is chosen, and its anchor sought, in each shot."""
    index = 0
    for shot, group in groupby(_numbered_shots(frames), key=lambda pair: pair[0]):
        seen, again = tee(_read(tracker.read(frame for _, frame in group), index, detector, config))
        pinned = tracker.pinned(view for _, view, _ in again)
        for (look, _, size), landmarks in zip(seen, pinned, strict=True):
            yield (
                shot,
                replace(look, landmarks=landmarks, box_px=None if landmarks is None else landmarks.box_px),
                size,
            )
            index += 1


def _read(
    frames: Iterable[tuple[Frame, Landmarks | None]],
    first: int,
    detector: LandmarkDetector,
    config: PrepareConfig,
) -> Iterator[tuple[Look, FaceView | None, Size]]:
    """What was seen of frames, the face as an anchor sees it, and their size: no frame is held."""
    for index, (frame, landmarks) in enumerate(frames, start=first):
        sharpness, others = None, ()  # type: tuple[float | None, tuple[Box, ...]]
        if landmarks is not None and index % _SHARPNESS_EVERY == 0:
            sharpness = sharpness_of(frame.pixels, landmarks)
        if landmarks is not None and index % (_OTHERS_EVERY_S * config.frame_rate) == 0:
            faces = [face.box_px for face in detector.detect(frame.pixels, small_faces=False)]
            others = tuple(box for box in faces if overlap(box, landmarks.box_px) < _SAME_FACE_OVERLAP)
        view = None if landmarks is None else FaceView.of(frame.pixels, landmarks)
        height, width = frame.pixels.shape[:2]
        yield Look(index, landmarks, None, sharpness, others), view, (height, width)


def find_runs(looks: Iterable[tuple[int, Look, Size]], config: PrepareConfig) -> Iterator[Run]:
    """The runs of a video: cut where the shot ends, the face is lost for too long, jumps or leaves its place."""
    longest, most_lost = (int(s * config.frame_rate) for s in (config.max_s, config.smooth.max_gap_s))
    run: list[Look] = []
    run_shot, lost, height, width = 0, 0, 0, 0
    for shot, look, (height, width) in looks:
        if look.landmarks is None:
            lost += 1
            if run and lost <= most_lost:
                run.append(look)
            continue
        ends = shot != run_shot or lost > most_lost or len(run) >= longest
        if run and (ends or _is_elsewhere(run, look.landmarks, lost + 1)):
            yield _closed(run, width, height)
            run = []
        run.append(look)
        run_shot, lost = shot, 0
    if run:
        yield _closed(run, width, height)


def window_of(run: Run, size_px: int) -> CropTransform:
    """The fixed square window of a run: its centre and size by the convention of `face.crop`, over all frames.

    It is moved into the picture, and shrunk to it, as far as it still holds the face wherever it goes.
    """
    convention, boxes = CropConfig(), run.boxes_px
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    least = _COVER * (high - low).max()
    side = max(convention.enlarge * np.median(_sides(boxes)), least)
    side = max(min(side, run.width_px, run.height_px), least)
    corner = (low + high) / 2 - side * np.array([0.5, 0.5 + convention.raised])
    room = np.array([run.width_px, run.height_px]) - side
    corner = np.clip(corner, np.minimum(room, 0.0), np.maximum(room, 0.0))
    factor = size_px / side
    return CropTransform(np.column_stack([factor * np.eye(2), -factor * corner]), size_px)


@dataclass(frozen=True, eq=False)
class FittedRun:
    """A run in px of its window: the landmarks as tracked, the dynamics as fitted to them, and smoothed."""

    landmarks: tuple[Landmarks | None, ...]
    fitted: Dynamics
    smoothed: Dynamics


def fit_run(
    run: Run, window: CropTransform, model: MorphableModel, config: PrepareConfig, where: str
) -> FittedRun:
    """Fit the 3D face to a run; `where` names its video."""
    seen = tuple(face and moved_landmarks(face, window.crop_from_image) for face in run.landmarks)
    rate, size_px = Fraction(config.frame_rate), window.size_px
    fitted = fit_sequence(seen, rate, size_px, model, config.fit, _AS_FITTED, where)
    smoothed = smooth_dynamics(fitted, model.part, config.smooth)
    return FittedRun(seen, _in_window(fitted, size_px), _in_window(smoothed, size_px))


def measure_run(run: Run, window: CropTransform, face: FittedRun, model: MorphableModel) -> Quality:
    """How good a run is; `face` as `fit_run` gives it."""
    tracked = np.array([found is not None for found in run.landmarks])
    points = np.array([found.points_image[:, :2] for found in run.landmarks if found is not None])
    beyond = (points < 0).any(axis=2) | (points > [run.width_px, run.height_px]).any(axis=2)
    left, top = window.image_from_crop[:, 2]
    side = window.size_px * window.image_from_crop[0, 0]
    inside = [
        max(min(a + side, b) - max(a, 0.0), 0.0) for a, b in ((left, run.width_px), (top, run.height_px))
    ]
    face_px = float(np.median(_sides(run.boxes_px)))
    view = (float(left), float(top), float(left + side), float(top + side))
    large = [box for box in run.others if max(box[2] - box[0], box[3] - box[1]) > _OTHER_SIZE * face_px]
    turned = np.degrees(np.arccos(np.clip(face.fitted.pose.rotation[:, 2, 2], -1.0, 1.0)))
    return Quality(
        seconds=float(len(face.fitted) / face.fitted.frame_rate),
        face_px=face_px,
        tracked=float(tracked.mean()),
        sharpness=run.sharpness,
        cut_off=float(beyond.mean()),
        outside=float(1.0 - inside[0] * inside[1] / side**2),
        others=sum(overlap(box, view) > _OTHER_SHOWN for box in large),
        turn_deg=float(np.median(turned[tracked])),
        misfit_px=_misfit(face, face.fitted, model),
        smoothed_px=_misfit(face, face.smoothed, model),
    )


def why_not(quality: Quality, config: PrepareConfig) -> str:
    """Why a run is not good to learn from, as `reason: numbers`; empty when it is."""
    q, c = quality, config
    reasons = [
        (q.seconds < c.min_s, f"too short: {q.seconds:.2f} s, need {c.min_s:g}"),
        (q.face_px < c.min_face_px, f"face too small: {q.face_px:.0f} px, need {c.min_face_px:g}"),
        (q.tracked < c.min_tracked, f"face often lost: found in {q.tracked:.0%}, need {c.min_tracked:.0%}"),
        (q.cut_off > c.max_cut_off, f"face cut off by the picture: {q.cut_off:.0%} of its landmarks"),
        (q.outside > c.max_outside, f"too close to the picture's edge: {q.outside:.0%} of the crop beyond"),
        (q.others > 0, f"more than one face in the crop: {q.others} times"),
        (q.turn_deg > c.max_turn_deg, f"turned away: {q.turn_deg:.0f} deg, at most {c.max_turn_deg:g}"),
        (q.sharpness < c.min_sharpness, f"blurred: sharpness {q.sharpness:.0f}, need {c.min_sharpness:g}"),
        (q.misfit_px > c.max_misfit_px, f"landmarks unsure: {q.misfit_px:.2f} px off, at most {c.max_misfit_px:g}"),
        (q.smoothed_px > c.max_smoothed_px, f"too quick: {q.smoothed_px:.2f} px off, at most {c.max_smoothed_px:g}"),
    ]  # fmt: skip
    return next((text for fails, text in reasons if fails), "")


def sharpness_of(pixels: Pixels, landmarks: Landmarks) -> float:
    """Variance of the Laplacian of the grey face, scaled to 128 px: a face blown up to that counts as blurred."""
    face = crop_pixels(pixels, crop_around(landmarks, CropConfig(1.0, 0.0, _SHARPNESS_PX)))
    return float(cv2.Laplacian(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())


def _numbered_shots(frames: Iterable[Frame]) -> Iterator[tuple[int, Frame]]:
    """Each frame with the number of its shot: a thumbnail that changes much more than it did of late is a cut."""
    before: np.ndarray | None = None
    shot, usual = 0, 0.0
    for frame in frames:
        size = (_THUMBNAIL_PX, _THUMBNAIL_PX)
        small = cv2.resize(frame.pixels, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        change = 0.0 if before is None else float(np.abs(small - before).mean())
        if change > max(_CUT_LEVEL, _CUT_RATIO * usual):
            shot += 1
        else:
            usual += _USUAL_GAIN * (change - usual)
        before = small
        yield shot, frame


def _is_elsewhere(run: list[Look], landmarks: Landmarks, elapsed: int) -> bool:
    """Whether a face has jumped since the last frame that shows it, or left the place that the run is about."""
    boxes = np.array([*(look.box_px for look in run if look.box_px is not None), landmarks.box_px])
    smallest = _sides(boxes).min()
    last = next(look.landmarks for look in reversed(run) if look.landmarks is not None)
    shift = np.linalg.norm(landmarks.points_image[:, :2] - last.points_image[:, :2], axis=1).mean()
    if shift > min(_JUMP * elapsed, _JUMP_MOST) * smallest:
        return True
    return bool((boxes[:, 2:].max(axis=0) - boxes[:, :2].min(axis=0)).max() > _TRAVEL * smallest)


def _closed(run: list[Look], width_px: int, height_px: int) -> Run:
    """The run without the frames after its face was last seen."""
    while run[-1].landmarks is None:
        run = run[:-1]
    sharpness = [look.sharpness for look in run if look.sharpness is not None]
    others = tuple(box for look in run for box in look.others)
    landmarks = tuple(look.landmarks for look in run)
    return Run(run[0].index, landmarks, float(np.median(sharpness or [0.0])), others, width_px, height_px)


def _sides(boxes: Float[np.ndarray, "N 4"]) -> Float[np.ndarray, " N"]:
    return np.asarray((boxes[:, 2:] - boxes[:, :2]).max(axis=1))


def _in_window(dynamics: Dynamics, size_px: int) -> Dynamics:
    pose = dynamics.pose.resized(size_px / dynamics.picture_side_px)
    return replace(dynamics, pose=pose, picture_side_px=size_px)


def _misfit(run: FittedRun, dynamics: Dynamics, model: MorphableModel) -> float:
    """Mean distance of the landmarks from the model's own, px of a 256 px crop."""
    found = np.array([face is not None for face in run.landmarks])
    points = np.array([face.points_image[:, :2] for face in run.landmarks if face is not None])
    neutral = model.vertices(dynamics.identity, np.zeros(model.expression_count))[: model.landmark_count]
    pinned = np.array([face.pinned for face in run.landmarks if face is not None])
    shape = np.stack(
        [
            neutral + seen_basis(model, not on_skin) @ expression
            for on_skin, expression in zip(pinned, dynamics.expression[found], strict=True)
        ]
    )
    landed = project(shape.astype(np.float64), dynamics.pose[found])
    off_px = np.linalg.norm(landed[..., :2] - points, axis=-1).mean()
    return float(off_px * DYNAMICS_SIZE_PX / dynamics.picture_side_px)
