"""Choice of a reference frame: the usual face of a clip, with open eyes and a closed mouth.

A driver's departures are measured from its reference frame: what is unusual in that frame, such as raised brows, would
be subtracted from all others. Each use has its own weights or limits for the same terms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from faceanime.geometry.rotation import angles_from_rotation, rotation_from_angles
from faceanime.morphable.axes import measure_expressions, sum_of_measures
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import Dynamics, FaceCoefficients, HeadPose


@dataclass(frozen=True)
class ReferenceWeights:
    """Weights of the terms of a frame's distance from a neutral face; the distance has no unit."""

    lips: float
    """Cost of an opening of the lips beyond a closed mouth, per model unit."""
    lids: float
    """Cost of an opening of the lids below that of an open eye, per model unit."""
    turn: float
    """Cost of the angle between the head's forward axis and the viewing direction, per radian."""
    closed_lips_percentile: float = 0.0
    """Percentile of the frames' lip openings that counts as a closed mouth."""
    parted_lips: float = 0.0
    """Opening beyond that percentile up to which there is no cost, model units."""
    open_lids_percentile: float = 50.0
    """Percentile of the frames' lid openings that counts as an open eye."""
    open_lids_fraction: float = 1.0
    """Fraction of the open eye's opening above which there is no cost."""
    free_turn_rad: float = 0.0
    """Angle of the head's turn up to which there is no cost."""


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
    lips=50.0, lids=200.0, turn=50.0, closed_lips_percentile=10.0, parted_lips=0.02,
    open_lids_fraction=0.9, free_turn_rad=float(np.radians(30.0)),
)  # fmt: skip
"""Weights for the reference frame of a driver. With these, and those of `_USUAL`, brows and smile of the chosen frame
are between the 35th and the 65th percentile in 28 of 30 training clips, and lips are 0.017 model units farther apart
than in a closed mouth, on average (`benchmarks/reference.py`); a larger weight of the lips gave fewer such clips."""
PORTRAIT_WEIGHTS = ReferenceWeights(lips=1.0, lids=2.0, open_lids_fraction=0.8, turn=0.3)
"""Weights for an anchor frame, and for the portraits that a generator is trained on; chosen by eye."""


@dataclass(frozen=True)
class _UsualRule:
    """Cost of what is unusual in a frame of a driver; chosen together with `MOTION_WEIGHTS`."""

    face: float = 5.0
    """Cost of brows, and of a smile, that are `unit` away from their median."""
    gaze_and_pose: float = 0.3
    """The same of gaze left and up, yaw, pitch and roll, each; they distort no other part of the face."""
    free: float = 0.05
    """Distance from the median up to which there is no cost, as a fraction of all frames."""
    unit: float = 0.15
    """Distance from the median beyond `free` that costs as much as the weight, as a fraction of all frames."""
    decimals: int = 3
    """Decimals to which values are rounded, so that a part that keeps still is at its median in all frames."""


_USUAL = _UsualRule()
_BROWS = ("brow_up_right", "brow_up_left", "inner_brow_up")
_SMILE = ("corner_up_right", "corner_up_left", "corner_out_right", "corner_out_left")
"""The measures whose sums are the height of the brows, and the width and height of the mouth's corners."""


def reference_costs(
    lips: Float[np.ndarray, " T"],
    lids: Float[np.ndarray, " T"],
    rotation: Float[np.ndarray, "T 3 3"],
    weights: ReferenceWeights,
) -> Float[np.ndarray, " T"]:
    """The distance of each frame from a neutral face.

    `lips` and `lids` are openings in model units, `lids` that of the eye which is closed further. `rotation` is the
    head's.
    """
    closed = np.percentile(lips, weights.closed_lips_percentile) + weights.parted_lips
    opened = weights.open_lids_fraction * np.percentile(lids, weights.open_lids_percentile)
    turn = np.arccos(np.clip(rotation[:, 2, 2], -1.0, 1.0))
    return np.asarray(
        weights.lips * np.maximum(lips - closed, 0.0)
        + weights.lids * np.maximum(opened - lids, 0.0)
        + weights.turn * np.maximum(turn - weights.free_turn_rad, 0.0)
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


def reference_face(
    motion: Dynamics, model: MorphableModel, frame: Literal["auto"] | int = "auto"
) -> FaceCoefficients:
    """The face from which a motion's departures are measured: that of a frame, or by default its rest.

    The rest is `Dynamics.rest` if the motion has one, else the face of its reference frame. That of a filmed motion
    keeps that frame's expression with the lips as close as they usually come, and its pose is the median of all valid
    frames: no head rests aside, and no mouth that speaks on is held open.
    """
    if frame == "auto" and motion.rest is not None:
        return motion.rest
    chosen = reference_frame(motion, model) if frame == "auto" else frame
    face = motion[chosen]
    if frame != "auto" or is_from_keyframes(motion):
        return face
    seen = _seen(motion)
    lips, _ = openings_of(model, np.zeros_like(motion.identity), motion.expression)
    parted = max(lips[chosen] - np.percentile(lips[seen], MOTION_WEIGHTS.closed_lips_percentile), 0.0)
    jaw = model.axis("jaw_open")
    opened, closed = openings_of(model, np.zeros_like(motion.identity), np.stack([jaw, 0.0 * jaw]))[0]
    angles = np.median(angles_from_rotation(motion.pose.rotation[seen]), axis=0)
    usual = HeadPose(
        rotation_from_angles(*angles),
        np.asarray(np.median(motion.pose.scale[seen])),
        np.median(motion.pose.translation_px[seen], axis=0),
    )
    expression = face.expression - parted / (opened - closed) * jaw
    return FaceCoefficients(face.identity, expression, usual)


def reference_frame(motion: Dynamics, model: MorphableModel) -> int:
    """The index of a motion's valid frame that shows its usual face, with open eyes and a closed mouth.

    Usual means near the median of the valid frames, in brows, smile, gaze and head angles. Motions that are made of
    keyframes begin at rest: of those it is the first frame.
    """
    if is_from_keyframes(motion):
        return 0
    frames = _seen(motion)
    expression, rotation = motion.expression[frames], motion.pose.rotation[frames]
    mean_face = np.zeros_like(motion.identity)
    lips, lids = openings_of(model, mean_face, expression)
    cost = reference_costs(lips, lids, rotation, MOTION_WEIGHTS)
    for names in (_BROWS, _SMILE):
        cost += _USUAL.face * _unusual(sum_of_measures(names, model, mean_face, expression))
    for name in ("gaze_left", "gaze_up"):
        cost += _USUAL.gaze_and_pose * _unusual(measure_expressions(name, model, mean_face, expression))
    for angle in angles_from_rotation(rotation).T:
        cost += _USUAL.gaze_and_pose * _unusual(angle)
    return int(frames[np.argmin(cost)])


def is_from_keyframes(motion: Dynamics) -> bool:
    """Whether a motion is made of keyframes: nobody's identity, and a first frame that is exactly frontal."""
    return not motion.identity.any() and np.array_equal(motion.pose.rotation[0], np.eye(3))


def _seen(motion: Dynamics) -> Int[np.ndarray, " N"]:
    """The valid frames; all of them if none is."""
    return np.flatnonzero(motion.valid if motion.valid.any() else ~motion.valid)


def _unusual(values: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
    """Distance of each value from the median, by rank: 1 at `free + unit` of all frames, 0 within `free`."""
    rounded = np.round(values, _USUAL.decimals)
    ordered = np.sort(rounded)
    below, up_to = (np.searchsorted(ordered, rounded, side=side) for side in ("left", "right"))
    away = np.abs((below + up_to) / (2 * len(values)) - 0.5)
    return np.asarray(np.maximum(away - _USUAL.free, 0.0) / _USUAL.unit)
