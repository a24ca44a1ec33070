"""Metrics of temporal stability: changes between frames, errors along the true motion, and jitter of landmarks.

Videos are sequences of T pictures (H,W,3) uint8 of the same size; errors are in grey levels, 0..255.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, UInt8
from scipy.signal import periodogram

from faceanime.core.errors import ShapeError, check_shape
from faceanime.geometry.flow import identity_flow, sample
from faceanime.structures.frames import Pixels

JITTER_ABOVE_HZ = 6.0
"""Heads and lips rarely move at higher frequencies; chosen by eye."""
SHORTEST = 16
"""Frames that a spectrum needs."""


def temporal_error(result: Sequence[Pixels], truth: Sequence[Pixels]) -> Float64[np.ndarray, " N"]:
    """Mean absolute difference between the changes from frame to frame of result and truth, grey levels; N = T - 1.

    Lower is better, 0 is best. Flicker and wrong motion increase it, constant errors do not.
    Source: dtSSD of Erofeev et al., BMVC 2015 (video matting). Deviation: absolute values, and colors.

    >>> black, grey = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 8, np.uint8)
    >>> temporal_error([black, grey, grey], [black, black, black]).tolist()
    [8.0, 0.0]
    """
    _check_lengths(result, truth)
    differences = (a.astype(np.int16) - b for a, b in zip(result, truth, strict=True))
    before = next(differences)
    errors = []
    for now in differences:
        errors.append(np.abs(now - before).mean())
        before = now
    return np.array(errors, np.float64)


@dataclass(frozen=True, eq=False)
class TrueMotion:
    """The motion from the previous frame into a frame.

    `before_from_now` (H,W,2) px is a backward flow (docs/reference/conventions.md) into the previous frame; `visible`
    (H,W) says which pixels are visible in both frames.
    """

    before_from_now: Float32[np.ndarray, "H W 2"]
    visible: Bool[np.ndarray, "H W"]


def true_motions(truth: Iterable[Pixels]) -> Iterator[TrueMotion]:
    """The motion into each frame but the first, by optical flow.

    A pixel is visible in both frames if it was inside the picture and the flow there and back returns to it:
    |there + back|^2 <= 0.01 (|there|^2 + |back|^2) + 0.5.
    Sources: Kroeger et al., arXiv 1603.03590 (DIS flow); Sundaram et al., ECCV 2010 (the check), as in
    Lai et al., arXiv 1808.00449.
    """
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    before: UInt8[np.ndarray, "H W"] | None = None
    for frame in truth:
        now = np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY))
        if before is not None:
            there = flow.calc(now, before, None)  # type: ignore[call-overload]  # as in geometry/flow.py
            back = flow.calc(before, now, None)  # type: ignore[call-overload]
            yield _motion(there, back)
        before = now


def _motion(there: Float32[np.ndarray, "H W 2"], back: Float32[np.ndarray, "H W 2"]) -> TrueMotion:
    height, width = there.shape[:2]
    before_from_now = identity_flow(height, width) + there
    back = sample(back, before_from_now)
    lengths = np.square(there).sum(axis=-1) + np.square(back).sum(axis=-1)
    returns = np.square(there + back).sum(axis=-1) <= 0.01 * lengths + 0.5
    inside = ((before_from_now >= 0) & (before_from_now <= (width, height))).all(axis=-1)
    return TrueMotion(before_from_now, returns & inside)


def warping_error(result: Sequence[Pixels], motions: Iterable[TrueMotion]) -> Float64[np.ndarray, " N"]:
    """Mean absolute difference of each frame from the previous one, warped along the true motion; N = T - 1.

    In grey levels, over the pixels that are visible in both frames; NaN without any. Lower is steadier, but blur
    lowers it too, and noise, light and wrinkles change in the truth: compare it with the truth's own warping error.
    Source: Lai et al., arXiv 1808.00449, sec. 4. Deviation: absolute differences, not squares in [0, 1].

    >>> truth = [np.zeros((32, 32, 3), np.uint8)] * 2
    >>> warping_error([truth[0], truth[1] + np.uint8(9)], true_motions(truth)).tolist()
    [9.0]
    """
    errors = []
    for before, now, motion in zip(result[:-1], result[1:], motions, strict=True):
        check_shape("motions", motion.visible, *now.shape[:2])
        change = cv2.absdiff(now, sample(before, motion.before_from_now))[motion.visible]
        errors.append(change.mean() if change.size else np.nan)
    return np.array(errors, np.float64)


def motion_spectrum(
    points_px: Float[np.ndarray, "T V D"], frame_rate: Fraction
) -> tuple[Float64[np.ndarray, " F"], Float64[np.ndarray, " F"]]:
    """Frequencies in Hz from 0 to half the frame rate, and the power density of the points' motion in px^2 / Hz.

    Mean over points of the sum over coordinates, without linear drift, Hann window; its integral is about the mean
    squared distance of a point from its drift. Raises ShapeError for fewer than 16 frames.
    Source: Welch, IEEE Trans. Audio Electroacoustics 15(2), 1967, with a single segment.
    """
    check_shape("points_px", points_px, None, None, None)
    if len(points_px) < SHORTEST:
        raise ShapeError(f"a spectrum of {len(points_px)} frames, expected {SHORTEST} at least")
    points = np.asarray(points_px, np.float64)
    frequency_hz, density = periodogram(points, float(frame_rate), window="hann", detrend="linear", axis=0)
    return frequency_hz, density.sum(axis=-1).mean(axis=-1)


def jitter_px(points_px: Float[np.ndarray, "T V D"], frame_rate: Fraction) -> float:
    """Motion of points above 6 Hz, root mean square in px.

    Lower is steadier, but blinks and consonants are fast too: divide it by that of the truth, then 1 is best. Raises
    ShapeError for fewer than 16 frames.

    >>> times_s = np.arange(100) / 25
    >>> trembling = np.sin(2 * np.pi * 8 * times_s)[:, None, None]
    >>> round(jitter_px(trembling, Fraction(25)), 2)  # of a sine, the square root of 1/2
    0.71
    """
    frequency_hz, density = motion_spectrum(points_px, frame_rate)
    width_hz = frequency_hz[1] - frequency_hz[0]
    return float(np.sqrt(density[frequency_hz > JITTER_ABOVE_HZ].sum() * width_hz))


def _check_lengths(result: Sequence[Pixels], truth: Sequence[Pixels]) -> None:
    if len(result) != len(truth) or not len(truth):
        raise ShapeError(
            f"the result has {len(result)} frames, the truth {len(truth)}, expected the same number and at least one"
        )
