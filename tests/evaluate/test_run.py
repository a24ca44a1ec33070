"""What an evaluation is of: rows, their networks, and who taught those."""

from __future__ import annotations

from pathlib import Path

import pytest

from faceanime.core.errors import ConfigError
from faceanime.evaluate.run import EvaluateConfig, flattered_rows
from faceanime.generator.generator_file import save_generator
from faceanime.generator.pgfg import Pgfg, PgfgConfig
from faceanime.morphable.model import MorphableModel
from faceanime.render.renderer import RendererConfig


def test_rows_that_learned_from_their_judge_are_told(tmp_path: Path, model: MorphableModel) -> None:
    """Not with another judge, nor of networks that had no such teacher."""
    paths = []
    for name, teacher in (("taught", "dlib"), ("plain", None)):
        network = Pgfg(PgfgConfig(size_px=16, width=2, widest=2, latent=2))
        paths.append(tmp_path / f"{name}.safetensors")
        save_generator(paths[-1], network, model, {"recogniser": teacher})
    config = EvaluateConfig(renderer=("geometric",), generator=tuple(paths))
    assert flattered_rows(config) == ["taught"]
    other = EvaluateConfig(generator=tuple(paths), identity_weights=tmp_path / "arcface.onnx")
    assert flattered_rows(other) == []


def test_each_renderer_is_a_row() -> None:
    config = EvaluateConfig(quality=("fast", "quality"))
    assert list(config.own_rows) == ["geometric", "flow-fast", "flow-quality"]
    assert config.own_rows["flow-quality"] == RendererConfig(quality="quality")
    own = Path("flow-fast.safetensors")
    with pytest.raises(ConfigError, match="two rows would be called flow-fast"):
        EvaluateConfig(generator=(own,))
