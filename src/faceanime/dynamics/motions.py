"""The bundled motions: keyframes on named axes, made by hand, not from anybody's video.

`python -m faceanime.dynamics.motions` writes them to the package's assets.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from faceanime.dynamics.editing import Number, motion_from_keyframes
from faceanime.dynamics.motion_file import MotionNote, save_motion
from faceanime.dynamics.motion_path import MOTION_SUFFIX, MOTIONS_FOLDER
from faceanime.morphable.model import MorphableModel, load_model
from faceanime.structures.coefficients import Dynamics

BUNDLED_FRAME_RATE = Fraction(25)
"""Frames a second of the bundled motions."""
BUNDLED_NOTE = MotionNote(licence="MIT", provenance="keyframes of the faceanime authors")

Tracks = dict[str, list[tuple[Number, Number]]]


def make_motions(model: MorphableModel) -> Iterator[tuple[str, Dynamics]]:
    """The names and motions of all bundled motions, made from their keyframes."""
    for name, (tracks, seconds) in _MOTIONS.items():
        yield name, motion_from_keyframes(tracks(), seconds, BUNDLED_FRAME_RATE, model)


_VISEME_AXES = ("jaw_open", "lips_part", "pucker", "stretch", "smile")
_VISEMES = {
    "rest": (0.00, 0.00, 0.00, 0.00, 0.00),
    "m": (-0.02, -0.10, 0.10, 0.00, 0.00),
    "a": (0.52, 0.25, 0.00, 0.10, 0.00),
    "e": (0.26, 0.30, 0.00, 0.45, 0.10),
    "i": (0.12, 0.35, 0.00, 0.60, 0.15),
    "o": (0.36, 0.20, 0.60, 0.00, 0.00),
    "u": (0.14, 0.15, 0.80, 0.00, 0.00),
    "f": (0.06, 0.20, 0.00, 0.15, 0.00),
    "s": (0.08, 0.32, 0.00, 0.30, 0.05),
    "l": (0.24, 0.25, 0.00, 0.15, 0.05),
}
"""Strengths of `_VISEME_AXES` for each viseme, of fluent, unexaggerated speech; chosen by eye."""
_VISEME_S, _PAUSES_S = 0.115, {" ": 0.12, ",": 0.45}
"""Mean length of a viseme, and the lengths of pauses; chosen by eye."""


def _speech(words: str, start_s: float) -> Tracks:
    """Mouth keyframes for a string of visemes; a blank is a short pause, a comma a longer one."""
    tracks: Tracks = {axis: [(0.0, 0.0), (max(start_s - 0.12, 0.01), 0.0)] for axis in _VISEME_AXES}
    time_s = start_s
    rng = np.random.default_rng(3)
    for sound in words:
        if sound in _PAUSES_S:
            shape, length = _VISEMES["rest"], _PAUSES_S[sound]
        else:
            shape, length = _VISEMES[sound], _VISEME_S * float(rng.uniform(0.85, 1.2))
        force = float(rng.uniform(0.75, 1.1))
        for axis, value in zip(_VISEME_AXES, shape, strict=True):
            tracks[axis].append((round(time_s, 3), force * value))
        time_s += length
    for axis in _VISEME_AXES:
        tracks[axis].append((time_s + 0.1, 0.0))
    return tracks


def _blinks(*times_s: float) -> Tracks:
    """Keyframes of blinks that shut in 80 ms and open in 200 ms."""
    keys = [(0.0, 0.0)]
    for t in times_s:
        keys += [(t, 0.0), (t + 0.08, 1.0), (t + 0.12, 1.0), (t + 0.2, 0.45), (t + 0.32, 0.0)]
    return {"blink_right": keys, "blink_left": list(keys)}


def _merged(*parts: Tracks) -> Tracks:
    """Tracks of several parts in one; no axis may be in two of them."""
    merged: Tracks = {}
    for part in parts:
        assert not merged.keys() & part.keys()
        merged |= part
    return merged


def _talk() -> Tracks:
    speech = _speech("elo aim fo lis, mefu olim sao, iles fam u lomas, ai lusem", 0.5)
    return _merged(
        speech,
        _blinks(0.25, 2.1, 3.9, 5.6),
        {
            "yaw_deg": [(0, 0), (0.8, 4), (1.9, -3), (2.8, 6), (3.7, 1), (4.6, -6), (5.5, 2), (6.6, 0)],
            "pitch_deg": [(0, 0), (0.6, -2), (1.1, 3), (1.9, -1), (2.6, 3), (3.4, -2), (4.2, 3), (5.3, -1),
                          (6.6, 0)],
            "roll_deg": [(0, 0), (1.2, 2.5), (2.6, -2), (4.2, 3), (5.6, -1), (6.6, 0)],
            "brow_raise": [(0, 0), (0.5, 0.1), (0.8, 0.7), (1.4, 0.1), (2.6, 0.1), (2.9, 0.6), (3.5, 0.0),
                           (4.4, 0.5), (5.2, 0), (6.6, 0)],
            "gaze_left": [(0, 0), (2.1, 0), (2.2, -0.35), (2.9, -0.35), (3.0, 0.0), (6.6, 0)],
        },
    )  # fmt: skip


def _look_around() -> Tracks:
    return _merged(
        _blinks(1.0, 2.6, 4.3),
        {
            "yaw_deg": [(0, 0), (0.3, 0), (1.3, 17), (2.0, 17), (3.3, -17), (4.0, -17), (5.2, 0)],
            "pitch_deg": [(0, 0), (1.3, -3), (2.6, 5), (4.0, -4), (5.2, 0)],
            "roll_deg": [(0, 0), (1.3, -2), (3.3, 2), (5.2, 0)],
            "gaze_left": [(0, 0), (0.2, 0), (0.35, 0.9), (1.4, 0.25), (2.0, 0.2), (2.15, -0.9), (3.4, -0.25),
                          (4.0, 0), (5.2, 0)],
            "smile": [(0, 0), (4.0, 0.0), (4.8, 0.5), (5.2, 0.5)],
            "brow_raise": [(0, 0), (0.4, 0.4), (1.2, 0.0), (2.2, 0.4), (3.0, 0), (5.2, 0)],
        },
    )  # fmt: skip


def _nod() -> Tracks:
    return _merged(
        _blinks(0.9),
        {"pitch_deg": [(0, 0), (0.25, -4), (0.6, 11), (0.95, -3), (1.3, 8), (1.65, -1), (2.0, 0)],
         "smile": [(0, 0), (0.8, 0.35), (1.6, 0.35), (2.0, 0)]},
    )  # fmt: skip


def _shake() -> Tracks:
    return _merged(
        _blinks(0.15),
        {"yaw_deg": [(0, 0), (0.35, 13), (0.8, -13), (1.2, 11), (1.6, -9), (2.0, 0)],
         "brow_lower": [(0, 0), (0.5, 0.6), (1.6, 0.6), (2.0, 0)],
         "frown": [(0, 0), (0.5, 0.35), (1.6, 0.35), (2.0, 0)]},
    )  # fmt: skip


def _smile() -> Tracks:
    return _merged(
        _blinks(1.5),
        {"smile": [(0, 0), (0.3, 0), (0.9, 1.0), (1.9, 1.0), (2.6, 0)],
         "squint_right": [(0, 0), (0.3, 0), (0.9, 0.6), (1.9, 0.6), (2.6, 0)],
         "squint_left": [(0, 0), (0.3, 0), (0.9, 0.6), (1.9, 0.6), (2.6, 0)],
         "roll_deg": [(0, 0), (1.2, 3), (2.6, 0)], "pitch_deg": [(0, 0), (1.2, -2), (2.6, 0)]},
    )  # fmt: skip


def _surprise() -> Tracks:
    return _merged(
        _blinks(2.0),
        {"brow_raise": [(0, 0), (0.3, 0), (0.5, 1.1), (1.5, 1.0), (2.2, 0)],
         "wide_right": [(0, 0), (0.3, 0), (0.5, 1.0), (1.5, 0.9), (2.0, 0)],
         "wide_left": [(0, 0), (0.3, 0), (0.5, 1.0), (1.5, 0.9), (2.0, 0)],
         "jaw_open": [(0, 0), (0.35, 0), (0.65, 0.5), (1.5, 0.45), (2.2, 0)],
         "pucker": [(0, 0), (0.65, 0.25), (1.5, 0.25), (2.2, 0)],
         "pitch_deg": [(0, 0), (0.6, -5), (1.5, -4), (2.4, 0)]},
    )  # fmt: skip


def _wink() -> Tracks:
    shut = [(0, 0.0), (0.5, 0.0), (0.66, 1.0), (0.95, 1.0), (1.2, 0.0), (1.8, 0.0)]
    return {
        "blink_left": shut,
        "smile": [(0, 0), (0.4, 0.1), (0.7, 0.7), (1.1, 0.6), (1.8, 0)],
        "squint_right": [(0, 0), (0.5, 0), (0.7, 0.35), (1.0, 0.35), (1.4, 0)],
        "roll_deg": [(0, 0), (0.7, -4), (1.8, 0)],
        "yaw_deg": [(0, 0), (0.7, 4), (1.8, 0)],
    }


_MOTIONS = {
    "talk": (_talk, 6.6),
    "look-around": (_look_around, 5.2),
    "nod": (_nod, 2.0),
    "shake": (_shake, 2.0),
    "smile": (_smile, 2.6),
    "surprise": (_surprise, 2.4),
    "wink": (_wink, 1.8),
}


if __name__ == "__main__":
    for title, motion in make_motions(load_model()):
        save_motion(motion, MOTIONS_FOLDER / f"{title}{MOTION_SUFFIX}", BUNDLED_NOTE)
