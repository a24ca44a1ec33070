"""How a head seems to move when only the face does.

Landmark detectors are trained on faces as a whole: in a blink all points draw together a little, with the jaw
all tilt. Over short moments of film the true head moves at random, the apparent motion goes with lips and lids:
a robust regression of the one on the other tells them apart. (Not on all coefficients: some of them are
themselves a trace of the head's pitch, and would take real nods for apparent ones.)
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
"""Changes are taken over so many frames: long enough for a blink, short for a head."""
UNITS = np.array([0.005, *[np.radians(1.0)] * 3, *[0.01] * 3])
"""What counts as a small motion: log scale, rotation in rad, translation in model units."""
ROUNDS = 8
CAUSES = ("lips_apart", "lids_apart_right", "lids_apart_left")
"""Measures of the face that an apparent motion may go with. With brows and mouth corners among them real heads kept
stiller, but pose and expression could no longer be told apart (a brow then explained 3 degrees of pitch)."""


def apparent_drift(
    films: Sequence[Float[np.ndarray, "N L 3"]],
    mean: Float[np.ndarray, "L 3"],
    expression: Float[np.ndarray, "L 3 K"],
    metric: Float[np.ndarray, "L 3"],
    rigid_weight: Float[np.ndarray, " L"],
    schema: LandmarkSchema,
) -> Float[np.ndarray, "K 7"]:
    """Log scale, rotation vector and translation of the rigid points per unit of each expression.

    `films` hold consecutive landmarks in px. Cauchy weights (iteratively reweighted least squares) let moments
    in which the head truly moves count for little.
    """
    changes = [_changes(f, mean, expression, metric, rigid_weight) for f in films if len(f) > STEP_FRAMES]
    if not changes:
        return np.zeros((expression.shape[2], len(UNITS)))
    response = measure_matrix(expression, schema)
    response = response[[list(measures_of(schema)).index(name) for name in CAUSES]]
    causes = np.concatenate([c for c, _ in changes]) @ response.T
    effects = np.concatenate([e for _, e in changes]) / UNITS
    drift = np.zeros((causes.shape[1], len(UNITS)))
    for _ in range(ROUNDS):
        left = effects - causes @ drift
        weight = 1.0 / (1.0 + (left**2).sum(axis=1, keepdims=True))
        weighted = causes * weight
        drift = np.linalg.solve(weighted.T @ causes, weighted.T @ effects)
    return np.asarray(response.T @ drift * UNITS)


def _changes(
    film: Float[np.ndarray, "N L 3"],
    mean: Float[np.ndarray, "L 3"],
    expression: Float[np.ndarray, "L 3 K"],
    metric: Float[np.ndarray, "L 3"],
    rigid_weight: Float[np.ndarray, " L"],
) -> tuple[Float[np.ndarray, "M K"], Float[np.ndarray, "M 7"]]:
    """Changes of expression, and of the rigid points' pose, over `STEP_FRAMES`."""
    seen = film.astype(np.float64) * FLIP_Y
    scale, rotation, offset = weighted_procrustes(mean, seen, rigid_weight)
    shape = ((seen - offset[:, None]) @ rotation) / scale[:, None, None]
    basis = (expression * metric[..., None]).reshape(-1, expression.shape[2])
    strayed = ((shape - shape.mean(axis=0)) * metric).reshape(len(shape), -1)
    coefficients = np.linalg.solve(basis.T @ basis + 3e-3 * np.eye(basis.shape[1]), basis.T @ strayed.T).T
    early, late = slice(None, -STEP_FRAMES), slice(STEP_FRAMES, None)
    turn = vector_from_rotation(np.swapaxes(rotation[early], 1, 2) @ rotation[late])
    shift = ((offset[late] - offset[early])[:, None] @ rotation[early])[:, 0] / scale[early, None]
    motion = np.column_stack([np.log(scale[late] / scale[early]), turn, shift])
    return coefficients[late] - coefficients[early], motion
