"""Whole faces of rendered pairs (`pairs.py`), as the paper's generator sees them, in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from faceanime.generator.face_window import draw_prior, face_window, mirrored_prior
from faceanime.generator.pgfg import PgfgConfig
from faceanime.train.windows import PLAIN, Batch, Look, Pairs


@dataclass(frozen=True, eq=False)
class FaceSample:
    """One pair in the source's window, of side S: pictures and priors float32 in [-1, 1]."""

    source: Float32[np.ndarray, "S S 3"]
    truth: Float32[np.ndarray, "S S 3"]
    source_prior: Float32[np.ndarray, "S S P"]
    target_prior: Float32[np.ndarray, "S S P"]


def face_sample(
    pairs: Pairs, pair: tuple[int, int, int], config: PgfgConfig, look: Look = PLAIN
) -> FaceSample:
    """Source and target of a pair (clip, source, target) in the light of `look`."""
    shown = pairs.shown(pair)
    window = face_window(shown.before, shown.source_pose, config.size_px)
    source, truth = (
        look.seen(window.cut(picture)) / np.float32(127.5) - 1.0 for picture in (shown.source, shown.truth)
    )
    priors = [draw_prior(config.prior, window, shown.texture, p) for p in (shown.before, shown.after)]
    if config.prior.kind == "texture":
        priors = [2.0 * look.lit((prior + 1.0) / 2.0) - 1.0 for prior in priors]
    if look.mirrored:
        source, truth = (np.ascontiguousarray(picture[:, ::-1]) for picture in (source, truth))
        priors = [mirrored_prior(config.prior, prior, pairs.model) for prior in priors]
    return FaceSample(source, truth, *priors)


def batched_faces(faces: Sequence[FaceSample]) -> Batch:
    """The fields of `FaceSample` over many faces: (B,S,S,C)."""
    return {
        name: np.stack([getattr(face, name) for face in faces])
        for name in ("source", "truth", "source_prior", "target_prior")
    }
