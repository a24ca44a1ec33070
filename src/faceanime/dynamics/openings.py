"""Openings of a moving face, of lids and lips: how wide they are, and to make them as wide as wanted."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from faceanime.morphable.axes import measure, measured
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import Dynamics

CLOSED_LIPS = -0.005
"""Lips that touch, model units; landmarks of filmed ones lie this little beyond each other."""


def gap_of(dynamics: Dynamics, gap: str, model: MorphableModel) -> Float[np.ndarray, " T"]:
    """A gap in every frame, model units; `gap` is its name in `faceanime.morphable.axes`."""
    return measured(gap, model, dynamics.identity, dynamics.expression)


def with_gap(
    dynamics: Dynamics, gap: str, axis: str, apart: Float[np.ndarray, " T"], model: MorphableModel
) -> Dynamics:
    """The motion with a gap set to `apart` along an axis; frames that have it already stay as they are."""
    direction = model.axis(axis).astype(np.float64)
    per_unit = measure(gap, model.expression_basis @ direction)
    strength = (apart - gap_of(dynamics, gap, model)) / per_unit
    return dynamics.replaced(expression=dynamics.expression + strength[:, None] * direction)


def lips_apart_at_least(dynamics: Dynamics, floor: float, model: MorphableModel) -> Dynamics:
    """The motion with lips that meet where they would cross by more than `floor`, model units."""
    apart = gap_of(dynamics, "lips_apart", model)
    return with_gap(dynamics, "lips_apart", "lips_part", np.maximum(apart, floor), model)
