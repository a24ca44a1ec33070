"""The flow: portrait and motion in, pictures out. The only place where the order of the stages is written."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from threadpoolctl import threadpool_limits

from faceanime.core.concurrency import ahead, in_order
from faceanime.core.errors import NoSuchFaceError, WeightsError
from faceanime.core.progress import Progress, SilentProgress, watched
from faceanime.core.weights import bundled
from faceanime.dynamics.editing import ease_between
from faceanime.dynamics.motion_file import is_motion_file, load_motion_of
from faceanime.dynamics.retarget import RetargetConfig, retarget, room_in_picture
from faceanime.dynamics.rollout_config import FutureConfig
from faceanime.face.detect import (
    DetectConfig,
    FaceChoice,
    MediapipeDetector,
    choose_face,
    require_faces,
    warn_of_other_faces,
)
from faceanime.face.fit import FitConfig, fit_face
from faceanime.face.segment import PersonSegmenter
from faceanime.face.sequence import fit_sequence
from faceanime.face.smooth import SmoothConfig
from faceanime.face.track import LandmarkTracker, TrackConfig
from faceanime.generator.renderer_config import DrawConfig, renderer_of
from faceanime.media.image import is_image_file, read_image
from faceanime.media.video import probe_video, read_frames
from faceanime.morphable.model import MorphableModel, load_model
from faceanime.render.composite import Paster
from faceanime.render.geometric import GeometricConfig, GeometricRenderer
from faceanime.render.head.hair_occlusion import hair_before
from faceanime.render.head.sheet import face_region, hair_pose
from faceanime.structures.coefficients import Dynamics, FaceCoefficients, FittedFace, HeadPose
from faceanime.structures.frames import Frame, Pixels
from faceanime.structures.landmarks import Landmarks

TRACKING_SIDE_PX = 640
"""Drivers are tracked at this size at most: landmarks need no more."""
LARGEST_OUTPUT_PX = 3840
MATTE_REACH = 1.15
"""Side of the part of a portrait that is segmented, in sides of the moving region."""
IMAGE_MOTION_S = Fraction(3, 2)
IMAGE_MOTION_RATE = Fraction(25)


@dataclass(frozen=True)
class AnimatorConfig:
    """Settings of all stages."""

    draw: DrawConfig = field(default_factory=DrawConfig)
    predictor: Path | None = None
    """Weights of the predictor, instead of those that come along."""
    detect: DetectConfig = field(default_factory=DetectConfig)
    fit: FitConfig = field(default_factory=FitConfig)
    track: TrackConfig = field(default_factory=TrackConfig)
    smooth: SmoothConfig = field(default_factory=SmoothConfig)
    retarget: RetargetConfig = field(default_factory=RetargetConfig)
    geometric: GeometricConfig = field(default_factory=GeometricConfig)


@dataclass(frozen=True, eq=False)
class Portrait:
    """A picture and the 3D face in it.

    `pixels` (H,W,3) uint8; `face` fitted in its px, its outer landmarks no deeper than hair before them; `matte` (H,W)
    in [0,1], how surely a pixel is the person's; `others` how many more faces there are.
    """

    pixels: Pixels
    landmarks: Landmarks
    face: FittedFace
    matte: Float32[np.ndarray, "H W"]
    others: int


class Animator:
    """Loads what is needed once, then reconstructs, tracks and animates."""

    def __init__(
        self, config: AnimatorConfig = AnimatorConfig(), model: MorphableModel | None = None
    ) -> None:
        self.config = config
        self.model = load_model() if model is None else model
        self._detector = MediapipeDetector(config.detect)
        self._segmenter = PersonSegmenter()

    def portrait(self, pixels: Pixels, where: str = "the portrait", face: FaceChoice = "largest") -> Portrait:
        """Find and fit the face of a picture (H,W,3) uint8. Raises NoFaceError."""
        return self.fitted(pixels, *self.find(pixels, where, face))

    def find(self, pixels: Pixels, where: str, face: FaceChoice) -> tuple[Landmarks, int]:
        """The chosen face of a picture (H,W,3) uint8, and how many more there are. Raises NoFaceError."""
        faces = require_faces(self._detector, pixels, where, self.config.detect.threshold)
        return choose_face(faces, face, where), len(faces) - 1

    def fitted(self, pixels: Pixels, landmarks: Landmarks, others: int = 0) -> Portrait:
        """The portrait of a picture (H,W,3) uint8 whose face is known: `landmarks` are in its px."""
        face = fit_face(landmarks.points_image.astype(np.float64), self.model, self.config.fit)
        matte = self.matte(pixels, landmarks)
        return Portrait(pixels, landmarks, hair_before(face, pixels, matte, self.model), matte, others)

    def matte(self, pixels: Pixels, landmarks: Landmarks) -> Float32[np.ndarray, "H W"]:
        """How surely each pixel of a picture (H,W,3) uint8 is the person's with these `landmarks` (px), in [0,1]."""
        reach = MATTE_REACH * self.config.geometric.warp.reach
        return _matte_around(pixels, landmarks, reach, self._segmenter)

    def motion(self, path: Path, progress: Progress | None = None) -> Dynamics:
        """The motion of a motion file, a picture (one frame) or a video. Raises FaceAnimeError."""
        progress = progress or SilentProgress()
        if is_motion_file(path):
            return load_motion_of(path, self.model)
        if is_image_file(path):
            return self._motion_of_image(path)
        return self._motion_of_video(path, progress)

    def retarget(self, portrait: Portrait, motion: Dynamics) -> Dynamics:
        """The motion on the portrait's own face, in its picture.

        A single frame is taken as a goal: the portrait gets its expression and head angles as they are,
        whatever `config.retarget` says of `motion` and `reference`.
        """
        source, config = portrait.face.coefficients, self.config.retarget
        if len(motion) == 1:
            config = replace(config, motion="absolute", reference=0)
        room = room_in_picture(portrait.matte, portrait.landmarks.box_px)
        return retarget(source, motion, self.model, config, room, max(portrait.pixels.shape[:2]))

    def imagine(
        self, portrait: Portrait, future: FutureConfig, target: FaceCoefficients | None = None
    ) -> Dynamics:
        """A motion of the portrait that nobody filmed, on its own face, or its way to a target face.

        Raises FaceAnimeError.
        """
        from faceanime.dynamics.predictor import FlowPredictor  # torch is slow to import
        from faceanime.dynamics.predictor_file import load_predictor
        from faceanime.dynamics.rollout import imagine

        path = bundled("dynamics.safetensors") if self.config.predictor is None else self.config.predictor
        predictor = load_predictor(path, self.model)[0]
        if not isinstance(predictor, FlowPredictor):
            raise WeightsError(
                f"{path} holds the paper's predictor, which knows one future alone; expected flow"
            )
        side_px = max(portrait.pixels.shape[:2])
        return imagine(predictor, portrait.face.coefficients, side_px, future, self.model, target)

    def own(self, portrait: Portrait, motion: Dynamics) -> Dynamics:
        """A motion that was imagined for the portrait, kept within what can be drawn."""
        config = replace(self.config.retarget, motion="relative", reference=0)
        room = room_in_picture(portrait.matte, portrait.landmarks.box_px)
        return retarget(
            portrait.face.coefficients, motion, self.model, config, room, max(portrait.pixels.shape[:2])
        )

    def animate(self, portrait: Portrait, motion: Dynamics) -> Iterator[Pixels]:
        """The pictures (H,W,3) of the portrait moving as `motion`, one by one; does no I/O."""
        dynamics = self.retarget(portrait, motion)
        yield from self.render(portrait, dynamics)

    def render(
        self, portrait: Portrait, dynamics: Dynamics, frames: Sequence[int] | None = None
    ) -> Iterator[Pixels]:
        """The pictures of a portrait with dynamics that are its own (see `retarget`), or some of the `frames` alone.

        Raises ConfigError, WeightsError for networks that are not there or do not fit.
        """
        self.ready()
        draw = (
            self._painter_of(portrait) if self.config.draw.renderer == "pgfg" else self._renderer_of(portrait)
        )
        hair = hair_pose(dynamics.pose, dynamics.frame_rate)
        with ONE_THREAD_EACH:
            yield from in_order(
                lambda t: draw(dynamics[t], hair[t]), range(len(dynamics)) if frames is None else frames
            )

    def _renderer_of(self, portrait: Portrait) -> Callable[[FaceCoefficients, HeadPose], Pixels]:
        """The geometric renderer of a portrait, its pictures repaired. Raises WeightsError."""
        renderer = GeometricRenderer(
            portrait.pixels, portrait.face, portrait.matte, self.model, self.config.geometric
        )
        paster = Paster(portrait.pixels, renderer.region)
        repair = self._repair_of(portrait, renderer)
        return lambda face, hair: paster.paste(repair(renderer.render(face, hair), face))

    def _repair_of(
        self, portrait: Portrait, renderer: GeometricRenderer
    ) -> Callable[[Pixels, FaceCoefficients], Pixels]:
        """What is done to the geometric renderer's pictures. Raises WeightsError."""
        if self.config.draw.renderer == "geometric":
            return lambda canvas, face: canvas
        from faceanime.generator.repair import Repairer  # torch is slow to import

        region, mouth = renderer.region, renderer.mouth
        return Repairer(portrait.pixels, portrait.face, region, mouth, self.model, self._network).repair

    def _painter_of(self, portrait: Portrait) -> Callable[[FaceCoefficients, HeadPose], Pixels]:
        """What the paper's generator makes of a portrait. Raises ConfigError, WeightsError."""
        from faceanime.generator.inference import Painter  # torch is slow to import

        painter = Painter(portrait.pixels, portrait.face, self.model, self._network)
        return lambda face, hair: painter.draw(face)

    def ready(self) -> None:
        """Load the renderer's networks now: what is wrong with them is told before long work. Raises as `render`."""
        if self.config.draw.weights is not None:
            _ = self._network

    @cached_property
    def _network(self) -> Any:
        """The renderer's networks. Raises ConfigError, WeightsError."""
        from faceanime.generator.generator_file import load_generator

        path, renderer = self.config.draw.weights, self.config.draw.renderer
        assert path is not None  # asked for by renderers that have networks
        if renderer_of(path) != renderer:
            raise WeightsError(f"{path} holds a generator of renderer {renderer_of(path)}, not of {renderer}")
        return load_generator(path, self.model)[0]

    def eased(self, portrait: Portrait, dynamics: Dynamics) -> Dynamics:
        """From the portrait's own face to the last frame of its `dynamics`: a still goal becomes a movement."""
        frames = round(IMAGE_MOTION_S * IMAGE_MOTION_RATE)
        start, goal = portrait.face.coefficients, dynamics[len(dynamics) - 1]
        return ease_between(start, goal, IMAGE_MOTION_RATE, frames, dynamics.picture_side_px, self.model)

    @cached_property
    def _tracker(self) -> LandmarkTracker:
        return LandmarkTracker(self.config.track, model=self.model)

    def _motion_of_image(self, path: Path) -> Dynamics:
        pixels = read_image(path)
        faces = require_faces(self._detector, pixels, str(path), self.config.detect.threshold)
        chosen = choose_face(faces, self.config.track.face, str(path), "track.face")
        warn_of_other_faces(self.config.track.face, len(faces), str(path), "track.face")
        return fit_sequence(
            [chosen], IMAGE_MOTION_RATE, max(pixels.shape[:2]), self.model, self.config.fit,
            self.config.smooth, str(path),
        )  # fmt: skip

    def _motion_of_video(self, path: Path, progress: Progress) -> Dynamics:
        info = probe_video(path)
        progress.stage(f"tracking {path.name}", info.frame_count)
        frames = watched(ahead(read_frames(path, max_side_px=TRACKING_SIDE_PX)), progress)
        landmarks = self._followed(frames, str(path))
        side = min(max(info.width_px, info.height_px), TRACKING_SIDE_PX)
        return fit_sequence(
            landmarks, info.frame_rate, side, self.model, self.config.fit, self.config.smooth, str(path)
        )

    def _followed(self, frames: Iterator[Frame], where: str) -> Iterator[Landmarks | None]:
        """The landmarks of the chosen face. Raises NoFaceError when there are others alone."""
        counts: list[int] = []  # until the chosen one is found
        yield from self._tracker.track(frames, counts.append)
        face, most = self.config.track.face, max(counts, default=0)
        if face != "largest" and most and counts[-1] <= face:
            raise NoSuchFaceError(where, face, most, "track.face")
        warn_of_other_faces(face, counts[-1] if counts else 0, where, "track.face")


class _OneThreadEach:
    """While several pictures are drawn at once, BLAS and torch have one thread for each: more get in the way.

    The limits are the whole process's; they go when the last of several renderings that overlap is over.
    """

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0
        self._restore: list[Callable[[], object]] = []

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._restore = [threadpool_limits(1, user_api="blas").restore_original_limits]
                torch = sys.modules.get("torch")  # the geometric renderer does without
                if torch is not None:
                    self._restore.append(partial(torch.set_num_threads, torch.get_num_threads()))
                    torch.set_num_threads(1)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                for restore in self._restore:
                    restore()


ONE_THREAD_EACH = _OneThreadEach()


def scaled_portrait(pixels: Pixels, longest_px: int) -> UInt8[np.ndarray, "h w 3"]:
    """The picture, shrunk or grown so that its longer side is `longest_px`."""
    height, width = pixels.shape[:2]
    factor = longest_px / max(height, width)
    if factor == 1.0:
        return pixels
    size = (max(round(width * factor), 1), max(round(height * factor), 1))
    shrink = factor < 1.0
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if shrink else cv2.INTER_CUBIC))


def _matte_around(
    pixels: Pixels, landmarks: Landmarks, reach: float, segmenter: PersonSegmenter
) -> Float32[np.ndarray, "H W"]:
    """The person's matte, seen at the scale at which the network knows people; zero further away."""
    height, width = pixels.shape[:2]
    box = face_region(landmarks.points_image, width, height, reach)
    matte = np.zeros((height, width), np.float32)
    part = np.ascontiguousarray(pixels[box.slices])
    small = scaled_portrait(part, min(max(part.shape[:2]), 1024))
    found = segmenter.segment(small)
    matte[box.slices] = cv2.resize(found, (box.width, box.height), interpolation=cv2.INTER_LINEAR)
    return matte
