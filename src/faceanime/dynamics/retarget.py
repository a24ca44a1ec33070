"""Carry the motion of one face over to another (arXiv 2105.14678, sec. III-C, and beyond).

Vocabulary: the *driver* is a `Dynamics`; its *reference* is the frame that is held to look like the source;
the *source* is the face to be moved. What the driver does is read as its departure from the reference, so that
neither its identity nor its resting face leaks into the source.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from faceanime.core.errors import ConfigError
from faceanime.geometry.rotation import angles_from_rotation, rotation_from_angles
from faceanime.morphable.axes import measure, measured
from faceanime.morphable.model import EYES, MorphableModel
from faceanime.morphable.reference_frame import reference_frame
from faceanime.structures.coefficients import Dynamics, FaceCoefficients, HeadPose

Parts = Literal["all", "expression", "head", "lips", "eyes"]


@dataclass(frozen=True)
class RetargetConfig:
    """What of the driver's motion is used, and how far it may go."""

    motion: Literal["relative", "absolute"] = "relative"
    """relative: the driver's departure from its reference frame is added to the source's own face;
    absolute: the source takes the driver's expression and head angles as they are."""
    reference: Literal["auto"] | int = "auto"
    """The driver's frame that corresponds to the source; auto picks a calm, frontal one."""
    parts: Parts = "all"
    """What moves: everything, the face without the head, the head alone, mouth and jaw, or eyes and brows."""
    lips: float = 1.0
    """Strength of mouth and jaw."""
    eyes: float = 1.0
    """Strength of lids, gaze and brows."""
    head: float = 1.0
    """Strength of the head's turning and shifting."""
    yaw_limit_deg: float = 30.0
    """How far from the source's own pose the head may turn sideways; approached smoothly."""
    pitch_limit_deg: float = 22.0
    """How far it may nod."""
    shift_limit: float = 0.6
    """How far the head may shift, in distances of the outer eye corners."""
    scale_limit: float = 1.35
    """How much the head may grow or shrink, as a factor."""

    def __post_init__(self) -> None:
        if isinstance(self.reference, int) and self.reference < 0:
            raise ConfigError(f"reference is {self.reference}, expected auto or a frame number from 0")
        for name in ("lips", "eyes", "head"):
            if not 0.0 <= (strength := getattr(self, name)) <= _STRONGEST:
                raise ConfigError(f"{name} is {strength}, a strength: expected 0 to {_STRONGEST:g}")
        for name in ("yaw_limit_deg", "pitch_limit_deg", "shift_limit"):
            if not 0.0 <= (limit := getattr(self, name)) < np.inf:
                raise ConfigError(f"{name.replace('_', '-')} is {limit}, expected a number from 0 on")
        if not 1.0 < self.scale_limit < np.inf:
            raise ConfigError(f"scale-limit is {self.scale_limit}, expected a number above 1")


_STRONGEST = 4.0
_SHOWN = {
    "all": {"lips", "eyes", "head"},
    "expression": {"lips", "eyes"},
    "head": {"head"},
    "lips": {"lips"},
    "eyes": {"eyes"},
}


@dataclass(frozen=True)
class Room:
    """How far a head may shift toward each side of its picture, in distances of the outer eye corners."""

    left: float = np.inf
    right: float = np.inf
    up: float = np.inf
    down: float = np.inf


def room_in_picture(matte: Float[np.ndarray, "H W"], box_px: tuple[float, float, float, float]) -> Room:
    """The room of a portrait: what the picture's edge cuts off must not come into view.

    `matte` (H,W) in [0,1], how surely a pixel is the person's; `box_px` left, top, right, bottom of the face.
    """
    height, width = matte.shape
    left, top, right, bottom = (int(v) for v in np.clip(box_px, 0, [width - 1, height - 1] * 2))
    beside = slice(top, max(bottom, top + 1))
    unit = max(_EYES_PER_FACE * (right - left), 1.0)

    def toward(seen: Float[np.ndarray, " N"], margin_px: int) -> float:
        """What is mirrored at an edge must be hair, not face: no more than lies between face and edge."""
        return min(_CUT_ROOM, margin_px / unit) if seen.mean() > _CUT_SHARE else np.inf

    return Room(
        left=toward(matte[beside, -1], width - 1 - right),
        right=toward(matte[beside, 0], left),
        up=_NECK_ROOM,
        down=toward(matte[0, left : right + 1], top),
    )


_CUT_ROOM, _NECK_ROOM = 0.4, 0.5
"""Toward the side where the rest of a cut-off head would show; and upward, where only the neck can stretch."""
_CUT_SHARE = 0.5
"""A head counts as cut where so much of the picture's edge beside the face is the person's."""
_EYES_PER_FACE = 0.66
"""Distance of the outer eye corners in widths of the face."""


def retarget(
    source: FaceCoefficients,
    driver: Dynamics,
    model: MorphableModel,
    config: RetargetConfig,
    room: Room = Room(),
    picture_side_px: int | None = None,
) -> Dynamics:
    """The driver's motion on the source's face, in the source's picture.

    `source` is one face, its pose in px of a picture whose longer side is `picture_side_px` (by default as
    long as the driver's). The result has the source's identity and the driver's length, rate and `valid`; it
    shifts no further than `room` allows.
    Raises MorphableModelError when the driver belongs to another model, ConfigError
    when the reference frame does not exist.
    """
    model.require(driver.model_id, "the driving motion")
    reference = reference_frame(driver, model) if config.reference == "auto" else config.reference
    if reference >= len(driver):
        raise ConfigError(f"reference frame {reference} does not exist: the driver has {len(driver)} frames")
    expression = _retarget_expression(source, driver, reference, model, config)
    return Dynamics(
        identity=source.identity,
        expression=expression,
        pose=_retarget_pose(source.pose, driver.pose, reference, room, config),
        frame_rate=driver.frame_rate,
        valid=driver.valid,
        picture_side_px=picture_side_px or driver.picture_side_px,
        model_id=driver.model_id,
    )


def _retarget_expression(
    source: FaceCoefficients, driver: Dynamics, reference: int, model: MorphableModel, config: RetargetConfig
) -> Float[np.ndarray, "T K_exp"]:
    base = driver.expression[reference] if config.motion == "relative" else source.expression
    shown = _SHOWN[config.parts]
    eyes = np.isin(model.part, EYES)
    strength = np.where(eyes, config.eyes * ("eyes" in shown), config.lips * ("lips" in shown))
    moved = source.expression + strength * (driver.expression - base)
    if config.motion == "relative" and "eyes" in shown and config.eyes != 0.0:
        moved = _close_lids(source, driver, reference, moved, model, config.eyes)
    if config.motion == "relative" and "lips" in shown:
        moved = _no_further(source, driver, reference, moved, model, config.lips)
    return np.asarray(moved)


def _no_further(
    source: FaceCoefficients,
    driver: Dynamics,
    reference: int,
    expression: Float[np.ndarray, "T K_exp"],
    model: MorphableModel,
    strength: float,
) -> Float[np.ndarray, "T K_exp"]:
    """Openings and smiles do not add up: a source's mouth goes no further than the driver's does, or than its own.

    The driver's is what its expression makes of the mean face. The source's is seen whole: of one picture a part of a
    smile is taken for identity.
    """
    mean_face = np.zeros(model.identity_count)
    for title, names in _MOUTH.items():
        axis = model.axis(title)
        theirs = _summed(names, model, mean_face, driver.expression)
        own, made = (
            _summed(names, model, source.identity, faces) for faces in (source.expression[None], expression)
        )
        most = np.maximum(own, theirs[reference] + strength * (theirs - theirs[reference])) + _FURTHER
        per_unit = float(np.diff(_summed(names, model, mean_face, np.stack([0.0 * axis, axis])))[0])
        expression = expression - (np.maximum(made - most, 0.0) / per_unit)[:, None] * axis
    return np.asarray(expression)


def _summed(
    names: tuple[str, ...],
    model: MorphableModel,
    identity: Float[np.ndarray, " K_id"],
    expression: Float[np.ndarray, "N K_exp"],
) -> Float[np.ndarray, " N"]:
    """Measures of a person's expressions, added up, model units."""
    return np.asarray(sum(measured(name, model, identity, expression) for name in names))


_MOUTH = {
    "jaw_open": ("lips_apart",),
    "stretch": ("corner_out_right", "corner_out_left"),
    "frown": ("corner_up_right", "corner_up_left"),
}
"""Along which axis each measure of a mouth is held back."""
_FURTHER = 0.05
"""Model units; lips at rest, and how wide they are, are told no better."""


def _close_lids(
    source: FaceCoefficients,
    driver: Dynamics,
    reference: int,
    expression: Float[np.ndarray, "T K_exp"],
    model: MorphableModel,
    strength: float,
) -> Float[np.ndarray, "T K_exp"]:
    """Let the lids part by the driver's *share* of its open eye: a closed eye closes eyes of any size."""
    closed = expression
    for side in ("right", "left"):
        name = f"lids_apart_{side}"
        apart = measured(name, model, driver.identity, driver.expression)
        rest_apart = measured(name, model, source.identity, source.expression)
        change = (apart - apart[reference]) / np.maximum(apart[reference], _LEAST_OPEN)
        change = change - _AJAR * np.clip((-0.6 - change) / (0.4 - _AJAR), 0.0, 1.0)
        change = np.clip(strength * change, -1.0, 0.4)  # none at the reference, -1 where they shut
        wanted = rest_apart + change * np.maximum(rest_apart, 0.0)
        axis = model.axis(f"blink_{side}")
        per_unit = measure(name, model.expression_basis @ axis)
        closed = (
            closed
            + ((wanted - measured(name, model, source.identity, expression)) / per_unit)[:, None] * axis
        )
    return np.asarray(closed)


_AJAR = 0.08
"""Detectors leave a shut eye ajar by this share of its gap; from 0.4 of the gap on down it is taken away."""
_LEAST_OPEN = 0.02
"""An eye that is open less than this (model units) says nothing about shares."""


def _retarget_pose(
    source: HeadPose, driver: HeadPose, reference: int, room: Room, config: RetargetConfig
) -> HeadPose:
    rest = driver[reference]
    head = config.head if "head" in _SHOWN[config.parts] else 0.0
    limits = np.radians([config.yaw_limit_deg, config.pitch_limit_deg, 45.0])
    if config.motion == "relative":
        angles = angles_from_rotation(driver.rotation @ rest.rotation.T)
    else:
        angles = angles_from_rotation(driver.rotation @ source.rotation.T)
    angles = soft_limit(head * angles, 0.65 * limits, limits)
    ratio = np.exp(soft_limit(head * np.log(driver.scale / rest.scale), *_log_limits(config.scale_limit)))
    shift = head * (driver.translation_px - rest.translation_px) / rest.scale
    limit = np.where(shift > 0.0, [room.right, room.down], [room.left, room.up])
    limit = np.minimum(limit, config.shift_limit)
    shift = soft_limit(shift, 0.65 * limit, limit)
    return HeadPose(
        rotation=rotation_from_angles(angles[:, 0], angles[:, 1], angles[:, 2]) @ source.rotation,
        scale=source.scale * ratio,
        translation_px=source.translation_px + shift * source.scale,
    )


def _log_limits(limit: float) -> tuple[float, float]:
    return 0.65 * float(np.log(limit)), float(np.log(limit))


def soft_limit(
    value: Float[np.ndarray, "*B"],
    knee: float | Float[np.ndarray, "..."],
    limit: float | Float[np.ndarray, "..."],
) -> Float[np.ndarray, "*B"]:
    """The identity up to +-`knee`, then bent smoothly toward +-`limit`, which it never passes.

    >>> soft_limit(np.array([0.5, -0.5]), 1.0, 2.0).tolist()
    [0.5, -0.5]
    """
    room = np.asarray(limit - np.asarray(knee))
    size = np.abs(value)
    bent = room * np.tanh(np.maximum(size - knee, 0.0) / np.maximum(room, 1e-12))
    return np.asarray(np.sign(value) * (np.minimum(size, knee) + bent))
