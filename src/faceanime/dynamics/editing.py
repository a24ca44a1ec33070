"""Make and edit motions: keyframes on named axes, easing, mirroring, amplification."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import Float

from faceanime.core.config import load_config, nearest
from faceanime.core.errors import ConfigError, MorphableModelError, RangeError
from faceanime.dynamics.blinks import SIDES, lids_apart, part_lids
from faceanime.dynamics.retarget_config import STRONGEST
from faceanime.dynamics.timeline import mix_poses
from faceanime.geometry.interpolation import smoothstep
from faceanime.geometry.pchip import pchip
from faceanime.geometry.rotation import rotation_from_angles, rotation_from_vector, vector_from_rotation
from faceanime.morphable.model import EYES_AND_BROWS, MIRROR_X, MorphableModel
from faceanime.morphable.reference_frame import reference_face
from faceanime.structures.coefficients import Dynamics, FaceCoefficients, HeadPose

HEAD_AXES = ("yaw_deg", "pitch_deg", "roll_deg", "shift_x", "shift_y", "scale")
"""Tracks of the head: angles; shifts in distances of the outer eye corners (x right, y down); scale minus 1."""

_SIDE_PX, _SCALE = 256, 0.3
"""Side of the picture of a motion from keyframes, px; distance of its face's outer eye corners in sides. By eye."""
_EASING = 2 / 3
"""Fraction of an eased movement after which it rests at its end; chosen by eye."""

Number = int | float
Track = Sequence[tuple[Number, Number]]
"""Keyframes (time in s, value), in ascending order of time."""


def motion_from_keyframes(
    tracks: Mapping[str, Track], seconds: float, frame_rate: Fraction, model: MorphableModel
) -> Dynamics:
    """A motion of the average face from keyframes on named axes (see `with_axes`).

    Raises ConfigError for a bad track, MorphableModelError for an unknown axis.
    """
    frames = max(round(seconds * frame_rate), 1)
    center = np.full((frames, 2), 0.5 * _SIDE_PX)
    still = Dynamics(
        identity=np.zeros(model.identity_count),
        expression=np.zeros((frames, model.expression_count)),
        pose=HeadPose(np.tile(np.eye(3), (frames, 1, 1)), np.full(frames, _SCALE * _SIDE_PX), center),
        frame_rate=frame_rate,
        valid=np.ones(frames, bool),
        picture_side_px=_SIDE_PX,
        model_id=model.id,
    )
    return with_axes(still, model, tracks)


def with_axes(dynamics: Dynamics, model: MorphableModel, tracks: Mapping[str, Track]) -> Dynamics:
    """The motion with named axes added to it.

    `tracks` maps an axis of the model, or one of `HEAD_AXES`, to keyframes; between them the curve is monotone
    (PCHIP), so that it never overshoots a key; before the first and after the last key it is constant.
    Raises ConfigError for a track without keys, with times that do not ascend or numbers that are not finite,
    MorphableModelError for an unknown axis or another model's motion.
    """
    model.require(dynamics.model_id, "the motion")
    times = np.arange(len(dynamics)) / float(dynamics.frame_rate)
    known = [*model.axis_names, *HEAD_AXES]
    for name in tracks:
        if name not in known:
            hint = nearest(name, known) or f"; there are {', '.join(known)}"
            raise MorphableModelError(f"no axis '{name}'{hint}")
    curves = {name: _curve(name, track, times) for name, track in tracks.items()}
    head = {name: curves.pop(name, np.zeros(len(times))) for name in HEAD_AXES}
    expression = dynamics.expression.astype(np.float64)
    for name, curve in curves.items():
        expression += curve[:, None] * model.axis(name)
    pose = dynamics.pose
    shift = np.stack([head["shift_x"], head["shift_y"]], axis=-1)
    angles = np.radians([head["yaw_deg"], head["pitch_deg"], head["roll_deg"]])
    moved_pose = HeadPose(
        rotation_from_angles(*angles) @ pose.rotation,
        pose.scale * (1.0 + head["scale"]),
        pose.translation_px + pose.scale[:, None] * shift,
    )
    return dynamics.replaced(expression=expression, pose=moved_pose)


def load_tracks(path: Path, model: MorphableModel) -> dict[str, Track]:
    """Keyframes from JSON, {"axis": [[time_s, value], ...], ...}. Raises ConfigError that names the bad entry."""
    track = tuple[tuple[float, float], ...]
    fields = [(name, track, dataclasses.field(default=None)) for name in (*model.axis_names, *HEAD_AXES)]
    # Axes become fields of a dataclass, so that they are read as strictly as settings.
    keys: object = load_config(dataclasses.make_dataclass("Keyframes", fields, frozen=True), path)
    return {name: track for name, track in vars(keys).items() if track is not None}


def mirror(dynamics: Dynamics, model: MorphableModel) -> Dynamics:
    """The motion with left and right swapped: identity, expression, yaw, roll and the position in the picture.

    The picture is taken as a square of `picture_side_px`. Raises MorphableModelError for another model's motion.
    """
    model.require(dynamics.model_id, "the motion")

    def pose(of: HeadPose) -> HeadPose:
        return HeadPose(
            of.rotation * np.outer(MIRROR_X, MIRROR_X),
            of.scale,
            of.translation_px * [-1.0, 1.0] + [dynamics.picture_side_px, 0.0],
        )

    identity, rest = model.identity_mirror @ dynamics.identity, dynamics.rest
    if rest is not None:
        rest = FaceCoefficients(identity, rest.expression @ model.expression_mirror.T, pose(rest.pose))
    return dataclasses.replace(
        dynamics,
        identity=identity,
        expression=dynamics.expression @ model.expression_mirror.T,
        pose=pose(dynamics.pose),
        rest=rest,
    )


def amplify(
    dynamics: Dynamics,
    model: MorphableModel,
    reference: int | None = None,
    lips: float = 1.0,
    eyes: float = 1.0,
    head: float = 1.0,
) -> Dynamics:
    """The motion with its departure from a `reference` frame multiplied: 1 keeps a part, 0 freezes it.

    The parts are those of `RetargetConfig`; by default the reference is `reference_face`. Lids shut, but never cross.
    Raises ConfigError for a strength outside 0 to `STRONGEST` or a frame that does not exist,
    MorphableModelError for another model's motion.
    """
    model.require(dynamics.model_id, "the motion")
    for name, strength in {"lips": lips, "eyes": eyes, "head": head}.items():
        if not 0.0 <= strength <= STRONGEST:
            raise RangeError(f"amplify_{name}", f"{strength:g}", f"0 to {STRONGEST:g}")
    if reference is not None and not 0 <= reference < len(dynamics):
        raise ConfigError(
            f"reference frame {reference} does not exist: the motion has {len(dynamics)} frames"
        )
    rest = reference_face(dynamics, model, "auto" if reference is None else reference)
    # Written as an addition, so that a strength of 1 keeps every bit.
    excess = np.where(np.isin(model.part, EYES_AND_BROWS), eyes, lips) - 1.0
    expression = dynamics.expression + excess * (dynamics.expression - rest.expression)
    amplified = dynamics.replaced(expression=expression)
    if head != 1.0:
        amplified = amplified.replaced(pose=_amplify_pose(dynamics.pose, rest.pose, head))
    return _keep_lids_from_crossing(dynamics, amplified, model) if eyes > 1.0 else amplified


def _amplify_pose(pose: HeadPose, rest: HeadPose, strength: float) -> HeadPose:
    turn = vector_from_rotation(pose.rotation @ rest.rotation.T)
    return HeadPose(
        rotation_from_vector(strength * turn) @ rest.rotation,
        rest.scale * (pose.scale / rest.scale) ** strength,
        rest.translation_px + strength * (pose.translation_px - rest.translation_px),
    )


def _keep_lids_from_crossing(before: Dynamics, after: Dynamics, model: MorphableModel) -> Dynamics:
    """`after` with lids that meet where they would cross, unless they cross in `before`."""
    for side in SIDES:
        least = np.minimum(lids_apart(before, side, model), 0.0)
        after = part_lids(after, side, np.maximum(lids_apart(after, side, model), least), model)
    return after


def _curve(name: str, track: Track, times: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
    if not track:
        raise ConfigError(f"track {name} has no keyframe")
    keys = np.array(track, dtype=np.float64)
    if not np.isfinite(keys).all():
        raise ConfigError(f"track {name} holds a number that is not finite")
    if len(keys) == 1:
        return np.full(len(times), keys[0, 1])
    if (np.diff(keys[:, 0]) <= 0).any():
        raise ConfigError(f"track {name}: its times must ascend")
    clamped = np.clip(times, keys[0, 0], keys[-1, 0])
    return pchip(keys[:, 0], keys[:, 1], clamped)


def ease_between(
    start: FaceCoefficients,
    end: FaceCoefficients,
    frame_rate: Fraction,
    frames: int,
    picture_side_px: int,
    model: MorphableModel,
) -> Dynamics:
    """A movement from one face to another of the same person, with smooth ends; it rests for the last third.

    Both poses are in px of a picture whose longer side is `picture_side_px`.
    """
    weight = smoothstep(np.arange(frames) / max(round(frames * _EASING), 1))
    return Dynamics(
        identity=start.identity,
        expression=start.expression + weight[:, None] * (end.expression - start.expression),
        pose=mix_poses(start.pose, end.pose, weight),
        frame_rate=frame_rate,
        valid=np.ones(frames, bool),
        picture_side_px=picture_side_px,
        model_id=model.id,
    )
