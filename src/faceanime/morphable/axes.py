"""Named axes: expressions with names, such as smile, as vectors of a model's expression coefficients.

An axis is defined by the changes of a few measures of the face, such as the distance between the lips or the height of
a mouth corner. It is the *most probable* expression a that makes these changes f and leaves the other measures nearly
unchanged: with coefficients of unit variance and measures F a, it is a = F^T (F F^T + S)^-1 f, where the diagonal
matrix S holds the squared tolerances of the measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int32

from faceanime.morphable.landmark_schema import Group, LandmarkSchema
from faceanime.morphable.model import MorphableModel, Part

Measure = dict[tuple[int, int], float]
"""A weighted sum of a face's coordinates: weights by (landmark, coordinate), with x, y, z as 0, 1, 2."""


def _opening(upper: Group, lower: Group) -> Measure:
    """Mean height of the upper points above the lower ones."""
    weight = 1 / len(upper)
    pairs = zip(upper, lower, strict=True)
    return {(int(p), 1): sign for pair in pairs for p, sign in zip(pair, (weight, -weight), strict=True)}


def _mean(points: Group, coordinate: int, sign: float = 1.0) -> Measure:
    """Mean of one coordinate over some points, times `sign`."""
    return {(int(p), coordinate): sign / len(points) for p in points}


@lru_cache(maxsize=8)
def measures_of(schema: LandmarkSchema) -> dict[str, Measure]:
    """The measures of a face by name: distances and positions of lids, lips, brows, irises and nose."""
    right, left = schema.eyes
    irises = np.array([eye.iris[0] for eye in schema.eyes])
    return {
        "lips_apart": _opening(schema.upper_lip_middle, schema.lower_lip_middle),
        "chin_down": _mean(schema.chin, 1, -1.0),
        "corner_up_right": _mean(schema.right_mouth_corner, 1),
        "corner_up_left": _mean(schema.left_mouth_corner, 1),
        "corner_out_right": _mean(schema.right_mouth_corner, 0, -1.0),
        "corner_out_left": _mean(schema.left_mouth_corner, 0),
        "lips_forward": _mean(schema.lip_midline, 2),
        "lids_apart_right": _opening(right.upper_middle, right.lower_middle),
        "lids_apart_left": _opening(left.upper_middle, left.lower_middle),
        "lower_lid_up_right": _mean(right.lower_middle, 1),
        "lower_lid_up_left": _mean(left.lower_middle, 1),
        "brow_up_right": _mean(right.brow_upper[1:-1], 1),
        "brow_up_left": _mean(left.brow_upper[1:-1], 1),
        "inner_brow_up": _mean(np.concatenate([eye.brow_inner for eye in schema.eyes]), 1),
        "gaze_left": _mean(irises, 0),
        "gaze_up": _mean(irises, 1),
        "nose_wings_up": _mean(schema.nose_wings, 1),
        "upper_lip_up": _mean(schema.upper_lip_edge, 1),
    }


_EYE = 0.0875
"""Opening of the mean face's eyes in model units; a blink at strength 1 closes it."""

AXES: dict[str, dict[str, float]] = {
    "jaw_open": {"lips_apart": 0.28, "chin_down": 0.24},
    "lips_part": {"lips_apart": 0.08, "chin_down": 0.04},
    "smile": {
        "corner_up_right": 0.07, "corner_up_left": 0.07,
        "corner_out_right": 0.08, "corner_out_left": 0.08,
    },
    "frown": {"corner_up_right": -0.06, "corner_up_left": -0.06},
    "pucker": {"corner_out_right": -0.10, "corner_out_left": -0.10, "lips_forward": 0.06},
    "stretch": {"corner_out_right": 0.07, "corner_out_left": 0.07},
    "blink_right": {"lids_apart_right": -_EYE},
    "blink_left": {"lids_apart_left": -_EYE},
    "wide_right": {"lids_apart_right": 0.4 * _EYE},
    "wide_left": {"lids_apart_left": 0.4 * _EYE},
    "squint_right": {"lids_apart_right": -0.35 * _EYE, "lower_lid_up_right": 0.2 * _EYE},
    "squint_left": {"lids_apart_left": -0.35 * _EYE, "lower_lid_up_left": 0.2 * _EYE},
    "brow_raise": {"brow_up_right": 0.09, "brow_up_left": 0.09, "inner_brow_up": 0.09},
    "brow_lower": {"brow_up_right": -0.05, "brow_up_left": -0.05, "inner_brow_up": -0.05},
    "inner_brow_raise": {"inner_brow_up": 0.06},
    "gaze_left": {"gaze_left": 0.06},
    "gaze_right": {"gaze_left": -0.06},
    "gaze_up": {"gaze_up": 0.035},
    "gaze_down": {"gaze_up": -0.035},
    "sneer": {"nose_wings_up": 0.035, "upper_lip_up": 0.03},
}  # fmt: skip
"""Changes of measures that define each axis at strength 1, in model units (1 = distance of the outer eye corners).

The first change of an axis is met exactly, the others within their tolerances. All are chosen by eye.
"""


def measure_matrix(basis: Float[np.ndarray, "L 3 K"], schema: LandmarkSchema) -> Float[np.ndarray, "M K"]:
    """The matrix F: change of each measure, in the order of `measures_of`, per unit of each coefficient of a basis."""
    rows = [sum(w * basis[p, c] for (p, c), w in each.items()) for each in measures_of(schema).values()]
    return np.stack(rows).astype(np.float64)


def measure_landmarks(
    name: str, landmarks: Float[np.ndarray, "*B L 3"], schema: LandmarkSchema
) -> Float[np.ndarray, "*B"]:
    """The value of one measure on the landmarks of a face in model space, model units."""
    weights = measures_of(schema)[name]
    return np.asarray(sum(w * landmarks[..., p, c] for (p, c), w in weights.items()))


_ONE_SIDED = {
    f"{name}_{side.name.partition('_')[0].lower()}": (side,)
    for name in ("blink", "wide", "squint")
    for side in (Part.RIGHT_EYE, Part.LEFT_EYE)
}
"""Axes that use the expression directions of one eye only."""

_NAMED_TOLERANCE, _OTHER_TOLERANCE = 0.05, 0.5
"""Tolerances of the measures that an axis names and of all others, in standard deviations of each; chosen by eye."""


def measure_expressions(
    name: str,
    model: MorphableModel,
    identity: Float[np.ndarray, " K_id"],
    expression: Float[np.ndarray, "*B K_exp"],
) -> Float[np.ndarray, "*B"]:
    """The value of one measure for many expressions of a person, model units; no full shapes are computed."""
    shape = model.landmarks_of(model.vertices(identity, np.zeros(model.expression_count)))
    rest = measure_landmarks(name, shape, model.schema)
    change = measure_landmarks(name, np.moveaxis(model.landmark_expression_basis, -1, 0), model.schema)
    return np.asarray(rest + expression @ change)


def sum_of_measures(
    names: Sequence[str],
    model: MorphableModel,
    identity: Float[np.ndarray, " K_id"],
    expression: Float[np.ndarray, "*B K_exp"],
) -> Float[np.ndarray, "*B"]:
    """The sum of measures of a person's expressions, model units."""
    return np.asarray(sum(measure_expressions(name, model, identity, expression) for name in names))


def named_axes(
    expression_basis: Float[np.ndarray, "L 3 K"], part: Int32[np.ndarray, " K"], schema: LandmarkSchema
) -> Float[np.ndarray, "N K"]:
    """The expression coefficients of each of `AXES` at strength 1, in standard deviations.

    `expression_basis` is the landmarks' basis, `part` the part of the face that each of its directions moves.
    """
    response = measure_matrix(expression_basis, schema)
    names = list(measures_of(schema))
    axes = np.zeros((len(AXES), response.shape[1]))
    for axis, (title, changes) in zip(axes, AXES.items(), strict=True):
        usable = np.isin(part, _ONE_SIDED.get(title, tuple(Part)))
        own = response[:, usable]
        scale = np.linalg.norm(own, axis=1).clip(1e-9)
        wanted = np.array([changes.get(name, 0.0) for name in names])
        tolerance = np.array([_NAMED_TOLERANCE if name in changes else _OTHER_TOLERANCE for name in names])
        axis[usable] = own.T @ np.linalg.solve(own @ own.T + np.diag((tolerance * scale) ** 2), wanted)
        first, value = next(iter(changes.items()))
        axis *= value / (response[names.index(first)] @ axis)
    return axes
