"""The flow: a portrait and a motion in, images out.

    portrait ── read ──► Portrait ──────────────┬─────────────────────────┐
    driver ── dynamics ──► motion ── retarget ──┤                         ▼
    nothing ── imagine ──► motion ── clamp ─────┴──► dynamics ── render ──► images

Each arrow is a method of `Animator`. `Animator.animate` takes the second way from end to end; `workflows.py` takes the
ways arrow by arrow, since it shows and keeps the motions between them. Files are read and written there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from faceanime.core.concurrency import map_ordered
from faceanime.core.config import checks_options_of
from faceanime.core.errors import ConfigError
from faceanime.core.progress import Progress, SilentProgress
from faceanime.core.threads import single_threaded_math
from faceanime.drivers.driver import Driver
from faceanime.drivers.open_driver import DriverSource, open_driver
from faceanime.dynamics import rollout
from faceanime.dynamics.head_motion import room_in_picture
from faceanime.dynamics.predictor import Predictor
from faceanime.dynamics.predictor_path import predictor_path
from faceanime.dynamics.retarget import retarget
from faceanime.dynamics.retarget_config import RetargetConfig
from faceanime.dynamics.rollout_config import FutureConfig
from faceanime.face.config import FaceChoice, GoalConfig, ReadConfig
from faceanime.face.cover import accepted
from faceanime.face.detect import LandmarkDetector, MediapipeDetector
from faceanime.face.identity import FacePicture, is_same_person
from faceanime.face.one_person import apparent_landmarks, change_of_expression
from faceanime.face.reader import FaceReader
from faceanime.face.segment import PersonSegmenter, Segmenter
from faceanime.generator.config import RendererConfig
from faceanime.generator.renderers import open_renderer, weights_of
from faceanime.media.picture_source import PictureSource, name_of, read_picture
from faceanime.morphable.model import MorphableModel, load_model
from faceanime.render.config import GeometricConfig
from faceanime.render.head.sheet import hair_pose
from faceanime.render.renderer import Renderer
from faceanime.structures.coefficients import Dynamics, FaceCoefficients
from faceanime.structures.frames import Pixels
from faceanime.structures.portrait import Portrait

MATTE_REACH = 1.15
"""Side of the part of a portrait that is segmented, in sides of the moving region."""


@dataclass(frozen=True)
class AnimatorConfig:
    """Settings of all stages."""

    draw: RendererConfig = field(default_factory=RendererConfig)
    """Renderer of the frames, and its networks."""
    read: ReadConfig = field(default_factory=ReadConfig)
    """Detection, tracking, fitting and smoothing of faces."""
    retarget: RetargetConfig = field(default_factory=RetargetConfig)
    """Transfer of the driver's motion to the portrait."""
    goal: GoalConfig = field(default_factory=GoalConfig)
    """Reading of a picture as the goal of a movement."""
    geometric: GeometricConfig = field(default_factory=GeometricConfig)
    """The geometric renderer, on which the others build."""
    predictor: Path | None = None
    """Weights of the predictor, or the name of a bundled one; by default `flow`."""


class Animator:
    """All stages with their parts. It loads its models once; keep it for all portraits.

    The detector, the segmenter, the renderer and the predictor are made from the settings, unless they are given:
    docs/extending.md shows parts of your own.
    """

    @checks_options_of("Animator, whose settings are an AnimatorConfig")
    def __init__(
        self,
        config: AnimatorConfig = AnimatorConfig(),
        model: MorphableModel | None = None,
        *,
        detector: LandmarkDetector | None = None,
        segmenter: Segmenter | None = None,
        renderer: Renderer | None = None,
        predictor: Predictor | None = None,
    ) -> None:
        if not isinstance(config, AnimatorConfig):
            raise ConfigError(f"config is of type {type(config).__name__}, expected an AnimatorConfig")
        self.config = config
        self.model = load_model() if model is None else model
        reach = MATTE_REACH * config.geometric.warp.reach
        detector = MediapipeDetector(config.read.detect) if detector is None else detector
        segmenter = PersonSegmenter() if segmenter is None else segmenter
        self.reader = FaceReader(detector, segmenter, self.model, config.read, reach)
        self._given_renderer, self._given_predictor = renderer, predictor

    def portrait(
        self,
        picture: PictureSource,
        where: str = "the portrait",
        face: FaceChoice = "largest",
        force: bool = False,
    ) -> Portrait:
        """Find and fit the face of a picture: a path, an array (H,W,3) uint8 or a Pillow image.

        A picture whose face is sideways or upside down is turned upright, and so are the frames that are drawn of it:
        `np.rot90(frame, -portrait.quarter_turns)` turns one back.
        `where` names a picture without a path in messages; `face` is `largest`, or an index in order of size, from 0.
        What a mask or dark glasses cover is held still, which a warning says; `force` moves it all the same, and takes
        faces that are no person's.
        Raises NoFaceError, UnfitFaceError, MediaError for a file that cannot be read, ShapeError for an array that is
        no picture.
        """
        name = name_of(picture, where)
        portrait = self.reader.portrait(read_picture(picture, where), name, face)
        return accepted(portrait, self.model, name, force)

    def motion(self, driver: Driver | DriverSource, progress: Progress | None = None) -> Dynamics:
        """Return the motion of a driver, or of what `open_driver` takes: a path, the name of a bundled motion, ...

        Raises FaceAnimeError.
        """
        return self.open(driver).dynamics(progress or SilentProgress())

    def open(self, driver: Driver | DriverSource) -> Driver:
        """Return an opened driver as it is, and open any other. Raises FaceAnimeError."""
        return driver if isinstance(driver, Driver) else open_driver(driver, self.reader)

    def retarget(
        self, portrait: Portrait, motion: Dynamics, config: RetargetConfig | None = None
    ) -> Dynamics:
        """Transfer a motion to the portrait's own face, in px of its image.

        A single frame is a goal: the portrait takes its expression and head angles as they are. `config` replaces the
        animator's settings for this call. Parts of the portrait that something covers are held still.
        Raises ConfigError, MorphableModelError.
        """
        config = self.config.retarget if config is None else config
        if motion.is_goal:
            config = replace(config, motion="absolute", reference=0)
        if "mouth" in portrait.covered:
            config = replace(config, lips=0.0)
        if "eyes" in portrait.covered:
            config = replace(config, eyes=0.0)
        room = room_in_picture(portrait.matte, portrait.landmarks.box_px)
        return retarget(portrait.face.coefficients, motion, self.model, config, room, portrait.side_px)

    def goal(
        self, portrait: Portrait, target: FaceCoefficients, picture: FacePicture | None = None
    ) -> FaceCoefficients:
        """Return a target face as a goal of the portrait: with its identity, if both are one person.

        `GoalConfig` tells whether they are. `picture` shows the target face; without it, `auto` takes it for another
        person's. Raises ConfigError, WeightsError for networks that are missing or do not fit.
        """
        which = self.config.goal.same_person
        if which == "auto":
            is_own = picture is not None and is_same_person(portrait, picture, self.model.schema)
        else:
            is_own = which == "yes"
        if not is_own:
            return target
        own, drawer = portrait.face.coefficients, self.renderer.prepare(portrait)

        def seen_with(change: Float[np.ndarray, " K_exp"]) -> Float32[np.ndarray, "L 3"] | None:
            drawn = drawer.draw(replace(own, expression=own.expression + change), own.pose)
            found = self.reader.find_near(drawn, portrait.landmarks)
            return None if found is None else found.points_image

        points = apparent_landmarks(target, self.model) if picture is None else picture.landmarks.points_image
        change = change_of_expression(
            portrait.landmarks.points_image, points, seen_with, self.model, self.config.read.fit
        )
        return replace(target, identity=own.identity, expression=own.expression + change)

    def imagine(
        self, portrait: Portrait, future: FutureConfig, target: FaceCoefficients | None = None
    ) -> Dynamics:
        """Predict a motion of the portrait's own face, freely or toward a target face. Raises FaceAnimeError."""
        face = portrait.face.coefficients
        return rollout.imagine(self._predictor, face, portrait.side_px, future, self.model, target)

    def clamp(self, portrait: Portrait, motion: Dynamics) -> Dynamics:
        """Keep a motion of the portrait's own face within what can be drawn of it."""
        return self.retarget(portrait, motion, replace(self.config.retarget, motion="relative", reference=0))

    def render(
        self, portrait: Portrait, dynamics: Dynamics, frames: Sequence[int] | None = None
    ) -> Iterator[Pixels]:
        """Yield the images (H,W,3) of a portrait with dynamics of its own face, of all frames or of some.

        Raises ConfigError, WeightsError for networks that are missing or do not fit.
        """
        drawer = self.renderer.prepare(portrait)
        hair = hair_pose(dynamics.pose, dynamics.frame_rate)
        with single_threaded_math:
            yield from map_ordered(
                lambda t: drawer.draw(dynamics[t], hair[t]),
                range(len(dynamics)) if frames is None else frames,
            )

    def animate(
        self, portrait: Portrait, motion: Dynamics, config: RetargetConfig | None = None
    ) -> Iterator[Pixels]:
        """Yield the images (H,W,3) of a portrait moving as `motion`, one by one, in constant memory.

        `config` and errors as in `retarget` and `render`.
        """
        yield from self.render(portrait, self.retarget(portrait, motion, config))

    def check(self) -> None:
        """Check the renderer's settings and the header of its weights. Raises ConfigError, WeightsError."""
        if self._given_renderer is None:
            weights_of(self.config.draw)

    @cached_property
    def renderer(self) -> Renderer:
        """The renderer with its networks loaded. Raises ConfigError, WeightsError."""
        if self._given_renderer is not None:
            return self._given_renderer
        return open_renderer(self.config.draw, self.config.geometric, self.model)

    @cached_property
    def _predictor(self) -> Predictor:
        if self._given_predictor is not None:
            return self._given_predictor
        from faceanime.dynamics.predictor_file import load_predictor  # torch is slow to import

        return load_predictor(predictor_path(self.config.predictor), self.model)[0]
