"""Eyes that stay on the camera while the head turns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from faceanime.dynamics.blinks import Side, lids_apart, open_eye_opening
from faceanime.geometry.interpolation import Ramp, linear_step
from faceanime.geometry.soft_limit import soft_limit
from faceanime.morphable.axes import measure_landmarks
from faceanime.morphable.landmark_schema import EyeLandmarks
from faceanime.morphable.model import MorphableModel, Part
from faceanime.morphable.reference_frame import reference_face
from faceanime.structures.coefficients import Dynamics


@dataclass(frozen=True)
class _Eyeball:
    """Geometry of an eyeball and limits of its rotation."""

    radius: float = 1.7
    """Distance of the iris from the eyeball's center, in radii of the iris: 10 mm and 5.85 mm in adults."""
    knee_deg: tuple[float, float] = (22.0, 16.0)
    """Turn sideways, and up or down, up to which an eye follows freely; chosen by eye."""
    limit_deg: tuple[float, float] = (32.0, 24.0)
    """Turn that an eye never passes; chosen by eye."""
    visibility: Ramp = (0.2, 0.6)
    """Ramp of the opening as a fraction of the open eye's: the visibility of the iris; chosen by eye. A shut eye dips,
    which is no gaze."""
    lid_deviation: float = 0.01
    """Model units that a lid's landmark may move, against one standard deviation of expression; chosen by eye."""


_EYEBALL = _Eyeball()


def _eyes(model: MorphableModel) -> dict[Side, tuple[Part, EyeLandmarks]]:
    """The expressions and the landmarks of each eye."""
    right, left = model.schema.eyes
    return {"right": (Part.RIGHT_EYE, right), "left": (Part.LEFT_EYE, left)}


def hold_gaze(dynamics: Dynamics, model: MorphableModel) -> Dynamics:
    """The motion with both eyes on the camera: they turn against the head, as far as eyes turn.

    In the reference face the eyes count as on the camera. Their own motion is removed, except under shut lids; the
    opening between the lids stays as it is.
    Raises MorphableModelError when the motion belongs to another model.
    """
    model.require(dynamics.model_id, "the motion")
    rest = reference_face(dynamics, model)
    direction = _directions_to_camera(dynamics.pose.rotation)
    (at_rest,) = _directions_to_camera(rest.pose.rotation[None])
    person = model.landmarks_of(model.vertices(dynamics.identity, np.zeros(model.expression_count)))
    expression = dynamics.expression.astype(np.float64)
    departure = expression - rest.expression
    for side, (_, eye) in _eyes(model).items():
        radius = _EYEBALL.radius * eye.iris_radius(person)
        wanted = radius * (direction - at_rest)
        own = departure @ model.landmark_expression_basis[eye.iris[0], :2].T
        visibility = _iris_visibility(lids_apart(dynamics, side, model))
        expression = expression + (wanted - visibility[:, None] * own) @ _iris_shifts(side, model)
    return dynamics.replaced(expression=expression)


def _directions_to_camera(rotation: Float[np.ndarray, "T 3 3"]) -> Float[np.ndarray, "T 2"]:
    """X and y, in the head's axes, of the unit vector from an eye to the camera, within the limits of eyes."""
    x, y, z = rotation[:, 2].T  # R^T (0, 0, 1)
    angles = np.stack([np.arctan2(x, z), np.arcsin(np.clip(y, -1.0, 1.0))], axis=-1)
    side, up = soft_limit(angles, np.radians(_EYEBALL.knee_deg), np.radians(_EYEBALL.limit_deg)).T
    return np.stack([np.sin(side) * np.cos(up), np.sin(up)], axis=-1)


def _iris_visibility(opening: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
    """Visibility of an iris between lids with this opening, 0 to 1."""
    fraction = opening / max(open_eye_opening(opening), 1e-6)
    return linear_step(fraction, *_EYEBALL.visibility)


def _iris_shifts(side: Side, model: MorphableModel) -> Float[np.ndarray, "2 K_exp"]:
    """Expressions that shift one iris by one model unit to the left and up, and keep the opening of the lids.

    Each is the most probable one among those that move the lids least:
    a = H^-1 C^T (C H^-1 C^T)^-1 f with C a the iris and the opening, H = 1 + L^T L / s^2 and L a the lids.
    """
    part, eye = _eyes(model)[side]
    own = model.part == part
    basis = model.landmark_expression_basis[..., own].astype(np.float64)
    opening = measure_landmarks(f"lids_apart_{side}", np.moveaxis(basis, -1, 0), model.schema)
    held = np.stack([*basis[eye.iris[0], :2], opening])
    lid_rows = basis[eye.lids].reshape(-1, basis.shape[2])
    loose = np.linalg.inv(np.eye(basis.shape[2]) + lid_rows.T @ lid_rows / _EYEBALL.lid_deviation**2)
    shifts = np.zeros((2, model.expression_count))
    shifts[:, own] = (loose @ held.T @ np.linalg.inv(held @ loose @ held.T))[:, :2].T
    return shifts
