"""Video metrics on moving pictures whose motion is known."""

from fractions import Fraction

import cv2
import numpy as np
import pytest
import skimage.data

from faceanime.core.errors import ShapeError
from faceanime.evaluate.video_metrics import (
    jitter_px,
    motion_spectrum,
    temporal_error,
    true_motions,
    warping_error,
)

RATE = Fraction(25)


@pytest.fixture(scope="module")
def panned() -> list[np.ndarray]:
    """A camera that pans by 3 px to the right and 1 px down a frame."""
    picture = np.ascontiguousarray(skimage.data.astronaut())  # type: ignore[no-untyped-call]
    return [picture[t : t + 192, 3 * t + 60 : 3 * t + 252].copy() for t in range(8)]


def flickering(frames: list[np.ndarray], levels: int) -> list[np.ndarray]:
    """Every other frame is brighter."""
    return [np.clip(f.astype(int) + levels * (t % 2), 0, 255).astype(np.uint8) for t, f in enumerate(frames)]


def trembling(hertz: float, amplitude_px: float, frames: int = 200) -> np.ndarray:
    """Two points on a slow drift; the first goes along x, the second along y."""
    t = np.arange(frames) / 25
    points = np.zeros((frames, 2, 2)) + 0.05 * t[:, None, None]
    wave = amplitude_px * np.sin(2 * np.pi * hertz * t)
    points[:, 0, 0] += wave
    points[:, 1, 1] += wave
    return points


def test_the_truth_has_no_temporal_error(panned: list[np.ndarray]) -> None:
    assert (temporal_error(panned, panned) == 0).all()
    assert len(temporal_error(panned, panned)) == 7


def test_a_constant_error_is_not_temporal_but_flicker_is() -> None:
    truth = [np.full((8, 8, 3), 100 + t, np.uint8) for t in range(5)]
    brighter = [f + np.uint8(40) for f in truth]
    assert (temporal_error(brighter, truth) == 0).all()
    assert temporal_error(flickering(truth, 10), truth).tolist() == [10.0] * 4


def test_a_dropped_frame_shows_where_it_was(panned: list[np.ndarray]) -> None:
    dropped = [*panned[:4], panned[3], *panned[5:]]
    error = temporal_error(dropped, panned)
    assert error[3] > 3
    assert error[4] > 3
    assert (np.delete(error, [3, 4]) == 0).all()
    motions = list(true_motions(panned))
    steady, stuck = warping_error(panned, motions), warping_error(dropped, motions)
    assert stuck[3] > 2 * steady[3]
    np.testing.assert_array_equal(np.delete(stuck, [3, 4]), np.delete(steady, [3, 4]))


def test_videos_must_be_of_one_length(panned: list[np.ndarray]) -> None:
    with pytest.raises(ShapeError, match="the result has 7 frames, the truth 8"):
        temporal_error(panned[:7], panned)


def test_true_motion_is_that_of_the_camera(panned: list[np.ndarray]) -> None:
    motions = list(true_motions(panned))
    assert len(motions) == 7
    y, x = np.mgrid[:192, :192] + 0.5
    for motion in motions:
        assert motion.visible.mean() > 0.85
        moved = (motion.before_from_now - np.stack([x, y], axis=-1))[motion.visible]
        assert np.median(np.abs(moved - [3.0, 1.0])) < 0.1
        assert not motion.visible[:, -1].any()  # it has come into the picture just now


def test_what_was_hidden_does_not_count() -> None:
    """A square that moves uncovers ground that no flow leads back to."""
    rng = np.random.default_rng(0)
    ground = cv2.GaussianBlur(rng.integers(0, 256, (128, 128, 3)).astype(np.uint8), (0, 0), 1.5)
    square = cv2.GaussianBlur(rng.integers(0, 256, (50, 50, 3)).astype(np.uint8), (0, 0), 1.5)
    frames = []
    for left in (30, 38):
        frame = np.array(ground)
        frame[40:90, left : left + 50] = square
        frames.append(frame)
    (motion,) = true_motions(frames)
    assert motion.visible[50:80, 30:37].mean() < 0.5
    assert motion.visible[:30].mean() > 0.9
    assert motion.visible[55:75, 50:80].mean() > 0.9


def test_warping_error_sees_flicker_but_not_motion_or_color(panned: list[np.ndarray]) -> None:
    motions = list(true_motions(panned))
    steady = warping_error(panned, motions).mean()
    assert steady < 2.0
    still = [panned[0]] * 8
    assert warping_error(still, motions).mean() > 3 * steady
    assert warping_error(flickering(panned, 20), motions).mean() > steady + 10
    negative = [255 - f for f in panned]
    assert warping_error(negative, motions).mean() == pytest.approx(steady, rel=0.05)
    grey = [np.full_like(f, 77) for f in panned]
    assert (warping_error(grey, motions) == 0).all()


@pytest.mark.parametrize(("hertz", "amplitude_px"), [(7.0, 0.5), (10.0, 2.0)])
def test_jitter_is_the_root_mean_square_of_what_trembles(hertz: float, amplitude_px: float) -> None:
    expected = amplitude_px / np.sqrt(2)
    assert jitter_px(trembling(hertz, amplitude_px), RATE) == pytest.approx(expected, rel=0.01)


def test_slow_motion_is_no_jitter() -> None:
    assert jitter_px(trembling(1.0, 20.0), RATE) < 0.01
    assert jitter_px(np.zeros((30, 5, 3)), RATE) == 0.0


def test_smoothing_lowers_jitter_and_noise_raises_it() -> None:
    rng = np.random.default_rng(0)
    points = trembling(1.0, 5.0)[:, :1] + rng.normal(0, 0.3, (200, 40, 2))
    smooth = (points[2:] + points[1:-1] + points[:-2]) / 3
    noisy = points + rng.normal(0, 0.3, points.shape)
    assert jitter_px(smooth, RATE) < 0.6 * jitter_px(points, RATE) < 0.6 * jitter_px(noisy, RATE)
    # white noise of sigma has 2 sigma^2 in the plane, of which 6.5 of 12.5 Hz are counted
    assert jitter_px(points, RATE) == pytest.approx(0.3 * np.sqrt(2 * 6.5 / 12.5), rel=0.05)


def test_the_spectrum_peaks_at_the_motion_and_sums_up_to_its_power() -> None:
    frequency_hz, density = motion_spectrum(trembling(5.0, 2.0), Fraction(25))
    assert frequency_hz[0] == 0.0
    assert frequency_hz[-1] == 12.5
    assert frequency_hz[density.argmax()] == 5.0
    assert density.sum() * frequency_hz[1] == pytest.approx(2.0**2 / 2, rel=0.01)
    with pytest.raises(ShapeError, match="expected 16 at least"):
        motion_spectrum(np.zeros((15, 2, 2)), RATE)
