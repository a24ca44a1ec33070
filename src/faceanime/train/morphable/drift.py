"""Apparent head motion: how a detector moves the whole face when only lips or lids move.

Landmark detectors are trained on faces as a whole: in a blink all points draw together a little, and when the jaw opens
all tilt. Over short times the true head motion is independent of lips and lids, while the apparent one follows them, so
a robust regression of head motion on lips and lids separates the two. The regression does not use all coefficients:
some of them contain a trace of the head's pitch and would take real nods for apparent ones.
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

STEP_FRAMES = 5
"""Frames over which changes are taken: long enough for a blink, short for a head; chosen by eye."""
UNITS = np.array([0.005, *[np.radians(1.0)] * 3, *[0.01] * 3])
"""Unit of each component of a motion: log scale, rotation in rad, translation in model units; chosen by eye."""
ROUNDS = 8
"""Iterations of the reweighted least squares; chosen by eye."""
CAUSES = ("lips_apart", "lids_apart_right", "lids_apart_left")
"""The measures of the face on which head motion is regressed. With brows and mouth corners too, heads were steadier,
but pose and expression could no longer be separated (a brow then explained 3 degrees of pitch)."""
_RIDGE = 3e-3
"""Ridge of the coefficients, against weighted squared distance in model units; chosen by eye."""


def apparent_drift(
    sequences: Sequence[Float[np.ndarray, "N L 3"]],
    mean: Float[np.ndarray, "L 3"],
    expression: Float[np.ndarray, "L 3 K"],
    metric: Float[np.ndarray, "L 3"],
    rigid_weight: Float[np.ndarray, " L"],
    schema: LandmarkSchema,
) -> Float[np.ndarray, "K 7"]:
    """Log scale, rotation vector and translation of the rigid points per unit of each expression.

    `sequences` are landmarks of consecutive frames in px. Cauchy weights (iteratively reweighted least squares) reduce
    the influence of moments in which the head truly moves.
    """
    changes = [_changes(f, mean, expression, metric, rigid_weight) for f in sequences if len(f) > STEP_FRAMES]
    if not changes:
        return np.zeros((expression.shape[2], len(UNITS)))
    response = measure_matrix(expression, schema)
    response = response[[list(measures_of(schema)).index(name) for name in CAUSES]]
    causes = np.concatenate([c for c, _ in changes]) @ response.T
    effects = np.concatenate([e for _, e in changes]) / UNITS
    drift = np.zeros((causes.shape[1], len(UNITS)))
    for _ in range(ROUNDS):
        residual = effects - causes @ drift
        weight = 1.0 / (1.0 + (residual**2).sum(axis=1, keepdims=True))
        weighted = causes * weight
        drift = np.linalg.solve(weighted.T @ causes, weighted.T @ effects)
    return np.asarray(response.T @ drift * UNITS)


def _changes(
    sequence: Float[np.ndarray, "N L 3"],
    mean: Float[np.ndarray, "L 3"],
    expression: Float[np.ndarray, "L 3 K"],
    metric: Float[np.ndarray, "L 3"],
    rigid_weight: Float[np.ndarray, " L"],
) -> tuple[Float[np.ndarray, "M K"], Float[np.ndarray, "M 7"]]:
    """Changes of the expression and of the rigid points' pose over `STEP_FRAMES`."""
    points = sequence.astype(np.float64) * FLIP_Y
    scale, rotation, offset = weighted_procrustes(mean, points, rigid_weight)
    shape = ((points - offset[:, None]) @ rotation) / scale[:, None, None]
    basis = (expression * metric[..., None]).reshape(-1, expression.shape[2])
    deviation = ((shape - shape.mean(axis=0)) * metric).reshape(len(shape), -1)
    coefficients = np.linalg.solve(basis.T @ basis + _RIDGE * np.eye(basis.shape[1]), basis.T @ deviation.T).T
    early, late = slice(None, -STEP_FRAMES), slice(STEP_FRAMES, None)
    turn = vector_from_rotation(np.swapaxes(rotation[early], 1, 2) @ rotation[late])
    shift = ((offset[late] - offset[early])[:, None] @ rotation[early])[:, 0] / scale[early, None]
    motion = np.column_stack([np.log(scale[late] / scale[early]), turn, shift])
    return coefficients[late] - coefficients[early], motion
