"""Weights that are loaded for each choice of renderer and quality."""

from __future__ import annotations

from pathlib import Path

import pytest

from faceanime.core.errors import ConfigError
from faceanime.core.weights import bundled
from faceanime.generator import flow_renderer, pgfg_renderer
from faceanime.generator.config import Quality, RendererConfig
from faceanime.generator.renderers import renderer_of, weights_of


@pytest.mark.parametrize("quality", ["fast", "quality"])
def test_both_qualities_come_along(quality: Quality) -> None:
    path = weights_of(RendererConfig(quality=quality))
    assert path == bundled(f"generator_{quality}.safetensors")
    assert renderer_of(path) == "flow"


def test_own_weights_come_first() -> None:
    own = Path("own.safetensors")
    assert pgfg_renderer.KIND.weights(RendererConfig("pgfg", generator=own)) == own
    assert flow_renderer.KIND.weights(RendererConfig(generator=own)) == own


@pytest.mark.parametrize(
    "draw",
    [
        RendererConfig("geometric", quality="quality"),
        RendererConfig("pgfg", quality="quality", generator=Path("own.safetensors")),
        RendererConfig(quality="quality", generator=Path("own.safetensors")),
    ],
)
def test_a_quality_of_what_does_not_come_along_is_refused(draw: RendererConfig) -> None:
    with pytest.raises(ConfigError, match=r"leave (it|one of them|quality and generator) out"):
        weights_of(draw)
