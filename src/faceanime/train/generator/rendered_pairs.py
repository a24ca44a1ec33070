"""Render what the generators learn from: true frames, and the geometric renderer's pictures of them.

Each prepared clip drives several of its own frames (a neutral, an open-mouthed, a smiling, a turned one) to moments
of two consecutive frames, so that a flicker can be distinguished from a steady error. Every target is fitted again
with each source's own mesh: lips that are drawn a pixel beside the true ones would teach blur. The neutral portrait
is also driven by another person's clip; no frame shows what that should look like, but critics can judge whether it
looks real. Albums of portraits (`albums.py`) are rendered in the same way; a picture whose lips are apart is also
drawn with its mouth shut, and the drawing is driven back to the picture, which is the truth.

Each clip becomes one file (`pair_files.py`); a rendering that was stopped continues with the first clip that has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt8

from faceanime.core.concurrency import map_ordered
from faceanime.core.config import from_json, to_json
from faceanime.core.errors import ConfigError, NoFaceError, Remedy, check_range
from faceanime.core.files import make_folder
from faceanime.core.progress import Progress, watched
from faceanime.face.config import FitConfig
from faceanime.face.fit import fit_coefficients, with_residual
from faceanime.geometry.camera import project
from faceanime.morphable.axes import measure_expressions, measure_landmarks
from faceanime.morphable.model import EYES_AND_BROWS, MorphableModel
from faceanime.pipeline import Animator
from faceanime.render.composite import Paster
from faceanime.render.geometric import PortraitLayers, drawing_version
from faceanime.render.head.hair_occlusion import pull_outline_to_hair
from faceanime.render.head.sheet import source_shape
from faceanime.structures.coefficients import Dynamics, FaceCoefficients, FittedFace, HeadPose
from faceanime.structures.landmarks import Landmarks
from faceanime.structures.portrait import Portrait
from faceanime.train.generator.face_clips import FaceClip
from faceanime.train.generator.frame_choice import choose_sources, choose_targets
from faceanime.train.generator.pair_files import (
    NO_FRAME,
    PAIRS_SUFFIX,
    FaceStack,
    RenderedClip,
    rendered_settings,
)

_LIPS_APART = 0.03
"""Opening from which on lips count as apart, model units; chosen by eye."""
_ALBUM_TIME_STEP = 2
"""Difference of the times of two pictures of an album, which are no neighbors."""


@dataclass(frozen=True)
class PairsConfig:
    """The frames of a clip that are rendered."""

    sources: int = 4
    """Largest number of portraits of each clip: a neutral, an open-mouthed, a smiling, a turned one."""
    moments: int = 16
    """Number of moments that each portrait is driven to; those with opened mouths or closed lids are likelier."""
    foreign: int = 8
    """Number of frames of another person's clip that the neutral portrait is driven by."""
    canvases: bool = True
    """Whether the geometric renderer draws every target; the paper's generator has no use for its pictures."""
    shut: bool = True
    """Whether pictures of an album whose lips are apart are also sources with the mouth shut."""
    seed: int = 0
    """Seed of the choice of moments."""

    def __post_init__(self) -> None:
        check_range(self, "pairs", "sources", "moments", least=1)
        check_range(self, "pairs", "foreign", least=0)


def render_pairs(
    clips: Iterable[tuple[FaceClip, FaceClip | None]],
    folder: Path,
    animator: Animator,
    config: PairsConfig,
    progress: Progress,
) -> list[Path]:
    """Render each clip, given with the clip that also drives its neutral portrait, to one file in `folder`.

    Files that exist already are left as they are; a clip without a face has none. Raises ConfigError where existing
    files were rendered with other settings, MediaError, OutputError.
    """
    make_folder(folder)
    settings = {
        "drawn": drawing_version(),
        "pairs": to_json(config),
        "geometric": to_json(animator.config.geometric),
    }
    progress.stage(f"rendering {folder.name}", None)
    paths: list[Path] = []
    for clip, driver in watched(clips, progress):
        path = folder / f"{clip.key}{PAIRS_SUFFIX}"
        wanted = settings | ({"pinned": True} if clip.filmed and clip.pinned().any() else {})
        if not path.exists():
            try:
                rendered = render_clip(clip, driver, animator, config)
            except NoFaceError:
                continue
            rights = clip.note.get("rights", {})
            header = {"person": clip.person, "model_id": animator.model.id, "rights": rights}
            rendered.save(path, header | {"settings": wanted})
        elif _settings_of(path) != wanted:
            raise ConfigError(
                f"{path} was rendered with other settings or an older faceanime",
                Remedy("rendered", "another {}"),
                "deleting it",
            )
        paths.append(path)
    return paths


def _settings_of(path: Path) -> dict[str, Any]:
    """The settings that a file was rendered with; those that an older file lacks have their defaults."""
    settings = rendered_settings(path)
    pairs = from_json(PairsConfig, settings.get("pairs", "{}"), f"the header of {path}")
    return settings | {"pairs": to_json(pairs)}


def render_clip(
    clip: FaceClip, driver: FaceClip | None, animator: Animator, config: PairsConfig
) -> RenderedClip:
    """Render every chosen target of a clip from every source, and the driver's targets from the first source."""
    rng = np.random.default_rng([config.seed, *clip.key.encode()])
    frames = _Frames.of(clip)
    sources, targets = _choose(clip, frames, animator.model, config, rng)
    portraits = [_portrait(frames, s, animator) for s in sources.tolist()]
    foreign = _driven_by(driver, portraits[0], animator, config.foreign, rng)
    foreign_canvas = _render(portraits[0], foreign, animator)
    if config.shut and not clip.filmed and driver is not None:
        open_mouthed = [_portrait(frames, t, animator) for t in targets.tolist()]
        portraits += shut_mouths(open_mouthed, driver, animator)
    canvases, target_faces = _reenact(portraits, frames, targets, animator, config.canvases)
    own_faces = [portrait.face.coefficients for portrait in portraits]
    mattes = [
        animator.reader.matte(frames.pictures[t], Landmarks(frames.points[t], 1.0)) for t in targets.tolist()
    ]
    step = 1 if clip.filmed else _ALBUM_TIME_STEP
    return RenderedClip(
        truth=frames.pictures[targets],
        truth_matte=_levels(mattes),
        source=np.stack([portrait.pixels for portrait in portraits]),
        source_matte=_levels([portrait.matte for portrait in portraits]),
        canvas=canvases,
        foreign_canvas=foreign_canvas,
        residual=np.stack([portrait.face.residual for portrait in portraits]).astype(np.float32),
        identity=frames.motion.identity.astype(np.float32),
        time=step * targets,
        source_time=np.append(step * sources, np.full(len(portraits) - len(sources), NO_FRAME)),
        source_faces=FaceStack(
            np.stack([face.expression for face in own_faces]), _stack([face.pose for face in own_faces])
        ),
        target_faces=target_faces,
        foreign_faces=FaceStack(foreign.expression, foreign.pose),
    )


@dataclass(frozen=True, eq=False)
class _Frames:
    """A clip in memory: its motion, and its T pictures with their landmarks (px)."""

    motion: Dynamics
    pictures: UInt8[np.ndarray, "T S S 3"]
    points: Float32[np.ndarray, "T L 3"]
    pinned: Bool[np.ndarray, " T"]
    good: Bool[np.ndarray, " T"]
    """Whether the frame shows a tracked and fitted face."""

    @classmethod
    def of(cls, clip: FaceClip) -> _Frames:
        motion, pictures = clip.motion(), clip.pictures()
        points, tracked = clip.landmarks()
        return cls(motion, pictures, points, clip.pinned(), tracked & motion.valid)


def _choose(
    clip: FaceClip, frames: _Frames, model: MorphableModel, config: PairsConfig, rng: np.random.Generator
) -> tuple[Int[np.ndarray, " K"], Int[np.ndarray, " T"]]:
    """The frames that are sources, and those that are targets: moments of a clip, all pictures of an album."""
    sources = choose_sources(frames.motion, frames.good, model)[: config.sources]
    if not clip.filmed:
        return sources, np.flatnonzero(frames.good)
    neutral = int(sources[0])
    return sources, choose_targets(frames.motion, frames.good, neutral, config.moments, model, rng)


def _portrait(frames: _Frames, frame: int, animator: Animator) -> Portrait:
    """A frame as a portrait, with the coefficients of the clip's smoothed motion, as its targets have them."""
    landmarks, model = Landmarks(frames.points[frame], 1.0), animator.model
    picture = frames.pictures[frame]
    matte = animator.reader.matte(picture, landmarks)
    face = with_residual(frames.motion[frame], frames.points[frame], model)
    return Portrait(picture, landmarks, pull_outline_to_hair(face, picture, matte, model), matte, 0)


def shut_mouths(portraits: Sequence[Portrait], driver: FaceClip, animator: Animator) -> list[Portrait]:
    """Draw the portraits whose lips are apart with the mouth of the driver's neutral frame, and its lips shut."""
    model, motion = animator.model, driver.motion()
    good = driver.landmarks()[1] & motion.valid
    if not good.any():
        return []
    neutral = motion.expression[choose_sources(motion, good, model)[0]]
    drawn = []
    for portrait in portraits:
        face = portrait.face.coefficients
        if measure_expressions("lips_apart", model, face.identity, face.expression) <= _LIPS_APART:
            continue
        shut = _with_shut_lips(portrait.face, neutral, model)
        one = shut.coefficients
        batch = FaceCoefficients(one.identity[None], one.expression[None], _stack([one.pose]))
        (picture,) = _render(portrait, batch, animator)
        points = project(model.landmarks_of(source_shape(shut, model)), face.pose)
        landmarks = Landmarks(points.astype(np.float32), 1.0)
        drawn.append(Portrait(picture, landmarks, shut, animator.reader.matte(picture, landmarks), 0))
    return drawn


def _with_shut_lips(
    face: FittedFace, neutral: Float[np.ndarray, " K_exp"], model: MorphableModel
) -> FittedFace:
    """The face with its own eyes, the mouth and brows of a neutral expression, and the lips closed."""
    closing = model.axis("lips_part")
    per_unit = float(measure_landmarks("lips_apart", model.landmark_expression_basis @ closing, model.schema))
    own = face.coefficients
    expression = np.where(np.isin(model.part, EYES_AND_BROWS), own.expression, neutral)
    shape = model.landmarks_of(model.vertices(own.identity, expression) + face.residual)
    opening = float(measure_landmarks("lips_apart", shape, model.schema))
    expression = expression - max(opening, 0.0) / per_unit * closing
    return FittedFace(replace(own, expression=expression), face.residual)


def _reenact(
    portraits: Sequence[Portrait],
    frames: _Frames,
    targets: Int[np.ndarray, " T"],
    animator: Animator,
    rendered: bool,
) -> tuple[UInt8[np.ndarray, "K N H W 3"], FaceStack]:
    """Render every target from every portrait, N = T, or none, N = 0.

    Also returns the target faces, (K,T), as fitted with each portrait's mesh.
    """
    canvases, faces = [], []
    for portrait in portraits:
        fitted = _fit_with_mesh_of(
            portrait.face,
            frames.points[targets],
            animator.model,
            animator.config.read.fit,
            frames.pinned[targets],
        )
        canvases.append(_render(portrait, fitted if rendered else _none_of(fitted), animator))
        faces.append(fitted)
    expression = np.stack([face.expression for face in faces])
    return np.stack(canvases), FaceStack(expression, _stack([face.pose for face in faces]))


def _none_of(faces: FaceCoefficients) -> FaceCoefficients:
    """No faces of the same person."""
    return FaceCoefficients(faces.identity[:0], faces.expression[:0], faces.pose[:0])


def _stack(poses: Sequence[HeadPose]) -> HeadPose:
    """Poses as one batch along a new first axis."""
    return HeadPose(
        np.stack([pose.rotation for pose in poses]),
        np.stack([pose.scale for pose in poses]),
        np.stack([pose.translation_px for pose in poses]),
    )


def _render(portrait: Portrait, faces: FaceCoefficients, animator: Animator) -> UInt8[np.ndarray, "N H W 3"]:
    """The geometric renderer's pictures of N faces of a portrait.

    Hair takes the face's own pose, not the smoothed one of a video (`hair_pose`): no window lets hair change.
    """
    renderer = PortraitLayers(
        portrait.pixels, portrait.face, portrait.matte, animator.model, animator.config.geometric
    )
    paster = Paster(portrait.pixels, renderer.region)
    identity = portrait.face.coefficients.identity
    single = (
        FaceCoefficients(identity, faces.expression[n], faces.pose[n]) for n in range(len(faces.expression))
    )
    canvases = [paster.paste(canvas) for canvas in map_ordered(renderer.render, single)]
    return np.array(canvases, np.uint8).reshape(-1, *portrait.pixels.shape)


def _driven_by(
    driver: FaceClip | None, portrait: Portrait, animator: Animator, count: int, rng: np.random.Generator
) -> FaceCoefficients:
    """Up to `count` faces of the portrait when another person's clip drives it; none without a usable clip."""
    source = portrait.face.coefficients
    no_pose = HeadPose(np.zeros((0, 3, 3)), np.zeros(0), np.zeros((0, 2)))
    none = FaceCoefficients(source.identity[None][:0], source.expression[None][:0], no_pose)
    if driver is None or count == 0:
        return none
    motion = driver.motion()
    good = driver.landmarks()[1] & motion.valid
    if not good.any():
        return none
    dynamics = animator.retarget(portrait, motion)
    neutral = int(choose_sources(motion, good, animator.model)[0])
    frames = choose_targets(motion, good, neutral, count, animator.model, rng)[:count]
    repeated = np.repeat(source.identity[None], len(frames), axis=0)
    return FaceCoefficients(repeated, dynamics.expression[frames], dynamics.pose[frames])


def _levels(mattes: list[Float32[np.ndarray, "H W"]]) -> UInt8[np.ndarray, "N H W"]:
    """Mattes in [0, 1] as levels of 255."""
    return np.rint(255.0 * np.stack(mattes)).astype(np.uint8)


def _fit_with_mesh_of(
    face: FittedFace,
    points: Float[np.ndarray, "N L 3"],
    model: MorphableModel,
    config: FitConfig,
    pinned: Bool[np.ndarray, " N"],
) -> FaceCoefficients:
    """The coefficients that bring the mesh of `face`, residual included, closest to landmarks (px)."""
    own = replace(model, mean=(model.mean + face.residual).astype(model.mean.dtype))
    return fit_coefficients(points, own, config, face.coefficients.identity, pinned)
