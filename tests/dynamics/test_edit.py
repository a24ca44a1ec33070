"""Motions from keyframes go where the keys say, and nowhere else."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceanime.dynamics.edit import HEAD_AXES, ease_between, motion_from_keyframes
from faceanime.dynamics.motions import bundled_motion, bundled_motions, make_motions
from faceanime.errors import ConfigError, MorphableModelError
from faceanime.geometry.rotation import angle_between, angles_from_rotation
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import Dynamics
from heads import axes_of, face_of, pose_of

RATE = Fraction(25)


def strength_of(motion: Dynamics, name: str, model: MorphableModel) -> np.ndarray:
    """How strongly each frame shows an axis that alone is in the motion."""
    axis = model.axis(name)
    return np.asarray(motion.expression @ axis / (axis @ axis))


def test_keys_are_hit_at_their_times(model: MorphableModel) -> None:
    keys = [(0.0, 0.0), (0.2, 0.7), (0.4, 0.1), (1.0, 0.5)]
    motion = motion_from_keyframes({"jaw_open": keys}, 1.2, RATE, model)
    strength = strength_of(motion, "jaw_open", model)
    assert len(motion) == 30
    for time_s, value in keys:
        assert strength[round(time_s * 25)] == pytest.approx(value, abs=1e-6)
    assert strength[26:] == pytest.approx(0.5, abs=1e-6)
    assert (motion.frame_rate, motion.model_id) == (RATE, model.id)


def test_head_keys_are_hit_too(model: MorphableModel) -> None:
    tracks = {
        "yaw_deg": [(0, 0), (0.4, 12)],
        "pitch_deg": [(0, 0), (0.4, -5)],
        "roll_deg": [(0, 0), (0.4, 3)],
    }
    rest = {"shift_x": [(0, 0), (0.4, 0.1)], "scale": [(0, 0), (0.4, 0.2)]}
    motion = motion_from_keyframes(tracks | rest, 0.6, RATE, model)
    np.testing.assert_allclose(np.degrees(angles_from_rotation(motion.pose.rotation[10])), [12, -5, 3])
    assert motion.pose.scale[10] / motion.pose.scale[0] == pytest.approx(1.2)
    shift = (motion.pose.translation_px[10] - motion.pose.translation_px[0]) / motion.pose.scale[0]
    np.testing.assert_allclose(shift, [0.1, 0.0], atol=1e-9)
    assert not motion.expression.any()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1.0, 1.0).map(lambda value: round(value, 6)), min_size=2, max_size=8))
def test_a_curve_stays_between_its_keys(model: MorphableModel, values: list[float]) -> None:
    keys = [(0.2 * i, value) for i, value in enumerate(values)]
    strength = strength_of(motion_from_keyframes({"smile": keys}, 2.0, RATE, model), "smile", model)
    for i, (start, end) in enumerate(zip(values, values[1:], strict=False)):
        between = strength[5 * i : 5 * i + 6]
        assert between.min() >= min(start, end) - 1e-6
        assert between.max() <= max(start, end) + 1e-6


def test_axes_add_up(model: MorphableModel) -> None:
    one, two = {"smile": [(0.0, 0.5)]}, {"jaw_open": [(0.0, 0.0), (0.5, 1.0)]}
    both, first, second = (motion_from_keyframes(t, 1.0, RATE, model) for t in (one | two, one, two))
    np.testing.assert_allclose(both.expression, first.expression + second.expression, atol=1e-9)


def test_senseless_tracks_are_refused(model: MorphableModel) -> None:
    with pytest.raises(ConfigError, match="smile has no keyframe"):
        motion_from_keyframes({"smile": []}, 1.0, RATE, model)
    with pytest.raises(ConfigError, match="times must grow"):
        motion_from_keyframes({"yaw_deg": [(0.5, 1), (0.5, 2)]}, 1.0, RATE, model)
    with pytest.raises(MorphableModelError, match="grin"):
        motion_from_keyframes({"grin": [(0, 1)]}, 1.0, RATE, model)


def test_easing_goes_softly_from_start_to_goal(model: MorphableModel) -> None:
    start = face_of(model, pose_of(0, scale=80, at=(128, 128)))
    end = face_of(
        model,
        pose_of(20, -10, 5, scale=100, at=(150, 120)),
        expression=axes_of(model, smile=1.0, jaw_open=0.4),
    )
    motion = ease_between(start, end, RATE, 30, 640, model)
    assert motion.crop_size_px == 640
    np.testing.assert_array_equal(motion.expression[0], start.expression)
    for t in range(20, 30):
        np.testing.assert_allclose(motion.expression[t], end.expression, atol=1e-9)
        np.testing.assert_allclose(motion.pose.rotation[t], end.pose.rotation, atol=1e-9)
        assert motion.pose.scale[t] == pytest.approx(100)
        np.testing.assert_allclose(motion.pose.translation_px[t], [150, 120])
    turned = angle_between(np.tile(start.pose.rotation, (30, 1, 1)), motion.pose.rotation)
    steps = np.diff(turned)
    assert (steps >= -1e-9).all()
    assert steps[[0, 18]].max() < 0.5 * steps.max()


def test_the_bundled_motions_are_their_keyframes(model: MorphableModel) -> None:
    made = dict(make_motions(model))
    assert sorted(made) == list(bundled_motions())
    for name, motion in made.items():
        stored = bundled_motion(name)
        assert stored.model_id == model.id
        assert stored.frame_rate == motion.frame_rate
        assert stored.valid.all()
        np.testing.assert_allclose(stored.expression, motion.expression, atol=1e-5)
        np.testing.assert_allclose(stored.pose.rotation, motion.pose.rotation, atol=1e-9)
        np.testing.assert_allclose(stored.pose.translation_px, motion.pose.translation_px, atol=1e-9)
        np.testing.assert_allclose(stored.pose.scale, motion.pose.scale)


def test_making_the_motions_twice_gives_the_same(model: MorphableModel) -> None:
    for (name, one), (_, two) in zip(make_motions(model), make_motions(model), strict=True):
        np.testing.assert_array_equal(one.expression, two.expression, err_msg=name)
        np.testing.assert_array_equal(one.pose.rotation, two.pose.rotation, err_msg=name)


@pytest.mark.parametrize("name", bundled_motions())
def test_bundled_motions_begin_and_move_like_people(name: str) -> None:
    motion = bundled_motion(name)
    angles = np.degrees(angles_from_rotation(motion.pose.rotation))
    assert np.abs(angles[0]).max() < 1.0
    assert np.abs(angles).max() <= 25.0
    assert np.abs(np.diff(angles, axis=0)).max() < 5.0


def test_an_unknown_motion_is_named() -> None:
    with pytest.raises(ConfigError, match=r"'dance'.*talk"):
        bundled_motion("dance")


def test_the_models_axes_and_the_heads_do_not_clash(model: MorphableModel) -> None:
    assert not set(HEAD_AXES) & set(model.axis_names)
