"""Along time: what is cut and joined is whole again, what is retimed comes back, loops have no seam."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceanime.core.errors import ConfigError, MorphableModelError
from faceanime.dynamics.blinks import SIDES, lids_apart
from faceanime.dynamics.editing import motion_from_keyframes
from faceanime.dynamics.motion_file import bundled_motion
from faceanime.dynamics.motion_path import bundled_motions
from faceanime.dynamics.retarget import retarget
from faceanime.dynamics.retarget_config import RetargetConfig
from faceanime.dynamics.timeline import blend, concatenate, cut, loop, mix_poses, retime
from faceanime.geometry.rotation import angle_between
from faceanime.morphable.model import MorphableModel
from faceanime.morphable.reference_frame import reference_frame
from faceanime.structures.coefficients import Dynamics, HeadPose
from heads import driver_of, face_of, pose_of, random_poses

RATE = Fraction(25)


@pytest.fixture
def talk() -> Dynamics:
    return bundled_motion("talk")


@pytest.fixture
def shaken(model: MorphableModel) -> Dynamics:
    """Another person, elsewhere in a larger picture, at another rate."""
    rng = np.random.default_rng(5)
    film = retime(bundled_motion("shake"), model, frame_rate=Fraction(30000, 1001))
    pose = film.pose.resized(2.3, (40.0, 25.0))
    rest = rng.normal(size=model.expression_count) * 0.3
    identity = rng.normal(size=model.identity_count)
    return replace(film, identity=identity, expression=film.expression + rest, pose=pose, picture_side_px=640)


def assert_same(a: Dynamics, b: Dynamics, atol: float = 0.0) -> None:
    assert (len(a), a.frame_rate, a.picture_side_px, a.model_id) == (
        len(b), b.frame_rate, b.picture_side_px, b.model_id,
    )  # fmt: skip
    np.testing.assert_allclose(a.identity, b.identity, rtol=0, atol=atol)
    np.testing.assert_allclose(a.expression, b.expression, rtol=0, atol=atol)
    np.testing.assert_allclose(a.pose.rotation, b.pose.rotation, rtol=0, atol=atol)
    np.testing.assert_allclose(a.pose.scale, b.pose.scale, rtol=0, atol=atol)
    np.testing.assert_allclose(a.pose.translation_px, b.pose.translation_px, rtol=0, atol=atol)
    np.testing.assert_array_equal(a.valid, b.valid)


def assert_rotations(motion: Dynamics) -> None:
    rotation = motion.pose.rotation
    np.testing.assert_allclose(
        rotation @ np.swapaxes(rotation, 1, 2), np.tile(np.eye(3), (len(motion), 1, 1)), atol=1e-9
    )
    assert (np.linalg.det(rotation) > 0).all()


def turning_deg(motion: Dynamics) -> np.ndarray:
    """Turn of the head from each frame to the next."""
    return np.degrees(angle_between(motion.pose.rotation[:-1], motion.pose.rotation[1:]))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0.1, 6.5), min_size=1, max_size=4, unique_by=lambda s: round(s * 25)).map(sorted))
def test_pieces_joined_as_they_are_give_the_motion_back(model: MorphableModel, seams_s: list[float]) -> None:
    talk = bundled_motion("talk")
    ends = [0.0, *seams_s, len(talk) / 25]
    pieces = [cut(talk, a, b) for a, b in zip(ends[:-1], ends[1:], strict=True)]
    assert_same(concatenate(pieces, model, blend_s=0.0), talk)


@pytest.mark.parametrize("seam_s", [0.9, 2.6, 4.6])
def test_pieces_joined_with_a_blend_are_next_to_the_motion(
    model: MorphableModel, talk: Dynamics, seam_s: float
) -> None:
    joined = concatenate([cut(talk, 0.0, seam_s), cut(talk, seam_s)], model, blend_s=0.2)
    assert len(joined) == len(talk)
    assert np.degrees(angle_between(joined.pose.rotation, talk.pose.rotation)).max() < 0.1
    np.testing.assert_allclose(joined.pose.translation_px, talk.pose.translation_px, atol=0.1)
    face, whole = (model.vertices(m.identity, m.expression) for m in (joined, talk))
    assert (
        np.abs(face - whole).max() < 0.03
    )  # model units: a third of an open eye, in the midst of a syllable
    assert np.abs(face - whole).mean() < 1e-4


def test_a_cut_takes_the_frames_between(talk: Dynamics) -> None:
    part = cut(talk, 1.0, 2.0)
    assert len(part) == 25
    np.testing.assert_array_equal(part.expression, talk.expression[25:50])
    assert_same(cut(talk), talk)


@pytest.mark.parametrize(
    "times", [(2.0, 1.0), (-1.0, 1.0), (0.0, 7.0), (float("nan"), 1.0), (1.0, 1.001), (9.0, None)]
)
def test_a_senseless_cut_is_refused(talk: Dynamics, times: tuple[float, float | None]) -> None:
    with pytest.raises(ConfigError):
        cut(talk, *times)


def test_heads_do_not_jump_where_motions_meet(model: MorphableModel, shaken: Dynamics) -> None:
    around = cut(bundled_motion("look-around"), 0.0, 1.5)  # ends far to the side
    for parts in ([around, shaken], [shaken, around], [around, around, shaken]):
        joined = concatenate(parts, model, blend_s=0.4)
        assert joined.frame_rate == parts[0].frame_rate
        np.testing.assert_array_equal(joined.identity, parts[0].identity)
        assert joined.picture_side_px == parts[0].picture_side_px
        assert_rotations(joined)
        assert turning_deg(joined).max() < 4.0
        unit = joined.pose.scale.mean()
        steps = np.linalg.norm(np.diff(joined.pose.translation_px, axis=0), axis=1) / unit
        assert steps.max() < 0.03
        assert np.abs(np.diff(np.log(joined.pose.scale))).max() < 0.01
        faces = model.vertices(joined.identity, joined.expression)
        usual = np.abs(np.diff(model.vertices(shaken.identity, shaken.expression), axis=0)).max()
        assert np.abs(np.diff(faces, axis=0)).max() < 1.5 * max(usual, 0.05)


def test_another_persons_rest_lies_on_the_firsts(model: MorphableModel, shaken: Dynamics) -> None:
    nod = bundled_motion("nod")
    joined = concatenate([nod, shaken], model, blend_s=0.0)
    theirs = reference_frame(retime(shaken, model, frame_rate=nod.frame_rate), model)
    rest, their_rest = joined[reference_frame(nod, model)], joined[len(nod) + theirs]
    faces = [model.vertices(face.identity, face.expression) for face in (their_rest, rest)]
    np.testing.assert_allclose(*faces, atol=0.01)
    np.testing.assert_allclose(their_rest.pose.translation_px, rest.pose.translation_px, atol=1.0)
    assert their_rest.pose.scale == pytest.approx(float(rest.pose.scale), rel=0.01)


def test_joining_nothing_or_another_models_motion_is_refused(model: MorphableModel, talk: Dynamics) -> None:
    assert_same(concatenate([talk], model), talk)
    with pytest.raises(ConfigError, match="no motion"):
        concatenate([], model)
    with pytest.raises(MorphableModelError):
        concatenate([talk, replace(talk, model_id="0123")], model)
    with pytest.raises(ConfigError, match="blend"):
        concatenate([talk], model, blend_s=-1.0)


def test_a_blend_goes_from_one_motion_to_the_other(
    model: MorphableModel, talk: Dynamics, shaken: Dynamics
) -> None:
    nod = bundled_motion("nod")
    assert_same(blend(talk, nod, 0.0, model), talk)
    whole = blend(nod, talk, 1.0, model)
    np.testing.assert_allclose(whole.expression, talk.expression[: len(nod)], atol=1e-9)
    np.testing.assert_allclose(whole.pose.rotation, talk.pose.rotation[: len(nod)], atol=1e-9)
    half = blend(talk, shaken, 0.5, model)
    assert len(half) == len(talk)
    assert_rotations(half)
    to_a = angle_between(half.pose.rotation, talk.pose.rotation)
    to_b = angle_between(half.pose.rotation, blend(talk, shaken, 1.0, model).pose.rotation)
    np.testing.assert_allclose(to_a, to_b, atol=1e-6)
    with pytest.raises(ConfigError, match="share"):
        blend(talk, nod, 1.5, model)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(0.1, 10.0), st.sampled_from([10, 24, 25, 30, 60]))
def test_rotations_stay_rotations_at_any_speed(
    model: MorphableModel, seed: int, speed: float, rate: int
) -> None:
    rng = np.random.default_rng(seed)
    wild = driver_of(model, random_poses(rng, 40, 80.0), rng.normal(size=(40, model.expression_count)))
    quick = retime(wild, model, speed, frame_rate=Fraction(rate))
    assert_rotations(quick)
    assert len(quick) == max(round(40 / speed * rate / 25), 1)
    assert quick.frame_rate == rate
    lo, hi = wild.expression.min(axis=0), wild.expression.max(axis=0)
    if speed * 25 <= rate:  # where frames are skipped, lids may be moved to save a blink
        assert (quick.expression >= lo - 1e-9).all()
        assert (quick.expression <= hi + 1e-9).all()


@pytest.mark.parametrize("name", bundled_motions())
def test_slowed_and_sped_up_again_is_the_motion(model: MorphableModel, name: str) -> None:
    motion = bundled_motion(name)
    assert_same(retime(motion, model), motion)
    assert_same(retime(retime(motion, model, 0.5), model, 2.0), motion, atol=0.01)
    there = retime(retime(motion, model, frame_rate=Fraction(60)), model, frame_rate=RATE)
    assert np.degrees(angle_between(there.pose.rotation, motion.pose.rotation)).max() < 0.2


def test_a_slow_motion_sped_up_and_slowed_again_is_close(model: MorphableModel) -> None:
    tracks = {"smile": [(0, 0), (1.2, 1), (2.4, 0)], "yaw_deg": [(0, 0), (1.0, 12), (2.4, -5)]}
    motion = motion_from_keyframes(tracks, 2.4, RATE, model)
    again = retime(retime(motion, model, 2.0), model, 0.5)
    assert len(again) == len(motion)
    faces = [model.vertices(m.identity, m.expression)[:-1] for m in (motion, again)]  # the last frame rests
    assert np.abs(faces[0] - faces[1]).max() < 3e-3  # model units
    turns = [m.pose.rotation[:-1] for m in (motion, again)]
    assert np.degrees(angle_between(*turns)).max() < 0.3


def test_retiming_keeps_time(model: MorphableModel, talk: Dynamics) -> None:
    assert len(retime(talk, model, seconds=3.3)) == len(talk) // 2
    ntsc = retime(talk, model, frame_rate=Fraction(30000, 1001))
    assert len(ntsc) / ntsc.frame_rate == pytest.approx(float(len(talk) / talk.frame_rate), abs=0.02)


@pytest.mark.parametrize("speed", [1.5, 2.0, 3.0, 4.0])
def test_blinks_survive_speed(model: MorphableModel, talk: Dynamics, speed: float) -> None:
    quick = retime(talk, model, speed)
    for side in SIDES:
        slow_apart, apart = lids_apart(talk, side, model), lids_apart(quick, side, model)
        for shut in np.flatnonzero(slow_apart < 0.1 * slow_apart[0]):
            around = apart[max(int(shut / speed) - 1, 0) : int(shut / speed) + 2]
            assert around.min() < 0.1 * slow_apart[0]


@pytest.mark.parametrize(
    "setting", [{"speed": 0.0}, {"speed": 99.0}, {"speed": float("nan")}, {"seconds": 0.0}]
)
def test_a_senseless_speed_is_refused(
    model: MorphableModel, talk: Dynamics, setting: dict[str, float]
) -> None:
    with pytest.raises(ConfigError, match="speed"):
        retime(talk, model, **setting)
    with pytest.raises(ConfigError, match="frame_rate"):
        retime(talk, model, frame_rate=Fraction(0))


def channels(motion: Dynamics, model: MorphableModel) -> list[np.ndarray]:
    return [
        model.vertices(motion.identity, motion.expression).reshape(len(motion), -1),
        motion.pose.rotation.reshape(len(motion), -1),
        motion.pose.translation_px,
        np.log(motion.pose.scale)[:, None],
    ]


@pytest.mark.parametrize("name", bundled_motions())
@pytest.mark.parametrize("blend_s", [0.2, 0.6])
def test_a_loop_has_no_seam(model: MorphableModel, name: str, blend_s: float) -> None:
    motion = bundled_motion(name)
    motion = cut(motion, 0.1, len(motion) / 25 - 0.4)  # begins and ends in the middle of something
    ring = loop(motion, blend_s)
    assert len(ring) == len(motion) - round(blend_s * 25)
    assert_rotations(ring)
    inner = slice(round(blend_s * 25) + 1, len(ring))
    np.testing.assert_allclose(ring.expression[inner], motion.expression[inner], atol=1e-9)
    for values, whole in zip(channels(ring, model), channels(motion, model), strict=True):
        around = values[
            [-2, -1, 0, 1]
        ]  # across the seam: value, and velocity, jump no more than in the motion
        for order in (1, 2):
            seam, usual = (np.abs(np.diff(v, order, axis=0)) for v in (around, whole))
            assert seam[: 3 - order].max() <= usual.max() + 1e-6


@pytest.mark.parametrize("name", ["surprise", "look-around"])
def test_a_part_of_a_motion_moves_a_face_as_the_whole_does(model: MorphableModel, name: str) -> None:
    """It departs from the rest of the whole, even where it begins in mid-expression."""
    motion, source = bundled_motion(name), face_of(model, pose_of(5, scale=150, at=(300, 280)))
    config = RetargetConfig(rest=False)
    whole = retarget(source, motion, model, config)
    part = retarget(source, cut(motion, 1.0), model, config)
    np.testing.assert_allclose(part.expression, whole.expression[25:], atol=1e-6)
    np.testing.assert_allclose(part.pose.rotation, whole.pose.rotation[25:], atol=1e-6)


def test_a_motion_too_short_for_a_loop_is_refused(talk: Dynamics) -> None:
    with pytest.raises(ConfigError, match="too short"):
        loop(talk, 3.5)
    with pytest.raises(ConfigError, match="blend"):
        loop(talk, float("inf"))


def test_mixed_poses_lie_on_the_geodesic() -> None:
    rng = np.random.default_rng(0)
    a, b = random_poses(rng, 6), random_poses(rng, 6)
    third = mix_poses(a, b, 1 / 3)
    whole = angle_between(a.rotation, b.rotation)
    np.testing.assert_allclose(angle_between(a.rotation, third.rotation), whole / 3)
    np.testing.assert_allclose(third.scale, a.scale ** (2 / 3) * b.scale ** (1 / 3))
    one: HeadPose = mix_poses(a[0], b[0], np.linspace(0.0, 1.0, 5))
    np.testing.assert_allclose(one.rotation[-1], b.rotation[0])


@pytest.mark.parametrize("blend_s", [0.2, 0.6])
def test_a_loop_begins_with_what_followed_its_last_frame(talk: Dynamics, blend_s: float) -> None:
    """So the step across the seam is one of the motion's own, neither left out nor made twice."""
    ring = loop(talk, blend_s)
    np.testing.assert_allclose(ring.expression[0], talk.expression[len(ring)], atol=1e-9)
    np.testing.assert_allclose(ring.pose.rotation[0], talk.pose.rotation[len(ring)], atol=1e-9)
    np.testing.assert_allclose(ring.expression[-1], talk.expression[len(ring) - 1], atol=1e-9)
