"""The golden numbers by name: what is computed, and how far it may differ from what is stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from studio import Studio, numbers_of

Series = Callable[[Studio], dict[str, np.ndarray]]

# A motion's numbers: coefficients in standard deviations, entries of rotation matrices (about radians), logarithm of
# the size, place in fractions of the picture's longer side.
COMPUTED = {
    "identity": 1e-3,
    "expression": 2e-3,
    "rotation": 1e-4,
    "log_scale": 1e-4,
    "place": 1e-4,
    "residual": 1e-4,
    "valid": 0.0,
    "frame_rate": 1e-6,
}
"""Bounds on what is computed from numbers alone, residuals in model units: files hold single precision; solvers add up
in another order."""
READ = {
    **COMPUTED,
    "identity": 0.1,
    "expression": 0.4,
    "rotation": 4e-3,
    "log_scale": 4e-3,
    "place": 1e-3,
}
"""Bounds on what is read from frames: on other CPUs networks and the optical flow place landmarks some hundredths of a
pixel elsewhere, and the fit passes that on. With AVX2 and FMA switched off: up to 0.16 in an expression."""
IMAGINED = {**COMPUTED, "expression": 2e-2, "rotation": 1e-3, "log_scale": 1e-3}
"""Bounds on what networks in single precision draw, each window from the end of the one before."""


def fit(studio: Studio, subject: str) -> dict[str, np.ndarray]:
    """Fit a portrait to given landmarks."""
    portrait = studio.portrait(subject)
    return numbers_of(studio.targets(portrait, [{}])) | {"residual": portrait.face.residual}


def fitted_sequence(studio: Studio) -> dict[str, np.ndarray]:
    return numbers_of(studio.fitted_sequence(), every=3)


def tracked(studio: Studio) -> dict[str, np.ndarray]:
    return numbers_of(studio.tracked())


def retargeted(studio: Studio, motion: str) -> dict[str, np.ndarray]:
    """A bundled motion on another face."""
    return numbers_of(studio.retargeted(studio.portrait("drawn"), motion), every=6)


def waving(studio: Studio, settings: dict[str, Any], seed: int = 11) -> dict[str, np.ndarray]:
    """A wild motion on the astronaut: limits, the room in the picture and the choice of a reference all count."""
    moved = studio.retargeted(studio.portrait("astronaut-side"), studio.waving(seed), settings)
    return numbers_of(moved, every=4)


def edited(studio: Studio, options: tuple[str, ...]) -> dict[str, np.ndarray]:
    return numbers_of(studio.edited(*options), every=6)


def smoothed(studio: Studio, method: str) -> dict[str, np.ndarray]:
    """Speech under noise, with a short gap and a long one."""
    motion, rng = studio.edited("talk", "wink"), np.random.default_rng(8)
    valid = np.ones(len(motion), bool)
    valid[40:46] = valid[100:130] = False
    noise = rng.normal(0.0, 0.08, motion.expression.shape)
    shaken = rng.normal(0.0, 0.3, motion.pose.translation_px.shape)
    pose = replace(motion.pose, translation_px=motion.pose.translation_px + shaken)
    noisy = motion.replaced(expression=motion.expression + noise, pose=pose, valid=valid)
    return numbers_of(studio.smoothed(noisy, method=method), every=6)


def imagined(studio: Studio, settings: dict[str, Any]) -> dict[str, np.ndarray]:
    return numbers_of(studio.imagined(**settings), every=4)


def morphed(studio: Studio) -> dict[str, np.ndarray]:
    return numbers_of(studio.imagined(studio.portrait("clay"), seconds=2.0, seed=1, temperature=0.5), every=2)


SUBJECTS = ("astronaut", "astronaut-large")
MOTIONS = ("look-around", "nod", "shake", "smile", "surprise", "talk", "wink")
WAYS: dict[str, dict[str, Any]] = {
    "as-is": {},
    "absolute": {"motion": "absolute"},
    "from-20": {"reference": 20, "lips": 1.6, "eyes": 0.7, "head": 1.5},
    "head-alone": {"parts": "head", "yaw_limit_deg": 12.0, "pitch_limit_deg": 6.0, "shift_limit": 0.1},
    "eyes-alone": {"parts": "eyes"},
}
SEEDS = (1, 6, 17)
"""Motions in which each term, and each weight, of the choice of the driver's reference frame decides."""
EDITS = {
    "with-all-of-it": (
        "talk", "wink", "--start", "0.4", "--end", "7.4", "--speed", "1.3", "--frame-rate", "30000/1001",
        "--mirror", "--amplify-lips", "1.4", "--amplify-eyes", "1.2", "--amplify-head", "0.6",
        "--blend-with", "look-around", "--share", "0.3", "--hold-gaze", "--blinks", "30", "--seed", "3", "--loop",
    ),
    "amplified": ("talk", "--amplify-lips", "2", "--amplify-eyes", "2.5", "--amplify-head", "1.5"),
    "slowed": ("surprise", "--speed", "0.6"),
    "mirrored": ("wink", "--mirror"),
    "gaze-held": ("look-around", "--hold-gaze"),
    "blinking": ("shake", "--blinks", "40", "--seed", "1"),
    "joined": ("nod", "shake", "smile", "--blend-s", "0.4"),
    "looped": ("surprise", "--loop", "--blend-s", "0.5"),
}  # fmt: skip
FUTURES: dict[str, dict[str, Any]] = {
    "any": {"seconds": 4.0, "seed": 2},
    "talk-loop": {"seconds": 2.0, "seed": 5, "style": "talk", "loop": True, "energy": 1.4},
}

SERIES: dict[str, tuple[Series, dict[str, float]]] = {
    **{f"fit_{name}": (partial(fit, subject=name), COMPUTED) for name in SUBJECTS},
    "fitted-sequence": (fitted_sequence, COMPUTED),
    "tracked": (tracked, READ),
    **{f"retarget_{name}": (partial(retargeted, motion=name), COMPUTED) for name in MOTIONS},
    **{f"waving_{name}": (partial(waving, settings=settings), COMPUTED) for name, settings in WAYS.items()},
    **{f"waving_seed-{s}": (partial(waving, settings={}, seed=s), COMPUTED) for s in SEEDS},
    **{f"edit_{name}": (partial(edited, options=options), COMPUTED) for name, options in EDITS.items()},
    **{f"smooth_{m}": (partial(smoothed, method=m), COMPUTED) for m in ("zero-phase", "none")},
    **{f"predict_{name}": (partial(imagined, settings=s), IMAGINED) for name, s in FUTURES.items()},
    "morph": (morphed, IMAGINED),
}
