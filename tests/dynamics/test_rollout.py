"""Laws of imagined motion; they hold for untrained networks."""

import copy
from typing import Any

import numpy as np
import pytest
import torch

from faceanime.core.errors import ConfigError
from faceanime.dynamics.blinks import blinks_of, lids_apart
from faceanime.dynamics.flow_predictor import FlowConfig, FlowPredictor
from faceanime.dynamics.lstm_predictor import LstmConfig, LstmPredictor
from faceanime.dynamics.openings import CLOSED_LIPS, opening_of
from faceanime.dynamics.predictor import KnownStates
from faceanime.dynamics.rollout import imagine
from faceanime.dynamics.rollout_config import FutureConfig, Style
from faceanime.dynamics.state import HEAD_NUMBERS
from faceanime.dynamics.windowed_rollout import CONTEXT_FRAMES, window_bounds
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import FaceCoefficients
from faceanime.train.dynamics.excerpts import groups_of
from heads import axes_of, pose_of

WINDOW = 48


@pytest.fixture(scope="module")
def predictor(model: MorphableModel) -> FlowPredictor:
    torch.manual_seed(0)
    config = FlowConfig(window=WINDOW, width=32, layers=2, heads=2)
    return FlowPredictor(model.expression_count + HEAD_NUMBERS, config).eval()


@pytest.fixture(scope="module")
def face(model: MorphableModel) -> FaceCoefficients:
    identity = np.random.default_rng(3).normal(size=model.identity_count)
    return FaceCoefficients(identity, axes_of(model, smile=0.4), pose_of(8, -2, 3, scale=80, at=(120, 130)))


@pytest.fixture(scope="module")
def target(model: MorphableModel) -> FaceCoefficients:
    identity = np.random.default_rng(4).normal(size=model.identity_count)
    return FaceCoefficients(
        identity, axes_of(model, jaw_open=0.6), pose_of(-12, 5, 0, scale=200, at=(300, 20))
    )


def task(numbers: int, frames: int, known: list[int]) -> KnownStates:
    states = np.random.default_rng(5).normal(size=(frames, numbers))
    return KnownStates(states, np.isin(np.arange(frames), known))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("frames", [2, 5, WINDOW, WINDOW + 1, 3 * WINDOW + 7])
@pytest.mark.parametrize("ends", [False, True])
def test_what_is_known_stays_and_all_else_is_drawn(predictor: FlowPredictor, frames: int, ends: bool) -> None:
    given = task(predictor.numbers, frames, [0, frames - 1] if ends and frames > 2 else [0])
    for drawn in (predictor.draw(given, FutureConfig(), generator()), predictor.mean_future(given)):
        assert drawn.shape == given.states.shape
        assert np.isfinite(drawn).all()
        np.testing.assert_array_equal(drawn[given.known], given.states[given.known])
        assert (drawn[~given.known] != given.states[~given.known]).any(axis=1).all()


def test_the_seed_decides(predictor: FlowPredictor) -> None:
    given = task(predictor.numbers, 100, [0])
    one, again, other = (predictor.draw(given, FutureConfig(), generator(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).mean() > 0.01


@pytest.mark.parametrize("seconds", [0.2, 2.0, 12.0])
def test_the_way_to_a_target_ends_there(
    predictor: FlowPredictor,
    model: MorphableModel,
    face: FaceCoefficients,
    target: FaceCoefficients,
    seconds: float,
) -> None:
    motion = imagine(predictor, face, 256, FutureConfig(seconds=seconds), model, target)
    assert len(motion) == round(25 * seconds)
    np.testing.assert_allclose(motion.expression[0], face.expression, atol=1e-6)
    np.testing.assert_allclose(motion.expression[-1], target.expression, atol=1e-6)
    np.testing.assert_allclose(motion.pose.rotation[-1], target.pose.rotation, atol=1e-6)
    np.testing.assert_array_equal(motion.identity, face.identity)
    np.testing.assert_allclose(motion.pose.scale[-1], face.pose.scale)
    np.testing.assert_allclose(motion.pose.translation_px[-1], face.pose.translation_px)


def test_who_the_target_is_does_not_matter(
    predictor: FlowPredictor, model: MorphableModel, face: FaceCoefficients, target: FaceCoefficients
) -> None:
    twin = FaceCoefficients(-target.identity, target.expression, target.pose.resized(0.3, (5.0, 9.0)))
    one, two = (imagine(predictor, face, 256, FutureConfig(), model, goal) for goal in (target, twin))
    np.testing.assert_allclose(one.expression, two.expression, atol=1e-9)
    np.testing.assert_allclose(one.pose.translation_px, two.pose.translation_px, atol=1e-6)


def test_a_loop_knows_how_it_goes_on(predictor: FlowPredictor) -> None:
    """An untrained network does not close it; but the frames after its end are given to it as known."""
    seen: list[np.ndarray] = []

    def spy(_: object, given: tuple[Any, ...]) -> None:
        seen.append(given[2].is_known.numpy().copy())

    handle = predictor.register_forward_pre_hook(spy)
    predictor.future(task(predictor.numbers, 60, [0]), FutureConfig(loop=True))
    handle.remove()
    last = seen[-1][0]
    assert last[:16].all()
    assert last[31:47].all()
    assert not last[16:31].any()


def test_loops_have_a_least_length_and_no_target(
    predictor: FlowPredictor, model: MorphableModel, face: FaceCoefficients, target: FaceCoefficients
) -> None:
    with pytest.raises(ConfigError, match="too short"):
        imagine(predictor, face, 256, FutureConfig(seconds=0.8, loop=True), model)
    with pytest.raises(ConfigError, match="cannot end at a target"):
        imagine(predictor, face, 256, FutureConfig(loop=True), model, target)


@pytest.mark.parametrize(
    "wrong",
    [
        {"seconds": 0.1},
        {"seconds": float("nan")},
        {"energy": 9.0},
        {"steps": 0},
        {"seed": -1},
        {"temperature": 2.0},
    ],
)
def test_senseless_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        FutureConfig(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("with_target", [False, True])
def test_an_untrained_lstm_stays_where_it_is_or_goes_straight(
    model: MorphableModel, with_target: bool
) -> None:
    """Its own change begins at zero."""
    lstm = LstmPredictor(model.expression_count + HEAD_NUMBERS, LstmConfig(width=16))
    given = task(model.expression_count + HEAD_NUMBERS, 20, [0, 1, 2, 19] if with_target else [0, 1, 2])
    future = lstm.future(given, FutureConfig())
    np.testing.assert_array_equal(future[:3], given.states[:3])
    start, end = given.states[2], given.states[19 if with_target else 2]
    straight = start + np.linspace(0.0, 1.0, 18)[1:, None] * (end - start)
    np.testing.assert_allclose(future[3:], straight, atol=1e-5)


def test_the_timer_counts_down_to_the_target() -> None:
    """The step (d_T - d) / (T - t + 1) leads in a straight line to the target."""
    lstm = LstmPredictor(4, LstmConfig(width=8))
    states, target = torch.zeros(1, 1, 4), torch.ones(1, 4)
    heard = []
    lstm.lstm.register_forward_pre_hook(lambda _, given: heard.append(given[0]))
    way = lstm(states, 10, target)[0, :, 0].detach().numpy()
    np.testing.assert_allclose(way, np.arange(1, 11) / 10, atol=1e-6)
    timers = [float(given[0, -1]) * 25 for given in heard]
    np.testing.assert_allclose(timers, np.arange(9, -1, -1), atol=1e-5)


def test_at_temperature_nought_there_is_one_future(predictor: FlowPredictor) -> None:
    """An untrained network adds nothing, so that it is the prior's mean."""
    given = task(predictor.numbers, 40, [0, 39])
    drawn = [predictor.draw(given, FutureConfig(temperature=0.0), generator(seed)) for seed in (0, 1)]
    np.testing.assert_allclose(drawn[0], drawn[1], atol=1e-5)
    np.testing.assert_allclose(drawn[0], predictor.mean_future(given), atol=1e-5)


def test_temperature_is_the_distance_from_the_mean(predictor: FlowPredictor) -> None:
    given = task(predictor.numbers, 40, [0])
    mean = predictor.mean_future(given)
    half, whole = (
        predictor.draw(given, FutureConfig(temperature=temperature), generator()) - mean
        for temperature in (0.5, 1.0)
    )
    np.testing.assert_allclose(2.0 * half, whole, atol=1e-4)


def test_few_steps_lead_where_many_do(predictor: FlowPredictor) -> None:
    """To the noise itself, where a Gaussian is led to its own distribution (an untrained network)."""
    even = copy.deepcopy(predictor)
    even.style_factor.mul_(1e-3)  # all equally lively
    given = task(predictor.numbers, 40, [0])
    many, few, one = (even.draw(given, FutureConfig(steps=steps), generator()) for steps in (100, 3, 1))
    far = np.abs(many - one).mean()
    assert far > 0.3
    assert np.abs(many - few).mean() < 0.25 * far
    assert many[1:].std() == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("per_minute", [12.0, 30.0])
def test_imagined_faces_blink_and_known_frames_stay(
    predictor: FlowPredictor,
    face: FaceCoefficients,
    target: FaceCoefficients,
    model: MorphableModel,
    per_minute: float,
) -> None:
    blinking = copy.deepcopy(predictor)
    blinking.blink_rate.copy_(torch.tensor([np.log(per_minute), 0.0]))
    config = FutureConfig(seconds=120.0, seed=1, temperature=0.0)
    motion = imagine(blinking, face, 256, config, model, target)
    blinks = blinks_of(lids_apart(motion, "left", model), 25.0)
    assert abs(len(blinks) - 2 * per_minute) < 3.0 * np.sqrt(2 * per_minute)
    np.testing.assert_array_equal(motion.expression[0], face.expression)
    np.testing.assert_array_equal(motion.expression[-1], target.expression)


def test_lips_meet_and_never_cross(
    predictor: FlowPredictor, face: FaceCoefficients, model: MorphableModel
) -> None:
    motion = imagine(predictor, face, 256, FutureConfig(seconds=4.0, seed=1), model)
    apart = opening_of(motion, "lips_apart", model)
    assert apart.min() >= min(CLOSED_LIPS, apart[0]) - 1e-6
    np.testing.assert_array_equal(motion.expression[0], face.expression)


def test_energy_is_felt(predictor: FlowPredictor) -> None:
    given = task(predictor.numbers, 60, [0])
    calm, lively = (
        np.abs(np.diff(predictor.draw(given, FutureConfig(energy=energy), generator()), axis=0)).mean()
        for energy in (0.5, 2.0)
    )
    assert lively > 1.5 * calm


def test_the_lively_stay_lively(predictor: FlowPredictor) -> None:
    """Seeds differ in how lively they are, more than the windows of one do; an untrained network draws noise."""
    windows = 4
    given = task(predictor.numbers, 1 + windows * (WINDOW - CONTEXT_FRAMES), [0])
    drawn = [predictor.draw(given, FutureConfig(), generator(seed))[1:] for seed in range(24)]
    size = np.log([[part.std() for part in np.split(motion, windows)] for motion in drawn])
    between, within = size.mean(axis=1).std(), size.std(axis=1).mean()
    assert between > 0.3
    assert 0.05 < within < between
    assert np.corrcoef(size[:, 0], size[:, 1])[0, 1] > 0.5


@pytest.mark.parametrize(("style", "parts"), [(0, {2}), (1, {0, 1}), (2, {3, 4, 5})])
def test_a_style_moves_its_own_numbers(
    predictor: FlowPredictor, model: MorphableModel, style: int, parts: set[int]
) -> None:
    """Mouth; lids, gaze and brows; head."""
    apart = copy.deepcopy(predictor)
    groups = groups_of(model)
    apart.prior.group.copy_(torch.tensor(groups))
    middle, raised = torch.zeros(1, 3), torch.zeros(1, 3)
    raised[0, style] = 0.7
    ratio = (apart.liveliness(raised) / apart.liveliness(middle))[0, 0].numpy()
    mine = np.isin(groups, list(parts))
    np.testing.assert_allclose(ratio, np.where(mine, np.exp(0.7), 1.0), rtol=1e-5)


@pytest.mark.parametrize("style", ["any", "talk", "idle", "look-around"])
def test_more_energy_is_livelier_in_every_style(predictor: FlowPredictor, style: Style) -> None:
    given = task(predictor.numbers, 60, [0])
    speeds = [
        np.abs(np.diff(predictor.draw(given, FutureConfig(style=style, energy=e), generator()), axis=0))[
            1:
        ].mean()
        for e in (0.2, 0.5, 1.0, 2.0, 3.0)
    ]
    np.testing.assert_allclose(np.array(speeds) / speeds[2], [0.2, 0.5, 1.0, 2.0, 3.0], rtol=0.2)


@pytest.mark.parametrize("after", [0, 1, 16])
def test_the_last_window_sees_where_it_leads(after: int) -> None:
    for unknown in range(1, 700):
        bounds = window_bounds(unknown, after, 96)
        sizes = np.diff(bounds)
        assert bounds[0] == 0
        assert bounds[-1] == unknown
        assert (sizes > 0).all()
        assert sizes.max() <= 96 - 16
        assert sizes[-1] <= 96 - 16 - after


def smooth_prior(predictor: FlowPredictor) -> FlowPredictor:
    """The predictor with a process that moves as smoothly as people do."""
    smooth = copy.deepcopy(predictor)
    lag = torch.arange(WINDOW)
    smooth.prior.autocovariance.copy_(torch.exp(-((lag / 12.0) ** 2)).expand(6, -1))
    smooth.prior.clear_cache()
    return smooth


def test_a_motion_slows_down_where_it_arrives(predictor: FlowPredictor) -> None:
    """A process that need not stay at the target rushes through it, and the last frame would be the quickest."""
    smooth, calm = smooth_prior(predictor), FutureConfig(temperature=0.0)
    states = np.zeros((12, predictor.numbers))
    states[0], states[-1] = 2.0, 1.0
    known = KnownStates(states, np.isin(np.arange(12), [0, 11]))
    held, passed = (
        np.abs(np.diff(motion, axis=0)).mean(axis=1)
        for motion in (smooth.future(known, calm), smooth.draw(known, calm, generator()))
    )
    assert held[-1] < 0.7 * passed[-1]
    assert held[-1] < 0.7 * held.max()


def test_a_target_is_not_jumped_to(
    predictor: FlowPredictor, face: FaceCoefficients, target: FaceCoefficients
) -> None:
    """Windows of 48 frames; before, the last one did not see the target of some lengths."""
    smooth = smooth_prior(predictor)
    states = np.zeros((300, predictor.numbers))
    states[-1] = 1.0
    for frames in (97, 98, 129, 130, 161, 162):
        given = KnownStates(states[-frames:], np.isin(np.arange(frames), [0, frames - 1]))
        steps = np.abs(np.diff(smooth.mean_future(given), axis=0)).max(axis=1)
        assert steps[-1] < 0.4
