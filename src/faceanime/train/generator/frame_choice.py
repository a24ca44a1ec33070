"""Choose the frames of a clip that serve as portraits, and those that the portraits are driven to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from faceanime.core.errors import NoFaceError
from faceanime.geometry.rotation import angle_between
from faceanime.morphable.axes import measure_landmarks
from faceanime.morphable.landmark_schema import LandmarkSchema
from faceanime.morphable.model import MorphableModel
from faceanime.morphable.reference_frame import PORTRAIT_WEIGHTS, reference_costs
from faceanime.structures.coefficients import Dynamics


@dataclass(frozen=True)
class _Distinct:
    """Least difference from the neutral frame for a frame to be a portrait of its own; chosen by eye."""

    lips: float = 0.06
    """Opening of the lips, model units."""
    smile: float = 0.08
    """Sum of the mouth corners' displacements outward and upward, model units."""
    turn_rad: float = float(np.radians(8.0))
    """Turn of the head."""


@dataclass(frozen=True)
class _Likelihood:
    """Gains of a target's likelihood by its differences from the neutral frame; chosen by eye."""

    opened: float = 4.0
    """Weight of an opened mouth."""
    opened_lips: float = 0.2
    """Opening of the lips at which a mouth counts as fully opened, model units."""
    closed: float = 4.0
    """Weight of closed lids."""
    closed_gain: float = 1.5
    """Gain of the closing: lids closed to a third of the median opening count as fully closed."""
    turned: float = 2.0
    """Weight of a turned head."""
    turned_rad: float = float(np.radians(25.0))
    """Turn at which a head counts as fully turned."""


_DISTINCT, _LIKELIHOOD = _Distinct(), _Likelihood()
_SMILE = tuple(f"corner_{way}_{side}" for way in ("out", "up") for side in ("right", "left"))


def choose_sources(
    motion: Dynamics, good: Bool[np.ndarray, " T"], model: MorphableModel
) -> Int[np.ndarray, " K"]:
    """Choose portraits among the `good` frames: the most neutral first, then an open-mouthed, a smiling, a turned one.

    A kind that the clip does not show is left out. Raises NoFaceError where no frame is good.
    """
    frames = np.flatnonzero(good)
    if len(frames) == 0:
        raise NoFaceError("any frame of the clip", remedies=("preparing it again",))
    shape = model.landmarks_of(model.vertices(motion.identity, motion.expression[frames]))
    lips, lids = measure_landmarks("lips_apart", shape, model.schema), _lids_apart(shape, model.schema)
    smile = np.sum([measure_landmarks(name, shape, model.schema) for name in _SMILE], axis=0)
    costs = reference_costs(lips, lids, motion.pose.rotation[frames], PORTRAIT_WEIGHTS)
    neutral = int(np.argmin(costs))
    away = _turn_from(motion, int(frames[neutral]), frames)
    chosen = [neutral]
    for value, least in ((lips, _DISTINCT.lips), (smile, _DISTINCT.smile), (away, _DISTINCT.turn_rad)):
        best = int(np.argmax(value))
        if value[best] - value[neutral] > least and best not in chosen:
            chosen.append(best)
    return frames[chosen]


def choose_targets(
    motion: Dynamics,
    good: Bool[np.ndarray, " T"],
    neutral: int,
    count: int,
    model: MorphableModel,
    rng: np.random.Generator,
) -> Int[np.ndarray, " N"]:
    """Draw up to `count` of the `good` frames, and add the frame after each; in order.

    The more a frame differs from the `neutral` one, the likelier it is drawn. Where no two good frames follow one
    another, single ones are drawn.
    """
    frames = np.flatnonzero(good[:-1] & good[1:])
    step = 1
    if len(frames) == 0:
        frames, step = np.flatnonzero(good), 0
    shape = model.landmarks_of(model.vertices(motion.identity, motion.expression[frames]))
    lids = _lids_apart(shape, model.schema)
    like = _LIKELIHOOD
    opened = np.clip(measure_landmarks("lips_apart", shape, model.schema) / like.opened_lips, 0.0, 1.0)
    closed = np.clip(like.closed_gain * (1.0 - lids / np.median(lids)), 0.0, 1.0)
    turned = np.clip(_turn_from(motion, neutral, frames) / like.turned_rad, 0.0, 1.0)
    weight = 1.0 + like.opened * opened + like.closed * closed + like.turned * turned
    drawn = rng.choice(frames, min(count, len(frames)), replace=False, p=weight / weight.sum())
    return np.unique(np.concatenate([drawn, drawn + step]))


def _turn_from(motion: Dynamics, frame: int, frames: Int[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """The angle of the head in `frames` from its rotation in one frame, rad."""
    rotation = motion.pose.rotation
    return np.asarray(angle_between(rotation[frames], np.broadcast_to(rotation[frame], (len(frames), 3, 3))))


def _lids_apart(shape: Float[np.ndarray, "T L 3"], schema: LandmarkSchema) -> Float[np.ndarray, " T"]:
    """The opening of the more closed eye, model units."""
    return np.minimum(*(measure_landmarks(f"lids_apart_{side}", shape, schema) for side in ("right", "left")))
