"""Smooth the jitter of a tracked face and bridge short gaps, but keep blinks and lip contact.

A Whittaker smoother, x = argmin sum w (x - y)^2 + sum lambda (second difference of x)^2 (Eilers, Anal. Chem. 75, 2003).
It is what the Rauch-Tung-Striebel smoother (Rauch et al., AIAA J. 3, 1965) of a constant-velocity model computes, in
one banded solve: it has no lag, and is the same reversed in time. Its stiffness lambda grows step by step, at each
frame only as long as what it removes still looks like noise (Lepskii's principle, Theory Probab. Appl. 35, 1991): a
blink keeps its depth while a still face is still. Channels that move together, such as those of a mouth, are judged
together, which separates noise from motion more reliably than one channel can.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import Bool, Float, Float64, Int
from numpy.lib.stride_tricks import sliding_window_view

from faceanime.core.errors import check_shape
from faceanime.face.config import SmoothConfig
from faceanime.geometry.gaps import valid_neighbours
from faceanime.geometry.interpolation import smoothstep
from faceanime.geometry.rotation import nearest_rotation, rotation_from_vector, vector_from_rotation
from faceanime.morphable.model import Part
from faceanime.structures.coefficients import Dynamics, HeadPose


@dataclass(frozen=True)
class _Smoother:
    """Constants of the smoother; chosen by eye."""

    lost_weight: float = 1e-2
    """Weight of filled-in frames, against 1 for tracked ones: they guide the curve where no other frame does."""
    least_stiffness: float = 1e-3
    """Stiffness with which every frame begins."""
    stiffness_factor: float = 8.0
    """Factor by which the stiffness grows from step to step."""
    rotation_window_s: float = 1.0
    """Length of the running mean about which rotations are smoothed."""
    speech_frame_rate: float = 25.0
    """Frame rate at which frames are judged singly; at twice the rate two are judged together, and so on."""
    spans: tuple[int, ...] = (0, 2, 6)
    """Lengths, beyond one frame, of the moving averages in which motion shows above noise; frames at
    `speech_frame_rate`."""
    fewest_differences: int = 4
    """Least number of differences from which noise is estimated."""


@dataclass(frozen=True)
class _MostNoise:
    """Upper bounds on the standard deviation of tracked faces' noise, since motion that never rests is taken for noise.

    Chosen by errors on validation clips (docs/log/training.md, "Smoothing" and "Heads smoothed less"): with lower
    bounds faces are drawn nearer to where they are, but still faces, and their hair, tremble.
    """

    expression: float = 0.14
    """Bound for an expression coefficient, standard deviations of the training set."""
    rotation_rad: float = 0.0018
    """Bound for a component of the rotation vector, rad."""
    log_scale: float = 0.0009
    """Bound for the natural logarithm of the scale."""
    translation: float = 0.00033
    """Bound for a coordinate of the translation, longer sides of the picture."""


_SMOOTHER, _NOISE = _Smoother(), _MostNoise()
_NORMAL_QUARTILE = 0.3186
"""Lower quartile of the magnitude of a standard normal variable."""


def smooth_dynamics(
    dynamics: Dynamics, part: Int[np.ndarray, " K_exp"], config: SmoothConfig = SmoothConfig()
) -> Dynamics:
    """Bridge short gaps and smooth expression and pose.

    `part` (K_exp,): expressions of one `model.Part` move together, as do the rotation's numbers, and scale and
    translation. Rotations are smoothed as rotation vectors about their running mean, on SO(3); scale as its logarithm.
    """
    seen = dynamics.valid
    dynamics = bridge_gaps(dynamics, config.max_gap_s)
    if config.method == "none":
        return dynamics
    pose, expression_count = dynamics.pose, dynamics.expression.shape[1]
    base = _running_mean(pose.rotation, float(dynamics.frame_rate))
    turned = vector_from_rotation(np.swapaxes(base, -1, -2) @ pose.rotation)
    values = np.column_stack([dynamics.expression, turned, np.log(pose.scale), pose.translation_px])
    most_translation_px = _NOISE.translation * dynamics.picture_side_px
    most_noise = np.repeat(
        [_NOISE.expression, _NOISE.rotation_rad, _NOISE.log_scale, most_translation_px],
        [expression_count, 3, 1, 2],
    )
    together = np.concatenate([part, np.repeat([len(Part), len(Part) + 1], 3)])
    values = smooth_series(values, dynamics.valid, dynamics.frame_rate, config, together, seen, most_noise)
    expression, turned, log_scale, translation = np.split(values, np.cumsum([expression_count, 3, 1]), axis=1)
    rotation = base @ rotation_from_vector(turned)
    smoothed = HeadPose(rotation, np.exp(log_scale[:, 0]), translation)
    return dynamics.replaced(expression=expression.astype(dynamics.expression.dtype), pose=smoothed)


def smooth_series(
    values: Float[np.ndarray, "T C"],
    valid: Bool[np.ndarray, " T"],
    frame_rate: Fraction | float,
    config: SmoothConfig = SmoothConfig(),
    together: Int[np.ndarray, " C"] | None = None,
    seen: Bool[np.ndarray, " T"] | None = None,
    most_noise: Float[np.ndarray, " C"] | None = None,
) -> Float64[np.ndarray, "T C"]:
    """Smooth C channels over T frames; frames that are not `valid` are filled from their neighbors.

    Channels with the same number in `together` move together; by default each moves by itself. The noise is estimated
    from the frames that were `seen`, by default the valid ones, and is at most `most_noise`, standard deviations of the
    channels.

    Raises:
        ShapeError: if `valid`, `seen` or `together` does not fit `values`.
    """
    seen = valid if seen is None else seen
    check_shape("values", values, None, None)
    check_shape("valid", valid, len(values))
    check_shape("seen", seen, len(values))
    filled = _filled(np.asarray(values, np.float64), valid)
    if config.method == "none" or len(filled) < 3:
        return filled
    count = filled.shape[1]
    together = np.arange(count) if together is None else together
    check_shape("together", together, count)
    weight = np.where(valid, 1.0, _SMOOTHER.lost_weight)
    noise = np.array([_noise_sigma(channel, seen) for channel in filled.T])
    noise = noise if most_noise is None else np.minimum(noise, most_noise)
    for group in np.unique(together):
        channels = (together == group) & (noise > 0.0)
        if channels.any():
            filled[:, channels] = _zero_phase(
                filled[:, channels], weight, noise[channels], float(frame_rate), config
            )
    return filled


def bridge_gaps(dynamics: Dynamics, max_gap_s: float = 0.5) -> Dynamics:
    """Fill frames that are not valid from their valid neighbors.

    Gaps of up to `max_gap_s` between valid frames become valid. Longer ones are filled by a smooth ramp and stay
    invalid, as do gaps at either end, which repeat the nearest valid frame. Rotations are interpolated on SO(3).
    """
    if dynamics.valid.all() or not dynamics.valid.any():
        return dynamics
    frames = np.arange(len(dynamics))
    a, b = valid_neighbours(dynamics.valid)
    is_short = (b - a - 1) <= max_gap_s * float(dynamics.frame_rate)
    inside = (a <= frames) & (frames <= b)
    u = np.clip((frames - a) / np.maximum(b - a, 1), 0.0, 1.0)
    u = np.where(is_short, u, smoothstep(u))[:, None]
    pose = dynamics.pose
    step = vector_from_rotation(np.swapaxes(pose.rotation[a], -1, -2) @ pose.rotation[b])
    bridged = HeadPose(
        pose.rotation[a] @ rotation_from_vector(u * step),
        np.exp(_mix(np.log(pose.scale)[:, None], a, b, u)[:, 0]),
        _mix(pose.translation_px, a, b, u),
    )
    expression = _mix(dynamics.expression, a, b, u).astype(dynamics.expression.dtype)
    return dynamics.replaced(expression=expression, pose=bridged, valid=is_short & inside)


def _mix(
    values: Float[np.ndarray, "T C"], a: np.ndarray, b: np.ndarray, u: Float[np.ndarray, "T 1"]
) -> Float[np.ndarray, "T C"]:
    return np.asarray(values[a] + u * (values[b] - values[a]))


def _running_mean(rotation: Float[np.ndarray, "T 3 3"], frame_rate: float) -> Float[np.ndarray, "T 3 3"]:
    """The chordal mean on SO(3) over about a second."""
    from scipy.ndimage import uniform_filter1d  # SciPy is slow to import

    window = 2 * round(_SMOOTHER.rotation_window_s * frame_rate / 2) + 1
    mean = uniform_filter1d(np.asarray(rotation, np.float64), window, axis=0, mode="nearest")
    return nearest_rotation(mean)


def _filled(values: Float64[np.ndarray, "T C"], valid: Bool[np.ndarray, " T"]) -> Float64[np.ndarray, "T C"]:
    known = np.flatnonzero(valid)
    if len(known) == 0:
        return values.copy()
    frames = np.arange(len(values))
    return np.column_stack([np.interp(frames, known, channel[known]) for channel in values.T])


def _zero_phase(
    y: Float64[np.ndarray, "T C"],
    weight: Float64[np.ndarray, " T"],
    noise: Float64[np.ndarray, " C"],
    frame_rate: float,
    config: SmoothConfig,
) -> Float64[np.ndarray, "T C"]:
    """Smooth channels that move together, with known standard deviations of their noise; T >= 3."""
    from scipy.special import chdtrc, chdtri  # SciPy is slow to import

    # The gain of the smoother at frequency f is 1 / (1 + lambda (2 sin(pi f / rate))^4).
    stiffest = (2.0 * np.sin(np.pi * min(config.still_cutoff_hz / frame_rate, 0.5))) ** -4
    beat = max(1, round(frame_rate / _SMOOTHER.speech_frame_rate))
    farthest = chdtri(len(noise), chdtrc(1, config.noise_sigmas**2))
    stiffness = np.full(len(y), _SMOOTHER.least_stiffness)
    growing = np.ones(len(y), bool)
    while growing.any():
        stiffer = np.where(growing, np.minimum(stiffness * _SMOOTHER.stiffness_factor, stiffest), stiffness)
        away = _away_from_noise((y - _whittaker(y, weight, stiffer)) / noise, beat)
        accepted = growing & (away <= farthest)
        stiffness = np.where(accepted, stiffer, stiffness)
        growing = accepted & (stiffness < stiffest)
    return _whittaker(y, weight, stiffness)


def _noise_sigma(y: Float64[np.ndarray, " T"], seen: Bool[np.ndarray, " T"]) -> float:
    """A robust estimate of the standard deviation of white noise on a smooth curve.

    From fifth differences, since lower ones take quick speech (5 Hz at 25 frames/s) for noise, and from their lower
    quartile, since most frames of a talking face move. Filled-in frames have no noise, so only stretches of `seen`
    frames count, with lower differences where they are short; 0 if there are none.
    """
    for order in range(min(5, len(y) - 1), 1, -1):
        difference = np.diff(y, order)[sliding_window_view(seen, order + 1).all(axis=-1)]
        if len(difference) >= min(_SMOOTHER.fewest_differences, len(y) - order):
            quartile = float(np.quantile(np.abs(difference), 0.25))
            return quartile / (_NORMAL_QUARTILE * math.sqrt(math.comb(2 * order, order)))
    return 0.0


def _away_from_noise(residual: Float64[np.ndarray, "T C"], beat: int) -> Float64[np.ndarray, " T"]:
    """Sum over channels of the residual's squared moving averages, in units of white noise's, at the worst span."""
    from scipy.ndimage import uniform_filter1d  # SciPy is slow to import

    spans = [span * beat + 1 for span in _SMOOTHER.spans]
    means = [np.square(uniform_filter1d(residual, n, axis=0, mode="nearest")).sum(axis=1) * n for n in spans]
    return np.asarray(np.max(means, axis=0))


def _whittaker(
    y: Float64[np.ndarray, "T C"], weight: Float64[np.ndarray, " T"], stiffness: Float64[np.ndarray, " T"]
) -> Float64[np.ndarray, "T C"]:
    """Solve (W + D' diag(stiffness) D) x = W y, D the second differences; pentadiagonal, O(T)."""
    inner = stiffness[1:-1]
    from scipy.linalg import solveh_banded  # SciPy is slow to import

    band = np.zeros((3, len(y)))
    band[2] = weight
    band[2, :-2] += inner
    band[2, 1:-1] += 4.0 * inner
    band[2, 2:] += inner
    band[1, 1:-1] -= 2.0 * inner
    band[1, 2:] -= 2.0 * inner
    band[0, 2:] = inner
    return np.asarray(solveh_banded(band, weight[:, None] * y))
