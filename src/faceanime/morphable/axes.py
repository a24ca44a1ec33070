"""Expressions that a person can name, as directions in a model's expression space.

A name is a change of a few measures of the face (how far the lips part, where a mouth corner stands, ...).
The axis is the *most probable* expression that makes this change and leaves the other measures alone: with
coefficients of unit variance and measures F a, that is a = F^T (F F^T)^-1 f.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int32

from faceanime.morphable.model import MorphableModel, Part

Measure = dict[tuple[int, int], float]
"""Weights of (landmark, coordinate): the measure is the weighted sum of the face's coordinates."""


def _gap(pairs: tuple[tuple[int, int], ...]) -> Measure:
    """Mean height of the first points over the second."""
    measure: Measure = {}
    for upper, lower in pairs:
        measure[upper, 1] = measure.get((upper, 1), 0.0) + 1 / len(pairs)
        measure[lower, 1] = measure.get((lower, 1), 0.0) - 1 / len(pairs)
    return measure


def _mean(points: tuple[int, ...], coordinate: int, sign: float = 1.0) -> Measure:
    return {(p, coordinate): sign / len(points) for p in points}


RIGHT_LIDS = ((160, 144), (159, 145), (158, 153))
LEFT_LIDS = ((387, 373), (386, 374), (385, 380))
LIPS_GAP = ((82, 87), (13, 14), (312, 317))

MEASURES: dict[str, Measure] = {
    "lips_apart": _gap(LIPS_GAP),
    "chin_down": _mean((152, 148, 377), 1, -1.0),
    "corner_up_right": _mean((61, 78), 1),
    "corner_up_left": _mean((291, 308), 1),
    "corner_out_right": _mean((61, 78), 0, -1.0),
    "corner_out_left": _mean((291, 308), 0),
    "lips_forward": _mean((0, 17, 13, 14), 2),
    "lids_apart_right": _gap(RIGHT_LIDS),
    "lids_apart_left": _gap(LEFT_LIDS),
    "lower_lid_up_right": _mean((144, 145, 153), 1),
    "lower_lid_up_left": _mean((373, 374, 380), 1),
    "brow_up_right": _mean((105, 66, 63), 1),
    "brow_up_left": _mean((334, 296, 293), 1),
    "inner_brow_up": _mean((107, 336, 55, 285), 1),
    "gaze_left": _mean((468, 473), 0),
    "gaze_up": _mean((468, 473), 1),
    "nose_wings_up": _mean((64, 294, 98, 327), 1),
    "upper_lip_up": _mean((0, 37, 267), 1),
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


def measure_matrix(basis: Float[np.ndarray, "V 3 K"]) -> Float[np.ndarray, "M K"]:
    """F: how each measure changes with each coefficient, in the order of `MEASURES`."""
    rows = [sum(w * basis[p, c] for (p, c), w in measure.items()) for measure in MEASURES.values()]
    return np.stack(rows).astype(np.float64)


def measure(name: str, shape: Float[np.ndarray, "*B V 3"]) -> Float[np.ndarray, "*B"]:
    """The value of one measure on a shape, model units."""
    return np.asarray(sum(w * shape[..., p, c] for (p, c), w in MEASURES[name].items()))


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
    rest = measure(name, model.vertices(identity, np.zeros(model.expression_count)))
    change = measure(name, np.moveaxis(model.expression_basis, -1, 0))
    return np.asarray(rest + expression @ change)


def named_axes(
    expression_basis: Float[np.ndarray, "V 3 K"], part: Int32[np.ndarray, " K"]
) -> Float[np.ndarray, "N K"]:
    """The most probable expression of each of `AXES`, in standard deviations; its first measure is exact."""
    response = measure_matrix(expression_basis)
    names = list(MEASURES)
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
