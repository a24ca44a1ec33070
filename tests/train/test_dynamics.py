"""Training the predictors: it learns, it can be stopped and resumed, and it sees both sides of every face."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from faceanime.core.errors import Cancelled, ConfigError, MorphableModelError
from faceanime.core.progress import SilentProgress
from faceanime.dynamics.flow_predictor import FlowConfig
from faceanime.dynamics.lstm_predictor import LstmConfig
from faceanime.dynamics.posed_vertices import VERTEX_INTERVAL, PosedVertices
from faceanime.dynamics.predictor_file import load_predictor
from faceanime.dynamics.state import states_of
from faceanime.geometry.camera import project
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import Dynamics
from faceanime.train.dynamics.calibration import calibrate
from faceanime.train.dynamics.config import DynamicsConfig
from faceanime.train.dynamics.excerpts import Clips
from faceanime.train.dynamics.flow_predictor_trainer import (
    FlowPredictorTrainer,
    continue_past_end,
    untrained_flow,
)
from faceanime.train.dynamics.training import TRAINERS, train_dynamics
from faceanime.train.loop import Run
from faceanime.train.losses import VERTEX_UNIT, VertexDistance
from logs import StoppingLog
from waves import waving

SMALL = DynamicsConfig(
    flow=FlowConfig(window=24, width=32, layers=1, heads=2),
    lstm=LstmConfig(width=16),
    steps=8,
    batch=4,
    observed=6,
    future=6,
    validate_every=4,
)
KINDS = [SMALL, replace(SMALL, kind="lstm"), replace(SMALL, slowest=0.5, flow=replace(SMALL.flow, window=96))]
"""The last one's excerpts are longer than the clips."""


@pytest.fixture(scope="module")
def motions(model: MorphableModel) -> list[Dynamics]:
    return [waving(model, seed) for seed in range(6)]


@pytest.mark.parametrize(
    ("config", "most"),
    [(replace(KINDS[0], learning_rate=3e-3, batch=16), 0.8), (replace(KINDS[1], learning_rate=1e-2), 0.9)],
    ids=["flow", "lstm"],
)
def test_it_learns(
    config: DynamicsConfig, most: float, motions: list[Dynamics], model: MorphableModel
) -> None:
    """It memorizes its training motions: sine curves do not predict other sine curves."""
    config = replace(config, steps=400, warm_up=5, ema=0.9)
    clips = Clips(motions[:1], model)
    trainer = TRAINERS[config.kind](config, clips, model)
    samples = trainer.samples(clips)
    before = trainer.validate(samples)["validation"]
    for step in range(120):
        trainer.advance(trainer.draw(clips, step))
    assert trainer.validate(samples)["validation"] < most * before


def test_beyond_a_clips_end_motion_goes_on(motions: list[Dynamics], model: MorphableModel) -> None:
    clips, rng = Clips(motions, model), np.random.default_rng(0)
    config = KINDS[2]
    predictor = untrained_flow(config, clips, model)
    excerpts = clips.draw(rng, 32, config.flow.window, config.slowest)
    there = excerpts.there
    assert 0 < there.all(axis=1).sum() < 32  # of 60 frames at half speed 96 can be had, else not
    normal = predictor.normaliser.normal(torch.tensor(excerpts.states))
    torch.manual_seed(0)
    moving = continue_past_end(predictor.prior, normal, there).numpy()
    np.testing.assert_array_equal(moving[there], normal.numpy()[there])
    steps = np.abs(np.diff(moving, axis=1)).mean(axis=2)
    inside, beyond = there[:, 1:] & there[:, :-1], ~there[:, 1:]
    assert steps[beyond].mean() > 0.3 * steps[inside].mean()
    edge = beyond & there[:, :-1]
    assert steps[edge].mean() < 3.0 * steps[beyond].mean()  # it does not jump


@pytest.mark.parametrize("config", KINDS, ids=["flow", "lstm", "flow, long excerpts"])
def test_a_stopped_run_goes_on_bit_for_bit(
    tmp_path: Path, config: DynamicsConfig, motions: list[Dynamics], model: MorphableModel
) -> None:
    data, parts = (motions[:4], motions[4:], model), tmp_path / "parts"
    whole = train_dynamics(config, *data, Run(tmp_path / "whole"), SilentProgress())
    log = StoppingLog()
    with pytest.raises(Cancelled):
        train_dynamics(config, *data, Run(parts, log=log), log.progress)
    resumed = train_dynamics(config, *data, Run(parts, resume=True), SilentProgress())
    assert resumed.read_bytes() == whole.read_bytes()
    checkpoints = [path.parent / "checkpoint.safetensors" for path in (whole, resumed)]
    assert checkpoints[0].read_bytes() == checkpoints[1].read_bytes()


class Impatient(SilentProgress):
    """Ctrl-C, and again at once, while the n-th step is taken."""

    def __init__(self, trainer: type, patch: pytest.MonkeyPatch, at: int) -> None:
        super().__init__()
        advance, taken = trainer.advance, []

        def interrupted(self: object, drawn: object) -> object:
            taken.append(drawn)
            if len(taken) == at:
                raise KeyboardInterrupt
            return advance(self, drawn)

        patch.setattr(trainer, "advance", interrupted)


@pytest.mark.parametrize("config", KINDS[:2], ids=["flow", "lstm"])
def test_stopping_at_once_loses_no_step(
    tmp_path: Path,
    config: DynamicsConfig,
    motions: list[Dynamics],
    model: MorphableModel,
) -> None:
    data, trainer = (motions[:4], motions[4:], model), TRAINERS[config.kind]
    assert isinstance(trainer, type)
    with pytest.MonkeyPatch.context() as patch:
        progress = Impatient(trainer, patch, at=3)
        with pytest.raises(
            Cancelled, match=r"stopped after step 2 of 8, which .* keeps; try the same command with"
        ):
            train_dynamics(config, *data, Run(tmp_path / "run"), progress)
    resumed = train_dynamics(config, *data, Run(tmp_path / "run", resume=True), SilentProgress())
    whole = train_dynamics(config, *data, Run(tmp_path / "whole"), SilentProgress())
    assert resumed.read_bytes() == whole.read_bytes()


def test_a_run_is_not_overwritten(tmp_path: Path, motions: list[Dynamics], model: MorphableModel) -> None:
    data = (motions[:4], motions[4:], model)
    train_dynamics(SMALL, *data, Run(tmp_path), SilentProgress())
    with pytest.raises(ConfigError, match="try resume"):
        train_dynamics(SMALL, *data, Run(tmp_path), SilentProgress())
    narrow = replace(SMALL, flow=FlowConfig(window=24, width=16, layers=1, heads=2))
    with pytest.raises(ConfigError, match="other settings"):
        train_dynamics(narrow, *data, Run(tmp_path, resume=True), SilentProgress())


def test_weights_belong_to_a_model(tmp_path: Path, motions: list[Dynamics], model: MorphableModel) -> None:
    path = train_dynamics(SMALL, motions[:4], motions[4:], model, Run(tmp_path), SilentProgress())
    predictor, header = load_predictor(path, model)
    assert header["step"] in (4, 8)
    assert not predictor.training
    other = replace(model, id="0123456789ab")
    with pytest.raises(MorphableModelError):
        load_predictor(path, other)


def test_vertices_stand_where_the_camera_puts_them(model: MorphableModel) -> None:
    motion = waving(model, 9, frames=5)
    states = states_of(motion.expression, motion.pose, motion.pose[0])
    posed = PosedVertices(model)(torch.tensor(states, dtype=torch.float32)).numpy()
    some = np.arange(0, model.landmark_count, VERTEX_INTERVAL)
    for t in range(5):
        shape = model.vertices(motion.identity, motion.expression[t])[some]
        expected = project(shape, motion.pose[t])[:, :2]
        found = posed[t, :, :2] * motion.pose.scale[0] + motion.pose.translation_px[0]
        np.testing.assert_allclose(found, expected, atol=1e-3)


def test_the_vertex_distance_of_a_shift(model: MorphableModel) -> None:
    still = torch.zeros(1, model.expression_count + 6)
    shifted = still.clone()
    shifted[0, -2:] = torch.tensor([0.3, 0.4])
    distance = float(VertexDistance(model)(still, shifted)[0])
    assert distance == pytest.approx((0.5 / VERTEX_UNIT) ** 2, rel=1e-5)


def test_additions_that_did_not_hold_are_not_trusted(motions: list[Dynamics], model: MorphableModel) -> None:
    clips = Clips(motions, model)
    predictor = untrained_flow(SMALL, clips, model).eval()
    assert (predictor.trust == 1.0).all()
    for parameter in predictor.head.parameters():  # an untrained network that talks nonsense
        torch.nn.init.normal_(parameter)
    calibrate(predictor, clips, SMALL.batch, SMALL.observed, SMALL.seed)
    assert float(predictor.trust.min()) >= 0.0
    assert float(predictor.trust.mean()) < 0.35


def test_additions_that_held_are(motions: list[Dynamics], model: MorphableModel) -> None:
    clips = Clips(motions[:1], model)
    config = replace(SMALL, steps=400, warm_up=5, learning_rate=3e-3, batch=16, ema=0.9)
    trainer = FlowPredictorTrainer(config, clips, model)
    for step in range(150):
        trainer.advance(trainer.draw(clips, step))
    trainer.calibrate(clips)
    far = trainer.average.trust[:, :, -2:]
    assert float(far.mean()) > 0.5
