"""Prediction of a motion from one face, freely or toward a target (3DDP; arXiv 2105.14678, sec. III-B).

All of a motion is counted from the face that it starts from, so that it does not drift away.
"""

from __future__ import annotations

import numpy as np

from faceanime.core.errors import ConfigError
from faceanime.dynamics.blinks import add_blinks
from faceanime.dynamics.openings import CLOSED_LIPS, keep_lips_from_crossing, opening_of
from faceanime.dynamics.predictor import KnownStates, Predictor
from faceanime.dynamics.rollout_config import FutureConfig
from faceanime.dynamics.state import FRAME_RATE, HEAD_NUMBERS, dynamics_of, state_of
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import Dynamics, FaceCoefficients


def imagine(
    predictor: Predictor,
    face: FaceCoefficients,
    picture_side_px: int,
    config: FutureConfig,
    model: MorphableModel,
    target: FaceCoefficients | None = None,
) -> Dynamics:
    """A motion of a face that begins as it is; it leads to the expression and head angles of `target`.

    `face` stands in a picture whose longer side is `picture_side_px`. The target may be of another person: its
    identity, size and place are not used. Lips that would cross meet, and the predictor's blinks are added. Raises
    ConfigError for a loop that has a target, or a setting that the predictor does not know.
    """
    if config.loop and target is not None:
        raise ConfigError("a loop ends where it begins: it cannot end at a target")
    frames = max(round(config.seconds * FRAME_RATE), 2)
    states = np.zeros((frames, model.expression_count + HEAD_NUMBERS))
    known = np.arange(frames) == 0
    states[0] = state_of(face)
    if target is not None:
        states[-1], known[-1] = state_of(target), True
    motion = dynamics_of(
        predictor.future(KnownStates(states, known), config), face, picture_side_px, model.id
    )
    known_openings = opening_of(motion, "lips_apart", model)[known]
    motion = keep_lips_from_crossing(motion, min(CLOSED_LIPS, float(known_openings.min())), model)
    return add_blinks(motion, model, predictor.blinks_per_minute(config.seed), config.seed)
