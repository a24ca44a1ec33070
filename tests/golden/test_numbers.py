"""Coefficients stay as they are: what is read from pictures, carried over, changed, smoothed and imagined."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from comparison import Golden
from studio import Studio, numbers_of

# A motion's numbers: coefficients in standard deviations, entries of rotation matrices (about radians), logarithm of
# the size, place in shares of the picture's longer side.
COMPUTED = {
    "identity": 1e-3,
    "expression": 2e-3,
    "rotation": 1e-4,
    "log_scale": 1e-4,
    "place": 1e-4,
    "valid": 0.0,
    "frame_rate": 1e-6,
}
"""Bounds on what is computed from numbers alone: files hold single precision; solvers add up in another order."""
READ = {
    **COMPUTED,
    "identity": 2e-2,
    "expression": 4e-2,
    "rotation": 1e-3,
    "log_scale": 1e-3,
    "place": 5e-4,
    "residual": 1e-3,
}
"""Bounds on what is read from pictures: landmarks differ by hundredths of a pixel from CPU to CPU, the fit passes them
on, most to the identity's least sure numbers; residuals in model units (half a face's width is about 0.7)."""
IMAGINED = {
    **COMPUTED,
    "identity": 2e-2,
    "expression": 6e-2,
    "rotation": 2e-3,
    "log_scale": 2e-3,
    "place": 1e-3,
}
"""Bounds on what networks in single precision draw, window by window, from a face that was read."""

MOTIONS = ("look-around", "nod", "shake", "smile", "surprise", "talk", "wink")
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
    "lively-talk-loop": {"seconds": 3.2, "seed": 5, "style": "talk", "loop": True, "energy": 1.4},
}


@pytest.mark.parametrize("subject", ["astronaut", "astronaut-large"])
def test_a_fitted_portrait(subject: str, studio: Studio, golden: Golden) -> None:
    face = studio.portrait(subject).face
    numbers = numbers_of(studio.targets(studio.portrait(subject), [{}]))
    golden.numbers(f"numbers/fit_{subject}", numbers | {"residual": face.residual}, READ)


def test_a_tracked_clip(studio: Studio, golden: Golden) -> None:
    golden.numbers("numbers/tracked", numbers_of(studio.tracked()), READ)


@pytest.mark.parametrize("motion", MOTIONS)
def test_bundled_motions_on_another_face(motion: str, studio: Studio, golden: Golden) -> None:
    moved = studio.retargeted(studio.portrait("drawn"), motion)
    golden.numbers(f"numbers/retarget_{motion}", numbers_of(moved, every=6), COMPUTED)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("as-is", {}),
        ("absolute", {"motion": "absolute"}),
        ("from-20", {"reference": 20, "lips": 1.6, "eyes": 0.7, "head": 1.5}),
        ("head-alone", {"parts": "head", "yaw_limit_deg": 12.0, "pitch_limit_deg": 6.0, "shift_limit": 0.1}),
        ("eyes-alone", {"parts": "eyes"}),
    ],
)
def test_a_wild_motion_on_the_astronaut(
    name: str, settings: dict[str, Any], studio: Studio, golden: Golden
) -> None:
    """Limits, the room in the picture and the choice of a reference all count here."""
    moved = studio.retargeted(studio.portrait("astronaut"), studio.waving(), settings)
    golden.numbers(f"numbers/retarget_waving_{name}", numbers_of(moved, every=4), READ)


@pytest.mark.parametrize("name", EDITS)
def test_edits(name: str, studio: Studio, golden: Golden) -> None:
    golden.numbers(f"numbers/edit_{name}", numbers_of(studio.edited(*EDITS[name]), every=6), COMPUTED)


@pytest.mark.parametrize("method", ["zero-phase", "one-euro", "none"])
def test_smoothing(method: str, studio: Studio, golden: Golden) -> None:
    """Noise on a still stretch and on a moving one, with a short gap and a long one."""
    motion, rng = studio.edited("talk", "wink"), np.random.default_rng(8)
    valid = np.ones(len(motion), bool)
    valid[40:46] = valid[100:130] = False
    noise = rng.normal(0.0, 0.08, motion.expression.shape)
    shaken = rng.normal(0.0, 0.3, motion.pose.translation_px.shape)
    pose = replace(motion.pose, translation_px=motion.pose.translation_px + shaken)
    noisy = motion.replaced(expression=motion.expression + noise, pose=pose, valid=valid)
    numbers = numbers_of(studio.smoothed(noisy, method=method), every=6)
    golden.numbers(f"numbers/smooth_{method}", numbers, COMPUTED)


@pytest.mark.parametrize("name", FUTURES)
def test_predicted_futures(name: str, studio: Studio, golden: Golden) -> None:
    imagined = studio.imagined(**FUTURES[name])
    golden.numbers(f"numbers/predict_{name}", numbers_of(imagined, every=4), IMAGINED)


def test_a_morph(studio: Studio, golden: Golden) -> None:
    way = studio.imagined(studio.portrait("clay"), seconds=2.0, seed=1, temperature=0.5)
    golden.numbers("numbers/morph", numbers_of(way), IMAGINED)
