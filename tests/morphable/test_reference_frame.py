"""A reference frame is neutral: of two frames that differ in one thing, the one nearer to a neutral face is chosen."""

import numpy as np
import pytest

from faceanime.morphable.model import MorphableModel
from faceanime.morphable.reference_frame import (
    PORTRAIT_WEIGHTS,
    ReferenceLimits,
    is_neutral,
    openings_of,
    reference_costs,
    reference_face,
    reference_frame,
)
from faceanime.structures.coefficients import Dynamics
from heads import axes_of, driver_of, pose_of, poses_of


def test_the_reference_is_calm_open_eyed_and_frontal(model: MorphableModel) -> None:
    calm = 5
    expressions = [axes_of(model, jaw_open=0.6)] * 3 + [axes_of(model, blink_left=0.9, blink_right=0.9)] * 2
    expressions += [axes_of(model)] + [axes_of(model)] * 3 + [axes_of(model, smile=1.0, brow_raise=1.0)] * 3
    yaws = [0.0] * 6 + [25.0, -20.0, 15.0] + [0.0] * 3
    poses = [pose_of(yaw) for yaw in yaws]
    poses[0], expressions[0] = pose_of(roll_deg=15.0), axes_of(model)
    driver = driver_of(model, poses_of(poses), np.stack(expressions))
    assert reference_frame(driver, model) == calm
    lost = driver.replaced(valid=np.arange(12) != calm)
    assert reference_frame(lost, model) != calm


Frame = tuple[dict[str, float], dict[str, float]]
"""Named expressions, and head angles."""


def filmed(model: MorphableModel, frames: list[Frame]) -> Dynamics:
    """Somebody in frames of named expressions and head angles in degrees."""
    expressions = np.stack([axes_of(model, **axes) for axes, _ in frames])
    poses = poses_of([pose_of(**turn) for _, turn in frames])
    return driver_of(model, poses, expressions, np.full(model.identity_count, 0.3))


def chosen(model: MorphableModel, frames: list[Frame]) -> int:
    return reference_frame(filmed(model, frames), model)


@pytest.mark.parametrize("angle", ["yaw_deg", "pitch_deg", "roll_deg"])
def test_a_head_turned_in_any_way_is_no_reference(model: MorphableModel, angle: str) -> None:
    """The turned frame comes first, so that it is chosen where the angle is not judged."""
    turned: Frame = ({}, {angle: 15.0})
    assert chosen(model, [turned, ({}, {}), ({}, {})]) == 1


def test_pitch_and_roll_are_judged_by_how_the_head_is_usually_held(model: MorphableModel) -> None:
    """People hold heads and cameras differently; the one frame that is straight is the odd one."""
    held = {"pitch_deg": 12.0, "roll_deg": -6.0}
    assert chosen(model, [({}, {}), ({}, held), ({}, held), ({}, held)]) == 1


@pytest.mark.parametrize("axis", ["brow_raise", "brow_lower", "smile", "frown", "gaze_left", "gaze_up"])
def test_of_faces_that_differ_in_one_axis_the_middle_one_is_chosen(model: MorphableModel, axis: str) -> None:
    """The neutral face comes first and has the least expression, but it is not this person's usual one."""
    strengths = np.linspace(0.02, 1.0, 11)
    assert chosen(model, [({axis: float(v)}, {}) for v in strengths]) in (5, 6)


@pytest.mark.parametrize("axis", ["brow_raise", "smile"])
def test_lost_frames_do_not_move_the_middle(model: MorphableModel, axis: str) -> None:
    """Frames without a face repeat a neighbor: forty of them would make the last face the usual one."""
    strengths = [*np.linspace(0.02, 1.0, 11), *[1.0] * 40]
    driver = filmed(model, [({axis: float(v)}, {}) for v in strengths])
    assert reference_frame(driver.replaced(valid=np.arange(len(strengths)) < 11), model) in (5, 6)


def test_a_blink_in_the_middle_of_all_else_is_no_reference(model: MorphableModel) -> None:
    frames: list[Frame] = [({"brow_raise": float(v)}, {}) for v in np.linspace(0.02, 1.0, 11)]
    for middle in (5, 6):
        frames[middle][0].update(blink_left=0.8, blink_right=0.8)
    assert chosen(model, frames) in (4, 7)


def test_a_motion_of_keyframes_begins_at_rest_however_long_it_leaves_it(model: MorphableModel) -> None:
    """A smile that is held for most of the motion is not its usual face: the portrait would never smile."""
    expressions = np.stack([axes_of(model), *[axes_of(model, smile=1.0)] * 20])
    made = driver_of(model, poses_of([pose_of()] * 21), expressions)
    assert reference_frame(made, model) == 0
    np.testing.assert_array_equal(reference_face(made, model).expression, expressions[0])


def test_a_filmed_head_rests_at_the_median_of_its_poses(model: MorphableModel) -> None:
    """The frame with the usual face is the one in which the camera was jolted."""
    poses = [pose_of(yaw, 4.0, -2.0, scale=80 + yaw, at=(100 + yaw, 90)) for yaw in (-3.0, 0.0, 1.0, 2.0)]
    poses.append(pose_of(8.0, 9.0, 5.0, scale=120, at=(20, 30)))
    expressions = np.stack([axes_of(model, brow_raise=v) for v in (0.1, 0.2, 0.8, 0.9, 0.5)])
    driver = driver_of(model, poses_of(poses), expressions, np.full(model.identity_count, 0.3))
    assert reference_frame(driver, model) == 4
    rest, usual = reference_face(driver, model).pose, pose_of(1.0, 4.0, -2.0, scale=81, at=(100, 90))
    np.testing.assert_allclose(rest.rotation, usual.rotation, atol=1e-9)
    np.testing.assert_allclose([rest.scale, *rest.translation_px], [usual.scale, *usual.translation_px])
    given = reference_face(driver, model, 0)
    np.testing.assert_array_equal(given.pose.translation_px, poses[0].translation_px)
    np.testing.assert_array_equal(given.expression, expressions[0])


def test_a_mouth_that_speaks_through_all_usual_frames_is_closed_in_the_reference(
    model: MorphableModel,
) -> None:
    jaws = np.r_[np.zeros(8), np.full(24, 0.25)]
    brows = np.r_[np.zeros(4), np.ones(4), np.full(24, 0.5)]
    driver = filmed(model, [({"jaw_open": j, "brow_raise": b}, {}) for j, b in zip(jaws, brows, strict=True)])
    lips = [openings_of(model, driver.identity, e[None])[0][0] for e in driver.expression]
    face = reference_face(driver, model)
    assert openings_of(model, driver.identity, face.expression[None])[0][0] == pytest.approx(
        lips[0], abs=1e-3
    )


@pytest.mark.parametrize(
    "spoiled",
    [{"jaw_open": 0.35}, {"blink_left": 0.6, "blink_right": 0.6}],
    ids=["mouth", "eyes"],
)
def test_an_open_mouth_or_closed_eyes_weigh_more_than_a_turned_head(
    model: MorphableModel, spoiled: dict[str, float]
) -> None:
    """An open mouth or closed lids of the reference frame distort every frame; a turn is subtracted exactly."""
    frames: list[Frame] = [
        (spoiled, {}),
        ({}, {"yaw_deg": 35.0}),
        ({}, {"yaw_deg": 50.0}),
    ]
    assert chosen(model, frames) == 1


def test_a_parted_mouth_weighs_more_than_raised_brows(model: MorphableModel) -> None:
    """Brows are read off the driver as well as mouths, but an opening that is not there cannot be closed."""
    frames: list[Frame] = [({"jaw_open": 0.2}, {}), ({"brow_raise": 1.5}, {}), ({"brow_raise": 2.0}, {})]
    assert chosen(model, frames) == 1


def test_a_little_speech_is_better_than_a_profile(model: MorphableModel) -> None:
    frames: list[Frame] = [
        ({}, {"yaw_deg": 60.0}),
        ({}, {"yaw_deg": 60.0}),
        ({"jaw_open": 0.08}, {}),
    ]
    assert chosen(model, frames) == 2


def test_costs_grow_with_each_term_alone() -> None:
    lips, lids = np.array([0.0, 0.0, 0.0, 0.2]), np.array([0.1, 0.1, 0.04, 0.1])
    turn = np.radians(20.0)
    rotation = np.tile(np.eye(3), (4, 1, 1))
    rotation[1] = [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
    costs = reference_costs(lips, lids, rotation, PORTRAIT_WEIGHTS)
    np.testing.assert_allclose(costs, [0.0, 0.3 * turn, 2.0 * (0.08 - 0.04), 0.2], atol=1e-12)


def test_a_neutral_frame_is_within_every_limit() -> None:
    lips, lids, turned = np.zeros(4), np.full(4, 0.1), np.zeros(4)
    lips[1], lids[2], turned[3] = 0.2, 0.07, np.radians(30.0)
    np.testing.assert_array_equal(
        is_neutral(lips, lids, turned, ReferenceLimits()), [True, False, False, False]
    )
