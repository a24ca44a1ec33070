"""Lids of a motion: their opening, and natural blinks.

The opening is the measure `lids_apart` of `faceanime.morphable.axes`, in model units. It is changed along its eye's
blink axis, which moves nothing else of the face.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from faceanime.core.errors import RangeError
from faceanime.dynamics.openings import LEAST_OPEN_EYE, opening_of, with_opening
from faceanime.geometry.pchip import pchip
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import Dynamics

Side = Literal["right", "left"]
SIDES: tuple[Side, ...] = ("right", "left")
Blink = tuple[int, int]
"""First frame, and the one after the last."""
BLINK_BELOW = 0.5
"""Ratio of an eye's opening to that of the open eye below which it is in a blink; chosen by eye."""


@dataclass(frozen=True)
class _BlinkCourse:
    """The course of one blink, and how blinks follow each other; chosen by eye."""

    times_s: tuple[float, ...] = (0.0, 0.09, 0.12, 0.18, 0.34)
    """Times of the keys of `closing`: down fast, up at half the pace."""
    closing: tuple[float, ...] = (0.0, 1.0, 1.0, 0.4, 0.0)
    """Fraction by which the lids are closed at each key."""
    shut_s: float = 0.105
    """Middle of the time for which the lids are shut, from the blink's beginning."""
    pause_s: float = 0.1
    """Least time between two blinks, and between a blink and an eye that is closed already."""
    log_interval_deviation: float = 0.6
    """Standard deviation of the logarithm of the time between blinks."""
    log_length_deviation: float = 0.2
    """Standard deviation of the logarithm of a blink's length over the usual one."""
    length_factors: tuple[float, float] = (0.75, 1.3)
    """Bounds on a blink's length over the usual one."""
    most_per_minute: float = 60.0
    """Largest blink rate."""
    least_drawn_per_minute: float = 8.0
    """Least blink rate that is drawn for a person."""


@dataclass(frozen=True)
class _EyeStates:
    """Classification of an eye by the ratio of its opening to that of the open eye; chosen by eye."""

    open_above: float = 0.6
    """Fraction of the open eye above which an eye counts as open."""
    longest_blink_s: float = 0.5
    """Longest blink; eyes that are closed longer look down, squint or sleep."""
    open_percentile: float = 75.0
    """Percentile of the openings that counts as the open eye's: blinks are too short to reach it."""


_BLINK, _EYE = _BlinkCourse(), _EyeStates()


def lids_apart(dynamics: Dynamics, side: Side, model: MorphableModel) -> Float[np.ndarray, " T"]:
    """The opening between the lids of one eye, in model units."""
    return opening_of(dynamics, f"lids_apart_{side}", model)


def open_eye_opening(opening: Float[np.ndarray, " T"]) -> float:
    """The opening of the open eye, from that of every frame."""
    return float(np.percentile(opening, _EYE.open_percentile))


def blinks_of(opening: Float[np.ndarray, " T"], frame_rate: float) -> list[Blink]:
    """The blinks in an opening between lids (any unit, mean of both eyes).

    A blink is a stretch of at most 0.5 s in which the opening is under half of the open eye's. A stretch that begins or
    ends with the clip counts as well.
    Source: the threshold on lid openness of Soukupová and Čech, CVWW 2016, here for each clip its own.

    >>> blinks_of(np.array([9.0, 9.0, 2.0, 1.0, 9.0, 9.0, 9.0]), frame_rate=25.0)
    [(2, 4)]
    """
    closed = np.zeros(len(opening) + 2, bool)
    if len(opening):
        closed[1:-1] = opening < BLINK_BELOW * open_eye_opening(opening)
    changes = np.flatnonzero(closed[1:] != closed[:-1]).reshape(-1, 2)
    longest = _EYE.longest_blink_s * frame_rate
    return [(int(start), int(end)) for start, end in changes if end - start <= longest]


def part_lids(
    dynamics: Dynamics, side: Side, opening: Float[np.ndarray, " T"], model: MorphableModel
) -> Dynamics:
    """The motion with the opening of one eye set, in model units; frames that have it already stay as they are."""
    return with_opening(dynamics, f"lids_apart_{side}", f"blink_{side}", opening, model)


def draw_blink_rate(log_rate: Float[np.ndarray, " 2"], seed: int) -> float:
    """The blinks per minute of one person: log-normal, with mean and deviation `log_rate` of the logarithm."""
    mean, deviation = log_rate.tolist()
    drawn = np.random.default_rng([seed, 1]).normal(mean, deviation)
    return float(np.clip(np.exp(drawn), _BLINK.least_drawn_per_minute, _BLINK.most_per_minute))


def add_blinks(dynamics: Dynamics, model: MorphableModel, per_minute: float, seed: int = 0) -> Dynamics:
    """The motion with blinks of both eyes, `per_minute` on average, at times drawn from `seed`.

    The times between blinks are log-normal. A blink closes in 0.1 s, opens in 0.2 s, and shuts the eye in at least one
    frame. None is added where an eye is not open, for instance in a blink that the motion has already.
    Raises ConfigError for a rate outside 0 to 60 or a negative seed, MorphableModelError for another model's
    motion.
    """
    model.require(dynamics.model_id, "the motion")
    if not 0.0 <= per_minute <= _BLINK.most_per_minute:
        raise RangeError("blinks", f"{per_minute:g}", f"0 to {_BLINK.most_per_minute:g} a minute")
    if seed < 0:
        raise RangeError("seed", seed, "0 or more")
    rate = float(dynamics.frame_rate)
    opening = {side: lids_apart(dynamics, side, model) for side in SIDES}
    free = _free_for_blinks(np.stack([opening[side] for side in SIDES]), rate)
    times_s = np.arange(len(dynamics)) / rate
    closed = np.zeros(len(dynamics))
    keys_s, closing = np.array(_BLINK.times_s), np.array(_BLINK.closing)
    for start_s, slowness in _draw_blinks(len(dynamics) / rate, per_minute, seed):
        # At low rates lids are shut for less than a frame, so the middle of that time is moved onto one.
        shut_s = slowness * _BLINK.shut_s
        begin_s = round((start_s + shut_s) * rate) / rate - shut_s
        end_s = begin_s + slowness * _BLINK.times_s[-1]
        inside = (times_s > begin_s) & (times_s < end_s)
        if begin_s >= 0.0 and end_s <= times_s[-1] and free[inside].all():
            course = pchip(keys_s, closing, (times_s[inside] - begin_s) / slowness)
            closed[inside] = np.maximum(closed[inside], course)
    for side in SIDES:
        dynamics = part_lids(dynamics, side, opening[side] * (1.0 - closed), model)
    return dynamics


def _free_for_blinks(opening: Float[np.ndarray, "2 T"], rate: float) -> Bool[np.ndarray, " T"]:
    """Frames in which both eyes are open and have been, and will be, for the pause between blinks."""
    open_eye = np.array([open_eye_opening(eye) for eye in opening])[:, None]
    shut = (opening < np.maximum(_EYE.open_above * open_eye, LEAST_OPEN_EYE)).any(axis=0)
    pause = round(_BLINK.pause_s * rate)
    shut_around = np.convolve(shut, np.ones(2 * pause + 1))[pause : pause + len(shut)]
    return np.asarray(shut_around < 0.5)


def _draw_blinks(seconds: float, per_minute: float, seed: int) -> list[tuple[float, float]]:
    """Beginnings of blinks in s, and their lengths over the usual one; the first comes after part of an interval."""
    if per_minute == 0.0:
        return []
    rng = np.random.default_rng(seed)
    deviation = _BLINK.log_interval_deviation
    mean = np.log(60.0 / per_minute) - deviation**2 / 2.0
    time_s = float(rng.uniform() * np.exp(rng.normal(mean, deviation)))
    blinks = []
    while time_s < seconds:
        drawn = np.exp(rng.normal(0.0, _BLINK.log_length_deviation))
        slowness = float(np.clip(drawn, *_BLINK.length_factors))
        blinks.append((time_s, slowness))
        least_s = slowness * _BLINK.times_s[-1] + _BLINK.pause_s
        time_s += max(float(np.exp(rng.normal(mean, deviation))), least_s)
    return blinks
