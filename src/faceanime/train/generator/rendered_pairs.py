"""What the flow-guided generator learns from: true frames, and what the geometric renderer made of them.

Each prepared clip drives several of its own frames (a calm one, an open-mouthed, a smiling, a turned one) with the
geometric renderer, to moments of two frames each, so that a flicker can be told from a steady error. Every target is
fitted again as each source's own mesh meets it best: lips that are drawn a pixel beside the true ones teach blur.
The calm portrait is also driven by the clip before, of another person: no frame shows what that should look like, but
critics can say whether it looks real. Portraits (`albums.py`) are learned from in the same way; one whose lips are
apart is also drawn with its mouth shut, and what was drawn is driven back: the truth is a picture.
Pictures, mattes and coefficients stay on disk, one file for each clip: a stopped run goes on with the first clip that
is not there. `window_samples.py` reads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt8

from faceanime.core.concurrency import map_ordered
from faceanime.core.config import to_json
from faceanime.core.errors import ConfigError, NoFaceError
from faceanime.core.files import make_folder
from faceanime.core.progress import Progress, watched
from faceanime.core.weights import read_header, save_weights
from faceanime.dataset.shards import read_samples
from faceanime.face.fit import FitConfig, fit_coefficients
from faceanime.geometry.camera import project, unproject
from faceanime.geometry.rotation import angle_between
from faceanime.morphable.axes import measure, measured
from faceanime.morphable.model import EYES, MorphableModel
from faceanime.pipeline import Animator
from faceanime.render.composite import Paster
from faceanime.render.geometric import PortraitLayers, drawing_version
from faceanime.render.head.hair_occlusion import pull_outline_to_hair
from faceanime.render.head.sheet import source_shape
from faceanime.structures.coefficients import Dynamics, FaceCoefficients, FittedFace, HeadPose
from faceanime.structures.frames import Pixels
from faceanime.structures.landmarks import Landmarks
from faceanime.structures.portrait import Portrait

KIND = "reenacted-moments"
SUFFIX = ".pairs.safetensors"


_APART = 0.03
"""Lips are apart from here on, in shares of the distance between the eyes."""
_NO_FRAME = -1
"""The time of a source that is no picture of the takes."""


@dataclass(frozen=True)
class PairsConfig:
    """Which frames of a clip are shown to the network."""

    sources: int = 4
    """Portraits of each clip, at most, but for `shut` ones: calm, open-mouthed, smiling, turned."""
    moments: int = 16
    """Moments, two frames each, that each portrait is driven to; opened mouths, closed lids and turned heads come
    more often."""
    foreign: int = 8
    """Frames of another person's clip that the calm portrait is driven by."""
    shut: bool = True
    """Whether pictures of an album that show lips apart are sources with the mouth shut, too: of most people there is
    no second picture, and teeth in clips are few pixels wide."""
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.sources, self.moments) < 1 or self.foreign < 0:
            raise ConfigError("pairs: sources and moments must be at least 1, foreign at least 0")


@runtime_checkable
class Takes(Protocol):
    """Pictures of one person, and the 3D face in each: a clip (`shards.Sample`), or an album of portraits.

    `key` names the file that is made of them; `note` may hold their "rights"; `filmed`, whether one follows the other
    in time; `pinned`, whose landmarks lie on an anchor's skin.
    """

    @property
    def key(self) -> str: ...
    @property
    def person(self) -> str: ...
    @property
    def note(self) -> Mapping[str, Any]: ...
    @property
    def filmed(self) -> bool: ...
    def motion(self) -> Dynamics: ...
    def landmarks(self) -> tuple[Float32[np.ndarray, "T 478 3"], Bool[np.ndarray, " T"]]: ...
    def pinned(self) -> Bool[np.ndarray, " T"]: ...
    def pictures(self) -> UInt8[np.ndarray, "T S S 3"]: ...


def clips_with_drivers(data: Path, split: str) -> Iterator[tuple[Takes, Takes | None]]:
    """The clips of a split of `data` (shards of `faceanime prepare`), each with the last one of another person.

    Raises ConfigError, MediaError.
    """
    last: list[Takes] = []  # of the last person, and of the one before
    for sample in read_samples(data, split):
        last = [*[other for other in last if other.person != sample.person][-1:], sample]
        yield sample, last[0] if len(last) > 1 else None


def render_pairs(
    takes: Iterable[tuple[Takes, Takes | None]],
    folder: Path,
    animator: Animator,
    config: PairsConfig,
    progress: Progress,
) -> list[Path]:
    """One file in `folder` for each of the `takes`, which stand with what else is to drive their calm portrait.

    Files that are there already are left as they are; takes without a face have none. Raises ConfigError where they
    were made with other settings, MediaError, OutputError.
    """
    make_folder(folder)
    settings = {
        "drawn": drawing_version(),
        "pairs": to_json(config),
        "geometric": to_json(animator.config.geometric),
    }
    progress.stage(f"rendering {folder.name}", None)
    paths: list[Path] = []
    for sample, driver in watched(takes, progress):
        path = folder / f"{sample.key}{SUFFIX}"
        wanted = settings | ({"pinned": True} if sample.filmed and sample.pinned().any() else {})
        if path.exists():
            if _settings_of(path) != wanted:
                raise ConfigError(
                    f"{path} was rendered with other settings or an older faceanime; "
                    "name another --rendered, or delete it"
                )
        else:
            try:
                tensors = _rendered(sample, driver, animator, config)
            except NoFaceError:
                continue
            header = {
                "person": sample.person,
                "model_id": animator.model.id,
                "rights": sample.note.get("rights", {}),
                "settings": wanted,
            }
            save_weights(path, tensors, KIND, header)
        paths.append(path)
    return paths


def _settings_of(path: Path) -> dict[str, Any]:
    """The settings that a file was rendered with; versions of the drawing up to 7 were written as numbers."""
    settings = dict(read_header(path).get("settings") or {})
    return settings | {"drawn": str(settings.get("drawn"))}


def _rendered(
    sample: Takes, other: Takes | None, animator: Animator, config: PairsConfig
) -> dict[str, np.ndarray]:
    """Pictures and coefficients of one clip: K sources, T targets, and every target from every source.

    And F targets that the first source is driven to by the `other` clip; none without it.
    """
    model, motion, pictures = animator.model, sample.motion(), sample.pictures()
    points, tracked = sample.landmarks()
    pinned, good = sample.pinned(), tracked & motion.valid
    rng = np.random.default_rng([config.seed, *sample.key.encode()])
    sources = choose_sources(motion, good, model)[: config.sources]
    if sample.filmed:
        targets = choose_targets(motion, good, int(sources[0]), config.moments, model, rng)
        times = targets
    else:
        targets = np.flatnonzero(good)
        times = 2 * targets  # none is the neighbour of another
    own = sources if sample.filmed else 2 * sources
    portraits = [_portrait_of(motion[s], pictures[s], points[s], animator) for s in sources.tolist()]
    foreign = _driven_by(other, portraits[0], animator, config.foreign, rng)
    foreign_canvas = _drawn(portraits[0], foreign, animator)
    drawn = []
    if config.shut and not sample.filmed and other is not None:
        faces = [_portrait_of(motion[t], pictures[t], points[t], animator) for t in targets.tolist()]
        drawn = _with_shut_mouths(faces, other, animator)
    portraits += drawn
    canvases, driven = [], []
    for portrait in portraits:
        aimed = _met_by(portrait.face, points[targets], model, animator.config.read.fit, pinned[targets])
        canvases.append(_drawn(portrait, aimed, animator))
        driven.append(_numbers(aimed.expression, aimed.pose))
    own_faces = [
        _numbers(face.expression[None], _of_one(face.pose))
        for face in (portrait.face.coefficients for portrait in portraits)
    ]
    mattes = [animator.reader.matte(pictures[t], Landmarks(points[t], 1.0)) for t in targets.tolist()]
    return {
        "truth": pictures[targets],
        "truth_matte": _levels(mattes),
        "source": np.stack([portrait.pixels for portrait in portraits]),
        "source_matte": _levels([portrait.matte for portrait in portraits]),
        "canvas": np.stack(canvases),
        "foreign_canvas": foreign_canvas,
        "residual": np.stack([portrait.face.residual for portrait in portraits]).astype(np.float32),
        "identity": motion.identity.astype(np.float32),
        "frame": times.astype(np.int64),
        "source_frame": np.append(own, np.full(len(drawn), _NO_FRAME)).astype(np.int64),
        **{f"source_{k}": np.concatenate([one[k] for one in own_faces]) for k in own_faces[0]},
        **{f"target_{k}": np.stack([one[k] for one in driven]) for k in driven[0]},
        **{f"foreign_{k}": v for k, v in _numbers(foreign.expression, foreign.pose).items()},
    }


def _portrait_of(
    face: FaceCoefficients, picture: Pixels, points: Float32[np.ndarray, "L 3"], animator: Animator
) -> Portrait:
    """A portrait with the coefficients that its clip has, not those of this frame alone: so the targets' fit it."""
    landmarks, model = Landmarks(points, 1.0), animator.model
    matte = animator.reader.matte(picture, landmarks)
    fitted = pull_outline_to_hair(_fitted_by(face, points, model), picture, matte, model)
    return Portrait(picture, landmarks, fitted, matte, 0)


def _with_shut_mouths(portraits: list[Portrait], other: Takes, animator: Animator) -> list[Portrait]:
    """Those whose lips are apart, as they are drawn with the mouth of another clip's calm frame, and its lips shut."""
    model, motion = animator.model, other.motion()
    good = other.landmarks()[1] & motion.valid
    if not good.any():
        return []
    calm, closing = motion.expression[choose_sources(motion, good, model)[0]], model.axis("lips_part")
    per_unit = float(measure("lips_apart", model.expression_basis @ closing))
    drawn = []
    for portrait in portraits:
        face = portrait.face.coefficients
        if measured("lips_apart", model, face.identity, face.expression) <= _APART:
            continue
        leftover = portrait.face.residual
        expression = np.where(np.isin(model.part, EYES), face.expression, calm)
        gap = float(measure("lips_apart", model.vertices(face.identity, expression) + leftover))
        expression = expression - max(gap, 0.0) / per_unit * closing
        shut = FittedFace(replace(face, expression=expression), leftover)
        one = FaceCoefficients(face.identity[None], expression[None], _of_one(face.pose))
        (picture,) = _drawn(portrait, one, animator)
        seen = project(source_shape(shut, model), face.pose)[: model.landmark_count]
        landmarks = Landmarks(seen.astype(np.float32), 1.0)
        drawn.append(Portrait(picture, landmarks, shut, animator.reader.matte(picture, landmarks), 0))
    return drawn


def _of_one(pose: HeadPose) -> HeadPose:
    """A pose as a batch of one."""
    return HeadPose(pose.rotation[None], pose.scale[None], pose.translation_px[None])


def _drawn(portrait: Portrait, faces: FaceCoefficients, animator: Animator) -> UInt8[np.ndarray, "N H W 3"]:
    """The geometric renderer's pictures of N faces of a portrait.

    Hair has the face's own pose here, not that of a film (`hair_pose`): no window is open to it.
    """
    renderer = PortraitLayers(
        portrait.pixels, portrait.face, portrait.matte, animator.model, animator.config.geometric
    )
    paster = Paster(portrait.pixels, renderer.region)
    frames = (
        FaceCoefficients(portrait.face.coefficients.identity, faces.expression[n], faces.pose[n])
        for n in range(len(faces.expression))
    )
    canvases = [paster.paste(canvas) for canvas in map_ordered(renderer.render, frames)]
    return np.array(canvases, np.uint8).reshape(-1, *portrait.pixels.shape)


def _driven_by(
    other: Takes | None, portrait: Portrait, animator: Animator, count: int, rng: np.random.Generator
) -> FaceCoefficients:
    """Up to `count` faces of the portrait that another clip drives it to."""
    source = portrait.face.coefficients
    nobody = HeadPose(np.zeros((0, 3, 3)), np.zeros(0), np.zeros((0, 2)))
    none = FaceCoefficients(source.identity[None][:0], source.expression[None][:0], nobody)
    if other is None or count == 0:
        return none
    motion = other.motion()
    good = other.landmarks()[1] & motion.valid
    if not good.any():
        return none
    dynamics = animator.retarget(portrait, motion)
    calm = int(choose_sources(motion, good, animator.model)[0])
    frames = choose_targets(motion, good, calm, count, animator.model, rng)[:count]
    repeated = np.repeat(source.identity[None], len(frames), axis=0)
    return FaceCoefficients(repeated, dynamics.expression[frames], dynamics.pose[frames])


def _levels(mattes: list[Float32[np.ndarray, "H W"]]) -> UInt8[np.ndarray, "N H W"]:
    return np.rint(255.0 * np.stack(mattes)).astype(np.uint8)


def _numbers(expression: Float[np.ndarray, "N K_exp"], pose: HeadPose) -> dict[str, np.ndarray]:
    values = {
        "expression": expression,
        "rotation": pose.rotation,
        "scale": pose.scale,
        "translation": pose.translation_px,
    }
    return {name: value.astype(np.float64) for name, value in values.items()}


def _met_by(
    face: FittedFace,
    points: Float[np.ndarray, "N L 3"],
    model: MorphableModel,
    config: FitConfig,
    pinned: Bool[np.ndarray, " N"],
) -> FaceCoefficients:
    """The coefficients that bring the mesh of `face`, its leftover included, closest to landmarks (px)."""
    own = replace(model, mean=(model.mean + face.residual).astype(model.mean.dtype))
    return fit_coefficients(points, own, config, face.coefficients.identity, pinned)


def _fitted_by(face: FaceCoefficients, points: Float[np.ndarray, "L 3"], model: MorphableModel) -> FittedFace:
    """The face with the leftover that puts its mesh on the landmarks (px) of its frame."""
    vertices = model.vertices(face.identity, face.expression).astype(np.float64)
    wanted = project(vertices, face.pose)
    wanted[: model.landmark_count, :2] = points[:, :2]
    return FittedFace(face, unproject(wanted, face.pose) - vertices)


def choose_sources(
    motion: Dynamics, good: Bool[np.ndarray, " T"], model: MorphableModel
) -> Int[np.ndarray, " K"]:
    """Frames to be portraits, of the `good` ones: a calm one first; opened, smiling, turned if the clip has them.

    Raises NoFaceError where none is good.
    """
    frames = np.flatnonzero(good)
    if len(frames) == 0:
        raise NoFaceError("any frame of the clip", remedies=("preparing it again",))
    shape = model.vertices(motion.identity, motion.expression[frames])
    lips, lids = measure("lips_apart", shape), _lids_apart(shape)
    corners = [f"corner_{way}_{side}" for way in ("out", "up") for side in ("right", "left")]
    smile = np.sum([measure(name, shape) for name in corners], axis=0)
    turned = np.arccos(np.clip(motion.pose.rotation[frames, 2, 2], -1.0, 1.0))  # from the viewer
    calm = int(np.argmin(lips + 0.3 * turned + 2.0 * np.maximum(0.8 * np.median(lids) - lids, 0.0)))
    away = _turn_from(motion, int(frames[calm]), frames)
    chosen = [calm]
    for value, least in ((lips, 0.06), (smile, 0.08), (away, np.radians(8.0))):
        best = int(np.argmax(value))
        if value[best] - value[calm] > least and best not in chosen:
            chosen.append(best)
    return frames[chosen]


def choose_targets(
    motion: Dynamics,
    good: Bool[np.ndarray, " T"],
    calm: int,
    count: int,
    model: MorphableModel,
    rng: np.random.Generator,
) -> Int[np.ndarray, " N"]:
    """Up to `count` of the `good` frames and those that follow them, in order.

    What differs most from the `calm` one is the likeliest. Where no frame has a good one after it, single ones.
    """
    frames = np.flatnonzero(good[:-1] & good[1:])
    step = 1
    if len(frames) == 0:
        frames, step = np.flatnonzero(good), 0
    shape = model.vertices(motion.identity, motion.expression[frames])
    lids = _lids_apart(shape)
    opened = np.clip(measure("lips_apart", shape) / 0.2, 0.0, 1.0)
    closed = np.clip(1.5 * (1.0 - lids / np.median(lids)), 0.0, 1.0)
    turned = _turn_from(motion, calm, frames)
    share = 1.0 + 4.0 * opened + 4.0 * closed + 2.0 * np.clip(turned / np.radians(25.0), 0.0, 1.0)
    drawn = rng.choice(frames, min(count, len(frames)), replace=False, p=share / share.sum())
    return np.unique(np.concatenate([drawn, drawn + step]))


def _turn_from(motion: Dynamics, frame: int, frames: Int[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """How far the head is turned from where it is in one frame, radians."""
    rotation = motion.pose.rotation
    return np.asarray(angle_between(rotation[frames], np.broadcast_to(rotation[frame], (len(frames), 3, 3))))


def _lids_apart(shape: Float[np.ndarray, "T V 3"]) -> Float[np.ndarray, " T"]:
    return np.minimum(measure("lids_apart_right", shape), measure("lids_apart_left", shape))
