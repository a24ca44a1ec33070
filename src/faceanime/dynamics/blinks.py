"""Lids of a motion: how far they part, and natural blinks.

Lids are measured in model units, as the gap between them (`lids_apart` of `faceanime.morphable.axes`), and moved
along the blink axis of their eye, which moves nothing else of the face.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from faceanime.core.errors import ConfigError
from faceanime.dynamics.openings import gap_of, with_gap
from faceanime.geometry.pchip import pchip
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import Dynamics

Side = Literal["right", "left"]
Blink = tuple[int, int]
SIDES: tuple[Side, ...] = ("right", "left")

_CURVE_S, _CURVE = np.array([0.0, 0.09, 0.12, 0.18, 0.34]), np.array([0.0, 1.0, 1.0, 0.4, 0.0])
"""How far a lid is closed over the seconds of a blink: down fast, up at half the pace."""
_LENGTH_S, _SHUT_S = 0.34, 0.105
_PAUSE_S = 0.1
"""Two blinks are at least so far apart."""
_SPREAD = 0.6
"""Standard deviation of the logarithm of the time between blinks."""
_SLOWNESS_SPREAD, _SLOWNESS = 0.2, (0.75, 1.3)
"""Of the logarithm of a blink's length over the usual one, and its limits."""
_MOST_PER_MINUTE = 60.0
_OPEN_SHARE = 0.6
"""An eye counts as open from this share of its usual gap on."""
_CLOSED_SHARE, _LONGEST_S = 0.5, 0.5
"""A blink is below this share of the usual gap, for so long at most."""
_LEAST_OPEN = 0.02
"""A gap (model units) below which an eye has never been open."""


def lids_apart(dynamics: Dynamics, side: Side, model: MorphableModel) -> Float[np.ndarray, " T"]:
    """The gap between the lids of one eye, model units."""
    return gap_of(dynamics, f"lids_apart_{side}", model)


def open_apart(apart: Float[np.ndarray, " T"]) -> float:
    """The gap of the open eye: a high percentile, which blinks do not reach."""
    return float(np.percentile(apart, 75))


def blinks_of(apart: Float[np.ndarray, " T"], frame_rate: float) -> list[Blink]:
    """The blinks in a gap between lids (any unit, mean of both eyes): first frame, and the one after the last.

    A blink is a run of frames, at most 0.5 s, in which the gap is under half of that of the open eye. Eyes that are
    closed longer look down, squint or sleep. A run that the clip's ends cut counts as one.
    Source: the threshold on lid openness of Soukupová and Čech, CVWW 2016, here for each clip its own.

    >>> blinks_of(np.array([9.0, 9.0, 2.0, 1.0, 9.0, 9.0, 9.0]), frame_rate=25.0)
    [(2, 4)]
    """
    closed = np.zeros(len(apart) + 2, bool)
    if len(apart):
        closed[1:-1] = apart < _CLOSED_SHARE * open_apart(apart)
    changes = np.flatnonzero(closed[1:] != closed[:-1]).reshape(-1, 2)
    return [(int(start), int(end)) for start, end in changes if end - start <= _LONGEST_S * frame_rate]


def part_lids(
    dynamics: Dynamics, side: Side, apart: Float[np.ndarray, " T"], model: MorphableModel
) -> Dynamics:
    """The motion with the gap of one eye set to `apart`; frames that have it already stay as they are."""
    return with_gap(dynamics, f"lids_apart_{side}", f"blink_{side}", apart, model)


def add_blinks(dynamics: Dynamics, model: MorphableModel, per_minute: float, seed: int = 0) -> Dynamics:
    """Blinks of both eyes, `per_minute` on average, at times drawn from `seed`.

    The times between them are log-normal. A blink closes in 0.1 s and opens in 0.2 s, and is shut in at least one
    frame. Where an eye is not open, for instance in a blink that is there already, none is added.
    Raises ConfigError for a rate outside 0 to 60 or a negative seed, MorphableModelError for another model's
    motion.
    """
    model.require(dynamics.model_id, "the motion")
    if not 0.0 <= per_minute <= _MOST_PER_MINUTE:
        raise ConfigError(f"blinks are {per_minute:g} a minute, expected 0 to {_MOST_PER_MINUTE:g}")
    if seed < 0:
        raise ConfigError(f"seed is {seed}, expected 0 or more")
    rate = float(dynamics.frame_rate)
    apart = {side: lids_apart(dynamics, side, model) for side in SIDES}
    free = _free(np.stack([apart[side] for side in SIDES]), rate)
    times_s = np.arange(len(dynamics)) / rate
    closed = np.zeros(len(dynamics))
    for start_s, slow in _blinks_s(len(dynamics) / rate, per_minute, seed):
        # A lid is shut for less than a frame at low rates: that moment is laid on one.
        begin_s = round((start_s + slow * _SHUT_S) * rate) / rate - slow * _SHUT_S
        end_s = begin_s + slow * _LENGTH_S
        inside = (times_s > begin_s) & (times_s < end_s)
        if begin_s >= 0.0 and end_s <= times_s[-1] and free[inside].all():
            closed[inside] = np.maximum(
                closed[inside], pchip(_CURVE_S, _CURVE, (times_s[inside] - begin_s) / slow)
            )
    for side in SIDES:
        dynamics = part_lids(dynamics, side, apart[side] * (1.0 - closed), model)
    return dynamics


def _free(apart: Float[np.ndarray, "2 T"], rate: float) -> Bool[np.ndarray, " T"]:
    """Frames in which both eyes are open, and a little away from those in which one is not."""
    usual = np.array([open_apart(eye) for eye in apart])[:, None]
    shut = (apart < np.maximum(_OPEN_SHARE * usual, _LEAST_OPEN)).any(axis=0)
    pause = round(_PAUSE_S * rate)
    shut_around = np.convolve(shut, np.ones(2 * pause + 1))[pause : pause + len(shut)]
    return np.asarray(shut_around < 0.5)


def _blinks_s(seconds: float, per_minute: float, seed: int) -> list[tuple[float, float]]:
    """When blinks begin, s, and how slow they are; the first comes after a part of an interval."""
    if per_minute == 0.0:
        return []
    rng = np.random.default_rng(seed)
    middle = np.log(60.0 / per_minute) - _SPREAD**2 / 2.0
    time_s = float(rng.uniform() * np.exp(rng.normal(middle, _SPREAD)))
    blinks = []
    while time_s < seconds:
        slow = float(np.clip(np.exp(rng.normal(0.0, _SLOWNESS_SPREAD)), *_SLOWNESS))
        blinks.append((time_s, slow))
        time_s += max(float(np.exp(rng.normal(middle, _SPREAD))), slow * _LENGTH_S + _PAUSE_S)
    return blinks
