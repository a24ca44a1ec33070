"""All that the golden tests use of the package: the only module of this folder that imports it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import skimage.data
import torch

from faceanime import cli
from faceanime.core.progress import SilentProgress
from faceanime.core.weights import bundled
from faceanime.dynamics.motion_file import bundled_motion, load_motion, save_motion
from faceanime.dynamics.retarget_config import RetargetConfig
from faceanime.dynamics.rollout_config import FutureConfig
from faceanime.face.config import FitConfig, SmoothConfig, TrackConfig
from faceanime.face.detect import MediapipeDetector
from faceanime.face.landmark_view import Place, Reading
from faceanime.face.sequence import fit_sequence
from faceanime.face.smooth import smooth_dynamics
from faceanime.face.track import LandmarkTracker
from faceanime.generator.config import RendererConfig
from faceanime.generator.generator_file import save_generator
from faceanime.generator.pgfg import Pgfg, PgfgConfig
from faceanime.geometry.camera import project
from faceanime.geometry.rotation import rotation_from_angles
from faceanime.media.image import read_image, write_image
from faceanime.morphable.mediapipe_schema import MEDIAPIPE
from faceanime.morphable.model import MorphableModel, load_model
from faceanime.output_options import OutputOptions
from faceanime.pipeline import Animator, AnimatorConfig
from faceanime.prior.sparse_texture import model_points, render_texture, sample_texture, sparse_skin
from faceanime.render.clay import shade_face
from faceanime.render.config import GeometricConfig
from faceanime.render.geometric import DRAWINGS
from faceanime.structures.coefficients import Dynamics, FaceCoefficients, FittedFace, HeadPose
from faceanime.structures.frames import Frame
from faceanime.structures.landmarks import Landmarks
from faceanime.structures.portrait import Portrait
from faceanime.workflows import animate_file
from heads import axes_of, face_of, fitted, landmarks_of, pose_of
from heads_drawn import draw_portrait, drawn_face, head_matte
from waves import waving

DRAWINGS_PATH = bundled(DRAWINGS)
"""The package's record of the geometric renderer's golden pictures."""

Picture = np.ndarray
RendererName = Literal["geometric", "moving-background", "fast", "quality", "pgfg"]
"""The geometric renderer, the same without a still background, flow in two qualities, the paper's generator."""

HEAD = ("yaw_deg", "pitch_deg", "roll_deg", "right_px", "down_px", "scale")
"""Names of a target's head motion, relative to the portrait's own; all other names are the model's axes."""
Target = dict[str, float]

TINY = PgfgConfig(size_px=64, width=4, widest=16, latent=8)
TRACKED_S = (0.2, 1.0)
"""The stretch of the motion `talk` that is rendered and tracked: speech, a blink, a turning head."""
CLAY_PX = 200


def astronaut(left: int = 96, top: int = 0, width: int = 256, height: int = 256) -> Picture:
    """A part of the public-domain portrait that scikit-image carries."""
    picture: Picture = skimage.data.astronaut()
    return np.ascontiguousarray(picture[top : top + height, left : left + width])


def shrunk(picture: Picture, longer_px: int) -> Picture:
    height, width = picture.shape[:2]
    factor = longer_px / max(height, width)
    size = (round(width * factor), round(height * factor))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))


ASTRONAUTS = {
    "astronaut": shrunk(astronaut(), 192),
    "astronaut-large": astronaut(64, 0, 320, 320),
    "astronaut-top": shrunk(astronaut(104, 44, 240, 220), 176),
    "astronaut-side": shrunk(astronaut(166, 0, 220, 240), 176),
    "astronaut-film": astronaut(),
}
"""Pictures of the astronaut by name: small, large, cut off by the top and by a side, as it is filmed."""


class KnownFaces:
    """Finds the faces of known pictures in files: other CPUs read landmarks hundredths of a pixel elsewhere."""

    def __init__(self, known: dict[bytes, Landmarks]) -> None:
        self._known = known
        self.schema = MEDIAPIPE

    def detect(
        self, pixels: Picture, threshold: float | None = None, small_faces: bool = True
    ) -> tuple[Landmarks, ...]:
        return (self._known[pixels.tobytes()],)

    def read(self, pixels: Picture, place: Place) -> Reading | None:
        raise NotImplementedError("no film is tracked with known faces")


class Studio:
    """Portraits, motions and the pictures made of them. Each renderer and each portrait is made once."""

    def __init__(self, folder: Path, found: Path) -> None:
        """`folder` receives what has to lie in files; `found` holds landmarks and mattes (see `detected`)."""
        self._folder, self._found = folder, found
        self.model: MorphableModel = load_model()
        self.animator = lru_cache(self._animator)
        self.portrait = lru_cache(self._portrait)
        self.detected = lru_cache(self._detected)

    # -- what draws

    def _animator(self, renderer: RendererName) -> Animator:
        draw, geometric = RendererConfig("geometric"), GeometricConfig()
        if renderer == "moving-background":
            geometric = GeometricConfig(still_background=False)
        elif renderer == "pgfg":
            draw = RendererConfig("pgfg", generator=self._pgfg)
        elif renderer != "geometric":
            draw = RendererConfig("flow", quality=renderer)
        return Animator(
            AnimatorConfig(draw=draw, geometric=geometric), self.model, detector=KnownFaces(self._known)
        )

    @cached_property
    def _known(self) -> dict[bytes, Landmarks]:
        """The stored landmarks, by the picture that they are of."""
        known = {}
        for name, picture in ASTRONAUTS.items():
            with np.load(self._found / f"{name}.npz") as stored:
                known[picture.tobytes()] = Landmarks(stored["landmarks"], 1.0)
        return known

    @cached_property
    def _pgfg(self) -> Path:
        """A small untrained network with weights scaled up, so that its pictures depend on the priors."""
        torch.manual_seed(0)
        network = Pgfg(TINY)
        with torch.no_grad():
            for name, weight in network.named_parameters():
                if name.endswith("weight"):
                    weight *= 1.5
        path = self._folder / "pgfg.safetensors"
        save_generator(path, network, self.model, {})
        return path

    # -- who is drawn

    def _detected(self, subject: str) -> Portrait:
        """A picture of the astronaut as detected, fitted and segmented."""
        return Animator(AnimatorConfig(), self.model).portrait(ASTRONAUTS[subject])

    def _portrait(self, subject: str) -> Portrait:
        """A portrait that is the same on each machine."""
        if subject in ASTRONAUTS:
            portrait = self.animator("geometric").portrait(ASTRONAUTS[subject])
            levels = read_image(self._found / f"{subject}.png")[..., 0]
            return replace(portrait, matte=levels.astype(np.float32) / 255)
        match subject:
            case "drawn":
                return self._drawn(0, 0)
            case "drawn-top":
                return self._drawn(0, 84)
            case "drawn-left":
                return self._drawn(128, 0)
            case "clay":
                return self._clay_portrait()
        raise KeyError(subject)

    def _drawn(self, left: int, top: int) -> Portrait:
        """The drawn head, what is left of `left` and above `top` cut off."""
        face = drawn_face(self.model)
        picture, matte = (
            np.ascontiguousarray(part[top:, left:])
            for part in (draw_portrait(self.model), head_matte(self.model))
        )
        placed = replace(face, pose=face.pose.resized(1.0, (-float(left), -float(top))))
        return self._given(picture, fitted(placed, self.model), matte)

    def _clay_portrait(self) -> Portrait:
        """A clay face, half turned away, before a bright wall, with a slightly open mouth."""
        rng = np.random.default_rng(5)
        face = face_of(
            self.model,
            pose_of(28, 4, -6, scale=68, at=(104, 92)),
            rng.normal(0.0, 0.8, self.model.identity_count),
            axes_of(self.model, jaw_open=0.3, smile=0.4),
        )
        shape = self.model.vertices(face.identity, face.expression)
        points = project(shape.astype(np.float64), face.pose)
        picture = shade_face(points, self.model, CLAY_PX, CLAY_PX)
        matte = np.zeros((CLAY_PX, CLAY_PX), np.float32)
        for corners in np.rint(points[self.model.triangles][..., :2] * 16).astype(np.int32):
            cv2.fillConvexPoly(matte, corners, 1.0, cv2.LINE_8, 4)
        wall = np.array([150, 170, 190]) + 20 * np.sin(np.arange(CLAY_PX) / 7.0)[:, None]
        soft = cv2.GaussianBlur(matte, (0, 0), 0.7)[..., None]
        picture = np.rint(wall[None] + soft * (picture - wall[None])).clip(0, 255).astype(np.uint8)
        return self._given(picture, fitted(face, self.model), soft[..., 0])

    def _given(self, picture: Picture, face: FittedFace, matte: Picture) -> Portrait:
        """A portrait whose face is given, not detected."""
        points = landmarks_of(face.coefficients, self.model).astype(np.float32)
        return Portrait(picture, Landmarks(points, 1.0), face, matte.astype(np.float32), 0)

    # -- how it moves

    def targets(self, portrait: Portrait, targets: Sequence[Target]) -> Dynamics:
        """Faces of a portrait, relative to its own; a second apart, so that hair keeps up with each of them."""
        own, faces = portrait.face.coefficients, []
        for target in targets:
            head = dict.fromkeys(HEAD, 0.0) | {k: v for k, v in target.items() if k in HEAD}
            axes = {k: v for k, v in target.items() if k not in HEAD}
            turn = rotation_from_angles(*np.radians([head["yaw_deg"], head["pitch_deg"], head["roll_deg"]]))
            pose = HeadPose(
                turn @ own.pose.rotation,
                np.asarray(own.pose.scale * (1.0 + head["scale"])),
                own.pose.translation_px + np.array([head["right_px"], head["down_px"]]),
            )
            faces.append(FaceCoefficients(own.identity, own.expression + axes_of(self.model, **axes), pose))
        return Dynamics(
            own.identity,
            np.stack([face.expression for face in faces]),
            HeadPose(
                np.stack([face.pose.rotation for face in faces]),
                np.stack([face.pose.scale for face in faces]),
                np.stack([face.pose.translation_px for face in faces]),
            ),
            Fraction(1),
            np.ones(len(faces), bool),
            max(portrait.pixels.shape[:2]),
            self.model.id,
        )

    def retargeted(
        self, portrait: Portrait, motion: str | Dynamics, settings: Mapping[str, Any] | None = None
    ) -> Dynamics:
        """A motion, or that of a name, on the portrait's face."""
        config = replace(AnimatorConfig(), retarget=RetargetConfig(**(settings or {})))
        moving = bundled_motion(motion) if isinstance(motion, str) else motion
        return Animator(config, self.model).retarget(portrait, moving)

    def waving(self, seed: int) -> Dynamics:
        """Sines in all of a face's numbers."""
        return waving(self.model, seed)

    def edited(self, *options: str | Path) -> Dynamics:
        """A motion made by `faceanime edit`."""
        path = self._folder / "edited.motion.safetensors"
        assert cli.main(["edit", *map(str, options), "-o", str(path)]) == 0
        return load_motion(path)

    def imagined(self, target: Portrait | None = None, **settings: Any) -> Dynamics:
        """A future of the astronaut's, or the way to a target's face."""
        face = None if target is None else target.face.coefficients
        return self.animator("geometric").imagine(self.portrait("astronaut"), FutureConfig(**settings), face)

    def smoothed(self, motion: Dynamics, **settings: Any) -> Dynamics:
        return smooth_dynamics(motion, self.model.part, SmoothConfig(**settings))

    # -- what comes of it

    def frames(
        self, renderer: RendererName, subject: str, motion: str | Sequence[Target], wanted: Sequence[int]
    ) -> list[Picture]:
        """Some frames of a bundled motion, or of targets, as a renderer draws them."""
        portrait = self.portrait(subject)
        dynamics = (
            self.retargeted(portrait, motion) if isinstance(motion, str) else self.targets(portrait, motion)
        )
        return list(self.animator(renderer).render(portrait, dynamics, wanted))

    def filmed(self, renderer: RendererName, motion: str, frame: int) -> Picture:
        """The head crop of a frame of a bundled motion, beside source, driver and prior: from files to files.

        The motion's first frame goes before it, to be the reference.
        """
        source, driver, out = (self._folder / name for name in ("a.png", "a.motion.safetensors", renderer))
        write_image(source, ASTRONAUTS["astronaut-film"])
        whole, some = bundled_motion(motion), np.array([0, frame])
        picked = whole.replaced(
            expression=whole.expression[some], pose=whole.pose[some], valid=whole.valid[some]
        )
        save_motion(picked, driver)
        options = OutputOptions(crop=True, size=128, side_by_side=True)
        written = animate_file(self.animator(renderer), source, driver, out, options, SilentProgress())
        return read_image(sorted(written.iterdir())[1])

    def face_box(self, subject: str) -> tuple[slice, slice]:
        """Rows and columns of a portrait's face, with some room for a chin that drops."""
        left, top, right, bottom = self.portrait(subject).landmarks.box_px
        room = 0.12 * (bottom - top)
        return slice(int(top - room), int(bottom + 2 * room)), slice(int(left - room), int(right + room))

    def prior(self, target: Target, interval: int) -> Picture:
        """The sparse texture of the astronaut at a target's geometry."""
        portrait = self.portrait("astronaut")
        texture = sample_texture(
            portrait.pixels, portrait.face, self.model, sparse_skin(self.model, interval)
        )
        face = self.targets(portrait, [target])[0]
        points = model_points(face, portrait.face.residual, self.model)
        drawn = render_texture(texture, points, *portrait.pixels.shape[:2])
        return np.rint((drawn + 1.0) * 127.5).astype(np.uint8)

    def clay(self, motion: str, frame: int) -> Picture:
        """A motion's own face as clay."""
        moving = bundled_motion(motion)
        shape = self.model.vertices(moving.identity, moving.expression[frame])
        points = project(shape, moving.pose[frame]) * (CLAY_PX / moving.picture_side_px)
        return shade_face(points, self.model, CLAY_PX, CLAY_PX)

    # -- what is read from pictures

    def tracked(self) -> Dynamics:
        """The motion that is read from a clip that the geometric renderer drew; no encoder between them."""
        portrait = self.portrait("astronaut-large")
        first, last = (round(25 * s) for s in TRACKED_S)
        dynamics = self.retargeted(portrait, "talk")
        drawn = self.animator("geometric").render(portrait, dynamics, range(first, last))
        frames = (Frame(pixels, Fraction(t, 25)) for t, pixels in enumerate(drawn))
        landmarks = LandmarkTracker(TrackConfig(), MediapipeDetector(), self.model).track(frames)
        side_px = max(portrait.pixels.shape[:2])
        return fit_sequence(
            landmarks, Fraction(25), side_px, self.model, FitConfig(), SmoothConfig(), "the clip"
        )

    def fitted_sequence(self) -> Dynamics:
        """The motion that is fitted to exact landmarks of the drawn head under noise; some are lost. No picture."""
        portrait, rng = self.portrait("drawn"), np.random.default_rng(4)
        dynamics = self.retargeted(portrait, "talk")
        points = [landmarks_of(dynamics[t], self.model) for t in range(60)]
        noisy = [Landmarks((p + rng.normal(0.0, 0.3, p.shape)).astype(np.float32), 1.0) for p in points]
        seen = [None if 20 <= t < 26 else landmarks for t, landmarks in enumerate(noisy)]
        side_px = max(portrait.pixels.shape[:2])
        return fit_sequence(
            seen, Fraction(25), side_px, self.model, FitConfig(), SmoothConfig(), "the landmarks"
        )


def matte_picture(matte: np.ndarray) -> Picture:
    """A matte (H,W) in [0,1] as grey levels (H,W,3)."""
    return np.repeat(np.rint(255 * matte)[..., None], 3, axis=-1).astype(np.uint8)


def numbers_of(motion: Dynamics, every: int = 1) -> dict[str, np.ndarray]:
    """A motion as named arrays, some of its frames."""
    return {
        "identity": motion.identity,
        "expression": motion.expression[::every],
        "rotation": motion.pose.rotation[::every],
        "log_scale": np.log(motion.pose.scale[::every]),
        "place": motion.pose.translation_px[::every] / motion.picture_side_px,
        "valid": motion.valid.astype(np.float32),
        "frame_rate": np.array(float(motion.frame_rate)),
    }
