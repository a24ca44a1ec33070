"""Whole faces of rendered pairs (`pairs.py`), as the paper's generator sees them, in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from faceanime.face.identity import dlib_alignment
from faceanime.generator.face_window import draw_prior, face_window, mirrored_prior
from faceanime.generator.pgfg import PgfgConfig
from faceanime.morphable import topology
from faceanime.structures.frames import Pixels
from faceanime.train.generator.augment import PLAIN, Appearance
from faceanime.train.generator.window_samples import Batch, Pair, Pairs


@dataclass(frozen=True, eq=False)
class FaceSample:
    """One pair in the source's window, of side S: pictures and priors float32 in [-1, 1].

    `face` is 1 on the target's face, 0 around it; `to_aligned` (2,3) brings it to where the face recogniser wants it,
    px to px.
    """

    source: Float32[np.ndarray, "S S 3"]
    truth: Float32[np.ndarray, "S S 3"]
    source_prior: Float32[np.ndarray, "S S P"]
    target_prior: Float32[np.ndarray, "S S P"]
    face: Float32[np.ndarray, "S S 1"]
    to_aligned: Float32[np.ndarray, "2 3"]


def face_sample(
    pairs: Pairs, pair: Pair, config: PgfgConfig, look: Appearance = PLAIN, behind: Pixels | None = None
) -> FaceSample:
    """Source and target of a pair in the light of `look`, both before the same background if one is given."""
    shown = pairs.shown(pair)
    window = look.placed(face_window(shown.before, shown.source_pose, config.size_px))
    seen = (
        _before(window.cut(picture), window.cut(np.repeat(matte[..., None], 3, axis=-1)), behind)
        for picture, matte in ((shown.source, shown.source_matte), (shown.truth, shown.truth_matte))
    )
    source, truth = (look.seen(picture) / np.float32(127.5) - 1.0 for picture in seen)
    source_prior, target_prior = (
        draw_prior(config.prior, window, shown.texture, points) for points in (shown.before, shown.after)
    )
    if config.prior.kind == "texture":
        source_prior, target_prior = (
            2.0 * look.lit((prior + 1.0) / 2.0) - 1.0 for prior in (source_prior, target_prior)
        )
    landmarks = window.placed(shown.after)[: pairs.model.landmark_count, :2]
    if look.mirrored:
        source, truth = (np.ascontiguousarray(picture[:, ::-1]) for picture in (source, truth))
        source_prior, target_prior = (
            mirrored_prior(config.prior, prior, pairs.model) for prior in (source_prior, target_prior)
        )
        landmarks = landmarks[pairs.model.mirror[: len(landmarks)]] * (-1.0, 1.0) + (config.size_px, 0.0)
    face = np.zeros((config.size_px, config.size_px, 1), np.float32)
    cv2.fillPoly(face, [np.rint(landmarks[list(topology.OVAL)] - 0.5).astype(np.int32)], (1.0,))
    to_aligned = dlib_alignment(landmarks).astype(np.float32)
    return FaceSample(source, truth, source_prior, target_prior, face, to_aligned)


def _before(
    picture: UInt8[np.ndarray, "S S 3"], matte: UInt8[np.ndarray, "S S 3"], behind: Pixels | None
) -> UInt8[np.ndarray, "S S 3"]:
    """The person cut out and put before another picture, out of focus."""
    if behind is None:
        return picture
    side = len(picture)
    plate = cv2.GaussianBlur(
        cv2.resize(behind, (side, side), interpolation=cv2.INTER_AREA), (0, 0), side / 24
    )
    share = matte / np.float32(255.0)
    return np.rint(share * picture + (1.0 - share) * plate).astype(np.uint8)


def batched_faces(faces: Sequence[FaceSample]) -> Batch:
    """The fields of `FaceSample` over many faces: (B,S,S,C), and (B,2,3)."""
    return {
        field.name: np.stack([getattr(face, field.name) for face in faces]) for field in fields(FaceSample)
    }
