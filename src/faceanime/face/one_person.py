"""Two pictures of one person: one identity is fitted to both, so that all that differs is expression.

A single picture does not tell a wide mouth from a smile: two fifths of a smile's width are taken for identity. Of two
pictures with different expressions, one identity can be right only if it leaves the difference to the expressions.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from faceanime.face.config import FitConfig
from faceanime.face.fit import fit_coefficients, seen_basis
from faceanime.geometry.camera import project
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import FaceCoefficients


def change_of_expression(
    own: Float[np.ndarray, "L 3"],
    target: Float[np.ndarray, "L 3"],
    seen_with: Callable[[np.ndarray], np.ndarray | None],
    model: MorphableModel,
    config: FitConfig,
) -> Float[np.ndarray, " K_exp"]:
    """The change of expression that brings a person's face from one picture to another, as a detector sees it.

    `own` and `target` are the landmarks in both pictures, px, each of its own; `seen_with` returns those in the first
    picture (L,3) when it is drawn with a change of expression (K_exp,), None if there is no face. Drawn skin keeps the
    folds of its own expression, and what is seen of it falls short of the target: the change is corrected once by what
    is missing.
    """
    both = fit_coefficients(np.stack([own, target]).astype(np.float64), model, config)
    change = both.expression[1] - both.expression[0]
    seen = seen_with(change)
    if seen is None:
        return change
    reached = fit_coefficients(seen[None].astype(np.float64), model, config, both.identity[0])
    return change + both.expression[1] - reached.expression[0]


def apparent_landmarks(face: FaceCoefficients, model: MorphableModel) -> Float[np.ndarray, "L 3"]:
    """The landmarks of a face as a detector would see them in its picture, px."""
    shape = (
        model.landmark_mean.astype(np.float64)
        + model.landmark_identity_basis @ face.identity
        + seen_basis(model, apparent=True) @ face.expression
    )
    return project(shape, face.pose)
