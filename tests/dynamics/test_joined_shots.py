"""Joined shots: each moves from its own rest, whoever is seen in it and however it is framed."""

import numpy as np
import pytest

from faceanime.dynamics.retarget import retarget
from faceanime.dynamics.retarget_config import RetargetConfig
from faceanime.dynamics.shots import join_shots, longest_shot
from faceanime.geometry.rotation import angle_between
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import Dynamics
from heads import axes_of, driver_of, face_of, pose_of, poses_of


def speaking(
    model: MorphableModel,
    frames: int,
    scale: float = 80.0,
    at: tuple[float, float] = (128.0, 128.0),
    who: int = 1,
) -> Dynamics:
    """A person who speaks and sways a little about a place in the picture."""
    identity = 0.5 * np.random.default_rng(who).normal(size=model.identity_count)
    t = np.arange(frames)
    expressions = np.stack(
        [axes_of(model, jaw_open=max(0.0, 0.4 * np.sin(k)), brow_raise=0.3 * np.sin(k / 3)) for k in t]
    )
    poses = [
        pose_of(
            4 * np.sin(k / 5), 2 * np.cos(k / 4), 1.0, scale, (at[0] + 0.05 * scale * np.sin(k / 7), at[1])
        )
        for k in t
    ]
    return driver_of(model, poses_of(poses), expressions, identity)


def test_neither_framing_nor_another_person_moves_the_head(model: MorphableModel) -> None:
    main = speaking(model, 60)
    shots = [main, speaking(model, 40, 200.0, (60.0, 220.0)), speaking(model, 30, 50.0, (210.0, 40.0), who=2)]
    joined = join_shots(shots, model)
    assert len(joined) == 130
    np.testing.assert_array_equal(joined.identity, main.identity)
    assert (
        np.ptp(joined.pose.translation_px, axis=0).max()
        < 1.3 * np.ptp(main.pose.translation_px, axis=0).max()
    )
    assert np.ptp(np.log(joined.pose.scale)) < 0.01


def test_every_shot_keeps_its_own_motion(model: MorphableModel) -> None:
    """In the middle of a shot the same motion is the same, wherever the camera stood."""
    far, near = speaking(model, 60), speaking(model, 50, 160.0, (60.0, 90.0))
    joined = join_shots([far, near], model, seam_s=0.0)
    np.testing.assert_allclose(joined.expression[60:], far.expression[:50], atol=0.15)
    assert np.degrees(angle_between(joined.pose.rotation[60:], far.pose.rotation[:50])).max() < 2.0


def test_the_jump_at_a_cut_fades(model: MorphableModel) -> None:
    shots = [speaking(model, 56), speaking(model, 33)]

    def jump(seam_s: float) -> float:
        joined = join_shots(shots, model, seam_s)
        return float(np.abs(joined.pose.translation_px[56] - joined.pose.translation_px[55]).max())

    assert jump(0.2) < 0.4 * jump(0.0)


def test_the_longest_shot_leads_and_frames_without_a_face_are_at_rest(model: MorphableModel) -> None:
    short, long = speaking(model, 20), speaking(model, 50, who=2)
    joined = join_shots([12, short, 30, long], model)
    assert longest_shot([12, short, 30, long]) is long
    np.testing.assert_array_equal(joined.identity, long.identity)
    assert joined.valid.tolist() == [False] * 12 + [True] * 20 + [False] * 30 + [True] * 50


def test_where_the_driver_shows_no_face_the_portraits_own_is_held(model: MorphableModel) -> None:
    """It eases in and out within frames without a face: those with one are as they were."""
    driver = speaking(model, 100)
    valid = np.ones(100, bool)
    valid[:30] = valid[50:80] = False
    source = face_of(model, pose_of(5, scale=150, at=(300, 280)), expression=axes_of(model, smile=0.2))
    config = RetargetConfig(reference=35)
    whole, held = (retarget(source, each, model, config) for each in (driver, driver.replaced(valid=valid)))
    for t in (0, 10, 62, 68):
        np.testing.assert_allclose(held.expression[t], source.expression, atol=1e-9)
        np.testing.assert_allclose(held.pose.rotation[t], source.pose.rotation, atol=1e-9)
        np.testing.assert_allclose(held.pose.translation_px[t], source.pose.translation_px, atol=1e-9)
        assert held.pose.scale[t] == pytest.approx(float(source.pose.scale))
    np.testing.assert_allclose(held.expression[valid], whole.expression[valid], atol=1e-9)
    np.testing.assert_allclose(held.pose.translation_px[valid], whole.pose.translation_px[valid], atol=1e-9)
    steps = np.abs(np.diff(held.expression, axis=0)).max(axis=1)
    assert steps.max() < 1.5 * np.abs(np.diff(whole.expression, axis=0)).max()


def test_a_driver_without_any_face_gives_the_portraits_own(model: MorphableModel) -> None:
    driver = speaking(model, 30).replaced(valid=np.zeros(30, bool))
    source = face_of(model, pose_of(5, scale=150, at=(300, 280)), expression=axes_of(model, smile=0.2))
    moved = retarget(source, driver, model, RetargetConfig())
    np.testing.assert_allclose(moved.expression, np.tile(source.expression, (30, 1)), atol=1e-9)
