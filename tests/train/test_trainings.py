"""The trainings of all families: presets, settings, devices; and the paper's generator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from clay import DENSE_PAINTING, PAINTING, pairs_of
from faceanime.core.config import save_config
from faceanime.core.errors import ConfigError
from faceanime.generator.discriminator import PatchCriticConfig
from faceanime.generator.families import FAMILIES
from faceanime.generator.pgfg import PAPER_FULL
from faceanime.morphable.model import MorphableModel
from faceanime.train.generator.flow_training import FlowTraining
from faceanime.train.generator.pgfg_trainer import PgfgTraining
from faceanime.train.generator.trainings import TRAININGS, load_training, new_trainer, preset, presets
from faceanime.train.processes import Processes


def test_every_family_can_be_trained() -> None:
    """Each with settings of its own network."""
    assert [training.family for training in TRAININGS] == [family.name for family in FAMILIES]
    for training, family in zip(TRAININGS, FAMILIES, strict=True):
        for config in training.presets.values():
            assert isinstance(config, training.config)
            assert config.kind == family.name
            assert isinstance(config.network, family.config)


@pytest.mark.parametrize("config", [PAINTING, DENSE_PAINTING], ids=["residual", "dense"])
def test_the_papers_generator_learns_a_face_by_heart(
    rendered: Path, model: MorphableModel, config: PgfgTraining
) -> None:
    config = replace(config, ema=0.5, learning_rate=2e-3, steps=200, warm_up=1)
    with pairs_of(rendered, "train", model) as pairs:
        trainer, samples = new_trainer(config), new_trainer(config).samples(pairs)
        drawn = trainer.draw(pairs, 0)
        losses = [trainer.advance(drawn)["picture"] for _ in range(40)]
        numbers = trainer.validate(samples)
    assert losses[-1] < 0.8 * losses[0]
    assert numbers["face score"] == pytest.approx(numbers["face error"] / numbers["frozen face"])
    assert numbers["face error"] > numbers["picture error"]


def test_the_papers_own_size_makes_a_step(rendered: Path, model: MorphableModel) -> None:
    """Critic with its penalty, generator, identity; 115 M parameters."""
    config = PgfgTraining(network=PAPER_FULL, batch=1, warm_up=0)
    with pairs_of(rendered, "train", model) as pairs:
        trainer = new_trainer(config)
        before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
        losses = trainer.advance(trainer.draw(pairs, 0))
    assert set(losses) == set(trainer.loss_names)
    assert all(np.isfinite(value) for value in losses.values())
    for name, weight in trainer.network.named_parameters():
        assert weight.isfinite().all(), name
        cancelled = name == "prior_encoder.output_layer.bias"  # in E(p_t) - E(p_s)
        assert torch.equal(weight, before[name]) == cancelled, name


def test_every_preset_can_be_written_as_json(tmp_path: Path) -> None:
    for name, config in presets().items():
        save_config(config, tmp_path / f"{name}.json")
        assert load_training(tmp_path / f"{name}.json") == config == preset(name)
    assert preset(None) == FlowTraining()
    with pytest.raises(ConfigError, match="preset is none, expected one of flow-fast, flow-quality, paper"):
        preset("none")
    (tmp_path / "short.json").write_text('{"kind": "pgfg", "steps": 7}')
    assert load_training(tmp_path / "short.json") == PgfgTraining(steps=7)
    (tmp_path / "wrong.json").write_text('{"kind": "gan"}')
    with pytest.raises(ConfigError, match="kind"):
        load_training(tmp_path / "wrong.json")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_a_missing_device_is_reported() -> None:
    with pytest.raises(ConfigError, match="torch finds no such device here"):
        Processes.start("cuda", 1)


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match="expected 0 to 1"):
        FlowTraining(eye_share=2.0)
    with pytest.raises(ConfigError, match=r"critic\.layers is 0, expected 1 or more"):
        FlowTraining(critic=PatchCriticConfig(layers=0))
    with pytest.raises(ConfigError, match=r"laplacian is -1\.0, expected 0 or more"):
        FlowTraining(laplacian=-1.0)
    with pytest.raises(ConfigError, match="adversarial is nan"):
        FlowTraining(adversarial=float("nan"))
    with pytest.raises(ConfigError, match=r"foreign is 1\.0, expected 0 or more and less than 1"):
        FlowTraining(foreign=1.0)
