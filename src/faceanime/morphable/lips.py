"""Openings along the whole line of the lips, and the expressions that open or close them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from faceanime.morphable.model import EYES_AND_BROWS, MorphableModel

_LINE_TOLERANCE = 0.1
"""Tolerance of the openings along the lips, as a fraction of their mean standard deviation: with none, the small
differences along a line would take unlikely expressions. Chosen by eye."""
_WIDE = 0.2
"""Opening, model units, beyond which the jaw alone opens or closes it. Chosen by eye."""


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
    What is wider than most openings is the jaw's alone: the lower lip would be drawn out to the width of the opening.
    """
    response, jaw = _response_of_lips(model), model.axis("jaw_open")
    of_jaw = response @ jaw
    jaws = np.maximum(opening.max(axis=-1, keepdims=True) - _WIDE, 0.0) / of_jaw.max()
    opening = opening - jaws * of_jaw
    covariance = response @ response.T
    tolerance = _LINE_TOLERANCE * float(np.sqrt(np.diag(covariance)).mean())
    change = np.linalg.solve(covariance + tolerance**2 * np.eye(len(covariance)), response)
    return np.asarray(jaws * jaw + opening @ change)


def _facing_lips(model: MorphableModel) -> tuple[np.ndarray, np.ndarray]:
    """The points of the upper and of the lower lip's inner edge that face each other, without the corners."""
    return model.schema.inner_lips_upper[1:-1], model.schema.inner_lips_lower[1:-1]


def _response_of_lips(model: MorphableModel) -> Float[np.ndarray, "P K_exp"]:
    """The change of each opening along the lips per unit of each expression of mouth and jaw."""
    upper, lower = _facing_lips(model)
    height = model.landmark_expression_basis[:, 1].astype(np.float64)
    return np.asarray((height[upper] - height[lower]) * ~np.isin(model.part, EYES_AND_BROWS))
