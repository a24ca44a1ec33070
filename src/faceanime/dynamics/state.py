"""States: the vectors that the predictors read and write, one for each frame.

A state has K_exp + 6 numbers: the expression; the head's rotation vector (radians, from facing the camera); the
logarithm of its scale and its position (in distances of the outer eye corners), both relative to the *anchor*, the
sequence's first frame. So a state depends neither on the picture's size, nor on the head's position in it, nor on the
person.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from jaxtyping import Float

from faceanime.geometry.rotation import rotation_from_vector, vector_from_rotation
from faceanime.structures.coefficients import Dynamics, FaceCoefficients, HeadPose

ROTATION = slice(-6, -3)
"""Positions of the head's rotation vector in a state."""
LOG_SCALE = -3
"""Position of the natural logarithm of the head's scale in a state."""
PLACE = slice(-2, None)
"""Positions of the head's place in a state."""
HEAD_NUMBERS = 6
"""Number of the head's numbers in a state, its last ones."""
FRAME_RATE = Fraction(25)
"""The one frame rate of the predictors' training and of their motions."""


def states_of(
    expression: Float[np.ndarray, "T K_exp"], pose: HeadPose, anchor: HeadPose
) -> Float[np.ndarray, "T D"]:
    """The states of T frames; `anchor` is the pose of the anchor state, which they are relative to."""
    return np.concatenate(
        [
            expression,
            vector_from_rotation(pose.rotation),
            np.log(pose.scale / anchor.scale)[:, None],
            (pose.translation_px - anchor.translation_px) / anchor.scale,
        ],
        axis=1,
    )


def re_anchored(
    states: Float[np.ndarray, "*B D"], anchor: Float[np.ndarray, " D"]
) -> Float[np.ndarray, "*B D"]:
    """States whose scale and place become relative to another state, the new anchor."""
    moved = states.copy()
    moved[..., LOG_SCALE] -= anchor[LOG_SCALE]
    moved[..., PLACE] = (states[..., PLACE] - anchor[PLACE]) * np.exp(-anchor[LOG_SCALE])
    return moved


def dynamics_of(
    states: Float[np.ndarray, "T D"], face: FaceCoefficients, picture_side_px: int, model_id: str
) -> Dynamics:
    """The dynamics of T states on a face, whose pose is that of the anchor state; the inverse of `states_of`."""
    pose = HeadPose(
        rotation_from_vector(states[:, ROTATION]),
        face.pose.scale * np.exp(states[:, LOG_SCALE]),
        face.pose.translation_px + face.pose.scale * states[:, PLACE],
    )
    return Dynamics(
        identity=face.identity,
        expression=states[:, :-HEAD_NUMBERS],
        pose=pose,
        frame_rate=FRAME_RATE,
        valid=np.ones(len(states), bool),
        picture_side_px=picture_side_px,
        model_id=model_id,
    )


def state_of(face: FaceCoefficients) -> Float[np.ndarray, " D"]:
    """The anchor state of one face, relative to itself."""
    rotation = vector_from_rotation(face.pose.rotation)
    return np.concatenate([face.expression, rotation, np.zeros(3)])
