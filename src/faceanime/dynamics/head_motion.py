"""Transfer of the head's pose: turns, size and shift, and how far each may go in a portrait's picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from faceanime.dynamics.retarget_config import RetargetConfig
from faceanime.geometry.rotation import angles_from_rotation, rotation_from_angles
from faceanime.geometry.soft_limit import soft_limit
from faceanime.structures.coefficients import HeadPose


@dataclass(frozen=True)
class Room:
    """Largest shift of a head in each direction of its picture, in distances of the outer eye corners."""

    left: float = np.inf
    right: float = np.inf
    up: float = np.inf
    down: float = np.inf
    rise: float = np.inf
    """Largest rise of the chin, by shifting and shrinking: more would stretch the neck, where the picture shows little
    body below it. `MotionLimits.shift_limit` replaces it."""
    head: float = 1.0
    """How much of the head around the face the picture shows, 0 to 1: less than 1 where an edge cuts it off.
    The default limits shrink with it."""


@dataclass(frozen=True)
class _RoomRule:
    """Limits of the head's shift by the edges of its picture; chosen by eye."""

    cropped_head: float = 0.4
    """Room away from an edge that crops the head, in distances of the outer eye corners."""
    neck: float = 0.025
    """Rise of the chin that the neck takes up, in distances of the outer eye corners."""
    collar: float = 0.6
    """Depth of the collar below the chin, in distances of the outer eye corners."""
    body_stretch: float = 0.62
    """Rise of the chin beyond that, as a fraction of the body that is visible below the collar, which is stretched."""
    beside_face: float = 0.75
    """Extent of a head beyond the face's box, in distances of the outer eye corners."""
    cropped_fraction: float = 0.5
    """Least mean matte along an edge beside the face of a head that counts as cropped there."""
    eye_distance: float = 0.66
    """Distance of the outer eye corners in widths of the face's box."""


@dataclass(frozen=True)
class _PoseRule:
    """Limits of the head's motion; chosen by eye."""

    knee: float = 0.65
    """Fraction of a limit up to which motion is transferred unchanged."""
    turn_deg: tuple[float, float, float] = (30.0, 22.0, 45.0)
    """Default limits of yaw, pitch and roll from the source's own pose."""
    shift: float = 0.6
    """Default limit of the shift, in distances of the outer eye corners."""
    scale: float = 1.35
    """Default limit of the factor by which the head grows or shrinks."""
    cut_head: float = 0.35
    """Factor on the default limits for a head that the picture's edge cuts off beside the face."""
    absolute_deg: tuple[float, float] = (38.0, 30.0)
    """By default, yaw and pitch of the result away from the camera: beyond, outlines show notches of the hair."""
    least_deg: float = 6.0
    """The default limits that depend on the source's own pose are no smaller than this."""
    back_from_deg: float = 5.0
    """Yaw of a source from which it turns less far back: the side that it hides would be seen."""
    back_loss: float = 1.3
    """Loss of that limit for each degree of the source's yaw."""
    chin: float = 1.3
    """Distance of the chin from the model's origin, in distances of the outer eye corners."""
    shrinking: float = 0.2
    """Fraction of the rise of the chin that there is room for which shrinking may take."""


_ROOM, _POSE = _RoomRule(), _PoseRule()
UNLIMITED_ROOM = Room()
"""The room of a head in a picture that shows all of it and enough of the body."""


def room_in_picture(matte: Float[np.ndarray, "H W"], box_px: tuple[float, float, float, float]) -> Room:
    """The room of a portrait's head: a part of it that the picture's edge crops must not come into view.

    `matte` (H,W) in [0,1], the probability that a pixel belongs to the person; `box_px` left, top, right, bottom of the
    face.
    """
    height, width = matte.shape
    left, top, right, bottom = (int(v) for v in np.clip(box_px, 0, [width - 1, height - 1] * 2))
    beside = slice(top, max(bottom, top + 1))
    eye_distance_px = max(_ROOM.eye_distance * (right - left), 1.0)

    margins = {
        "left": (matte[beside, -1], width - 1 - right),
        "right": (matte[beside, 0], left),
        "down": (matte[0, left : right + 1], top),
    }
    away, head = {}, 1.0
    for direction, (edge, margin_px) in margins.items():
        if edge.mean() > _ROOM.cropped_fraction:
            # beyond a cropping edge the picture is mirrored: no more than lies between face and edge, or face shows
            margin = margin_px / eye_distance_px
            away[direction] = min(_ROOM.cropped_head, margin)
            head = min(head, margin / _ROOM.beside_face)
    below_collar = (height - 1 - bottom) / eye_distance_px - _ROOM.collar
    rise = _ROOM.neck + _ROOM.body_stretch * max(below_collar, 0.0)
    return Room(**away, rise=rise, head=head)


def retarget_pose(
    source: HeadPose,
    driver: HeadPose,
    rest: HeadPose,
    presence: Float[np.ndarray, " T"],
    room: Room,
    config: RetargetConfig,
    strength: float,
) -> HeadPose:
    """The driver's pose as a departure from its `rest`, on the source's.

    `strength` multiplies it, and `presence` in [0,1], a weight for each frame, fades it. It is limited by `config` and,
    by default, by the portrait's own pose and `room`.
    """
    if config.motion == "relative":
        turned, base = driver.rotation, rest.rotation
    else:  # the roll is a departure in any case: a tilted portrait that is set upright shears its neck
        yaw, pitch, roll = angles_from_rotation(driver.rotation).T
        own, theirs = (angles_from_rotation(each.rotation)[2] for each in (source, rest))
        turned, base = rotation_from_angles(yaw, pitch, own + roll - theirs), source.rotation
    angles = strength * angles_from_rotation(turned @ base.T)
    limits = _turn_limits(source, angles, room, config)
    yaw, pitch, roll = presence * soft_limit(angles, _POSE.knee * limits, limits).T
    log_ratio = strength * np.log(driver.scale / rest.scale)
    log_limit = _log_scale_limits(log_ratio, room, config)
    ratio = np.exp(presence * soft_limit(log_ratio, _POSE.knee * log_limit, log_limit))
    shift = strength * (driver.translation_px - rest.translation_px) / rest.scale
    shift_limit = _shift_limits(shift, ratio, room, config)
    shift = soft_limit(shift, _POSE.knee * shift_limit, shift_limit)
    return HeadPose(
        rotation=rotation_from_angles(yaw, pitch, roll) @ source.rotation,
        scale=source.scale * ratio,
        translation_px=source.translation_px + presence[:, None] * shift * source.scale,
    )


def _cut_head_factor(room: Room) -> float:
    """The factor on the default limits, for what a picture's edge cuts off of the head."""
    return _POSE.cut_head + (1.0 - _POSE.cut_head) * room.head


def _log_scale_limits(
    log_ratio: Float[np.ndarray, " T"], room: Room, config: RetargetConfig
) -> Float[np.ndarray, " T"]:
    """The limits of the size of `log_ratio`, the logarithm of the head's growth."""
    if config.scale_limit is not None:
        return np.full(len(log_ratio), np.log(config.scale_limit))
    limit = _cut_head_factor(room) * np.log(_POSE.scale)
    smallest = max(1.0 - _POSE.shrinking * room.rise / _POSE.chin, np.exp(-limit))
    return np.asarray(np.where(log_ratio < 0.0, -np.log(smallest), limit))


def _shift_limits(
    shift: Float[np.ndarray, "T 2"], ratio: Float[np.ndarray, " T"], room: Room, config: RetargetConfig
) -> Float[np.ndarray, "T 2"]:
    """The limits of the size of `shift`, in distances of the outer eye corners, of a head that grows by `ratio`."""
    limit = np.where(shift > 0.0, [room.right, room.down], [room.left, room.up])
    if config.shift_limit is not None:
        return np.minimum(limit, config.shift_limit)
    limit = np.minimum(limit, _cut_head_factor(room) * _POSE.shift)
    rise = np.maximum(room.rise - _POSE.chin * (1.0 - ratio), 0.0)
    limit[:, 1] = np.where(shift[:, 1] < 0.0, np.minimum(limit[:, 1], rise), limit[:, 1])
    return np.asarray(limit)


def _turn_limits(
    source: HeadPose, angles: Float[np.ndarray, "T 3"], room: Room, config: RetargetConfig
) -> Float[np.ndarray, "T 3"]:
    """The limits of the size of `angles`, yaw, pitch and roll from the source's own pose, radians.

    Where a setting is given, it is the limit to either side.
    """
    default = _cut_head_factor(room) * np.array(_POSE.turn_deg)
    own = np.degrees(angles_from_rotation(source.rotation))
    is_away = angles * own > 0.0
    away = np.minimum(default, np.append(_POSE.absolute_deg, np.inf) - np.abs(own))
    back = default - np.array([_POSE.back_loss * max(abs(own[0]) - _POSE.back_from_deg, 0.0), 0.0, 0.0])
    limits = np.maximum(np.where(is_away, away, back), np.minimum(_POSE.least_deg, default))
    for angle, given in enumerate((config.yaw_limit_deg, config.pitch_limit_deg, config.roll_limit_deg)):
        if given is not None:
            limits[:, angle] = given
    return np.asarray(np.radians(limits))
