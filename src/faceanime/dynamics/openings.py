"""Openings of a moving face, of lids and lips: measured, and set."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from faceanime.morphable.axes import measure_expressions, measure_landmarks
from faceanime.morphable.model import EYES_AND_BROWS, MorphableModel
from faceanime.structures.coefficients import Dynamics

LEAST_OPEN_EYE = 0.02
"""Opening of lids, model units, below which an eye is not open; chosen by eye."""
CLOSED_LIPS = -0.005
"""Opening of lips that touch, model units: landmarks of filmed lips cross by this little."""
_LINE_TOLERANCE = 0.1
"""Tolerance of the openings along the lips, as a fraction of their mean standard deviation: with none, the small
differences along a line would take unlikely expressions. Chosen by eye."""


def opening_of(dynamics: Dynamics, name: str, model: MorphableModel) -> Float[np.ndarray, " T"]:
    """An opening in every frame, in model units; `name` is that of its measure in `faceanime.morphable.axes`."""
    return measure_expressions(name, model, dynamics.identity, dynamics.expression)


def with_opening(
    dynamics: Dynamics, name: str, axis: str, opening: Float[np.ndarray, " T"], model: MorphableModel
) -> Dynamics:
    """The motion with an opening set to `opening`, model units, by motion along an axis.

    Frames that have this opening already stay as they are.
    """
    direction = model.axis(axis).astype(np.float64)
    per_unit = measure_landmarks(name, model.landmark_expression_basis @ direction, model.schema)
    strength = (opening - opening_of(dynamics, name, model)) / per_unit
    return dynamics.replaced(expression=dynamics.expression + strength[:, None] * direction)


def keep_lips_from_crossing(dynamics: Dynamics, least: float, model: MorphableModel) -> Dynamics:
    """The motion with lips that open by `least`, model units, where they would by less."""
    opening = opening_of(dynamics, "lips_apart", model)
    return with_opening(dynamics, "lips_apart", "lips_part", np.maximum(opening, least), model)


def openings_along_lips(
    model: MorphableModel, identity: Float[np.ndarray, " K_id"], expression: Float[np.ndarray, "*B K_exp"]
) -> Float[np.ndarray, "*B P"]:
    """The openings between P pairs of points along the lips' inner edges, model units: 0 where they touch.

    Of filmed faces that is so within 0.005. A face without identity is the mean face of a motion from keyframes, whose
    lips are closed where it is neutral: there the model parts them by the mean opening of all people's.
    """
    upper, lower = _facing_lips(model)
    opening = expression @ _response_of_lips(model).T
    if identity.any():
        neutral = model.landmarks_of(model.vertices(identity, np.zeros(model.expression_count)))[:, 1]
        opening = opening + neutral[upper].astype(np.float64) - neutral[lower]
    return np.asarray(opening)


def lips_opened_by(
    opening: Float[np.ndarray, "*B P"], model: MorphableModel
) -> Float[np.ndarray, "*B K_exp"]:
    """The change of expression that opens the lips by `opening`, model units, along their whole line.

    Of all changes it is the most probable, as in `faceanime.morphable.axes`: jaw and lips move together as people's do.
    """
    response = _response_of_lips(model)
    covariance = response @ response.T
    tolerance = _LINE_TOLERANCE * float(np.sqrt(np.diag(covariance)).mean())
    change = np.linalg.solve(covariance + tolerance**2 * np.eye(len(covariance)), response)
    return np.asarray(opening @ change)


def _facing_lips(model: MorphableModel) -> tuple[np.ndarray, np.ndarray]:
    """The points of the upper and of the lower lip's inner edge that face each other, without the corners."""
    return model.schema.inner_lips_upper[1:-1], model.schema.inner_lips_lower[1:-1]


def _response_of_lips(model: MorphableModel) -> Float[np.ndarray, "P K_exp"]:
    """The change of each opening along the lips per unit of each expression of mouth and jaw."""
    upper, lower = _facing_lips(model)
    height = model.landmark_expression_basis[:, 1].astype(np.float64)
    return np.asarray((height[upper] - height[lower]) * ~np.isin(model.part, EYES_AND_BROWS))
