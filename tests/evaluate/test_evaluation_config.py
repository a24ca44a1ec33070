"""The rows of an evaluation, and which of them were trained with the network that measures identity."""

from __future__ import annotations

from pathlib import Path

import pytest

from faceanime.core.errors import ConfigError
from faceanime.evaluate.evaluation_config import EvaluateConfig
from faceanime.evaluate.rendered_rows import rows_trained_on_metric_network
from faceanime.generator.config import RendererConfig
from faceanime.generator.generator_file import save_generator
from faceanime.generator.pgfg import Pgfg, PgfgConfig
from faceanime.morphable.model import MorphableModel


def test_rows_trained_with_the_identity_network_are_named(tmp_path: Path, model: MorphableModel) -> None:
    """None is named if another network measures identity."""
    paths = []
    for name, recogniser in (("trained", "dlib"), ("plain", None)):
        network = Pgfg(PgfgConfig(size_px=16, width=2, widest=2, latent=2))
        paths.append(tmp_path / f"{name}.safetensors")
        save_generator(paths[-1], network, model, {"recogniser": recogniser})
    config = EvaluateConfig(renderer=("geometric",), generator=tuple(paths))
    assert rows_trained_on_metric_network(config) == ["trained"]
    other = EvaluateConfig(generator=tuple(paths), identity_weights=tmp_path / "arcface.onnx")
    assert rows_trained_on_metric_network(other) == []


def test_each_renderer_is_a_row() -> None:
    config = EvaluateConfig(quality=("fast", "quality"))
    assert list(config.bundled_rows) == ["geometric", "flow-fast", "flow-quality"]
    assert config.bundled_rows["flow-quality"] == RendererConfig(quality="quality")
    own = Path("flow-fast.safetensors")
    with pytest.raises(ConfigError, match="two rows would be called flow-fast"):
        EvaluateConfig(generator=(own,))
