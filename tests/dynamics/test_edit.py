"""Motions go where their keys say, and nowhere else; mirrored and amplified they are what the words mean."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceanime.core.errors import ConfigError, MorphableModelError
from faceanime.dynamics.blinks import SIDES, lids_apart
from faceanime.dynamics.editing import (
    HEAD_AXES,
    amplify,
    ease_between,
    load_tracks,
    mirror,
    motion_from_keyframes,
    with_axes,
)
from faceanime.dynamics.motion_file import bundled_motion
from faceanime.dynamics.motion_path import bundled_motions
from faceanime.dynamics.motions import make_motions
from faceanime.geometry.camera import project
from faceanime.geometry.rotation import angle_between, angles_from_rotation
from faceanime.morphable.model import EYES_AND_BROWS, MIRROR_X, MorphableModel
from faceanime.structures.coefficients import Dynamics
from heads import axes_of, driver_of, face_of, pose_of, random_poses

RATE = Fraction(25)


def strength_of(motion: Dynamics, name: str, model: MorphableModel) -> np.ndarray:
    """The strength of an axis in each frame of a motion that has no other."""
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
    with pytest.raises(ConfigError, match="times must ascend"):
        motion_from_keyframes({"yaw_deg": [(0.5, 1), (0.5, 2)]}, 1.0, RATE, model)
    with pytest.raises(ConfigError, match="smile holds a number that is not finite"):
        motion_from_keyframes({"smile": [(0, 0), (1, float("inf"))]}, 1.0, RATE, model)
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
    assert motion.picture_side_px == 640
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


def wild(model: MorphableModel, seed: int = 0, frames: int = 12) -> Dynamics:
    """A random person with random expressions and poses."""
    rng = np.random.default_rng(seed)
    expression = rng.normal(size=(frames, model.expression_count))
    return driver_of(model, random_poses(rng, frames), expression, rng.normal(size=model.identity_count))


def test_added_axes_add_up_with_what_is_there(model: MorphableModel) -> None:
    before = wild(model)
    after = with_axes(
        before, model, {"smile": [(0, 0.0), (0.2, 1.0)], "yaw_deg": [(0, 10)], "shift_y": [(0, 0.1)]}
    )
    np.testing.assert_allclose(after.expression[0], before.expression[0])
    np.testing.assert_allclose(after.expression[5:], before.expression[5:] + model.axis("smile"), atol=1e-6)
    turned = np.degrees(angles_from_rotation(after.pose.rotation @ np.swapaxes(before.pose.rotation, 1, 2)))
    np.testing.assert_allclose(turned, np.tile([10.0, 0.0, 0.0], (12, 1)), atol=1e-6)
    shifted = (after.pose.translation_px - before.pose.translation_px) / before.pose.scale[:, None]
    np.testing.assert_allclose(shifted, np.tile([0.0, 0.1], (12, 1)), atol=1e-9)
    nothing = with_axes(before, model, {})
    np.testing.assert_array_equal(nothing.expression, before.expression)
    np.testing.assert_allclose(nothing.pose.rotation, before.pose.rotation, atol=1e-12)


def test_keyframes_are_read_from_json(model: MorphableModel, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"smile": [[0, 0], [0.5, 1]], "yaw_deg": [[0, 3.5]]}), encoding="utf-8")
    assert load_tracks(path, model) == {"smile": ((0.0, 0.0), (0.5, 1.0)), "yaw_deg": ((0.0, 3.5),)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"smle": [[0, 1]]}', r"smle; did you mean smile\?"),
        ('{"yaw": [[0, 1]]}', r"yaw; did you mean yaw_deg\?"),
        ('{"smile": [[0]]}', "a list of 2"),
        ('{"smile": [0, 1]}', "expected a list"),
        ('{"smile": [["0", 1]]}', "expected float"),
        ('{"smile": null}', "expected a list"),
        ('{"smile": [[0, NaN]]}', "NaN is not a JSON number"),
        ('{"smile": [[0, 1]], "smile": [[0, 2]]}', "occurs twice"),
        ("[]", "expected an object"),
        ("{", "not valid JSON"),
        ('{"smile": []}', "no keyframe"),
        ('{"smile": [[0, 1], [0, 2]]}', "must ascend"),
        ('{"smile": [[0, 1e999]]}', "not finite"),
    ],
)
def test_broken_keyframes_are_named(model: MorphableModel, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        with_axes(wild(model), model, load_tracks(path, model))


def test_an_unknown_axis_names_its_neighbor(model: MorphableModel) -> None:
    with pytest.raises(MorphableModelError, match=r"'jaw_opn'; did you mean jaw_open\?"):
        with_axes(wild(model), model, {"jaw_opn": [(0, 1)]})


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_mirrored_vertices_are_mirror_images(model: MorphableModel, seed: int) -> None:
    before = wild(model, seed)
    after = mirror(before, model)
    straight, mirrored = (model.vertices(m.identity, m.expression) for m in (before, after))
    np.testing.assert_allclose(mirrored, straight[:, model.mirror] * MIRROR_X, atol=1e-5)
    seen, reflected = (
        project(v.astype(np.float64), m.pose) for v, m in ((straight, before), (mirrored, after))
    )
    seen = seen[:, model.mirror]
    np.testing.assert_allclose(reflected[..., 0], before.picture_side_px - seen[..., 0], atol=5e-3)
    np.testing.assert_allclose(reflected[..., 1:], seen[..., 1:], atol=5e-3)


def test_mirrored_twice_is_the_motion(model: MorphableModel) -> None:
    before = wild(model)
    after = mirror(mirror(before, model), model)
    np.testing.assert_allclose(after.identity, before.identity, atol=1e-9)
    np.testing.assert_allclose(after.expression, before.expression, atol=1e-9)
    np.testing.assert_array_equal(after.pose.rotation, before.pose.rotation)
    np.testing.assert_allclose(after.pose.translation_px, before.pose.translation_px)


def test_a_mirrored_wink_is_the_other_eyes(model: MorphableModel) -> None:
    before = motion_from_keyframes(
        {"blink_left": [(0, 1)], "yaw_deg": [(0, 9)], "pitch_deg": [(0, 4)]}, 1.0, RATE, model
    )
    after = mirror(before, model)
    np.testing.assert_allclose(after.expression[0], model.axis("blink_right"), atol=1e-5)
    np.testing.assert_allclose(
        np.degrees(angles_from_rotation(after.pose.rotation[0])), [-9, 4, 0], atol=1e-9
    )


def test_a_strength_of_one_keeps_every_bit(model: MorphableModel) -> None:
    before = wild(model)
    after = amplify(before, model, 3)
    np.testing.assert_array_equal(after.expression, before.expression)
    np.testing.assert_array_equal(after.pose.rotation, before.pose.rotation)


@pytest.mark.parametrize("part", ["lips", "eyes", "head"])
def test_a_strength_of_nought_freezes_that_part_alone(model: MorphableModel, part: str) -> None:
    before = wild(model)
    after = amplify(before, model, 3, **{part: 0.0})
    eyes = np.isin(model.part, EYES_AND_BROWS)
    rest = {"lips": ~eyes, "eyes": eyes, "head": np.zeros_like(eyes)}[part]
    still = np.tile(before.expression[3], (len(before), 1))
    np.testing.assert_allclose(after.expression[:, rest], still[:, rest], atol=1e-12)
    np.testing.assert_array_equal(after.expression[:, ~rest], before.expression[:, ~rest])
    if part == "head":
        np.testing.assert_allclose(
            after.pose.rotation, np.tile(before.pose.rotation[3], (12, 1, 1)), atol=1e-12
        )
        np.testing.assert_allclose(after.pose.scale, before.pose.scale[3])
    else:
        np.testing.assert_array_equal(after.pose.rotation, before.pose.rotation)


def test_a_head_turns_twice_as_far(model: MorphableModel) -> None:
    before = wild(model)
    after = amplify(before, model, 0, head=2.0)
    rest = np.tile(before.pose.rotation[0], (12, 1, 1))
    once, twice = (angle_between(rest, m.pose.rotation) for m in (before, after))
    np.testing.assert_allclose(twice, np.minimum(2 * once, 2 * np.pi - 2 * once), atol=1e-6)
    np.testing.assert_allclose(after.pose.scale / before.pose.scale, before.pose.scale / before.pose.scale[0])


def test_amplified_lids_shut_but_never_cross(model: MorphableModel) -> None:
    before = bundled_motion("talk")
    after = amplify(before, model, eyes=3.0)
    for side in SIDES:
        least = min(float(lids_apart(before, side, model).min()), 0.0)
        assert lids_apart(after, side, model).min() >= least - 1e-6
        np.testing.assert_array_equal(
            after.expression[:, ~np.isin(model.part, EYES_AND_BROWS)],
            before.expression[:, ~np.isin(model.part, EYES_AND_BROWS)],
        )


def test_senseless_strengths_and_references_are_refused(model: MorphableModel) -> None:
    before = wild(model)
    for strength in (-1.0, 5.0, float("nan")):
        with pytest.raises(ConfigError, match="amplify_lips is"):
            amplify(before, model, lips=strength)
    with pytest.raises(ConfigError, match="reference frame 12"):
        amplify(before, model, reference=12)
    with pytest.raises(MorphableModelError):
        mirror(replace(before, model_id="0123"), model)
