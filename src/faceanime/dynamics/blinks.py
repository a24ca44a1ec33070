"""Lids of a motion: how far they part, and natural blinks.

Lids are measured in model units, as the gap between them (`lids_apart` of `faceanime.morphable.axes`), and moved
along the blink axis of their eye, which moves nothing else of the face.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import binary_dilation

from faceanime.errors import ConfigError
from faceanime.morphable.axes import measure, measured
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import Dynamics

Side = Literal["right", "left"]
Blink = tuple[int, int]
SIDES: tuple[Side, ...] = ("right", "left")

_CURVE = PchipInterpolator([0.0, 0.09, 0.12, 0.18, 0.34], [0.0, 1.0, 1.0, 0.4, 0.0])
"""How far a lid is closed over the seconds of a blink: down fast, up at half the pace."""
_LENGTH_S, _SHUT_S = 0.34, 0.105
_PAUSE_S = 0.1
"""Two blinks are at least so far apart."""
_SPREAD = 0.6
"""Standard deviation of the logarithm of the time between blinks."""
_MOST_PER_MINUTE = 60.0
_OPEN_SHARE = 0.6
"""An eye counts as open from this share of its usual gap on."""
_CLOSED_SHARE, _LONGEST_S = 0.5, 0.5
"""A blink is below this share of the usual gap, for so long at most."""
_LEAST_OPEN = 0.02
"""A gap (model units) below which an eye has never been open."""


def lids_apart(dynamics: Dynamics, side: Side, model: MorphableModel) -> Float[np.ndarray, "T"]:
    """The gap between the lids of one eye, model units."""
    return measured(f"lids_apart_{side}", model, dynamics.identity, dynamics.expression)


def open_apart(apart: Float[np.ndarray, "T"]) -> float:
    """The gap of the open eye: a high percentile, which blinks do not reach."""
    return float(np.percentile(apart, 75))


def blinks_of(apart: Float[np.ndarray, "T"], frame_rate: float) -> list[Blink]:
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
    dynamics: Dynamics, side: Side, apart: Float[np.ndarray, "T"], model: MorphableModel
) -> Dynamics:
    """The motion with the gap of one eye set to `apart`; frames that have it already stay as they are."""
    axis = model.axis(f"blink_{side}").astype(np.float64)
    per_unit = measure(f"lids_apart_{side}", model.expression_basis @ axis)
    strength = (apart - lids_apart(dynamics, side, model)) / per_unit
    return dynamics.replaced(expression=dynamics.expression + strength[:, None] * axis)


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
    for start_s in _starts_s(len(dynamics) / rate, per_minute, seed):
        # A lid is shut for less than a frame at low rates: that moment is laid on one.
        begin_s = round((start_s + _SHUT_S) * rate) / rate - _SHUT_S
        inside = (times_s > begin_s) & (times_s < begin_s + _LENGTH_S)
        if begin_s >= 0.0 and begin_s + _LENGTH_S <= times_s[-1] and free[inside].all():
            closed[inside] = np.maximum(closed[inside], _CURVE(times_s[inside] - begin_s))
    for side in SIDES:
        dynamics = part_lids(dynamics, side, apart[side] * (1.0 - closed), model)
    return dynamics


def _free(apart: Float[np.ndarray, "2 T"], rate: float) -> Bool[np.ndarray, "T"]:
    """Frames in which both eyes are open, and a little away from those in which one is not."""
    usual = np.array([open_apart(eye) for eye in apart])[:, None]
    shut = (apart < np.maximum(_OPEN_SHARE * usual, _LEAST_OPEN)).any(axis=0)
    around = np.ones(2 * round(_PAUSE_S * rate) + 1, bool)
    return np.asarray(~binary_dilation(shut, around))


def _starts_s(seconds: float, per_minute: float, seed: int) -> list[float]:
    """When blinks begin, s; the first after a part of an interval, for the film begins anywhere between two."""
    if per_minute == 0.0:
        return []
    rng = np.random.default_rng(seed)
    middle = np.log(60.0 / per_minute) - _SPREAD**2 / 2.0
    time_s = float(rng.uniform() * np.exp(rng.normal(middle, _SPREAD)))
    starts = []
    while time_s < seconds:
        starts.append(time_s)
        time_s += max(float(np.exp(rng.normal(middle, _SPREAD))), _LENGTH_S + _PAUSE_S)
    return starts
