"""Edits of a motion's time: cut, concatenate, blend, retime, loop.

Rotations are interpolated along geodesics of SO(3), or as rotation vectors about their mean; scale as its logarithm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
from jaxtyping import Float

from faceanime.core.errors import ConfigError, RangeError
from faceanime.dynamics.blinks import BLINK_BELOW, SIDES, lids_apart, open_eye_opening, part_lids
from faceanime.dynamics.retarget import retarget
from faceanime.dynamics.retarget_config import RetargetConfig
from faceanime.geometry.interpolation import smoothstep
from faceanime.geometry.pchip import pchip
from faceanime.geometry.rotation import nearest_rotation, rotation_from_vector, vector_from_rotation
from faceanime.morphable.model import MorphableModel
from faceanime.morphable.reference_frame import is_from_keyframes, reference_face
from faceanime.structures.coefficients import HIGHEST_FRAME_RATE, Dynamics, HeadPose

SLOWEST, FASTEST = 0.1, 10.0
"""Bounds on the factor of `retime`; chosen by eye."""
UNBOUNDED = RetargetConfig(
    rest=False,
    yaw_limit_deg=360.0,
    pitch_limit_deg=360.0,
    roll_limit_deg=360.0,
    shift_limit=1e3,
    scale_limit=1e3,
)
"""Settings that transfer a motion from one driver to another as it is, without limiting the head."""


def cut(dynamics: Dynamics, start_s: float = 0.0, end_s: float | None = None) -> Dynamics:
    """The frames from `start_s` up to `end_s` (in s, by default the motion's end), rounded to the nearest frame.

    Adjacent pieces share no frame: concatenated they are the motion again. A motion from keyframes begins at
    rest, which its parts keep as their own. Raises ConfigError for times outside the
    motion, or between which there is no frame.
    """
    length_s = len(dynamics) / float(dynamics.frame_rate)
    end_s = length_s if end_s is None else end_s
    if not 0.0 <= start_s < end_s < np.inf:
        raise ConfigError(
            f"cannot cut from {start_s:g} s to {end_s:g} s: expected 0 <= start < end; the motion has {length_s:g} s"
        )
    first, last = (round(time_s * float(dynamics.frame_rate)) for time_s in (start_s, end_s))
    if last > len(dynamics):
        raise ConfigError(f"cannot cut to {end_s:g} s: the motion ends at {length_s:g} s")
    if first == last:
        raise ConfigError(f"no frame lies between {start_s:g} s and {end_s:g} s")
    part = _frames(dynamics, slice(first, last))
    if part.rest is None and is_from_keyframes(dynamics):
        return replace(part, rest=dynamics[0])
    return part


def concatenate(motions: Sequence[Dynamics], model: MorphableModel, blend_s: float = 0.2) -> Dynamics:
    """Several motions, one after the other, with the identity, picture and frame rate of the first.

    Motions of another identity are retargeted first, from their reference frame to the first's. At each seam the jump
    is added to the second motion and fades within `blend_s`: no frame is lost, and adjacent pieces of one motion hardly
    change. With a `blend_s` of 0 the seams stay as they are.
    Raises ConfigError without a motion, MorphableModelError when one belongs to another model.
    """
    if not motions:
        raise ConfigError("no motion to concatenate")
    _check_blend(blend_s)
    first, joined = motions[0], motions[0]
    for motion in motions[1:]:
        after = without_jump(joined, _transferred(first, motion, model), blend_s)
        pose = HeadPose.concatenate([joined.pose, after.pose])
        expression = np.concatenate([joined.expression, after.expression])
        valid = np.concatenate([joined.valid, after.valid])
        joined = joined.replaced(expression=expression, pose=pose, valid=valid)
    return joined


def blend(a: Dynamics, b: Dynamics, weight: float, model: MorphableModel) -> Dynamics:
    """Frame by frame between two motions, `a` at a `weight` of 0, `b` at 1, with `a`'s length, identity and picture.

    A longer `b` is cut, a shorter one holds its last frame. Raises ConfigError for a `weight` outside 0 to 1,
    MorphableModelError when one belongs to another model.
    """
    if not 0.0 <= weight <= 1.0:
        raise RangeError("share", weight, "0 to 1")
    other = _transferred(a, b, model)
    other = _frames(other, np.minimum(np.arange(len(a)), len(other) - 1))
    return _mixed(a, other, np.full(len(a), weight))


def retime(
    dynamics: Dynamics,
    model: MorphableModel,
    speed: float = 1.0,
    seconds: float | None = None,
    frame_rate: Fraction | None = None,
) -> Dynamics:
    """The motion `speed` times as fast, or `seconds` long, by default at its own frame rate.

    Between frames the curves are monotone (PCHIP), so that nothing overshoots. A blink that falls between two new
    frames still closes the eye.
    Raises ConfigError for a speed outside `SLOWEST` to `FASTEST`, or a frame rate outside 0 to 1000.
    """
    model.require(dynamics.model_id, "the motion")
    rate = dynamics.frame_rate if frame_rate is None else frame_rate
    if not 0 < rate <= HIGHEST_FRAME_RATE:
        raise RangeError("frame_rate", rate, f"above 0 and at most {HIGHEST_FRAME_RATE}")
    if seconds is not None:
        speed = len(dynamics) / float(dynamics.frame_rate) / seconds if seconds > 0.0 else np.inf
    if not SLOWEST <= speed <= FASTEST:
        raise RangeError("speed", f"{speed:g}", f"{SLOWEST:g} to {FASTEST:g}")
    step = speed * float(dynamics.frame_rate / rate)
    if step == 1.0:
        return replace(dynamics, frame_rate=rate)
    position = np.minimum(np.arange(max(round(len(dynamics) / step), 1)) * step, len(dynamics) - 1.0)
    sampled = _sampled(replace(dynamics, frame_rate=rate), position)
    return _blinks_kept(dynamics, sampled, step, model) if step > 1.0 else sampled


def loop(dynamics: Dynamics, blend_s: float = 0.2) -> Dynamics:
    """The motion as a loop: its last frame flows into its first, in value and velocity.

    The last `blend_s` are cross-faded into the first and removed from the end: the loop is that much shorter.
    Raises ConfigError when the motion is shorter than twice that.
    """
    _check_blend(blend_s)
    fade = max(round(blend_s * float(dynamics.frame_rate)), 1)
    if 2 * fade > len(dynamics):
        length_s = len(dynamics) / float(dynamics.frame_rate)
        raise ConfigError(
            f"a motion of {length_s:g} s is too short to be looped with a blend of {blend_s:g} s"
        )
    kept = len(dynamics) - fade
    weight = np.ones(kept)
    weight[:fade] = smoothstep(np.arange(fade) / fade)
    # Frame 0 follows the last kept frame, so that the step across the seam is one of the motion's own.
    before = _frames(dynamics, np.minimum(np.arange(kept, 2 * kept), len(dynamics) - 1))
    return _mixed(before, _frames(dynamics, slice(0, kept)), weight)


def mix_poses(a: HeadPose, b: HeadPose, weight: float | Float[np.ndarray, "..."]) -> HeadPose:
    """The pose between `a` (weight 0) and `b` (1), on the geodesic of SO(3); shapes are broadcast."""
    weight = np.asarray(weight)
    turn = vector_from_rotation(np.swapaxes(a.rotation, -1, -2) @ b.rotation)
    return HeadPose(
        a.rotation @ rotation_from_vector(weight[..., None] * turn),
        np.asarray(a.scale * np.exp(weight * np.log(b.scale / a.scale))),
        a.translation_px + weight[..., None] * (b.translation_px - a.translation_px),
    )


def _mixed(a: Dynamics, b: Dynamics, weight: Float[np.ndarray, " T"]) -> Dynamics:
    """Two motions of equal length, mixed; a frame is valid where those that contribute to it are."""
    expression = a.expression + weight[:, None] * (b.expression - a.expression)
    valid = (a.valid | (weight == 1.0)) & (b.valid | (weight == 0.0))
    return a.replaced(expression=expression, pose=mix_poses(a.pose, b.pose, weight), valid=valid)


def _frames(dynamics: Dynamics, chosen: slice | np.ndarray) -> Dynamics:
    return dynamics.replaced(
        expression=dynamics.expression[chosen], pose=dynamics.pose[chosen], valid=dynamics.valid[chosen]
    )


def _check_blend(blend_s: float) -> None:
    if not 0.0 <= blend_s < np.inf:
        raise RangeError("blend_s", f"{blend_s:g}", "0 or more")


def _transferred(first: Dynamics, motion: Dynamics, model: MorphableModel) -> Dynamics:
    """The motion at the first's frame rate, on the first's face and in its picture.

    Motions of one identity come from one video, or from keyframes, and need no transfer.
    """
    for each in (first, motion):
        model.require(each.model_id, "the motion")
    motion = retime(motion, model, frame_rate=first.frame_rate)
    if np.array_equal(first.identity, motion.identity):
        pose = motion.pose.resized(first.picture_side_px / motion.picture_side_px)
        return replace(motion, pose=pose, picture_side_px=first.picture_side_px)
    rest = reference_face(first, model)
    return retarget(rest, motion, model, UNBOUNDED, picture_side_px=first.picture_side_px)


def without_jump(before: Dynamics, after: Dynamics, blend_s: float) -> Dynamics:
    """`after` with the jump from `before` taken off its beginning, by a weight that fades within `blend_s` seconds.

    The jump is measured halfway between the two motions' frames, each extrapolated by half of its last step.
    """
    frames = min(round(blend_s * float(after.frame_rate)), len(after))
    if frames == 0:
        return after
    here, here_pose = _half_step_beyond(before, max(len(before) - 2, 0), len(before) - 1)
    there, there_pose = _half_step_beyond(after, min(1, len(after) - 1), 0)
    weight = np.zeros(len(after))
    weight[:frames] = 1.0 - smoothstep((np.arange(frames) + 0.5) / frames)
    turn = vector_from_rotation(here_pose.rotation @ there_pose.rotation.T)
    growth = np.log(here_pose.scale / there_pose.scale)
    shift = here_pose.translation_px - there_pose.translation_px
    pose = HeadPose(
        rotation_from_vector(weight[:, None] * turn) @ after.pose.rotation,
        after.pose.scale * np.exp(weight * growth),
        after.pose.translation_px + weight[:, None] * shift,
    )
    return after.replaced(expression=after.expression + weight[:, None] * (here - there), pose=pose)


def _half_step_beyond(
    dynamics: Dynamics, start: int, end: int
) -> tuple[Float[np.ndarray, " K_exp"], HeadPose]:
    """Expression and pose half a step beyond frame `end`, extrapolated from `start`."""
    a, b = dynamics.expression[start], dynamics.expression[end]
    return a + 1.5 * (b - a), mix_poses(dynamics.pose[start], dynamics.pose[end], 1.5)


def _sampled(dynamics: Dynamics, position: Float[np.ndarray, " N"]) -> Dynamics:
    """The motion at fractional frame numbers."""
    if len(dynamics) == 1:
        return _frames(dynamics, np.zeros(len(position), int))
    pose, count = dynamics.pose, dynamics.expression.shape[1]
    base = nearest_rotation(pose.rotation.mean(axis=0))
    turned = vector_from_rotation(base.T @ pose.rotation)
    values = np.column_stack([dynamics.expression, turned, np.log(pose.scale), pose.translation_px])
    values = pchip(np.arange(len(dynamics), dtype=np.float64), values, position)
    expression, turned, log_scale, translation = np.split(values, np.cumsum([count, 3, 1]), axis=1)
    return dynamics.replaced(
        expression=expression,
        pose=HeadPose(base @ rotation_from_vector(turned), np.exp(log_scale[:, 0]), translation),
        valid=dynamics.valid[np.rint(position).astype(int)],
    )


def _blinks_kept(dynamics: Dynamics, sampled: Dynamics, step: float, model: MorphableModel) -> Dynamics:
    """`sampled` with lids that close as far as `dynamics` at each blink's height, in the nearest sampled frame."""
    nearest = np.clip(np.rint(np.arange(len(dynamics)) / step).astype(int), 0, len(sampled) - 1)
    for side in SIDES:
        opening, sampled_opening = lids_apart(dynamics, side, model), lids_apart(sampled, side, model)
        beside = np.pad(opening, 1, mode="edge")
        is_minimum = opening <= np.minimum(beside[:-2], beside[2:])
        height = is_minimum & (opening < BLINK_BELOW * open_eye_opening(opening))
        np.minimum.at(sampled_opening, nearest[height], opening[height])
        sampled = part_lids(sampled, side, sampled_opening, model)
    return sampled
