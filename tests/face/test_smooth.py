"""Laws of smoothing: jitter goes, blinks stay, nothing lags, rotations stay rotations."""

from fractions import Fraction

import numpy as np
import pytest

from faceanime.core.errors import ConfigError
from faceanime.face.config import SmoothConfig
from faceanime.face.smooth import bridge_gaps, smooth_dynamics, smooth_series
from faceanime.geometry.rotation import angle_between, rotation_from_angles
from faceanime.structures.coefficients import Dynamics, HeadPose

NOISE = 0.02


def noisy(signal: np.ndarray, seed: int = 0) -> np.ndarray:
    return signal + NOISE * np.random.default_rng(seed).normal(size=signal.shape)


def smoothed(values: np.ndarray, frame_rate: float = 25.0, **settings: object) -> np.ndarray:
    config = SmoothConfig(**settings)  # type: ignore[arg-type]
    return smooth_series(values[:, None], np.ones(len(values), bool), frame_rate, config)[:, 0]


def jitter(values: np.ndarray) -> float:
    return float(np.std(np.diff(values, 2)))


def moving(frames: int, seed: int = 0) -> Dynamics:
    """Noise of the head: 0.005 rad, 0.0025 of its size, more than is ever taken for noise."""
    t = np.arange(frames) / 25
    wobble = np.random.default_rng(seed).normal(size=(frames, 4)) * 0.005
    rotation = rotation_from_angles(
        0.6 * np.sin(2 * t) + wobble[:, 0], 0.2 * np.cos(t) + wobble[:, 1], 0.1 * t
    )
    pose = HeadPose(
        rotation, 80 * np.exp(wobble[:, 2] / 2), 128 + 5 * np.sin(t)[:, None] + wobble[:, 3:] * [20, 20]
    )
    expression = noisy(np.sin(np.outer(t, np.arange(1, 6))), seed)
    return Dynamics(np.zeros(3), expression, pose, Fraction(25), np.ones(frames, bool), 256, "m")


@pytest.mark.parametrize(("frame_rate", "half_width"), [(25.0, 1), (25.0, 2), (30.0, 2), (60.0, 4)])
def test_a_blink_keeps_its_depth(frame_rate: float, half_width: int) -> None:
    t = np.arange(300)
    blink = np.clip(1 - np.abs(t - 150) / (half_width + 1), 0, None)
    depths = [smoothed(noisy(blink, seed), frame_rate)[150] / noisy(blink, seed)[150] for seed in range(10)]
    assert np.mean(depths) >= 0.95


def test_a_still_face_stops_jittering() -> None:
    still = noisy(np.zeros(300))
    assert jitter(smoothed(still)) < 0.2 * jitter(still)
    assert np.std(smoothed(still)) < 0.5 * NOISE


def one_part(dynamics: Dynamics) -> np.ndarray:
    return np.zeros(dynamics.expression.shape[1], int)


def test_channels_that_move_together_keep_what_each_alone_would_lose() -> None:
    beat = np.clip(1 - np.abs(np.arange(300) - 150) / 3, 0, None)
    values = noisy(np.tile(2.5 * NOISE * beat[:, None], 40))
    apart, together = (
        smooth_series(values, np.ones(300, bool), 25.0, together=group)
        for group in (np.arange(40), np.zeros(40, int))
    )
    assert apart[150].mean() < 0.6 * values[150].mean()
    assert together[150].mean() > 0.7 * values[150].mean()
    assert np.std(together[:100]) < 1.1 * np.std(apart[:100])


def test_a_moving_mouth_leaves_still_eyes_still() -> None:
    values = noisy(np.outer(np.sin(np.arange(300)), np.repeat([0.0, 1.0], 8)))
    group = np.repeat([0, 1], 8)
    calm = smooth_series(values, np.ones(300, bool), 25.0, together=group)
    assert np.std(calm[:, :8]) < 0.5 * NOISE
    assert np.std(calm[:, 8:]) > 0.9 * np.std(values[:, 8:])


def with_lost(values: np.ndarray, lost: slice) -> tuple[Dynamics, np.ndarray]:
    """Expressions of a still head, lost for a while; and where second differences are of seen frames alone."""
    frames = len(values)
    pose = HeadPose(np.tile(np.eye(3), (frames, 1, 1)), np.ones(frames), np.zeros((frames, 2)))
    dynamics = Dynamics(np.zeros(3), values, pose, Fraction(25), np.ones(frames, bool), 256, "m")
    dynamics = gap(dynamics, lost)
    seen = dynamics.valid
    return dynamics, seen[:-2] & seen[1:-1] & seen[2:]


@pytest.mark.parametrize("frames_lost", [10, 12, 13, 40, 60, 75, 100, 150])
@pytest.mark.parametrize("place", [0.0, 0.05, 0.4, 1.0])
def test_lost_frames_do_not_keep_the_jitter_in_the_others(frames_lost: int, place: float) -> None:
    start = round(place * (300 - frames_lost))
    raw, inside = with_lost(noisy(np.zeros((300, 8))), slice(start, start + frames_lost))
    before, after = (
        np.diff(d.expression, 2, axis=0)[inside].std() for d in (raw, smooth_dynamics(raw, one_part(raw)))
    )
    assert after < 0.1 * before


@pytest.mark.parametrize("frames_lost", [10, 60, 150])
def test_a_blink_beside_lost_frames_keeps_its_depth(frames_lost: int) -> None:
    blink = np.clip(1 - np.abs(np.arange(300) - 240) / 2, 0, None)
    values = noisy(np.tile(blink[:, None], 10))
    raw, _ = with_lost(values, slice(60, 60 + frames_lost))
    assert np.mean(smooth_dynamics(raw, one_part(raw)).expression[240] / values[240]) >= 0.95


def test_frames_lost_at_regular_intervals_leave_noise_to_see() -> None:
    valid = np.arange(300) % 5 != 0
    values = noisy(np.zeros((300, 8)))
    found = smooth_series(values, valid, 25.0)
    assert np.std(found) < 0.5 * NOISE


@pytest.mark.parametrize("hertz", [0.5, 1.0, 2.0, 4.0])
def test_motion_keeps_its_size_and_does_not_lag(hertz: float) -> None:
    angle = 2 * np.pi * hertz * np.arange(500) / 25
    found = smoothed(noisy(np.sin(angle)))
    in_phase, quadrature = 2 * np.mean(found * np.sin(angle)), 2 * np.mean(found * np.cos(angle))
    assert in_phase > 0.94
    assert abs(quadrature) < 0.01


def test_time_reversed_it_gives_the_same() -> None:
    values = np.random.default_rng(1).normal(size=200).cumsum()
    assert np.allclose(smoothed(values[::-1])[::-1], smoothed(values))


def test_lost_frames_do_not_pull() -> None:
    values, valid = noisy(np.sin(np.arange(200) / 10)), np.ones(200, bool)
    values[90:95], valid[90:95] = 50.0, False
    found = smooth_series(values[:, None], valid, 25.0)[:, 0]
    assert np.abs(found - np.sin(np.arange(200) / 10)).max() < 0.3


def test_dynamics_get_calmer_and_rotations_stay_rotations() -> None:
    raw = moving(200)
    calm = smooth_dynamics(raw, one_part(raw))
    rotation = calm.pose.rotation
    assert np.allclose(rotation @ np.swapaxes(rotation, -1, -2), np.eye(3), atol=1e-9)
    assert np.allclose(np.linalg.det(rotation), 1)
    for a, b in ((raw.pose.rotation, rotation), (np.log(raw.pose.scale), np.log(calm.pose.scale))):
        assert np.std(np.diff(b, 2, axis=0)) < 0.6 * np.std(np.diff(a, 2, axis=0))


def test_zero_phase_stays_on_the_path() -> None:
    raw = moving(200)
    calm = smooth_dynamics(raw, one_part(raw))
    assert angle_between(raw.pose.rotation, calm.pose.rotation).mean() < 0.01


def test_a_full_turn_of_the_head_survives() -> None:
    raw = moving(200)
    turn = rotation_from_angles(np.linspace(0, 4 * np.pi, 200), 0.0, 0.0)
    pose = HeadPose(turn, raw.pose.scale, raw.pose.translation_px)
    calm = smooth_dynamics(raw.replaced(pose=pose), one_part(raw))
    assert angle_between(turn, calm.pose.rotation)[12:-12].max() < 0.02


def test_none_changes_nothing() -> None:
    raw = moving(50)
    same = smooth_dynamics(raw, one_part(raw), SmoothConfig(method="none"))
    assert np.array_equal(same.expression, raw.expression)
    assert np.array_equal(same.pose.rotation, raw.pose.rotation)


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("method", ["zero-phase", "none"])
def test_very_short_videos_work(frames: int, method: str) -> None:
    config = SmoothConfig(method=method)  # type: ignore[arg-type]
    assert len(smooth_dynamics(moving(frames), one_part(moving(frames)), config)) == frames


def gap(dynamics: Dynamics, *lost: slice) -> Dynamics:
    valid = np.ones(len(dynamics), bool)
    expression, rotation = dynamics.expression.copy(), dynamics.pose.rotation.copy()
    for run in lost:
        valid[run], expression[run], rotation[run] = False, 99.0, np.eye(3)
    pose = HeadPose(rotation, dynamics.pose.scale, dynamics.pose.translation_px)
    return dynamics.replaced(expression=expression, pose=pose, valid=valid)


def test_short_gaps_are_bridged_on_the_shortest_way() -> None:
    raw = moving(100)
    bridged = bridge_gaps(gap(raw, slice(40, 46)))
    assert bridged.valid.all()
    middle = bridged.pose.rotation[42:43]
    ends = angle_between(raw.pose.rotation[39], raw.pose.rotation[46])
    part = angle_between(raw.pose.rotation[39:40], middle)[0]
    assert part == pytest.approx(3 / 7 * ends, rel=1e-6)
    assert np.abs(bridged.expression[40:46]).max() < 2
    assert np.array_equal(bridged.expression[:40], raw.expression[:40])


def test_long_gaps_ease_and_stay_invalid_and_the_ends_hold() -> None:
    raw = moving(100)
    bridged = bridge_gaps(gap(raw, slice(0, 3), slice(30, 60), slice(98, 100)))
    assert np.array_equal(np.flatnonzero(~bridged.valid), [0, 1, 2, *range(30, 60), 98, 99])
    assert np.allclose(bridged.expression[:3], raw.expression[3])
    assert np.allclose(bridged.expression[98:], raw.expression[97])
    steps = np.linalg.norm(np.diff(bridged.expression[29:61], axis=0), axis=1)
    assert steps[0] < 0.2 * steps.max()


def test_a_video_without_any_face_is_left_alone() -> None:
    raw = moving(10)
    lost = raw.replaced(valid=np.zeros(10, bool))
    assert not smooth_dynamics(lost, one_part(lost)).valid.any()


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="smooth"):
        SmoothConfig(still_cutoff_hz=0.0)


def test_the_longest_gap_that_is_bridged_is_as_long_as_the_setting_says() -> None:
    frames = 10
    for lost, known in ((frames, True), (frames + 1, False)):
        bridged = bridge_gaps(gap(moving(60), slice(20, 20 + lost)), max_gap_s=frames / 25.0)
        assert bridged.valid[20 : 20 + lost].all() == known
