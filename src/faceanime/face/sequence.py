"""From a video's landmarks to its dynamics: fitted in chunks, in memory that does not grow with the length."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby, islice, pairwise
from operator import itemgetter

import numpy as np
from jaxtyping import Float

from faceanime.core.errors import NoFaceError
from faceanime.dynamics.shots import join_shots, longest_shot
from faceanime.face.camera import CameraMotion
from faceanime.face.config import FitConfig, SmoothConfig
from faceanime.face.fit import fit_coefficients
from faceanime.face.shots import in_words, spans_in_words
from faceanime.face.smooth import smooth_dynamics
from faceanime.geometry.gaps import nearest_valid
from faceanime.geometry.rotation import angles_from_rotation, rotation_from_angles
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import Dynamics, FaceCoefficients, HeadPose
from faceanime.structures.landmarks import Landmarks

log = logging.getLogger(__name__)

FIT_CHUNK_FRAMES = 256
"""Frames that are fitted at once; chosen by eye."""
IDENTITY_FRAMES = 64
"""Largest number of frames from which the identity is fitted, spread over the first chunk; chosen by eye."""
DYNAMICS_SIZE_PX = 256
"""Longer side of the picture of every fitted motion."""
_SAME_PERSON = 0.25
"""Cosine of two shots' identities below which they show two people. In 77 clips of 45 people, cut into shots of half a
second, so were 1 % of the pairs of one person in one clip, 12 % of those in two clips (5 % in shots of two seconds;
most wear grimaces in one of both), and 89 % of the pairs of two people."""


@dataclass(frozen=True)
class Shot:
    """A shot of a video: its number, and the camera, which was watched from `first` frames before the shot on."""

    number: int
    camera: CameraMotion | None = None
    first: int = 0


def fit_shots(
    landmarks: Iterable[tuple[Shot, Landmarks | None]],
    frame_rate: Fraction,
    picture_side_px: int,
    model: MorphableModel,
    fit: FitConfig,
    smooth: SmoothConfig,
    where: str,
) -> Dynamics:
    """The smoothed dynamics of a video: each shot is fitted by itself and laid onto the longest one.

    `landmarks` has the shot and the face of each frame; else as in `fit_sequence`. Cuts, other people and
    frames without a face are told in one line each. Raises NoFaceError when no frame shows a face.
    """
    shots = [
        _fit((face for _, face in part), frame_rate, picture_side_px, model, fit, smooth, shot)
        for shot, part in groupby(landmarks, key=itemgetter(0))
    ]
    seen = [shot for shot in shots if not isinstance(shot, int)]
    if not seen:
        raise _no_face(sum(shot for shot in shots if isinstance(shot, int)), where)
    _tell_of_shots(shots, frame_rate, where)
    dynamics = join_shots([shot if isinstance(shot, int) else _upright(shot) for shot in shots], model)
    lost = int((~dynamics.valid).sum())
    if lost:
        log.warning(
            "%s: no face in %d of %d frames; the portrait keeps its own there", where, lost, len(dynamics)
        )
    return dynamics


def fit_sequence(
    landmarks: Iterable[Landmarks | None],
    frame_rate: Fraction,
    picture_side_px: int,
    model: MorphableModel,
    fit: FitConfig,
    smooth: SmoothConfig,
    where: str,
) -> Dynamics:
    """The smoothed dynamics of one face; identity from the first chunk that shows it.

    `landmarks` one entry a frame, None where the face is lost; `picture_side_px` the longer side of the
    frames, which becomes `DYNAMICS_SIZE_PX`; `where` names the video in errors. Raises NoFaceError when no
    frame shows a face.
    """
    fitted = _fit(landmarks, frame_rate, picture_side_px, model, fit, smooth)
    if isinstance(fitted, int):
        raise _no_face(fitted, where)
    return fitted


def _fit(
    landmarks: Iterable[Landmarks | None],
    frame_rate: Fraction,
    picture_side_px: int,
    model: MorphableModel,
    fit: FitConfig,
    smooth: SmoothConfig,
    shot: Shot = Shot(0),
) -> Dynamics | int:
    """The smoothed dynamics of one face in one shot, or the number of frames if none shows it."""
    identity: Float[np.ndarray, " K_id"] | None = None
    chunks: list[tuple[np.ndarray, FaceCoefficients | None]] = []
    for chunk in _chunks(landmarks):
        valid = np.array([entry is not None for entry in chunk])
        points = np.array([entry.points_image for entry in chunk if entry is not None], np.float64)
        pinned = np.array([entry.pinned for entry in chunk if entry is not None], bool)
        if not len(points):
            chunks.append((valid, None))
            continue
        if identity is None:
            some = np.unique(np.linspace(0, len(points) - 1, min(len(points), IDENTITY_FRAMES)).astype(int))
            identity = fit_coefficients(points[some], model, fit, pinned=pinned[some]).identity[0]
        chunks.append((valid, fit_coefficients(points, model, fit, identity, pinned)))
    if identity is None:
        return sum(len(valid) for valid, _ in chunks)
    dynamics = _concatenated(chunks, identity, frame_rate, DYNAMICS_SIZE_PX / picture_side_px, model)
    if shot.camera is not None:
        dynamics = shot.camera.steadied(dynamics, shot.first)
    return smooth_dynamics(dynamics, model.part, smooth)


def _upright(motion: Dynamics) -> Dynamics:
    """The motion in its picture turned by the quarter turns, if any, that bring the head upright.

    A camera that was held sideways or upside down swaps nods and turns, left and right.
    """
    rolls = angles_from_rotation(motion.pose.rotation[motion.valid])[:, 2]
    usual = np.angle(np.exp(1j * rolls).mean())
    quarters = round(float(usual) / (np.pi / 2))
    if quarters == 0:
        return motion
    turn = rotation_from_angles(0.0, 0.0, -quarters * np.pi / 2)
    center = np.full(2, motion.picture_side_px / 2)
    in_picture = turn[:2, :2].T  # y is down in the picture
    return motion.replaced(
        pose=HeadPose(
            turn @ motion.pose.rotation,
            motion.pose.scale,
            (motion.pose.translation_px - center) @ in_picture.T + center,
        )
    )


def _no_face(frames: int, where: str) -> NoFaceError:
    remedy = "a video that shows a face of 40 px or more"
    return NoFaceError(f"any of the {frames} frames of {where}", remedies=(remedy,))


def _tell_of_shots(shots: Sequence[Dynamics | int], frame_rate: Fraction, where: str) -> None:
    """Tell in one line of a video's cuts, and of shots that show other people than the longest one."""
    lengths = [shot if isinstance(shot, int) else len(shot) for shot in shots]
    edges_s = np.cumsum([0, *lengths]) / float(frame_rate)
    main = longest_shot(shots).identity
    faces = [
        (span, shot.identity)
        for span, shot in zip(pairwise(edges_s), shots, strict=True)
        if not isinstance(shot, int)
    ]
    if len(faces) == 1:
        return
    others = [span for span, identity in faces if _likeness(identity, main) < _SAME_PERSON]
    who = "another person is" if len(others) == 1 else "other people are"
    told = f"; {who} seen at {spans_in_words(others)}" if others else ""
    log.warning(
        "%s is cut, or jumps, at %s: each shot is read by itself%s",
        where,
        in_words([begin for (begin, _), _ in faces[1:]]),
        told,
    )


def _likeness(a: Float[np.ndarray, " K_id"], b: Float[np.ndarray, " K_id"]) -> float:
    """The cosine of two identities."""
    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-9))


def _chunks(landmarks: Iterable[Landmarks | None]) -> Iterator[list[Landmarks | None]]:
    stream = iter(landmarks)
    while chunk := list(islice(stream, FIT_CHUNK_FRAMES)):
        yield chunk


def _concatenated(
    chunks: list[tuple[np.ndarray, FaceCoefficients | None]],
    identity: Float[np.ndarray, " K_id"],
    frame_rate: Fraction,
    factor: float,
    model: MorphableModel,
) -> Dynamics:
    """All chunks as one sequence; a lost frame repeats the nearest valid one."""
    valid = np.concatenate([v for v, _ in chunks])
    fitted = [c for _, c in chunks if c is not None]
    nearest = nearest_valid(valid)
    fitted_index = np.cumsum(valid) - 1  # of each valid frame among the fitted ones
    pose = HeadPose.concatenate([c.pose for c in fitted])
    return Dynamics(
        identity=identity,
        expression=np.concatenate([c.expression for c in fitted])[fitted_index[nearest]],
        pose=pose[fitted_index[nearest]].resized(factor),
        frame_rate=frame_rate,
        valid=valid,
        picture_side_px=DYNAMICS_SIZE_PX,
        model_id=model.id,
    )
