"""Statistics of sets of motions: blinks, speed, jerkiness, distributions, spectra, spread.

Motions are arrays of states, see `motion_benchmark`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import wasserstein_distance

from faceanime.dynamics.blinks import blinks_of
from faceanime.dynamics.state import FRAME_RATE, HEAD_NUMBERS, ROTATION
from faceanime.evaluate.motion_benchmark import MotionBenchmark, States, windows_of
from faceanime.evaluate.perceptual_metrics import frechet_distance
from faceanime.evaluate.video_metrics import motion_spectrum
from faceanime.morphable.axes import measure_expressions
from faceanime.morphable.model import EYES_AND_BROWS, MorphableModel

WINDOW_FRAMES = 50
"""Frames of the motion windows that are compared as wholes, 2 s."""
SPECTRUM_BAND_HZ = (1.0, 12.0)
"""Frequencies at which spectra are compared."""
FRECHET_DIRECTIONS = 32
"""Principal directions in which Fréchet distances are measured: more would need more windows."""
_SMALLEST_POWER = 1e-12
"""Power density that counts as silence, so that its logarithm is finite."""
_SMALLEST_SPEED = 1e-3
"""Added to speeds before their logarithm, in standard deviations per frame."""


def state_masks(model: MorphableModel) -> dict[str, Bool[np.ndarray, " D"]]:
    """Masks of the numbers of a state that move the mouth, the eyes and brows, and the head."""
    eyes = np.pad(np.isin(model.part, EYES_AND_BROWS), (0, HEAD_NUMBERS))
    face = np.arange(len(eyes)) < model.expression_count
    head = np.zeros_like(eyes)
    head[ROTATION] = True
    return {"mouth": face & ~eyes, "eyes": eyes, "head": head}


def blink_rate_and_length(motions: Sequence[States], model: MorphableModel) -> tuple[float, float]:
    """Blinks per minute, and their mean length in seconds (0 without blinks)."""
    blinks, frames, mean_face, rate = [], 0, np.zeros(model.identity_count), float(FRAME_RATE)
    for states in motions:
        expression = states[:, :-HEAD_NUMBERS]
        openings = [
            measure_expressions(f"lids_apart_{side}", model, mean_face, expression)
            for side in ("right", "left")
        ]
        blinks += blinks_of(np.mean(openings, axis=0), rate)
        frames += len(states)
    closed = sum(end - start for start, end in blinks)
    return 60.0 * rate * len(blinks) / frames, closed / max(len(blinks), 1) / rate


def mean_speeds(motions: Sequence[States], model: MorphableModel) -> Float[np.ndarray, "3"]:
    """The mean absolute change per frame of mouth, eyes and brows, and head."""
    speed = np.concatenate([np.abs(np.diff(states, axis=0)) for states in motions])
    return np.array([speed[:, mask].mean() for mask in state_masks(model).values()])


def jerkiness(motions: Sequence[States]) -> float:
    """The mean absolute acceleration divided by the mean absolute speed, mean over the numbers of a state."""
    speed = np.concatenate([np.abs(np.diff(states, axis=0)) for states in motions]).mean(axis=0)
    acceleration = np.concatenate([np.abs(np.diff(states, 2, axis=0)) for states in motions]).mean(axis=0)
    return float((acceleration[speed > 0.0] / speed[speed > 0.0]).mean())


def change_sizes(
    motions: Sequence[States], mask: Bool[np.ndarray, " D"], order: int
) -> Float[np.ndarray, " N"]:
    """The size of the change from frame to frame (order 1), or of the change of that change (order 2)."""
    return np.concatenate([np.linalg.norm(np.diff(s[:, mask], order, axis=0), axis=1) for s in motions])


def relative_wasserstein_distance(values: Float[np.ndarray, " N"], usual: Float[np.ndarray, " M"]) -> float:
    """The Wasserstein distance of two sets of numbers, divided by the mean of the second."""
    return float(wasserstein_distance(values, usual) / usual.mean())


def normalised_windows(motions: Sequence[States], benchmark: MotionBenchmark) -> Float[np.ndarray, "N T D"]:
    """Windows of 2 s in standard deviations of the training set."""
    return np.stack([w for clip in motions for w in windows_of(clip, WINDOW_FRAMES)]) / benchmark.deviation


def spectrum(
    motions: Sequence[States], mask: Bool[np.ndarray, " D"], benchmark: MotionBenchmark
) -> tuple[Float[np.ndarray, " F"], Float[np.ndarray, " F"]]:
    """Frequencies in Hz, and the mean power density of a part in standard deviations squared per Hz."""
    windows = normalised_windows(motions, benchmark)[:, :, mask]
    return motion_spectrum(np.moveaxis(windows, 1, 0).reshape(WINDOW_FRAMES, -1, 1), FRAME_RATE)


def spectrum_difference_db(
    motions: Sequence[States],
    usual: Sequence[States],
    mask: Bool[np.ndarray, " D"],
    benchmark: MotionBenchmark,
) -> float:
    """The mean absolute difference of two spectra in dB, 1 to 12 Hz."""
    (hz, power), (_, usual_power) = (spectrum(some, mask, benchmark) for some in (motions, usual))
    in_band = (hz >= SPECTRUM_BAND_HZ[0]) & (hz <= SPECTRUM_BAND_HZ[1])
    difference = 10.0 * np.log10(np.maximum(power, _SMALLEST_POWER) / usual_power)
    return float(np.abs(difference)[in_band].mean())


def window_features(motions: Sequence[States], benchmark: MotionBenchmark) -> Float[np.ndarray, "N F"]:
    """Feature vectors of windows: mean, standard deviation and logarithmic speed of each number."""
    windows = normalised_windows(motions, benchmark)
    speed = np.log(np.abs(np.diff(windows, axis=1)).mean(axis=1) + _SMALLEST_SPEED)
    return np.concatenate([windows.mean(axis=1), windows.std(axis=1), speed], axis=1)


def feature_distance(features: Float[np.ndarray, "N F"], usual: Float[np.ndarray, "M F"]) -> float:
    """The Fréchet distance of two sets of feature vectors in the first principal directions of the second."""
    center = usual.mean(axis=0)
    _, _, directions = np.linalg.svd(usual - center, full_matrices=False)
    projection = directions[:FRECHET_DIRECTIONS].T
    return frechet_distance((features - center) @ projection, (usual - center) @ projection)


def mean_distance(motions: Sequence[States], benchmark: MotionBenchmark) -> float:
    """The mean over pairs of motions of their root mean square distance; NaN for fewer than two motions."""
    distances = [
        np.sqrt((((a - b) / benchmark.deviation) ** 2).mean())
        for i, a in enumerate(motions)
        for b in motions[:i]
    ]
    return float(np.mean(distances)) if distances else float("nan")
