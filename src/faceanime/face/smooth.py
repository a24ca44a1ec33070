"""Taking the jitter out of a tracked face, and filling short gaps, without touching blinks and lip contact.

The default is a Whittaker smoother, x = argmin sum w (x - y)^2 + sum lambda (second difference of x)^2
(Eilers, Anal. Chem. 75, 2003). It is what the Rauch-Tung-Striebel smoother (Rauch et al., AIAA J. 3, 1965) of
a constant-velocity model computes, in one banded solve: no lag, and time reversed it gives the same. Its
stiffness lambda grows step by step, at each frame only as long as what it removes still looks like noise
(Lepskii's principle, Theory Probab. Appl. 35, 1991); so a blink keeps its depth while a still face is still.
Channels that move together, as all of a mouth, are judged together: one cannot tell noise from motion so surely.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from jaxtyping import Bool, Float, Float64, Int
from numpy.lib.stride_tricks import sliding_window_view
from scipy.linalg import solveh_banded
from scipy.ndimage import uniform_filter1d
from scipy.special import chdtrc, chdtri

from faceanime.core.errors import check_shape
from faceanime.face.config import SmoothConfig
from faceanime.geometry.gaps import valid_neighbours
from faceanime.geometry.interpolation import smoothstep
from faceanime.geometry.rotation import nearest_rotation, rotation_from_vector, vector_from_rotation
from faceanime.morphable.model import Part
from faceanime.structures.coefficients import Dynamics, HeadPose

_LOST_WEIGHT = 1e-2  # filled-in frames guide the curve only where nothing better does
_SPEECH_FRAME_RATE = 25.0
_SOFTEST, _STIFFNESS_STEP = 1e-3, 8.0
_BASE_WINDOW_S = 1.0
_FEWEST_DIFFERENCES = 4

# The most that landmarks show of noise (standard deviations, radians, log scale, crop sides): in a face that never
# rests the estimate takes motion for noise. Chosen by validation people's pictures (docs/log/training.md): with less,
# faces are drawn nearer to where they are, but still ones, and their hair, tremble.
_EXPRESSION_NOISE, _ROTATION_NOISE, _LOG_SCALE_NOISE, _TRANSLATION_NOISE = 0.14, 0.0018, 0.0009, 0.00033

# One-Euro needs speeds in comparable units: typical motion in rad, log scale and crop sides.
_ROTATION_UNIT, _LOG_SCALE_UNIT, _TRANSLATION_UNIT = 0.1, 0.05, 0.05


def smooth_dynamics(
    dynamics: Dynamics, part: Int[np.ndarray, " K_exp"], config: SmoothConfig = SmoothConfig()
) -> Dynamics:
    """Bridge short gaps and smooth expression and pose.

    `part` (K_exp,): expressions of one `model.Part` move together, as do the head's rotation, and its scale and place.
    Rotations are smoothed as rotation vectors about their running mean, on SO(3); scale as its logarithm.
    """
    seen = dynamics.valid
    dynamics = bridge_gaps(dynamics, config.max_gap_s)
    if config.method == "none":
        return dynamics
    pose, expression_count = dynamics.pose, dynamics.expression.shape[1]
    base = _running_mean(pose.rotation, float(dynamics.frame_rate))
    turned = vector_from_rotation(np.swapaxes(base, -1, -2) @ pose.rotation)
    parts = [dynamics.expression, turned, np.log(pose.scale)[:, None], pose.translation_px]
    units = [1.0, _ROTATION_UNIT, _LOG_SCALE_UNIT, _TRANSLATION_UNIT * dynamics.picture_side_px]
    unit = np.concatenate([np.full(each.shape[1], u) for each, u in zip(parts, units, strict=True)])
    values = np.concatenate(parts, axis=1) / unit
    most = [
        _EXPRESSION_NOISE,
        _ROTATION_NOISE,
        _LOG_SCALE_NOISE,
        _TRANSLATION_NOISE * dynamics.picture_side_px,
    ]
    most_noise = (
        np.concatenate([np.full(each.shape[1], n) for each, n in zip(parts, most, strict=True)]) / unit
    )
    together = np.concatenate([part, np.repeat([len(Part), len(Part) + 1], 3)])
    values = (
        smooth_series(values, dynamics.valid, dynamics.frame_rate, config, together, seen, most_noise) * unit
    )
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
    """Smooth C channels over T frames; frames that are not `valid` are filled from their neighbours.

    Channels of the same number in `together` move together; by default each moves by itself.
    Only frames that were `seen` tell how strong the noise is: of the valid ones, those not bridged; all by
    default. Where it seems stronger than `most_noise`, a channel's standard deviation, the rest is motion.

    Raises:
        ShapeError: if `valid`, `seen` or `together` does not fit `values`.
    """
    seen = valid if seen is None else seen
    check_shape("values", values, None, None)
    check_shape("valid", valid, len(values))
    check_shape("seen", seen, len(values))
    filled = _filled(np.asarray(values, np.float64), valid)
    if config.method == "one-euro":
        return _one_euro(filled, float(frame_rate), config)
    if config.method == "none" or len(filled) < 3:
        return filled
    count = filled.shape[1]
    together = np.arange(count) if together is None else together
    check_shape("together", together, count)
    weight = np.where(valid, 1.0, _LOST_WEIGHT)
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
    """Fill frames that are not valid from the valid ones beside them.

    Runs up to `max_gap_s` between valid frames become valid; longer ones ease from one side to the other and
    stay invalid, as do those at either end, which hold the nearest valid frame. Rotations go by slerp.
    """
    if dynamics.valid.all() or not dynamics.valid.any():
        return dynamics
    frames = np.arange(len(dynamics))
    a, b = valid_neighbours(dynamics.valid)
    short = (b - a - 1) <= max_gap_s * float(dynamics.frame_rate)
    inside = (a <= frames) & (frames <= b)
    u = np.clip((frames - a) / np.maximum(b - a, 1), 0.0, 1.0)
    u = np.where(short, u, smoothstep(u))[:, None]
    pose = dynamics.pose
    step = vector_from_rotation(np.swapaxes(pose.rotation[a], -1, -2) @ pose.rotation[b])
    bridged = HeadPose(
        pose.rotation[a] @ rotation_from_vector(u * step),
        np.exp(_mix(np.log(pose.scale)[:, None], a, b, u)[:, 0]),
        _mix(pose.translation_px, a, b, u),
    )
    expression = _mix(dynamics.expression, a, b, u).astype(dynamics.expression.dtype)
    return dynamics.replaced(expression=expression, pose=bridged, valid=short & inside)


def _mix(
    values: Float[np.ndarray, "T C"], a: np.ndarray, b: np.ndarray, u: Float[np.ndarray, "T 1"]
) -> Float[np.ndarray, "T C"]:
    return np.asarray(values[a] + u * (values[b] - values[a]))


def _running_mean(rotation: Float[np.ndarray, "T 3 3"], frame_rate: float) -> Float[np.ndarray, "T 3 3"]:
    """The chordal mean on SO(3) over about a second."""
    window = 2 * round(_BASE_WINDOW_S * frame_rate / 2) + 1
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
    """Channels that move together, of known noise; T >= 3."""
    # The gain of the smoother at frequency f is 1 / (1 + lambda (2 sin(pi f / rate))^4).
    stiffest = (2.0 * np.sin(np.pi * min(config.still_cutoff_hz / frame_rate, 0.5))) ** -4
    beat = max(1, round(frame_rate / _SPEECH_FRAME_RATE))
    farthest = chdtri(len(noise), chdtrc(1, config.noise_sigmas**2))
    stiffness = np.full(len(y), _SOFTEST)
    growing = np.ones(len(y), bool)
    while growing.any():
        stiffer = np.where(growing, np.minimum(stiffness * _STIFFNESS_STEP, stiffest), stiffness)
        away = _away_from_noise((y - _whittaker(y, weight, stiffer)) / noise, beat)
        accepted = growing & (away <= farthest)
        stiffness = np.where(accepted, stiffer, stiffness)
        growing = accepted & (stiffness < stiffest)
    return _whittaker(y, weight, stiffness)


def _noise_sigma(y: Float64[np.ndarray, " T"], seen: Bool[np.ndarray, " T"]) -> float:
    """The standard deviation of white noise on a smooth curve, robustly.

    From fifth differences, since lower ones take quick speech (5 Hz at 25 frames/s) for noise, and from their
    lower quartile, since in a talking face the quiet frames are the fewer. Filled-in frames have no noise: only
    runs of `seen` frames count, with lower differences where they are short, and 0 where there are none.
    """
    for order in range(min(5, len(y) - 1), 1, -1):
        difference = np.diff(y, order)[sliding_window_view(seen, order + 1).all(axis=-1)]
        if len(difference) >= min(_FEWEST_DIFFERENCES, len(y) - order):
            quartile = float(np.quantile(np.abs(difference), 0.25))
            return quartile / (0.3186 * math.sqrt(math.comb(2 * order, order)))
    return 0.0


def _away_from_noise(residual: Float64[np.ndarray, "T C"], beat: int) -> Float64[np.ndarray, " T"]:
    """How far means of what was removed are from those of noise of deviation 1: sum of squares, of the worst span."""
    spans = (1, 2 * beat + 1, 6 * beat + 1)
    means = [np.square(uniform_filter1d(residual, n, axis=0, mode="nearest")).sum(axis=1) * n for n in spans]
    return np.asarray(np.max(means, axis=0))


def _whittaker(
    y: Float64[np.ndarray, "T C"], weight: Float64[np.ndarray, " T"], stiffness: Float64[np.ndarray, " T"]
) -> Float64[np.ndarray, "T C"]:
    """Solve (W + D' diag(stiffness) D) x = W y, D the second differences; pentadiagonal, O(T)."""
    inner = stiffness[1:-1]
    band = np.zeros((3, len(y)))
    band[2] = weight
    band[2, :-2] += inner
    band[2, 1:-1] += 4.0 * inner
    band[2, 2:] += inner
    band[1, 1:-1] -= 2.0 * inner
    band[1, 2:] -= 2.0 * inner
    band[0, 2:] = inner
    return np.asarray(solveh_banded(band, weight[:, None] * y))


def _one_euro(
    values: Float64[np.ndarray, "T C"], frame_rate: float, config: SmoothConfig
) -> Float64[np.ndarray, "T C"]:
    """Casiez, Roussel and Vogel, CHI 2012."""

    def gain(cutoff_hz: Float64[np.ndarray, " C"]) -> Float64[np.ndarray, " C"]:
        return 1.0 / (1.0 + frame_rate / (2.0 * np.pi * cutoff_hz))

    smoothed = values.copy()
    speed = np.zeros(values.shape[1])
    speed_gain = gain(np.ones(values.shape[1]))
    for t in range(1, len(values)):
        speed += speed_gain * ((values[t] - values[t - 1]) * frame_rate - speed)
        step = gain(config.still_cutoff_hz + config.speed_gain * np.abs(speed))
        smoothed[t] = smoothed[t - 1] + step * (values[t] - smoothed[t - 1])
    return smoothed
