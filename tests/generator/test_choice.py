"""Which weights a choice of renderer means."""

from __future__ import annotations

from pathlib import Path

from faceanime.generator.choice import DrawConfig, renderer_of
from faceanime.weights import bundled


def test_weights_come_along_unless_own_ones_are_named() -> None:
    usual = DrawConfig().weights
    assert usual == bundled("generator_fast.safetensors")
    assert renderer_of(usual) == "flow"
    own = Path("own.safetensors")
    assert DrawConfig("pgfg", generator=own).weights == DrawConfig(generator=own).weights == own
