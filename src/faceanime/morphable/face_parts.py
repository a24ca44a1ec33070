"""Membership of landmarks, and of expression directions, in the parts of the face."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int32

from faceanime.morphable.landmark_schema import LandmarkSchema
from faceanime.morphable.model import Part

_PART_SOFTNESS = 0.09
"""Width of the transition between two parts, model units (1 = distance of the outer eye corners). Chosen by eye."""


def landmark_weights(
    shape: Float[np.ndarray, "L 3"], schema: LandmarkSchema
) -> dict[str, Float[np.ndarray, " L"]]:
    """Smooth membership of each point in each part of the face, in [0, 1]; the memberships of a point sum to 1."""
    right, left = schema.eyes
    groups = {
        "right_eye": right.whole,
        "left_eye": left.whole,
        "right_brow": right.brow,
        "left_brow": left.brow,
        "mouth": np.concatenate([schema.outer_lips, schema.nose, schema.cheeks]),
    }
    near = {
        name: np.linalg.norm(shape[:, None, :2] - shape[None, group, :2], axis=-1).min(axis=1)
        for name, group in groups.items()
    }
    closeness = {name: np.exp(-((d / _PART_SOFTNESS) ** 2)) + 1e-12 for name, d in near.items()}
    total = sum(closeness.values())
    return {name: c / total for name, c in closeness.items()}


_SIDES = ((Part.RIGHT_EYE, Part.RIGHT_BROW), (Part.LEFT_EYE, Part.LEFT_BROW))
_OF_ONE_SIDE = 0.6
"""Least fraction of a direction's squared displacements on one eye and its brow that makes it theirs; chosen by eye on
the shapes of ICT-FaceKit."""


def parts_of(
    basis: Float[np.ndarray, "L 3 K"], shape: Float[np.ndarray, "L 3"], schema: LandmarkSchema
) -> Int32[np.ndarray, " K"]:
    """The `Part` that each direction of a landmark basis moves.

    One that moves mostly one eye and its brow belongs to that of the two which moves more; any other, such as one that
    moves the whole face, to the mouth.
    """
    weights = landmark_weights(shape, schema)
    moved = np.square(basis).sum(axis=1)
    moved = moved / np.maximum(moved.sum(axis=0), 1e-30)
    share = {part: weights[part.name.lower()] @ moved for part in Part}
    parts = np.full(basis.shape[2], Part.MOUTH, np.int32)
    for eye, brow in _SIDES:
        own = share[eye] + share[brow] > _OF_ONE_SIDE
        parts[own] = np.where(share[eye] >= share[brow], eye, brow)[own]
    return parts
