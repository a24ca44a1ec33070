"""Estimation of drift: the apparent motion of the head when only lips and lids move.

Landmark detectors predict the points of a face jointly: in a blink all points draw together a little, and with an
opening jaw all tilt. Over a few frames the true motion of the head is independent of lips and lids, while the apparent
one follows them, so a robust regression of the head's motion on the openings of lips and lids yields the drift. It
does not use all coefficients as regressors, since some vary with the head's pitch: true nods would count as drift.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from faceanime.geometry.camera import FLIP_Y
from faceanime.geometry.procrustes import weighted_procrustes
from faceanime.geometry.rotation import vector_from_rotation
from faceanime.morphable.axes import measure_matrix, measures_of
from faceanime.morphable.landmark_schema import LandmarkSchema

RIDGE = 3e-3
"""Weight of a shape's squared coefficients against weighted squared distance in model units; chosen by eye."""
_STEP_FRAMES = 5
"""Frames over which changes are measured: long enough for a blink, short for a head's motion. Chosen by eye."""
_SMALL_MOTION = np.array([0.005, *[np.radians(1.0)] * 3, *[0.01] * 3])
"""Scale of the robust regression: small changes of log scale, of rotation in rad, and of translation in model units.
Chosen by eye."""
_ROUNDS = 8
"""Rounds of reweighted least squares; chosen by eye."""
_REGRESSORS = ("lips_apart", "lids_apart_right", "lids_apart_left")
"""Measures of the face on which drift depends. With brows and mouth corners among them, heads moved less, but pose and
expression were no longer separable: a brow then explained 3 degrees of pitch."""


def apparent_drift(
    sequences: Sequence[Float[np.ndarray, "N L 3"]],
    mean: Float[np.ndarray, "L 3"],
    expression: Float[np.ndarray, "L 3 K"],
    metric: Float[np.ndarray, "L 3"],
    rigid_weight: Float[np.ndarray, " L"],
    schema: LandmarkSchema,
) -> Float[np.ndarray, "K 7"]:
    """Log scale, rotation vector and translation of the rigid points per unit of each expression.

    `sequences` hold landmarks of consecutive frames in px, `expression` is the landmarks' basis and `metric` the
    square roots of their weights. Iteratively reweighted least squares with Cauchy weights: frames in which the head
    truly moves have little influence.
    """
    changes = [
        _changes(each, mean, expression, metric, rigid_weight)
        for each in sequences
        if len(each) > _STEP_FRAMES
    ]
    if not changes:
        return np.zeros((expression.shape[2], len(_SMALL_MOTION)))
    response = measure_matrix(expression, schema)
    response = response[[list(measures_of(schema)).index(name) for name in _REGRESSORS]]
    regressors = np.concatenate([coefficients for coefficients, _ in changes]) @ response.T
    motions = np.concatenate([motion for _, motion in changes]) / _SMALL_MOTION
    drift = np.zeros((regressors.shape[1], len(_SMALL_MOTION)))
    for _ in range(_ROUNDS):
        unexplained = motions - regressors @ drift
        weight = 1.0 / (1.0 + (unexplained**2).sum(axis=1, keepdims=True))
        weighted = regressors * weight
        drift = np.linalg.solve(weighted.T @ regressors, weighted.T @ motions)
    return np.asarray(response.T @ drift * _SMALL_MOTION)


def _changes(
    sequence: Float[np.ndarray, "N L 3"],
    mean: Float[np.ndarray, "L 3"],
    expression: Float[np.ndarray, "L 3 K"],
    metric: Float[np.ndarray, "L 3"],
    rigid_weight: Float[np.ndarray, " L"],
) -> tuple[Float[np.ndarray, "M K"], Float[np.ndarray, "M 7"]]:
    """Changes of expression coefficients, and of the rigid points' pose, over `_STEP_FRAMES`."""
    points = sequence.astype(np.float64) * FLIP_Y
    scale, rotation, offset = weighted_procrustes(mean, points, rigid_weight)
    shape = ((points - offset[:, None]) @ rotation) / scale[:, None, None]
    basis = (expression * metric[..., None]).reshape(-1, expression.shape[2])
    deviation = ((shape - shape.mean(axis=0)) * metric).reshape(len(shape), -1)
    coefficients = np.linalg.solve(basis.T @ basis + RIDGE * np.eye(basis.shape[1]), basis.T @ deviation.T).T
    early, late = slice(None, -_STEP_FRAMES), slice(_STEP_FRAMES, None)
    turn = vector_from_rotation(np.swapaxes(rotation[early], 1, 2) @ rotation[late])
    shift = ((offset[late] - offset[early])[:, None] @ rotation[early])[:, 0] / scale[early, None]
    motion = np.column_stack([np.log(scale[late] / scale[early]), turn, shift])
    return coefficients[late] - coefficients[early], motion
