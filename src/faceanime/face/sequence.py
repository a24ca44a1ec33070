"""From a video's landmarks to its dynamics: fitted in chunks, in memory that does not grow with the length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import islice

import numpy as np
from jaxtyping import Float

from faceanime.core.errors import NoFaceError
from faceanime.face.config import FitConfig, SmoothConfig
from faceanime.face.fit import fit_coefficients
from faceanime.face.smooth import smooth_dynamics
from faceanime.geometry.gaps import nearest_valid
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import Dynamics, FaceCoefficients, HeadPose
from faceanime.structures.landmarks import Landmarks

FIT_CHUNK_FRAMES = 256
"""Frames that are fitted at once; chosen by eye."""
IDENTITY_FRAMES = 64
"""Largest number of frames from which the identity is fitted, spread over the first chunk; chosen by eye."""
DYNAMICS_SIZE_PX = 256
"""Longer side of the picture of every fitted motion."""


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
        frames = sum(len(valid) for valid, _ in chunks)
        remedy = "a video that shows a face of 40 px or more"
        raise NoFaceError(f"any of the {frames} frames of {where}", remedies=(remedy,))
    dynamics = _concatenated(chunks, identity, frame_rate, DYNAMICS_SIZE_PX / picture_side_px, model)
    return smooth_dynamics(dynamics, model.part, smooth)


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
