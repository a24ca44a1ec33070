"""Critics: the paper's, which gives a pair one number, and a small one that judges patches.

Both see a pair [p_t, I]: what the picture was drawn from, and the picture, real or drawn, as channels of one tensor.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from faceanime.core.errors import ConfigError, check_shape
from faceanime.generator.blocks import SMALLEST_PX, ResidualDown, convolution, widths_by_scale

_CRITIC_SLOPE = 0.01
_PATCH_SLOPE = 0.2


@dataclass(frozen=True)
class CriticConfig:
    """Size of the paper's critic; as it stands, that of the release (20 M parameters)."""

    size_px: int = 128
    channels: int = 6
    """Of the prior and the picture together."""
    width: int = 64
    """Channels at full size; doubled with every halving ..."""
    widest: int = 512
    """... up to so many."""

    def __post_init__(self) -> None:
        widths_by_scale(self.size_px, self.width, self.widest)
        if self.channels < 1:
            raise ConfigError(f"critic.channels is {self.channels}, expected at least 1")


class Critic(nn.Module):
    """Residual blocks down to 4x4, leaky ReLU, and a linear layer to one number; no normalisation.

    A Wasserstein critic's gradient is penalised for each sample, which batch norm would mix (arXiv 1704.00028, sec. 4).

    Source: arXiv 2105.14678, sec. III (a critic of [p_t, I]); the blocks are those of FRGAN (Zhao et al., ECCV 2018).
    """

    def __init__(self, config: CriticConfig = CriticConfig()) -> None:
        super().__init__()
        self.config = config
        widths = widths_by_scale(config.size_px, config.width, config.widest)
        self.enter = convolution(config.channels, widths[0])
        self.blocks = nn.Sequential(*(ResidualDown(*pair, slope=_CRITIC_SLOPE) for pair in pairwise(widths)))
        self.leave = nn.Linear(widths[-1] * SMALLEST_PX**2, 1)

    def forward(self, pair: Float[Tensor, "B C S S"]) -> Float[Tensor, " B"]:
        """How real each pair is, on a scale of its own. Raises ShapeError."""
        check_shape("pair", pair, None, self.config.channels, self.config.size_px, self.config.size_px)
        features: Tensor = self.blocks(self.enter(pair))
        return self.leave(features.flatten(1))[:, 0]


_PAIR_CHANNELS = 6
"""The target's prior and the picture."""


@dataclass(frozen=True)
class PatchCriticConfig:
    """Size of the patch critic."""

    width: int = 32
    """Channels of the first layer; every layer doubles them."""
    layers: int = 3
    """Halvings; three see patches of 54 px."""

    def __post_init__(self) -> None:
        if min(self.width, self.layers) < 1:
            raise ConfigError("patch critic: width and layers must be at least 1")


class PatchCritic(nn.Module):
    """Strided convolutions with instance norm and leaky ReLU; a score for each patch.

    Source: Isola et al., arXiv 1611.07004, sec. 3.2.2 (PatchGAN); Wang et al., arXiv 1711.11585, sec. 3.2 (features
    to match). Ours: thinner, and the last two convolutions are 3x3.
    """

    def __init__(self, config: PatchCriticConfig = PatchCriticConfig()) -> None:
        super().__init__()
        self.config = config
        widths = [config.width << layer for layer in range(config.layers)]
        self.layers = nn.ModuleList([nn.Conv2d(_PAIR_CHANNELS, widths[0], 4, stride=2, padding=1)])
        for into, out in pairwise(widths):
            self.layers.append(
                nn.Sequential(nn.Conv2d(into, out, 4, stride=2, padding=1), nn.InstanceNorm2d(out))
            )
        self.layers.append(nn.Sequential(convolution(widths[-1], widths[-1]), nn.InstanceNorm2d(widths[-1])))
        self.leave = convolution(widths[-1], 1)

    def forward(self, pair: Float[Tensor, "B C H W"]) -> tuple[Float[Tensor, "B h w"], list[Tensor]]:
        """A score for each patch, and the features of each layer. Raises ShapeError."""
        check_shape("pair", pair, None, _PAIR_CHANNELS, None, None)
        features: list[Tensor] = []
        for layer in self.layers:
            given = features[-1] if features else pair
            features.append(nn.functional.leaky_relu(layer(given), _PATCH_SLOPE))
        return self.leave(features[-1])[:, 0], features
