"""Whole faces of rendered pairs, as the paper's generator sees them, in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from faceanime.face.identity import dlib_alignment
from faceanime.generator.face_window import draw_prior, face_window, mirrored_prior
from faceanime.generator.pgfg import PgfgConfig
from faceanime.geometry.pixels import pixels_of
from faceanime.structures.frames import Pixels
from faceanime.train.generator.augment import PLAIN, Appearance
from faceanime.train.generator.pairs import PairIndex, RenderedPairs
from faceanime.train.generator.window_samples import Batch

_BLUR = 1 / 24
"""Standard deviation of a background's blur, in sides of the window; chosen by eye."""


@dataclass(frozen=True, eq=False)
class FaceSample:
    """One pair in the source's window, S px a side for pictures and R px for priors: float32 in [-1, 1].

    `face` is 1 on the target's face and 0 around it; `to_aligned` (2,3) maps the window to the aligned face that the
    recognizer reads, px to px.
    """

    source: Float32[np.ndarray, "S S 3"]
    truth: Float32[np.ndarray, "S S 3"]
    source_prior: Float32[np.ndarray, "R R P"]
    target_prior: Float32[np.ndarray, "R R P"]
    face: Float32[np.ndarray, "S S 1"]
    to_aligned: Float32[np.ndarray, "2 3"]


def face_sample(
    pairs: RenderedPairs,
    pair: PairIndex,
    config: PgfgConfig,
    appearance: Appearance = PLAIN,
    background: Pixels | None = None,
) -> FaceSample:
    """Source and target of a pair in one light and by one camera, both before the same background if one is given."""
    frames = pairs.frames(pair)
    window, prior_window = (
        appearance.place(face_window(frames.source_points, frames.source_pose, side, pairs.model))
        for side in (config.size_px, config.prior_px)
    )
    cuts = (
        _before(window.cut(picture), window.cut(np.repeat(matte[..., None], 3, axis=-1)), background)
        for picture, matte in ((frames.source, frames.source_matte), (frames.truth, frames.truth_matte))
    )
    source, truth = (appearance.photograph(cut) / np.float32(127.5) - 1.0 for cut in cuts)
    source_prior, target_prior = (
        draw_prior(config.prior, prior_window, frames.texture, points, pairs.model)
        for points in (frames.source_points, frames.target_points)
    )
    if config.prior.kind == "texture":
        source_prior, target_prior = (
            2.0 * appearance.relight((prior + 1.0) / 2.0) - 1.0 for prior in (source_prior, target_prior)
        )
    landmarks = window.to_window_px(pairs.model.landmarks_of(frames.target_points))[:, :2]
    if appearance.mirrored:
        source, truth = (np.ascontiguousarray(picture[:, ::-1]) for picture in (source, truth))
        source_prior, target_prior = (
            mirrored_prior(config.prior, prior, pairs.model) for prior in (source_prior, target_prior)
        )
        landmarks = landmarks[pairs.model.landmark_mirror] * (-1.0, 1.0) + (config.size_px, 0.0)
    face = np.zeros((config.size_px, config.size_px, 1), np.float32)
    cv2.fillPoly(face, [pixels_of(landmarks[pairs.model.schema.oval])], (1.0,))
    to_aligned = dlib_alignment(landmarks, pairs.model.schema).astype(np.float32)
    return FaceSample(source, truth, source_prior, target_prior, face, to_aligned)


def _before(
    picture: UInt8[np.ndarray, "S S 3"], matte: UInt8[np.ndarray, "S S 3"], background: Pixels | None
) -> UInt8[np.ndarray, "S S 3"]:
    """The person cut out and put before another picture that is out of focus; unchanged without one."""
    if background is None:
        return picture
    side = len(picture)
    plate = cv2.GaussianBlur(
        cv2.resize(background, (side, side), interpolation=cv2.INTER_AREA), (0, 0), _BLUR * side
    )
    alpha = matte / np.float32(255.0)
    return np.rint(alpha * picture + (1.0 - alpha) * plate).astype(np.uint8)


def batched_faces(faces: Sequence[FaceSample]) -> Batch:
    """The fields of `FaceSample` over many faces: (B,S,S,C), and (B,2,3)."""
    return {
        field.name: np.stack([getattr(face, field.name) for face in faces]) for field in fields(FaceSample)
    }
