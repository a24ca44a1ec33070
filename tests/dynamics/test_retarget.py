"""The source does what the driver does, and stays itself."""

import re
from dataclasses import replace

import numpy as np
import pytest

from faceanime.core.errors import ConfigError, MorphableModelError
from faceanime.dynamics.head_motion import Room, room_in_picture
from faceanime.dynamics.retarget import retarget
from faceanime.dynamics.retarget_config import RetargetConfig
from faceanime.geometry.rotation import angles_from_rotation
from faceanime.morphable.axes import measure_expressions, measure_landmarks
from faceanime.morphable.lips import lips_opened_by, openings_along_lips
from faceanime.morphable.model import EYES_AND_BROWS, MorphableModel
from faceanime.structures.coefficients import Dynamics, FaceCoefficients
from heads import axes_of, driver_of, face_of, pose_of, poses_of

SIDES = ("right", "left")
FRAMES = 12
AT = 3  # the reference


@pytest.fixture(scope="module")
def source(model: MorphableModel) -> FaceCoefficients:
    identity = 0.5 * np.random.default_rng(5).normal(size=model.identity_count)
    expression = closed(model, identity, axes_of(model, smile=0.3, brow_raise=0.2))
    return face_of(model, pose_of(6, -3, 2, scale=150, at=(300, 280)), identity, expression)


@pytest.fixture(scope="module")
def driver(model: MorphableModel) -> Dynamics:
    """A person who talks, blinks, looks about and turns; at rest in frame `AT`."""
    rng = np.random.default_rng(6)
    expression = np.stack(
        [
            axes_of(model, jaw_open=0.5 * k, blink_left=k, blink_right=k, gaze_left=-k, brow_raise=k)
            for k in rng.uniform(0.1, 0.9, FRAMES)
        ]
    )
    poses = [
        pose_of(*rng.uniform(-8, 8, 3), scale=rng.uniform(70, 80), at=tuple(rng.uniform(120, 135, 2)))
        for _ in range(FRAMES)
    ]
    expression[AT], poses[AT] = axes_of(model, smile=0.2), pose_of(2, 1, -1, scale=75)
    return driver_of(model, poses_of(poses), expression, 0.4 * rng.normal(size=model.identity_count))


def closed(model: MorphableModel, identity: np.ndarray, expression: np.ndarray) -> np.ndarray:
    """The expression with lips that touch."""
    for _ in range(3):  # the tolerance along the lips leaves a little each time
        expression = expression - lips_opened_by(openings_along_lips(model, identity, expression), model)
    return expression


def config(**changes: object) -> RetargetConfig:
    return RetargetConfig(reference=AT, **changes)  # type: ignore[arg-type]


def assert_pose_is(dynamics: Dynamics, frame: int, face: FaceCoefficients) -> None:
    np.testing.assert_allclose(dynamics.pose.rotation[frame], face.pose.rotation, atol=1e-9)
    np.testing.assert_allclose(dynamics.pose.scale[frame], face.pose.scale, rtol=1e-9)
    np.testing.assert_allclose(dynamics.pose.translation_px[frame], face.pose.translation_px, atol=1e-9)


def lids(model: MorphableModel, side: str, dynamics: Dynamics) -> np.ndarray:
    return measure_landmarks(
        f"lids_apart_{side}", model.vertices(dynamics.identity, dynamics.expression), model.schema
    )


# --- what the reference shows


def test_the_reference_frame_gives_the_source_back(
    source: FaceCoefficients, driver: Dynamics, model: MorphableModel
) -> None:
    moved = retarget(source, driver, model, config(), picture_side_px=640)
    assert_pose_is(moved, AT, source)
    np.testing.assert_allclose(moved.expression[AT], source.expression, atol=1e-5)
    np.testing.assert_array_equal(moved.identity, source.identity)
    assert moved.picture_side_px == 640


@pytest.mark.parametrize("shut", ["driver", "source", "both"])
def test_so_does_a_reference_or_source_with_closed_eyes(
    source: FaceCoefficients, driver: Dynamics, model: MorphableModel, shut: str
) -> None:
    blink = axes_of(model, blink_left=1.1, blink_right=1.1)
    expression = driver.expression.copy()
    if shut != "source":
        expression[AT] = expression[AT] + blink
    if shut != "driver":
        source = replace(source, expression=source.expression + blink)
    moved = retarget(source, driver.replaced(expression=expression), model, config(rest=False))
    np.testing.assert_allclose(moved.expression[AT], source.expression, atol=1e-5)


def test_a_driver_drives_itself(driver: Dynamics, model: MorphableModel) -> None:
    moved = retarget(driver[AT], driver, model, config())
    for t in range(FRAMES):
        assert_pose_is(moved, t, driver[t])
    there = model.vertices(driver.identity, driver.expression)
    again = model.vertices(moved.identity, moved.expression)
    assert np.abs(again - there).max() < 0.008  # lids ajar are shut


def test_a_still_driver_gives_a_still_face(
    source: FaceCoefficients, driver: Dynamics, model: MorphableModel
) -> None:
    still = np.full(5, 2)
    frozen = driver_of(model, driver.pose[still], driver.expression[still], driver.identity)
    moved = retarget(source, frozen, model, RetargetConfig())
    for t in range(5):
        assert_pose_is(moved, t, source)
        np.testing.assert_allclose(moved.expression[t], source.expression, atol=1e-5)


def test_length_rate_and_gaps_are_the_drivers(
    source: FaceCoefficients, driver: Dynamics, model: MorphableModel
) -> None:
    driver = driver.replaced(valid=np.arange(FRAMES) != 5)
    moved = retarget(source, driver, model, config())
    assert (len(moved), moved.frame_rate) == (FRAMES, driver.frame_rate)
    np.testing.assert_array_equal(moved.valid, driver.valid)


# --- whose face it is


def test_the_drivers_identity_does_not_leak(
    source: FaceCoefficients, driver: Dynamics, model: MorphableModel
) -> None:
    other = np.random.default_rng(7).normal(size=model.identity_count)
    twin = driver_of(model, driver.pose, driver.expression, other)
    one, two = (retarget(source, d, model, config()) for d in (driver, twin))
    not_eyes = ~np.isin(model.part, EYES_AND_BROWS)
    np.testing.assert_array_equal(one.expression[:, not_eyes], two.expression[:, not_eyes])
    np.testing.assert_array_equal(one.pose.rotation, two.pose.rotation)
    np.testing.assert_array_equal(one.pose.translation_px, two.pose.translation_px)
    lid_motion = np.array([model.axis(f"blink_{side}") for side in SIDES])
    change = one.expression - two.expression
    along_lids = change @ np.linalg.pinv(lid_motion) @ lid_motion
    np.testing.assert_allclose(change, along_lids, atol=1e-5)


def test_nor_does_the_drivers_size(source: FaceCoefficients, driver: Dynamics, model: MorphableModel) -> None:
    larger = driver.replaced(pose=driver.pose.resized(3.0, (10.0, -20.0)))
    one, two = (retarget(source, d, model, config()) for d in (driver, larger))
    np.testing.assert_allclose(one.pose.scale, two.pose.scale)
    np.testing.assert_allclose(one.pose.translation_px, two.pose.translation_px)


# --- parts and strengths


def test_the_head_alone(source: FaceCoefficients, driver: Dynamics, model: MorphableModel) -> None:
    moved = retarget(source, driver, model, config(parts="head"))
    whole = retarget(source, driver, model, config())
    assert (moved.expression == source.expression).all()
    np.testing.assert_array_equal(moved.pose.rotation, whole.pose.rotation)


@pytest.mark.parametrize("parts", ["expression", "lips", "eyes"])
def test_without_the_head_the_pose_is_the_sources(
    source: FaceCoefficients, driver: Dynamics, model: MorphableModel, parts: str
) -> None:
    moved = retarget(source, driver, model, config(parts=parts))
    assert (moved.pose.rotation == source.pose.rotation).all()
    assert (moved.pose.scale == source.pose.scale).all()
    assert (moved.pose.translation_px == source.pose.translation_px).all()


@pytest.mark.parametrize(("parts", "switch"), [("lips", {"eyes": 0.0}), ("eyes", {"lips": 0.0})])
def test_lips_and_eyes_leave_each_other_alone(
    source: FaceCoefficients, driver: Dynamics, model: MorphableModel, parts: str, switch: dict[str, float]
) -> None:
    eyes = np.isin(model.part, EYES_AND_BROWS)
    chosen = eyes if parts == "eyes" else ~eyes
    moved = retarget(source, driver, model, config(parts=parts))
    whole = retarget(source, driver, model, config(parts="expression"))
    assert (moved.expression[:, ~chosen] == source.expression[~chosen]).all()
    np.testing.assert_allclose(moved.expression[:, chosen], whole.expression[:, chosen], atol=1e-3)
    switched = retarget(source, driver, model, config(parts="expression", **switch))
    np.testing.assert_array_equal(switched.expression, moved.expression)


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.5])
def test_strengths_scale_the_motion(
    source: FaceCoefficients, driver: Dynamics, model: MorphableModel, strength: float
) -> None:
    whole = retarget(source, driver, model, config())
    part = retarget(source, driver, model, config(lips=strength, eyes=strength, head=strength))
    lips = ~np.isin(model.part, EYES_AND_BROWS)
    full = whole.expression[:, lips] - source.expression[lips]
    np.testing.assert_allclose(part.expression[:, lips] - source.expression[lips], strength * full, atol=1e-9)
    shift = whole.pose.translation_px - source.pose.translation_px
    np.testing.assert_allclose(part.pose.translation_px - source.pose.translation_px, strength * shift)
    rest = measure_landmarks(
        "lids_apart_left", model.vertices(source.identity, source.expression), model.schema
    )
    closed = (lids(model, "left", part) - rest) / np.minimum(lids(model, "left", whole) - rest, -1e-3)
    not_beyond = np.minimum(lids(model, "left", part), lids(model, "left", whole)) > 0.01 * rest
    np.testing.assert_allclose(closed[not_beyond & (np.arange(FRAMES) != AT)], strength, atol=0.02)


def test_openings_of_mouths_do_not_add_up(
    source: FaceCoefficients, driver: Dynamics, model: MorphableModel
) -> None:
    """A shouting source that is held back from rest goes on shouting; a closed mouth opens as the driver's does."""
    shouting = replace(source, expression=axes_of(model, jaw_open=1.2))
    rest = shouting.expression[None]
    own = measure_landmarks("lips_apart", model.vertices(source.identity, rest), model.schema)[0]
    made = retarget(shouting, driver, model, config(rest=False))
    apart = measure_landmarks("lips_apart", model.vertices(made.identity, made.expression), model.schema)
    assert own < apart.max() < own + 0.06
    np.testing.assert_allclose(made.expression[AT], shouting.expression, atol=1e-9)
    closed = retarget(source, driver, model, config(parts="lips"))
    plain = source.expression + np.isin(model.part, EYES_AND_BROWS, invert=True) * (
        driver.expression - driver.expression[AT]
    )
    np.testing.assert_allclose(closed.expression, plain, atol=1e-9)


# --- rest


@pytest.mark.parametrize("own", [{"jaw_open": 0.8}, {"smile": 1.0, "lips_part": 1.5}], ids=["shout", "smile"])
def test_lips_close_when_a_talking_driver_closes_them(
    source: FaceCoefficients, driver: Dynamics, model: MorphableModel, own: dict[str, float]
) -> None:
    """An open mouth shows the driver's openings: along all of the lips in its reference, then in the middle."""
    opened = replace(source, expression=source.expression + axes_of(model, **own))
    talker = driver.replaced(
        expression=driver.expression
        - driver.expression[AT]
        + closed(model, driver.identity, driver.expression[AT])
    )
    before, after = (retarget(opened, talker, model, config(rest=rest)) for rest in (False, True))
    left = openings_along_lips(model, source.identity, after.expression)
    assert openings_along_lips(model, source.identity, before.expression[AT]).max() > 0.1
    assert np.abs(left[AT]).max() < 0.012
    theirs = openings_along_lips(model, driver.identity, talker.expression)
    np.testing.assert_allclose(left[:, 4], theirs[:, 4], atol=0.012)
    eyes = np.isin(model.part, EYES_AND_BROWS)
    np.testing.assert_allclose(
        after.expression[:, eyes], before.expression[:, eyes], atol=0.005
    )  # by the caps


def test_lips_that_a_driver_keeps_closed_stay_the_sources(
    source: FaceCoefficients, driver: Dynamics, model: MorphableModel
) -> None:
    """A nod does not end a smile; nor does a driver that keeps its mouth open."""
    smiling = replace(source, expression=source.expression + axes_of(model, smile=1.0, lips_part=1.0))
    for opening in (0.0, 0.6):
        silent = driver.replaced(
            expression=np.outer(np.linspace(0, 1, FRAMES), axes_of(model, blink_left=1.0, blink_right=1.0))
            + axes_of(model, jaw_open=opening)
        )
        moved = retarget(smiling, silent, model, config())
        lips = ~np.isin(model.part, EYES_AND_BROWS)
        same = np.repeat(smiling.expression[None, lips], FRAMES, axis=0)
        np.testing.assert_allclose(moved.expression[:, lips], same, atol=1e-9)


def test_rest_comes_in_without_a_jump(
    source: FaceCoefficients, driver: Dynamics, model: MorphableModel
) -> None:
    """A driver that opens its mouth a little more closes the portrait's a little more."""
    shouting = replace(source, expression=source.expression + axes_of(model, jaw_open=0.8))
    left = []
    for most in np.linspace(0.0, 0.4, 41):
        opening = np.outer(np.linspace(0, most, FRAMES), axes_of(model, jaw_open=1.0))
        mean_face = driver_of(model, driver.pose, opening)
        moved = retarget(shouting, mean_face, model, RetargetConfig(reference=0))
        left.append(openings_along_lips(model, source.identity, moved.expression[0]).max())
    assert left[0] > 0.2
    assert left[-1] < 0.012
    assert (np.diff(left) <= 1e-9).all()
    assert np.abs(np.diff(left)).max() < 0.1


def test_rest_is_weaker_where_lips_move_less(
    source: FaceCoefficients, driver: Dynamics, model: MorphableModel
) -> None:
    """`--lips 0` holds the mouth as it is, open or not."""
    shouting = replace(source, expression=source.expression + axes_of(model, jaw_open=1.0))
    still = retarget(shouting, driver, model, config(lips=0.0))
    lips = ~np.isin(model.part, EYES_AND_BROWS)
    assert (still.expression[:, lips] == shouting.expression[lips]).all()
    head = retarget(shouting, driver, model, config(parts="head"))
    assert (head.expression == shouting.expression).all()


def test_eyes_that_a_portrait_shows_shut_open_while_the_drivers_are(
    source: FaceCoefficients, driver: Dynamics, model: MorphableModel
) -> None:
    def apart(motion: Dynamics) -> np.ndarray:
        sides = ("lids_apart_right", "lids_apart_left")
        return np.stack([measure_expressions(n, model, motion.identity, motion.expression) for n in sides])

    def lids(blink: float) -> np.ndarray:
        return axes_of(model, blink_left=blink, blink_right=blink)

    asleep = replace(source, expression=source.expression + lids(0.9))
    blinks = np.outer(np.where(np.arange(FRAMES) == AT + 2, 1.0, 0.0), lids(1.0))
    awake, sleeper = (driver.replaced(expression=each) for each in (blinks, blinks + lids(1.0)))
    usual = float(
        measure_expressions(
            "lids_apart_right", model, 0.0 * source.identity, np.zeros_like(source.expression)
        )
    )
    opened = apart(retarget(asleep, awake, model, config()))
    np.testing.assert_allclose(opened[:, AT], usual, atol=0.005)
    assert (opened[:, AT + 2] < 0.2 * usual).all(), "they blink when it does"
    for moved in (
        retarget(asleep, sleeper, model, config()),
        retarget(asleep, awake, model, config(rest=False)),
    ):
        assert (apart(moved)[:, AT] < 0.3 * usual).all()
    half = replace(source, expression=source.expression + lids(0.5))
    own = measure_expressions("lids_apart_right", model, half.identity, half.expression)
    np.testing.assert_allclose(apart(retarget(half, awake, model, config()))[0, AT], own, atol=0.005)


def test_a_goal_with_closed_lips_closes_them_in_faces_of_any_shape(
    driver: Dynamics, model: MorphableModel
) -> None:
    """A person's lips part further or less with the same expression; a picture that is the goal shows them closed."""
    rng = np.random.default_rng(11)
    for _ in range(4):
        identity = rng.normal(size=model.identity_count)
        opened = face_of(model, pose_of(), identity, axes_of(model, jaw_open=0.8))
        goal = driver.replaced(
            expression=closed(model, driver.identity, driver.expression[AT])[None].repeat(FRAMES, 0)
        )
        moved = retarget(opened, goal, model, config(motion="absolute"))
        assert openings_along_lips(model, identity, moved.expression).max() < 0.012


def test_smiles_do_not_add_up(source: FaceCoefficients, driver: Dynamics, model: MorphableModel) -> None:
    """A smiling source that is driven by a smile smiles no broader than the broader of the two."""
    smile = axes_of(model, smile=1.0)
    smiling = replace(source, expression=smile)
    theirs = replace(driver, expression=np.linspace(0.0, 1.2, FRAMES)[:, None] * smile)
    made = retarget(smiling, theirs, model, RetargetConfig(reference=0))

    def width(expression: np.ndarray) -> np.ndarray:
        shape = model.vertices(source.identity, expression)
        return sum(measure_landmarks(f"corner_out_{side}", shape, model.schema) for side in ("left", "right"))

    rest, own, broadest = (width(share * smile[None])[0] for share in (0.0, 1.0, 1.2))
    assert own < width(made.expression).max() < broadest + 0.06
    assert 2.0 * (own - rest) > broadest + 0.06 - rest, "added up, they would be broader"
    np.testing.assert_allclose(made.expression[0], smile, atol=1e-9)


def test_a_broad_mouth_does_not_frown_when_it_is_held_back(
    source: FaceCoefficients, driver: Dynamics, model: MorphableModel
) -> None:
    """ "Ee" on "ee": corners are held in, and stay as high as they were."""
    broad = axes_of(model, stretch=1.0)
    theirs = replace(driver, expression=np.linspace(0.0, 1.5, FRAMES)[:, None] * broad)
    made = retarget(replace(source, expression=broad), theirs, model, RetargetConfig(reference=0))
    shape, own = (model.vertices(source.identity, e) for e in (made.expression, broad[None]))
    for side in ("right", "left"):
        assert (
            measure_landmarks(f"corner_up_{side}", shape, model.schema)
            > measure_landmarks(f"corner_up_{side}", own, model.schema) - 0.005
        ).all()
        assert (
            measure_landmarks(f"corner_out_{side}", shape, model.schema).max()
            < measure_landmarks(f"corner_out_{side}", own, model.schema)[0] + 0.07
        )


# --- lids


@pytest.mark.parametrize("size", [-1.2, 0.0, 1.5])
@pytest.mark.parametrize("theirs", [-1.2, 0.0, 1.5])
def test_a_closing_driver_closes_eyes_of_any_size(model: MorphableModel, size: float, theirs: float) -> None:
    source = face_of(model, pose_of(), expression=axes_of(model, wide_left=size, wide_right=size))
    closing = np.linspace(0.0, 1.0, 9)
    resting = axes_of(model, wide_left=theirs, wide_right=theirs)
    gap = measure_landmarks("lids_apart_left", model.vertices(source.identity, resting), model.schema)
    by_blink = measure_landmarks(
        "lids_apart_left", model.expression_basis @ model.axis("blink_left"), model.schema
    )
    full = float(gap) / -float(by_blink)
    blink = axes_of(model, blink_left=full, blink_right=full)
    driver = driver_of(model, poses_of([pose_of()] * 9), resting + closing[:, None] * blink)
    moved = retarget(source, driver, model, RetargetConfig(reference=0))
    shapes = model.vertices(moved.identity, moved.expression)
    for side, eye in zip(("right", "left"), model.schema.eyes, strict=True):
        gap = lids(model, side, moved)
        np.testing.assert_allclose(gap / gap[0], 1.0 - closing, atol=0.085)
        assert (shapes[:, eye.upper_middle, 1] - shapes[:, eye.lower_middle, 1]).min() > -0.012


def test_eyes_that_a_detector_left_ajar_are_shut(source: FaceCoefficients, model: MorphableModel) -> None:
    """Landmarks of a shut eye leave 8 % of its opening; without the allowance no driver would ever shut an eye."""
    left_open = np.array([1.0, 0.5, 0.08])
    axis = axes_of(model, blink_left=1.0, blink_right=1.0)
    rest = float(measure_landmarks("lids_apart_left", model.mean, model.schema))
    full = rest / -float(
        measure_landmarks("lids_apart_left", model.expression_basis @ model.axis("blink_left"), model.schema)
    )
    driver = driver_of(model, poses_of([pose_of()] * 3), np.outer(1.0 - left_open, full * axis))
    opening = lids(model, "left", retarget(source, driver, model, RetargetConfig(reference=0)))
    np.testing.assert_allclose(opening / opening[0], [1.0, 0.5, 0.0], atol=0.005)


def test_lids_never_close_further_than_shut(source: FaceCoefficients, model: MorphableModel) -> None:
    blinks = np.outer([0.0, 1.0, 2.0], axes_of(model, blink_left=1.0, blink_right=1.0))
    driver = driver_of(model, poses_of([pose_of()] * 3), blinks)
    moved = retarget(source, driver, model, RetargetConfig(reference=0))
    assert lids(model, "left", moved).min() > -1e-4


# --- limits


@pytest.mark.parametrize(
    ("angle", "limit"),
    [(0, 30.0), (1, 22.0), (2, 45.0)],
    ids=["yaw", "pitch", "roll"],
)
def test_a_far_turn_is_compressed_smoothly(model: MorphableModel, angle: int, limit: float) -> None:
    """Each angle has its limit: what is beyond it was never seen in the portrait."""
    asked = np.linspace(-70, 70, 141)
    turns = np.zeros((141, 3))
    turns[:, angle] = asked
    driver = driver_of(
        model, poses_of([pose_of(*turn) for turn in turns]), np.zeros((141, model.expression_count))
    )
    moved = retarget(face_of(model, pose_of()), driver, model, RetargetConfig(reference=70))
    got = np.degrees(angles_from_rotation(moved.pose.rotation))
    np.testing.assert_allclose(np.delete(got, angle, axis=1), 0.0, atol=1e-6)
    got = got[:, angle]
    assert np.abs(got).max() < limit
    assert got[130] > 0.85 * limit
    assert (np.diff(got) > 0).all()
    assert np.abs(np.diff(got, 2)).max() < 0.1
    inside = np.abs(asked) < 0.65 * limit
    np.testing.assert_allclose(got[inside], asked[inside], atol=1e-9)


def test_a_turn_is_counted_from_the_sources_own_pose(model: MorphableModel) -> None:
    driver = driver_of(
        model, poses_of([pose_of(), pose_of(15), pose_of(70)]), np.zeros((3, model.expression_count))
    )
    moved = retarget(face_of(model, pose_of(10)), driver, model, RetargetConfig(reference=0))
    yaw = np.degrees(angles_from_rotation(moved.pose.rotation)[:, 0])
    np.testing.assert_allclose(yaw[:2], [10.0, 25.0], atol=1e-6)
    assert 35.0 < yaw[2] < 40.0


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_a_half_turned_head_turns_back_less_than_a_frontal_one(model: MorphableModel, side: float) -> None:
    """What it hides would be seen: the more it is turned, the less; and it turns no further into profile."""
    turns = np.linspace(-60, 60, 121)
    driver = driver_of(model, poses_of([pose_of(t) for t in turns]), np.zeros((121, model.expression_count)))

    def reached(own: float, **limits: float) -> tuple[float, float]:
        """How far a source turned by `own` degrees turns back, and its largest turn from the camera, degrees."""
        config = RetargetConfig(reference=60, **limits)
        moved = retarget(face_of(model, pose_of(side * own)), driver, model, config)
        yaw = side * np.degrees(angles_from_rotation(moved.pose.rotation)[:, 0])
        return own - yaw.min(), yaw.max()

    back, away = zip(*(reached(own) for own in (0.0, 10.0, 20.0, 30.0)), strict=True)
    assert list(back) == sorted(back, reverse=True)
    assert back[0] > 28.0
    assert back[2] < 12.0
    assert back[3] < 7.0
    assert max(away[:3]) < 38.5
    assert away[3] < 30.0 + 8.5
    assert reached(20.0, yaw_limit_deg=30.0)[0] > 28.0, "who gives a limit has it"


def test_who_looks_far_up_does_not_look_much_further_up(model: MorphableModel) -> None:
    turns = np.linspace(-40, 40, 81)
    driver = driver_of(
        model, poses_of([pose_of(0, t) for t in turns]), np.zeros((81, model.expression_count))
    )
    moved = retarget(face_of(model, pose_of(0, 20)), driver, model, RetargetConfig(reference=40))
    pitch = np.degrees(angles_from_rotation(moved.pose.rotation)[:, 1])
    assert 28.0 < pitch.max() < 30.0
    assert pitch.min() < 0.0


def test_shift_and_size_are_limited(source: FaceCoefficients, model: MorphableModel) -> None:
    wild = [pose_of(), pose_of(scale=800, at=(900, 128)), pose_of(scale=8, at=(128, -900))]
    driver = driver_of(model, poses_of(wild), np.zeros((3, model.expression_count)))
    moved = retarget(source, driver, model, RetargetConfig(reference=0))
    ratio = moved.pose.scale / source.pose.scale
    assert (np.abs(np.log(ratio)) <= np.log(1.35) + 1e-12).all()
    shift = np.abs(moved.pose.translation_px - source.pose.translation_px) / source.pose.scale
    assert (shift <= 0.6 + 1e-12).all()


BOX = (30.0, 40.0, 80.0, 100.0)
"""A face in a picture of 160 x 200 px: 30 px from the left edge, 79 from the right, 40 from the top."""


@pytest.mark.parametrize(
    ("edge", "limited"),
    [((slice(None), 0), "right"), ((slice(None), -1), "left"), ((0, slice(None)), "down")],
    ids=["left", "right", "top"],
)
def test_a_head_that_an_edge_crops_stays_near_that_edge(edge: tuple[slice | int, ...], limited: str) -> None:
    """Moved away from the edge it would show what was never photographed; the other ways are free."""
    matte = np.zeros((200, 160))
    matte[edge] = 1.0
    room = room_in_picture(matte, BOX)
    ways = {way: getattr(room, way) for way in ("left", "right", "up", "down")}
    assert ways == {**dict.fromkeys(ways, np.inf), limited: 0.4}


def test_no_further_than_the_face_is_from_the_edge(model: MorphableModel) -> None:
    """Beyond the edge the picture is mirrored: there must be hair, not a second face."""
    matte = np.ones((200, 160))
    eyes_px = 0.66 * 50.0
    near = room_in_picture(matte, (3.0, 2.0, 53.0, 100.0))
    assert near.right == pytest.approx(3.0 / eyes_px)
    assert near.down == pytest.approx(2.0 / eyes_px)
    assert room_in_picture(matte, (104.0, 40.0, 154.0, 100.0)).left == pytest.approx(5.0 / eyes_px)


def test_a_head_shifts_within_its_room(source: FaceCoefficients, model: MorphableModel) -> None:
    sides = [
        pose_of(),
        pose_of(at=(900, 128)),
        pose_of(at=(-900, 128)),
        pose_of(at=(128, 900)),
        pose_of(at=(128, -900)),
    ]
    driver = driver_of(model, poses_of(sides), np.zeros((5, model.expression_count)))
    room = Room(left=0.1, right=0.2, up=0.3, down=0.4)
    moved = retarget(source, driver, model, RetargetConfig(reference=0), room)
    shift = (moved.pose.translation_px - source.pose.translation_px) / source.pose.scale
    reached = [shift[1, 0], -shift[2, 0], shift[3, 1], -shift[4, 1]]
    np.testing.assert_allclose(reached, [0.2, 0.1, 0.4, 0.3], rtol=0.01)


def test_a_head_rises_as_far_as_there_is_body_below_it() -> None:
    """The neck gives a little; beyond that clothes below the collar are stretched, where there are any."""
    matte = np.zeros((400, 160))
    rises = [room_in_picture(matte[:height], BOX).rise for height in (104, 115, 200, 300)]
    assert rises[0] == rises[1]
    assert 0.0 < rises[0] < 0.2
    assert rises[0] < rises[2] < rises[3]


@pytest.mark.parametrize("shrinks", [False, True])
def test_the_chin_rises_within_its_room_unless_limits_are_given(model: MorphableModel, shrinks: bool) -> None:
    """Whether the head shifts, shrinks or does both."""
    source = face_of(model, pose_of())
    far = pose_of(scale=20.0 if shrinks else 80.0, at=(128, -900))
    driver = driver_of(model, poses_of([pose_of(scale=80.0), far]), np.zeros((2, model.expression_count)))
    chin = model.landmark_mean[model.schema.oval][:, 1].min()

    def chin_rise(room: Room, **limits: float) -> float:
        moved = retarget(source, driver, model, RetargetConfig(reference=0, **limits), room)
        rest, pose = moved.pose[0], moved.pose[1]
        low = rest.translation_px[1] - rest.scale * chin
        return float((low - (pose.translation_px[1] - pose.scale * chin)) / rest.scale)

    assert chin_rise(Room(rise=0.2)) == pytest.approx(0.2, rel=0.05)
    assert chin_rise(Room()) > 0.55
    assert chin_rise(Room(rise=0.2), shift_limit=0.6, scale_limit=1.35) > 0.55


def test_a_head_that_is_cut_off_moves_less_unless_limits_are_given(model: MorphableModel) -> None:
    wild = [pose_of(), pose_of(60, 40, 0, scale=800, at=(900, 900))]
    driver = driver_of(model, poses_of(wild), np.zeros((2, model.expression_count)))

    def motion(room: Room, **limits: float) -> np.ndarray:
        """Yaw and pitch in degrees, shift to the side and growth."""
        source = face_of(model, pose_of())
        moved = retarget(source, driver, model, RetargetConfig(reference=0, **limits), room).pose[1]
        shift = (moved.translation_px - source.pose.translation_px) / source.pose.scale
        growth = np.log(moved.scale / source.pose.scale)
        return np.array([*np.degrees(angles_from_rotation(moved.rotation))[:2], shift[0], growth])

    whole, half, cut = (motion(Room(head=head)) for head in (1.0, 0.5, 0.0))
    np.testing.assert_allclose(cut / whole, 0.35, atol=0.02)
    assert (cut < half).all()
    assert (half < whole).all()
    given = {"yaw_limit_deg": 30.0, "pitch_limit_deg": 22.0, "shift_limit": 0.6, "scale_limit": 1.35}
    np.testing.assert_allclose(motion(Room(head=0.0), **given), whole, rtol=1e-6)


def test_the_more_an_edge_cuts_off_the_less_of_the_head_is_there() -> None:
    matte = np.ones((200, 160))
    assert room_in_picture(np.zeros((200, 160)), BOX).head == 1.0
    heads = [room_in_picture(matte, (30.0, top, 80.0, 100.0)).head for top in (20.0, 10.0, 0.0)]
    assert heads == sorted(heads, reverse=True)
    assert heads[2] == 0.0


def test_a_limit_of_zero_holds_the_head_still(
    source: FaceCoefficients, driver: Dynamics, model: MorphableModel
) -> None:
    moved = retarget(source, driver, model, config(yaw_limit_deg=0.0, shift_limit=0.0))
    angles = angles_from_rotation(moved.pose.rotation @ source.pose.rotation.T)
    np.testing.assert_allclose(angles[:, 0], 0.0, atol=1e-9)
    np.testing.assert_array_equal(moved.pose.translation_px, np.tile(source.pose.translation_px, (FRAMES, 1)))


# --- absolute motion, references, errors


def test_a_tilted_portrait_keeps_its_roll_when_it_takes_a_pictures_pose(model: MorphableModel) -> None:
    source, goal = face_of(model, pose_of(0, 0, 25)), pose_of(10, 5, -8)
    driver = driver_of(model, poses_of([goal]), np.zeros((1, model.expression_count)))
    moved = retarget(source, driver, model, RetargetConfig(motion="absolute", reference=0))
    yaw, pitch, roll = np.degrees(angles_from_rotation(moved.pose.rotation[0]))
    np.testing.assert_allclose([yaw, pitch, roll], [10, 5, 25], atol=0.7)


def test_absolute_motion_takes_the_drivers_face_and_angles(
    source: FaceCoefficients, driver: Dynamics, model: MorphableModel
) -> None:
    moved = retarget(source, driver, model, config(motion="absolute", rest=False))
    np.testing.assert_allclose(moved.expression, driver.expression, atol=1e-9)
    made, theirs = (angles_from_rotation(each.pose.rotation) for each in (moved, driver))
    np.testing.assert_allclose(made[:, :2], theirs[:, :2], atol=1e-9)
    own_roll = angles_from_rotation(source.pose.rotation)[2]
    np.testing.assert_allclose(made[:, 2] - own_roll, theirs[:, 2] - theirs[AT, 2], atol=1e-9)
    np.testing.assert_array_equal(moved.identity, source.identity)


def test_another_models_motion_is_refused(
    source: FaceCoefficients, driver: Dynamics, model: MorphableModel
) -> None:
    with pytest.raises(MorphableModelError, match="driving motion"):
        retarget(source, replace(driver, model_id="0123"), model, RetargetConfig())


def test_a_reference_that_does_not_exist_is_refused(
    source: FaceCoefficients, driver: Dynamics, model: MorphableModel
) -> None:
    with pytest.raises(ConfigError, match=f"{FRAMES} frames"):
        retarget(source, driver, model, RetargetConfig(reference=FRAMES))
    with pytest.raises(ConfigError, match="-1"):
        RetargetConfig(reference=-1)


@pytest.mark.parametrize("name", ["yaw_limit_deg", "pitch_limit_deg", "shift_limit", "scale_limit"])
@pytest.mark.parametrize("wrong", [-0.1, float("nan"), float("inf")])
def test_senseless_limits_are_refused_by_name(name: str, wrong: float) -> None:
    with pytest.raises(ConfigError, match=f"^{name} is {wrong}, expected "):
        RetargetConfig(**{name: wrong})  # type: ignore[arg-type]


def test_a_head_that_may_not_grow_at_all_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^scale_limit is 1\.0, expected above 1"):
        RetargetConfig(scale_limit=1.0)


@pytest.mark.parametrize("name", ["lips", "eyes", "head"])
@pytest.mark.parametrize("wrong", [-0.1, 1e9, float("nan"), float("inf")])
def test_senseless_strengths_are_refused_by_name(name: str, wrong: float) -> None:
    with pytest.raises(ConfigError, match=f"^{name} is {re.escape(str(wrong))}, expected 0 to 4"):
        RetargetConfig(**{name: wrong})  # type: ignore[arg-type]
