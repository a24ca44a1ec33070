"""Openings of a moving face, of lids and lips: measured, and set."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from faceanime.morphable.axes import measure_expressions, measure_landmarks
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import Dynamics

LEAST_OPEN_EYE = 0.02
"""Opening of lids, model units, below which an eye is not open; chosen by eye."""
CLOSED_LIPS = -0.005
"""Opening of lips that touch, model units: landmarks of filmed lips cross by this little."""


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
