"""Critics: the paper's, which gives each pair one score, and a smaller one that scores patches.

Both take a pair [p_t, I], the target's prior and a real or generated picture, as channels of one tensor.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from faceanime.core.errors import check_range, check_shape
from faceanime.generator.blocks import SMALLEST_PX, ResidualDown, convolution, widths_by_scale

_CRITIC_SLOPE = 0.01
"""Slope of the paper's critic's leaky ReLU for negative inputs: PyTorch's default."""
_PATCH_SLOPE = 0.2
"""Slope of the patch critic's leaky ReLU for negative inputs, as in arXiv 1611.07004."""


@dataclass(frozen=True)
class CriticConfig:
    """Size of the paper's critic; the defaults are the release's (20 M parameters)."""

    size_px: int = 128
    """Side of the pictures in px, a power of two."""
    channels: int = 6
    """Channels of prior and picture together."""
    width: int = 64
    """Channels at full resolution; each halving of the resolution doubles them."""
    widest: int = 512
    """Upper limit on the channels."""

    def __post_init__(self) -> None:
        widths_by_scale(self.size_px, self.width, self.widest)
        check_range(self, "critic", "channels", least=1)


class Critic(nn.Module):
    """Residual blocks down to 4x4, leaky ReLU, and a linear layer to one score; without normalization.

    A Wasserstein critic's gradient is penalized per sample; batch norm would mix samples (arXiv 1704.00028, sec. 4).

    Source: arXiv 2105.14678, sec. III (a critic of [p_t, I]); the blocks are those of FRGAN (Zhao et al., ECCV 2018).
    """

    def __init__(self, config: CriticConfig = CriticConfig()) -> None:
        super().__init__()
        self.config = config
        widths = widths_by_scale(config.size_px, config.width, config.widest)
        self.input_layer = convolution(config.channels, widths[0])
        self.blocks = nn.Sequential(*(ResidualDown(*pair, slope=_CRITIC_SLOPE) for pair in pairwise(widths)))
        self.output_layer = nn.Linear(widths[-1] * SMALLEST_PX**2, 1)

    def forward(self, pair: Float[Tensor, "B C S S"]) -> Float[Tensor, " B"]:
        """A score per pair, higher for real ones, of no fixed scale. Raises ShapeError."""
        check_shape("pair", pair, None, self.config.channels, self.config.size_px, self.config.size_px)
        features: Tensor = self.blocks(self.input_layer(pair))
        return self.output_layer(features.flatten(1))[:, 0]


_PAIR_CHANNELS = 6
"""Channels of the target's prior and the picture."""


@dataclass(frozen=True)
class PatchCriticConfig:
    """Size of the patch critic."""

    width: int = 32
    """Channels of the first layer; each further layer doubles them."""
    layers: int = 3
    """Number of layers that halve the resolution; with three, a patch is 54 px wide."""

    def __post_init__(self) -> None:
        check_range(self, "critic", "width", "layers", least=1)


class PatchCritic(nn.Module):
    """Strided convolutions with instance norm and leaky ReLU, and a score per patch.

    Source: Isola et al., arXiv 1611.07004, sec. 3.2.2 (PatchGAN); Wang et al., arXiv 1711.11585, sec. 3.2 (feature
    matching). Ours has fewer channels, and its last two convolutions are 3x3.
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
        self.output_layer = convolution(widths[-1], 1)

    def forward(self, pair: Float[Tensor, "B C H W"]) -> tuple[Float[Tensor, "B h w"], list[Tensor]]:
        """A score per patch, and the features of each layer. Raises ShapeError."""
        check_shape("pair", pair, None, _PAIR_CHANNELS, None, None)
        features: list[Tensor] = []
        for layer in self.layers:
            given = features[-1] if features else pair
            features.append(nn.functional.leaky_relu(layer(given), _PATCH_SLOPE))
        return self.output_layer(features[-1])[:, 0], features
