"""Make and change dynamics: keyframes on named axes, easing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
from jaxtyping import Float
from scipy.interpolate import PchipInterpolator

from faceanime.errors import ConfigError
from faceanime.geometry.rotation import rotation_from_angles, rotation_from_vector, vector_from_rotation
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import Dynamics, FaceCoefficients, HeadPose

HEAD_AXES = ("yaw_deg", "pitch_deg", "roll_deg", "shift_x", "shift_y", "scale")
"""Tracks of the head: angles, shifts in distances of the outer eye corners (x right, y down), a factor - 1."""

Number = int | float
Track = Sequence[tuple[Number, Number]]
"""Keyframes (time in s, value), in order of time."""


def motion_from_keyframes(
    tracks: Mapping[str, Track], seconds: float, frame_rate: Fraction, model: MorphableModel
) -> Dynamics:
    """A motion of the average face from a few keyframes on named axes.

    `tracks` maps an axis of the model, or one of `HEAD_AXES`, to keyframes; between them the curve is
    monotone (PCHIP), so that it never overshoots a key. Raises ConfigError for a track without keys,
    MorphableModelError for an unknown axis.
    """
    frames = max(round(seconds * frame_rate), 1)
    times = np.arange(frames) / float(frame_rate)
    curves = {name: _curve(name, track, times) for name, track in tracks.items()}
    head = {name: curves.pop(name, np.zeros(frames)) for name in HEAD_AXES}
    expression = np.zeros((frames, model.expression_count))
    for name, curve in curves.items():
        expression += curve[:, None] * model.axis(name)
    size = 256
    scale = 0.3 * size * (1.0 + head["scale"])
    shift = np.stack([head["shift_x"], head["shift_y"]], axis=-1)
    angles = np.radians([head["yaw_deg"], head["pitch_deg"], head["roll_deg"]])
    return Dynamics(
        identity=np.zeros(model.identity_count),
        expression=expression,
        pose=HeadPose(rotation_from_angles(*angles), scale, 0.3 * size * shift + 0.5 * size),
        frame_rate=frame_rate,
        valid=np.ones(frames, bool),
        crop_size_px=size,
        model_id=model.id,
    )


def _curve(name: str, track: Track, times: Float[np.ndarray, "T"]) -> Float[np.ndarray, "T"]:
    if not track:
        raise ConfigError(f"track {name} has no keyframe")
    keys = np.array(track, dtype=np.float64)
    if len(keys) == 1:
        return np.full(len(times), keys[0, 1])
    if (np.diff(keys[:, 0]) <= 0).any():
        raise ConfigError(f"track {name}: its times must grow")
    clamped = np.clip(times, keys[0, 0], keys[-1, 0])
    return np.asarray(PchipInterpolator(keys[:, 0], keys[:, 1])(clamped))


def ease_between(
    start: FaceCoefficients,
    end: FaceCoefficients,
    frame_rate: Fraction,
    frames: int,
    picture_side_px: int,
    model: MorphableModel,
) -> Dynamics:
    """From one face to another of the same person, softly; the last third rests at the end.

    Both poses are in px of a picture whose longer side is `picture_side_px`.
    """
    phase = np.clip(np.arange(frames) / max(round(frames * 2 / 3), 1), 0.0, 1.0)
    share = phase**2 * (3.0 - 2.0 * phase)
    turn = vector_from_rotation(start.pose.rotation.T @ end.pose.rotation)
    ratio = float(np.log(end.pose.scale / start.pose.scale))
    shift = end.pose.translation_px - start.pose.translation_px
    pose = HeadPose(
        start.pose.rotation @ rotation_from_vector(share[:, None] * turn),
        start.pose.scale * np.exp(share * ratio),
        start.pose.translation_px + share[:, None] * shift,
    )
    return Dynamics(
        identity=start.identity,
        expression=start.expression + share[:, None] * (end.expression - start.expression),
        pose=pose,
        frame_rate=frame_rate,
        valid=np.ones(frames, bool),
        crop_size_px=picture_side_px,
        model_id=model.id,
    )
