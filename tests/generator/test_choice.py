"""Which weights a choice of renderer and quality means."""

from __future__ import annotations

from pathlib import Path

import pytest

from faceanime.core.errors import ConfigError
from faceanime.core.weights import bundled
from faceanime.generator.renderer_config import DrawConfig, Quality, renderer_of


@pytest.mark.parametrize("quality", ["fast", "quality"])
def test_both_qualities_come_along(quality: Quality) -> None:
    path = DrawConfig(quality=quality).weights
    assert path == bundled(f"generator_{quality}.safetensors")
    assert renderer_of(path) == "flow"


def test_own_weights_come_first() -> None:
    own = Path("own.safetensors")
    assert DrawConfig("pgfg", generator=own).weights == DrawConfig(generator=own).weights == own


@pytest.mark.parametrize(
    "draw",
    [
        DrawConfig("geometric", quality="quality"),
        DrawConfig("pgfg", quality="quality", generator=Path("own.safetensors")),
        DrawConfig(quality="quality", generator=Path("own.safetensors")),
    ],
)
def test_a_quality_of_what_does_not_come_along_is_refused(draw: DrawConfig) -> None:
    with pytest.raises(ConfigError, match="--quality chooses among the networks of --renderer flow"):
        _ = draw.weights
