"""Eyes that stay on the camera while the head turns."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from faceanime.dynamics.blinks import Side, lids_apart, open_apart
from faceanime.dynamics.retarget import soft_limit
from faceanime.morphable import topology
from faceanime.morphable.axes import measure
from faceanime.morphable.model import MorphableModel, Part
from faceanime.morphable.reference_frame import reference_frame
from faceanime.structures.coefficients import Dynamics

_RADIUS = 1.7
"""From the eyeball's centre to the iris, in radii of the iris: 10 mm and 5.85 mm in adults."""
_KNEE_RAD, _LIMIT_RAD = np.radians([22.0, 16.0]), np.radians([32.0, 24.0])
"""How far an eye turns sideways, and up or down: freely up to the first, never beyond the second."""
_STILL = 0.01
"""How closely the points of the lids are held, model units against one standard deviation."""
_EYES: dict[Side, tuple[Part, tuple[int, ...], tuple[int, ...]]] = {
    "right": (
        Part.RIGHT_EYE, topology.RIGHT_IRIS, (*topology.RIGHT_EYE_LOWER, *topology.RIGHT_EYE_UPPER[1:-1]),
    ),
    "left": (
        Part.LEFT_EYE, topology.LEFT_IRIS, (*topology.LEFT_EYE_LOWER, *topology.LEFT_EYE_UPPER[1:-1]),
    ),
}  # fmt: skip


def hold_gaze(dynamics: Dynamics, model: MorphableModel) -> Dynamics:
    """The motion with both eyes on the camera: they turn against the head, as far as eyes turn.

    The gaze of the calm frame (`reference_frame`) counts as one at the camera; what the eyes do besides is
    taken out, except under shut lids. The gap between the lids stays as it is.
    Raises MorphableModelError when the motion belongs to another model.
    """
    model.require(dynamics.model_id, "the motion")
    rest = reference_frame(dynamics, model)
    toward = _iris_directions(dynamics.pose.rotation)
    person = model.vertices(dynamics.identity, np.zeros(model.expression_count))
    expression = dynamics.expression.astype(np.float64)
    strayed = expression - expression[rest]
    for side, (_, iris, _) in _EYES.items():
        radius = _RADIUS * np.linalg.norm(person[list(iris[1:])] - person[iris[0]], axis=1).mean()
        wanted = radius * (toward - toward[rest])
        own = strayed @ model.expression_basis[iris[0], :2].T
        seen = _seen(lids_apart(dynamics, side, model))
        expression = expression + (wanted - seen[:, None] * own) @ _iris_shifts(side, model)
    return dynamics.replaced(expression=expression)


def _iris_directions(rotation: Float[np.ndarray, "T 3 3"]) -> Float[np.ndarray, "T 2"]:
    """X and y, in the head's axes, of the unit vector from an eye to the camera; bent to what eyes can do."""
    x, y, z = rotation[:, 2].T  # R^T (0, 0, 1)
    angles = np.stack([np.arctan2(x, z), np.arcsin(np.clip(y, -1.0, 1.0))], axis=-1)
    side, up = soft_limit(angles, _KNEE_RAD, _LIMIT_RAD).T
    return np.stack([np.sin(side) * np.cos(up), np.sin(up)], axis=-1)


def _seen(apart: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
    """How much of an iris the lids show: a shut eye dips, and that is no gaze."""
    return np.clip((apart / max(open_apart(apart), 1e-6) - 0.2) / 0.4, 0.0, 1.0)


def _iris_shifts(side: Side, model: MorphableModel) -> Float[np.ndarray, "2 K_exp"]:
    """Expressions that shift one iris by one model unit to the left and up, and leave the lids' gap alone.

    Of all these, the most probable one that moves the lids least:
    a = H^-1 C^T (C H^-1 C^T)^-1 f with C a the iris and the gap, H = 1 + L^T L / s^2 and L a the lids.
    """
    part, iris, lids = _EYES[side]
    own = model.part == part
    basis = model.expression_basis[..., own].astype(np.float64)
    held = np.stack(
        [basis[iris[0], 0], basis[iris[0], 1], measure(f"lids_apart_{side}", np.moveaxis(basis, -1, 0))]
    )
    lid_rows = basis[list(lids)].reshape(-1, basis.shape[2])
    loose = np.linalg.inv(np.eye(basis.shape[2]) + lid_rows.T @ lid_rows / _STILL**2)
    shifts = np.zeros((2, model.expression_count))
    shifts[:, own] = (loose @ held.T @ np.linalg.inv(held @ loose @ held.T))[:, :2].T
    return shifts
