"""What draws the pictures: which renderer, and with which weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from faceanime.core.errors import ConfigError, WeightsError
from faceanime.core.weights import bundled, read_header

RendererName = Literal["flow", "geometric", "pgfg"]
Quality = Literal["fast", "quality"]
_NETWORKS: dict[str, RendererName] = {"flow-guided": "flow", "pgfg": "pgfg"}
"""Which renderer draws with which kind of network."""


@dataclass(frozen=True)
class DrawConfig:
    """What draws the pictures."""

    renderer: RendererName = "flow"
    """What draws the pictures. geometric: no network; flow: networks repair what geometry cannot carry; pgfg: the
    paper's generator, weights of which are yours to train."""
    quality: Quality = "fast"
    """Which of flow's networks that come along. quality: they look closer, and are slower."""
    generator: Path | None = None
    """Weights of `faceanime train generator`, instead of those that come along."""

    @property
    def weights(self) -> Path | None:
        """The networks' weights, None without networks. Raises ConfigError for a choice that contradicts itself."""
        if self.quality != "fast" and (self.renderer != "flow" or self.generator is not None):
            raise ConfigError(
                "--quality chooses among the networks of --renderer flow that come along; leave it out"
            )
        if self.renderer == "geometric":
            if self.generator is not None:
                raise ConfigError(
                    "the geometric renderer has no networks; leave --generator out, or choose another"
                )
            return None
        if self.generator is not None:
            return self.generator
        if self.renderer == "pgfg":
            raise ConfigError(
                "no weights of renderer pgfg come along; name yours with --generator "
                "(faceanime train generator --preset paper-small)"
            )
        return bundled(f"generator_{self.quality}.safetensors")


def renderer_of(generator: Path) -> RendererName:
    """The renderer that these weights are for. Raises WeightsError."""
    network = str(read_header(generator).get("network"))
    if network not in _NETWORKS:
        raise WeightsError(
            f"{generator} holds no generator; name the generator.safetensors that `faceanime train generator` wrote"
        )
    return _NETWORKS[network]
