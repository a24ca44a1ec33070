"""Choice of a reference frame: neutral, frontal, with open eyes and a closed mouth.

A driver's departures are measured from its reference frame: the expression of a frame that is not neutral would be
subtracted from all others. Each use has its own weights or limits for the same terms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from faceanime.geometry.rotation import angles_from_rotation
from faceanime.morphable.axes import measure_expressions
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import Dynamics


@dataclass(frozen=True)
class ReferenceWeights:
    """Weights of the terms of a frame's distance from a neutral face; the distance has no unit."""

    lips: float
    """Cost of an opening of the lips beyond a closed mouth, per model unit."""
    lids: float
    """Cost of an opening of the lids below that of an open eye, per model unit."""
    closed_lips_percentile: float = 0.0
    """Percentile of the frames' lip openings that counts as a closed mouth."""
    open_lids_percentile: float = 50.0
    """Percentile of the frames' lid openings that counts as an open eye."""
    open_lids_fraction: float = 1.0
    """Fraction of the open eye's opening above which there is no cost."""
    turn: float = 0.0
    """Cost of the angle between the head's forward axis and the viewing direction, per radian."""
    yaw: float = 0.0
    """Cost of the yaw relative to the viewing direction, per radian."""
    pitch: float = 0.0
    """Cost of the pitch relative to the frames' median, per radian: people hold heads and cameras differently."""
    roll: float = 0.0
    """Cost of the roll relative to the frames' median, per radian."""
    expression: float = 0.0
    """Cost of the expression, per model unit of the norm of all landmarks' displacements."""


@dataclass(frozen=True)
class ReferenceLimits:
    """Limits within which a frame counts as neutral; chosen by eye."""

    least_open_lips: float = 0.05
    """Lip opening below which a mouth always counts as closed, model units."""
    closed_lips_percentile: float = 15.0
    """Percentile of the frames' lip openings below which a mouth counts as closed."""
    open_lids_fraction: float = 0.8
    """Fraction of the median lid opening above which an eye counts as open."""
    turn_rad: float = float(np.radians(25.0))
    """Angle of the head's turn below which a face counts as frontal."""


MOTION_WEIGHTS = ReferenceWeights(
    lips=30.0, lids=40.0, closed_lips_percentile=10.0, open_lids_percentile=70.0,
    yaw=2.0, pitch=2.0, roll=2.0, expression=2.0,
)  # fmt: skip
"""Weights for the reference frame of a driver; chosen by eye."""
PORTRAIT_WEIGHTS = ReferenceWeights(lips=1.0, lids=2.0, open_lids_fraction=0.8, turn=0.3)
"""Weights for an anchor frame, and for the portraits that a generator is trained on; chosen by eye."""


def reference_costs(
    lips: Float[np.ndarray, " T"],
    lids: Float[np.ndarray, " T"],
    rotation: Float[np.ndarray, "T 3 3"],
    weights: ReferenceWeights,
    expression: Float[np.ndarray, " T"] | None = None,
) -> Float[np.ndarray, " T"]:
    """The distance of each frame from a neutral face.

    `lips` and `lids` are openings in model units, `lids` that of the eye which is closed further. `rotation` is the
    head's. `expression` is the norm of the landmarks' displacements in model units; by default it has no cost.
    """
    closed = np.percentile(lips, weights.closed_lips_percentile)
    opened = weights.open_lids_fraction * np.percentile(lids, weights.open_lids_percentile)
    yaw, pitch, roll = angles_from_rotation(rotation).T
    turn = np.arccos(np.clip(rotation[:, 2, 2], -1.0, 1.0))
    return np.asarray(
        weights.lips * np.maximum(lips - closed, 0.0)
        + weights.lids * np.maximum(opened - lids, 0.0)
        + weights.turn * turn
        + weights.yaw * np.abs(yaw)
        + weights.pitch * np.abs(pitch - np.median(pitch))
        + weights.roll * np.abs(roll - np.median(roll))
        + weights.expression * (0.0 if expression is None else expression)
    )


def is_neutral(
    lips: Float[np.ndarray, " T"],
    lids: Float[np.ndarray, " T"],
    turned_rad: Float[np.ndarray, " T"],
    limits: ReferenceLimits,
) -> Bool[np.ndarray, " T"]:
    """Whether each frame has a closed mouth, open eyes and a frontal face; `lips` and `lids` in model units."""
    closed = max(limits.least_open_lips, float(np.percentile(lips, limits.closed_lips_percentile)))
    opened = limits.open_lids_fraction * np.median(lids)
    return np.asarray((lips < closed) & (lids > opened) & (turned_rad < limits.turn_rad))


def openings_of(
    model: MorphableModel, identity: Float[np.ndarray, " K_id"], expression: Float[np.ndarray, "T K_exp"]
) -> tuple[Float[np.ndarray, " T"], Float[np.ndarray, " T"]]:
    """The openings of the lips, and of the lids of the eye which is closed further, in model units."""
    lips, right, left = (
        measure_expressions(name, model, identity, expression)
        for name in ("lips_apart", "lids_apart_right", "lids_apart_left")
    )
    return lips, np.minimum(right, left)


def reference_frame(motion: Dynamics, model: MorphableModel) -> int:
    """The index of a motion's valid frame that is nearest to a neutral face."""
    lips, lids = openings_of(model, np.zeros_like(motion.identity), motion.expression)
    basis = model.landmark_expression_basis.reshape(-1, model.expression_count)
    squared = np.einsum("tk,kl,tl->t", motion.expression, basis.T @ basis, motion.expression, optimize=True)
    displaced = np.sqrt(np.maximum(squared, 0.0))
    cost = reference_costs(lips, lids, motion.pose.rotation, MOTION_WEIGHTS, displaced)
    return int(np.argmin(np.where(motion.valid, cost, np.inf)))
