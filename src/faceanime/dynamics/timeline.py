"""Motions along time: cut, joined, blended, retimed, closed to a loop.

Rotations go along geodesics of SO(3), or by rotation vectors about their mean; scale by its logarithm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
from jaxtyping import Float

from faceanime.core.errors import ConfigError
from faceanime.dynamics.blinks import SIDES, lids_apart, open_apart, part_lids
from faceanime.dynamics.retarget import RetargetConfig, retarget
from faceanime.geometry.interpolation import smoothstep
from faceanime.geometry.pchip import pchip
from faceanime.geometry.rotation import nearest_rotation, rotation_from_vector, vector_from_rotation
from faceanime.morphable.model import MorphableModel
from faceanime.morphable.reference_frame import reference_frame
from faceanime.structures.coefficients import Dynamics, HeadPose

SLOWEST, FASTEST = 0.1, 10.0
"""How far a motion may be slowed down and sped up."""
_HIGHEST_FRAME_RATE = 1000


def cut(dynamics: Dynamics, start_s: float = 0.0, end_s: float | None = None) -> Dynamics:
    """The frames from `start_s` on and before `end_s` (s, the motion's end by default), to the nearest frame.

    Pieces that meet share no frame: joined again they are the motion. Raises ConfigError for times that are
    outside the motion, or that leave nothing of it.
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
    return _frames(dynamics, slice(first, last))


def concatenate(motions: Sequence[Dynamics], model: MorphableModel, blend_s: float = 0.2) -> Dynamics:
    """Several motions, one after the other, as one person's in one picture: the first's.

    Other frame rates are resampled to the first's. Motions of another identity are carried over first, so that
    their resting face and pose lie on the first's. Where two meet, what would jump is added to the second
    and fades within `blend_s`; no frame is lost, and pieces of one motion need next to none of it. With a
    `blend_s` of 0 the seams stay as they are.
    Raises ConfigError without a motion, MorphableModelError when one belongs to another model.
    """
    if not motions:
        raise ConfigError("no motion to join")
    _check_blend(blend_s)
    first, joined = motions[0], motions[0]
    for motion in motions[1:]:
        after = _met(joined, _carried_over(first, motion, model), blend_s)
        pose = HeadPose.concatenate([joined.pose, after.pose])
        expression = np.concatenate([joined.expression, after.expression])
        valid = np.concatenate([joined.valid, after.valid])
        joined = joined.replaced(expression=expression, pose=pose, valid=valid)
    return joined


def blend(a: Dynamics, b: Dynamics, share: float, model: MorphableModel) -> Dynamics:
    """Frame by frame between two motions: `a` at a `share` of 0, `b` at 1; `a`'s length, identity and picture.

    A longer `b` is cut, a shorter one rests at its end. Raises ConfigError for a share outside 0 to 1,
    MorphableModelError when one belongs to another model.
    """
    if not 0.0 <= share <= 1.0:
        raise ConfigError(f"share is {share}, expected 0 to 1")
    other = _carried_over(a, b, model)
    other = _frames(other, np.minimum(np.arange(len(a)), len(other) - 1))
    return _mixed(a, other, np.full(len(a), share))


def retime(
    dynamics: Dynamics,
    model: MorphableModel,
    speed: float = 1.0,
    seconds: float | None = None,
    frame_rate: Fraction | None = None,
) -> Dynamics:
    """The motion `speed` times as fast, or `seconds` long; with `frame_rate` also sampled anew.

    Between frames the curves are monotone (PCHIP): nothing overshoots. Where frames are skipped, a blink that
    falls between two new frames still closes the eye.
    Raises ConfigError for a speed outside `SLOWEST` to `FASTEST`, or a frame rate that cannot be.
    """
    model.require(dynamics.model_id, "the motion")
    rate = dynamics.frame_rate if frame_rate is None else frame_rate
    if not 0 < rate <= _HIGHEST_FRAME_RATE:
        raise ConfigError(f"the frame rate is {rate}, expected above 0 and at most {_HIGHEST_FRAME_RATE}")
    if seconds is not None:
        speed = len(dynamics) / float(dynamics.frame_rate) / seconds if seconds > 0.0 else np.inf
    if not SLOWEST <= speed <= FASTEST:
        raise ConfigError(f"the speed is {speed:g}, expected {SLOWEST:g} to {FASTEST:g}")
    step = speed * float(dynamics.frame_rate / rate)
    if step == 1.0:
        return replace(dynamics, frame_rate=rate)
    place = np.minimum(np.arange(max(round(len(dynamics) / step), 1)) * step, len(dynamics) - 1.0)
    sampled = _sampled(replace(dynamics, frame_rate=rate), place)
    return _blinks_kept(dynamics, sampled, step, model) if step > 1.0 else sampled


def loop(dynamics: Dynamics, blend_s: float = 0.2) -> Dynamics:
    """The motion closed to a ring: its last frame flows into its first, in value and velocity.

    The last `blend_s` pass over into the first ones and are gone from the end: the loop is that much shorter.
    Raises ConfigError when the motion is shorter than two such passages.
    """
    _check_blend(blend_s)
    fade = max(round(blend_s * float(dynamics.frame_rate)), 1)
    if 2 * fade > len(dynamics):
        length_s = len(dynamics) / float(dynamics.frame_rate)
        raise ConfigError(
            f"a motion of {length_s:g} s is too short to be looped with a blend of {blend_s:g} s"
        )
    kept = len(dynamics) - fade
    share = np.ones(kept)
    share[:fade] = smoothstep(np.arange(fade) / fade)
    # Frame 0 is the one after the last that is kept: across the seam the motion takes a step of its own.
    before = _frames(dynamics, np.minimum(np.arange(kept, 2 * kept), len(dynamics) - 1))
    return _mixed(before, _frames(dynamics, slice(0, kept)), share)


def mix_poses(a: HeadPose, b: HeadPose, share: float | Float[np.ndarray, "..."]) -> HeadPose:
    """From `a` (share 0) to `b` (1), on the geodesic of SO(3); shapes are broadcast."""
    share = np.asarray(share)
    turn = vector_from_rotation(np.swapaxes(a.rotation, -1, -2) @ b.rotation)
    return HeadPose(
        a.rotation @ rotation_from_vector(share[..., None] * turn),
        np.asarray(a.scale * np.exp(share * np.log(b.scale / a.scale))),
        a.translation_px + share[..., None] * (b.translation_px - a.translation_px),
    )


def _mixed(a: Dynamics, b: Dynamics, share: Float[np.ndarray, " T"]) -> Dynamics:
    """Two motions of equal length; a frame is valid where all that shows in it is."""
    expression = a.expression + share[:, None] * (b.expression - a.expression)
    valid = (a.valid | (share == 1.0)) & (b.valid | (share == 0.0))
    return a.replaced(expression=expression, pose=mix_poses(a.pose, b.pose, share), valid=valid)


def _frames(dynamics: Dynamics, chosen: slice | np.ndarray) -> Dynamics:
    return dynamics.replaced(
        expression=dynamics.expression[chosen], pose=dynamics.pose[chosen], valid=dynamics.valid[chosen]
    )


def _check_blend(blend_s: float) -> None:
    if not 0.0 <= blend_s < np.inf:
        raise ConfigError(f"the blend lasts {blend_s:g} s, expected 0 or more")


_UNBOUNDED = RetargetConfig(yaw_limit_deg=360.0, pitch_limit_deg=360.0, shift_limit=1e3, scale_limit=1e3)


def _carried_over(first: Dynamics, motion: Dynamics, model: MorphableModel) -> Dynamics:
    """The motion at the first's frame rate, on the first's face and in its picture.

    Motions of one identity came from one film, or from keyframes: they are in place already.
    """
    for each in (first, motion):
        model.require(each.model_id, "the motion")
    motion = retime(motion, model, frame_rate=first.frame_rate)
    if np.array_equal(first.identity, motion.identity):
        pose = motion.pose.resized(first.picture_side_px / motion.picture_side_px)
        return replace(motion, pose=pose, picture_side_px=first.picture_side_px)
    rest = first[reference_frame(first, model)]
    return retarget(rest, motion, model, _UNBOUNDED, picture_side_px=first.picture_side_px)


def _met(before: Dynamics, after: Dynamics, blend_s: float) -> Dynamics:
    """`after` with the jump to it taken away from its beginning, less and less within `blend_s`.

    The two are compared halfway between their frames, each carried on by its own last step.
    """
    frames = min(round(blend_s * float(after.frame_rate)), len(after))
    if frames == 0:
        return after
    here, here_pose = _half_step_on(before, max(len(before) - 2, 0), len(before) - 1)
    there, there_pose = _half_step_on(after, min(1, len(after) - 1), 0)
    share = np.zeros(len(after))
    share[:frames] = 1.0 - smoothstep((np.arange(frames) + 0.5) / frames)
    turn = vector_from_rotation(here_pose.rotation @ there_pose.rotation.T)
    growth = np.log(here_pose.scale / there_pose.scale)
    shift = here_pose.translation_px - there_pose.translation_px
    pose = HeadPose(
        rotation_from_vector(share[:, None] * turn) @ after.pose.rotation,
        after.pose.scale * np.exp(share * growth),
        after.pose.translation_px + share[:, None] * shift,
    )
    return after.replaced(expression=after.expression + share[:, None] * (here - there), pose=pose)


def _half_step_on(dynamics: Dynamics, start: int, end: int) -> tuple[Float[np.ndarray, " K_exp"], HeadPose]:
    """Expression and pose half a step beyond frame `end`, coming from `start`."""
    a, b = dynamics.expression[start], dynamics.expression[end]
    return a + 1.5 * (b - a), mix_poses(dynamics.pose[start], dynamics.pose[end], 1.5)


def _sampled(dynamics: Dynamics, place: Float[np.ndarray, " N"]) -> Dynamics:
    """The motion at fractional frame numbers."""
    if len(dynamics) == 1:
        return _frames(dynamics, np.zeros(len(place), int))
    pose, count = dynamics.pose, dynamics.expression.shape[1]
    base = nearest_rotation(pose.rotation.mean(axis=0))
    turned = vector_from_rotation(base.T @ pose.rotation)
    values = np.column_stack([dynamics.expression, turned, np.log(pose.scale), pose.translation_px])
    values = pchip(np.arange(len(dynamics), dtype=np.float64), values, place)
    expression, turned, log_scale, translation = np.split(values, np.cumsum([count, 3, 1]), axis=1)
    return dynamics.replaced(
        expression=expression,
        pose=HeadPose(base @ rotation_from_vector(turned), np.exp(log_scale[:, 0]), translation),
        valid=dynamics.valid[np.rint(place).astype(int)],
    )


def _blinks_kept(dynamics: Dynamics, sampled: Dynamics, step: float, model: MorphableModel) -> Dynamics:
    """At the height of a blink the lids of the nearest sampled frame close as far."""
    nearest = np.clip(np.rint(np.arange(len(dynamics)) / step).astype(int), 0, len(sampled) - 1)
    for side in SIDES:
        apart, shown = lids_apart(dynamics, side, model), lids_apart(sampled, side, model)
        beside = np.pad(apart, 1, mode="edge")
        height = (apart <= np.minimum(beside[:-2], beside[2:])) & (apart < _SHUT * open_apart(apart))
        np.minimum.at(shown, nearest[height], apart[height])
        sampled = part_lids(sampled, side, shown, model)
    return sampled


_SHUT = 0.5
"""Lids that part by less than this share of the open eye are in a blink."""
