"""Join the shots of a video to one motion: each moves from its own rest, which is laid onto that of the longest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from faceanime.dynamics.retarget import retarget
from faceanime.dynamics.timeline import UNBOUNDED, without_jump
from faceanime.morphable.model import MorphableModel
from faceanime.morphable.reference_frame import reference_face
from faceanime.structures.coefficients import Dynamics, FaceCoefficients, HeadPose

SEAM_S = 0.2
"""Time in which the jump at a cut fades, s: a portrait, which is not cut, would jerk. Chosen by eye."""


def longest_shot(shots: Sequence[Dynamics | int]) -> Dynamics:
    """The shot that shows a face in most frames; at least one must."""
    return max((shot for shot in shots if not isinstance(shot, int)), key=lambda shot: int(shot.valid.sum()))


def join_shots(shots: Sequence[Dynamics | int], model: MorphableModel, seam_s: float = SEAM_S) -> Dynamics:
    """One motion, with identity and picture of the longest shot; a number stands for frames without a face.

    Each shot's departures from its own reference face and rest position are added to those of the longest, so that
    neither another framing nor another person moves the head. Frames without a face are at rest, and not valid.
    """
    main = longest_shot(shots)
    rest = reference_face(main, model)
    joined: Dynamics | None = None
    for shot in shots:
        if isinstance(shot, int):
            moved = _held(rest, main, shot)
        elif shot is main:
            moved = shot
        else:
            moved = retarget(rest, shot, model, UNBOUNDED, picture_side_px=main.picture_side_px)
        if joined is None:
            joined = moved
            continue
        moved = without_jump(joined, moved, seam_s)
        joined = joined.replaced(
            expression=np.concatenate([joined.expression, moved.expression]),
            pose=HeadPose.concatenate([joined.pose, moved.pose]),
            valid=np.concatenate([joined.valid, moved.valid]),
        )
    assert joined is not None
    return joined


def _held(face: FaceCoefficients, like: Dynamics, frames: int) -> Dynamics:
    """A face for a number of frames, none of them valid."""
    return like.replaced(
        expression=np.repeat(face.expression[None], frames, axis=0),
        pose=HeadPose.concatenate([_sequence(face.pose)] * frames),
        valid=np.zeros(frames, bool),
    )


def _sequence(pose: HeadPose) -> HeadPose:
    return HeadPose(pose.rotation[None], pose.scale[None], pose.translation_px[None])
