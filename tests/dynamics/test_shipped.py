"""Motions imagined with the bundled weights: lively for a minute, closed loops, paths that end at their targets."""

from dataclasses import replace

import numpy as np
import pytest

from faceanime.core.weights import bundled
from faceanime.dynamics.blinks import SIDES, blinks_of, lids_apart
from faceanime.dynamics.flow_predictor import FlowPredictor
from faceanime.dynamics.lstm_predictor import LstmPredictor
from faceanime.dynamics.predictor_file import load_predictor
from faceanime.dynamics.predictor_path import bundled_predictor
from faceanime.dynamics.rollout import imagine
from faceanime.dynamics.rollout_config import FutureConfig
from faceanime.geometry.rotation import angle_between
from faceanime.morphable.model import MorphableModel, Part
from faceanime.structures.coefficients import Dynamics, FaceCoefficients
from heads import axes_of, pose_of

SEEDS = [0, 1, 2]


@pytest.fixture(scope="module")
def predictor(model: MorphableModel) -> FlowPredictor:
    predictor = load_predictor(bundled("dynamics.safetensors"), model)[0]
    assert isinstance(predictor, FlowPredictor)
    return predictor


@pytest.fixture(scope="module")
def face(model: MorphableModel) -> FaceCoefficients:
    identity = np.random.default_rng(3).normal(size=model.identity_count)
    return FaceCoefficients(identity, axes_of(model, smile=0.4), pose_of(8, -2, 3, scale=80, at=(120, 130)))


def steps_of(motion: Dynamics) -> np.ndarray:
    """Changes of expression and of head (degrees) from each frame to the next, the last to the first: (T,2)."""
    expression = np.linalg.norm(np.roll(motion.expression, -1, axis=0) - motion.expression, axis=1)
    turned = angle_between(np.roll(motion.pose.rotation, -1, axis=0), motion.pose.rotation)
    return np.stack([expression, np.degrees(turned)], axis=1)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_minute_neither_freezes_nor_drifts_nor_explodes(
    predictor: FlowPredictor, model: MorphableModel, face: FaceCoefficients, seed: int
) -> None:
    motion = imagine(predictor, face, 256, FutureConfig(seconds=60.0, seed=seed), model)
    assert len(motion) == 1500
    steps = steps_of(motion)[:-1]
    lively = np.stack([part.mean(axis=0) for part in np.array_split(steps, 6)])
    assert (lively > 0.25 * lively.mean(axis=0)).all()
    assert (lively < 4.0 * lively.mean(axis=0)).all()
    begun = np.broadcast_to(face.pose.rotation, motion.pose.rotation.shape)
    assert np.degrees(angle_between(motion.pose.rotation, begun)).max() < 45.0
    assert np.abs(np.log(motion.pose.scale / face.pose.scale)).max() < 0.4
    assert np.abs(motion.pose.translation_px - face.pose.translation_px).max() < 1.2 * face.pose.scale
    apart = np.mean([lids_apart(motion, side, model) for side in SIDES], axis=0)
    assert 6 <= len(blinks_of(apart, 25.0)) <= 62


@pytest.fixture(scope="module")
def paper(model: MorphableModel) -> LstmPredictor:
    predictor = load_predictor(bundled_predictor("paper"), model)[0]
    assert isinstance(predictor, LstmPredictor)
    return predictor


@pytest.mark.parametrize("seed", SEEDS)
def test_the_papers_predictor_neither_freezes_nor_drifts_nor_explodes(
    paper: LstmPredictor, predictor: FlowPredictor, model: MorphableModel, face: FaceCoefficients, seed: int
) -> None:
    """Every second of four is lively, about as lively as the flow's, and twenty seconds stay as near."""
    config = FutureConfig(seconds=4.0, seed=seed)
    motion, long = (imagine(paper, face, 256, replace(config, seconds=s), model) for s in (4.0, 20.0))
    usual = steps_of(imagine(predictor, face, 256, FutureConfig(seconds=20.0, seed=seed), model))[:-1].mean(
        axis=0
    )
    for some, parts in ((motion, 4), (long, 20)):
        lively = np.stack([part.mean(axis=0) for part in np.array_split(steps_of(some)[:-1], parts)])
        assert (lively > 0.25 * usual).all()
        assert (lively < 5.0 * usual).all()
        begun = np.broadcast_to(face.pose.rotation, some.pose.rotation.shape)
        assert np.degrees(angle_between(some.pose.rotation, begun)).max() < 45.0
        assert np.abs(np.log(some.pose.scale / face.pose.scale)).max() < 0.4
        assert np.abs(some.pose.translation_px - face.pose.translation_px).max() < 1.2 * face.pose.scale
        assert np.abs(some.expression).max() < 16.0


def test_the_papers_own_future_comes_to_rest(
    paper: LstmPredictor, model: MorphableModel, face: FaceCoefficients
) -> None:
    """Without noise it is a mean of all futures, which is why noise is added."""
    motion = imagine(paper, face, 256, FutureConfig(seconds=4.0, temperature=0.0), model)
    mouth = motion.expression[:, model.part == Part.MOUTH]
    speeds = np.linalg.norm(np.diff(mouth, axis=0), axis=1)
    assert speeds[75:].mean() < 0.5 * speeds[:25].mean()


@pytest.mark.parametrize("frames", [25, 50])
def test_the_papers_timer_leads_near_the_target(
    paper: LstmPredictor, model: MorphableModel, face: FaceCoefficients, frames: int
) -> None:
    goal = axes_of(model, jaw_open=0.5)
    target = FaceCoefficients(-face.identity, goal, pose_of(-6, 5, 0, scale=200, at=(300, 20)))
    config = FutureConfig(seconds=frames / 25.0, temperature=0.5)
    motion = imagine(paper, face, 256, config, model, target)
    away = np.linalg.norm(motion.expression - target.expression, axis=1)
    turned = np.degrees(angle_between(motion.pose.rotation[-1], target.pose.rotation))
    assert away[-1] < 0.3 * away[0]
    assert turned < 3.0


@pytest.mark.parametrize("seconds", [1.5, 6.0])
def test_a_loop_closes_as_if_it_went_on(
    predictor: FlowPredictor, model: MorphableModel, face: FaceCoefficients, seconds: float
) -> None:
    """The step from the last frame to the first is on average as wide as the others, and its neighbors too."""
    around = []
    for seed in range(16):
        config = FutureConfig(seconds=seconds, seed=seed, loop=True)
        steps = steps_of(imagine(predictor, face, 256, config, model))
        around.append(np.roll(steps, 2, axis=0)[:4] / np.median(steps, axis=0))
    np.testing.assert_allclose(np.mean(around, axis=0), 1.0, atol=0.4)


@pytest.mark.parametrize("frames", [5, 25, 96, 241, 300])
def test_ways_end_at_the_target_without_a_jump(
    predictor: FlowPredictor, model: MorphableModel, face: FaceCoefficients, frames: int
) -> None:
    target = FaceCoefficients(
        -face.identity, axes_of(model, jaw_open=0.5), pose_of(-6, 5, 0, scale=200, at=(300, 20))
    )
    motion = imagine(predictor, face, 256, FutureConfig(seconds=frames / 25.0), model, target)
    assert len(motion) == frames
    np.testing.assert_allclose(motion.expression[-1], target.expression, atol=1e-6)
    np.testing.assert_allclose(motion.pose.rotation[-1], target.pose.rotation, atol=1e-6)
    straight = np.degrees(angle_between(target.pose.rotation, face.pose.rotation)) / (frames - 1)
    assert steps_of(motion)[:-1, 1].max() < 2.0 * straight + 5.0
