"""Expressions that a person can name, as directions in a model's expression space.

A name is a change of a few measures of the face (how far the lips part, where a mouth corner stands, ...).
The axis is the *most probable* expression that makes this change and leaves the other measures alone: with
coefficients of unit variance and measures F a, that is a = F^T (F F^T)^-1 f.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int32

from faceanime.morphable.landmark_schema import Group, LandmarkSchema
from faceanime.morphable.model import MorphableModel, Part

Measure = dict[tuple[int, int], float]
"""Weights of (landmark, coordinate): the measure is the weighted sum of the face's coordinates."""


def _gap(upper: Group, lower: Group) -> Measure:
    """Mean height of the first points over the second."""
    share = 1 / len(upper)
    pairs = zip(upper, lower, strict=True)
    return {(int(p), 1): weight for pair in pairs for p, weight in zip(pair, (share, -share), strict=True)}


def _mean(points: Group, coordinate: int, sign: float = 1.0) -> Measure:
    return {(int(p), coordinate): sign / len(points) for p in points}


@lru_cache(maxsize=8)
def measures_of(schema: LandmarkSchema) -> dict[str, Measure]:
    """What is measured of a face, by name."""
    right, left = schema.eyes
    irises = np.array([eye.iris[0] for eye in schema.eyes])
    return {
        "lips_apart": _gap(schema.upper_lip_middle, schema.lower_lip_middle),
        "chin_down": _mean(schema.chin, 1, -1.0),
        "corner_up_right": _mean(schema.right_mouth_corner, 1),
        "corner_up_left": _mean(schema.left_mouth_corner, 1),
        "corner_out_right": _mean(schema.right_mouth_corner, 0, -1.0),
        "corner_out_left": _mean(schema.left_mouth_corner, 0),
        "lips_forward": _mean(schema.lip_midline, 2),
        "lids_apart_right": _gap(right.upper_middle, right.lower_middle),
        "lids_apart_left": _gap(left.upper_middle, left.lower_middle),
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
"""Height of the mean face's open eye, model units: a full blink closes it."""

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
"""At full strength 1, in model units (1 = distance of the outer eye corners)."""


def measure_matrix(basis: Float[np.ndarray, "L 3 K"], schema: LandmarkSchema) -> Float[np.ndarray, "M K"]:
    """F: how each measure changes with each coefficient of a basis of landmarks, in the order of `measures_of`."""
    rows = [sum(w * basis[p, c] for (p, c), w in each.items()) for each in measures_of(schema).values()]
    return np.stack(rows).astype(np.float64)


def measure(
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
"""Axes that use the directions of one eye alone."""

_CLOSE, _LOOSE = 0.05, 0.5
"""How closely named and other measures are held, in their own standard deviations."""


def measured(
    name: str,
    model: MorphableModel,
    identity: Float[np.ndarray, " K_id"],
    expression: Float[np.ndarray, "*B K_exp"],
) -> Float[np.ndarray, "*B"]:
    """One measure of many expressions of a person, model units, without making their shapes."""
    shape = model.landmarks_of(model.vertices(identity, np.zeros(model.expression_count)))
    rest = measure(name, shape, model.schema)
    change = measure(name, np.moveaxis(model.landmark_expression_basis, -1, 0), model.schema)
    return np.asarray(rest + expression @ change)


def named_axes(
    expression_basis: Float[np.ndarray, "L 3 K"], part: Int32[np.ndarray, " K"], schema: LandmarkSchema
) -> Float[np.ndarray, "N K"]:
    """The most probable expression of each of `AXES`, in standard deviations; its first measure is exact.

    `expression_basis` is that of the landmarks.
    """
    response = measure_matrix(expression_basis, schema)
    names = list(measures_of(schema))
    axes = np.zeros((len(AXES), response.shape[1]))
    for axis, (title, changes) in zip(axes, AXES.items(), strict=True):
        usable = np.isin(part, _ONE_SIDED.get(title, tuple(Part)))
        own = response[:, usable]
        scale = np.linalg.norm(own, axis=1).clip(1e-9)
        wanted = np.array([changes.get(name, 0.0) for name in names])
        slack = np.array([_CLOSE if name in changes else _LOOSE for name in names]) * scale
        axis[usable] = own.T @ np.linalg.solve(own @ own.T + np.diag(slack**2), wanted)
        first, value = next(iter(changes.items()))
        axis *= value / (response[names.index(first)] @ axis)
    return axes
