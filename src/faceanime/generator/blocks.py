"""Building blocks of generators and critics, and the output of a generator.

In shapes, B is the batch, C the channels and S the side of a picture in px. Pictures are RGB in [-1, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, interpolate, leaky_relu, relu

from faceanime.core.errors import RangeError
from faceanime.structures.frames import Pixels

SMALLEST_PX = 4
"""Side of the coarsest feature map."""


@dataclass(frozen=True, eq=False)
class GeneratedFace:
    """A generated face: `image` (B,3,S,S) blends `out` over the source by `mask` (B,1,S,S) in [0, 1]."""

    image: Float[Tensor, "B 3 S S"]
    mask: Float[Tensor, "B 1 S S"]
    out: Float[Tensor, "B 3 S S"]

    @classmethod
    def over(
        cls, source: Float[Tensor, "B 3 S S"], out: Float[Tensor, "B 3 S S"], mask: Float[Tensor, "B 1 S S"]
    ) -> GeneratedFace:
        """The face with image out * mask + source * (1 - mask); where the mask is 0, it is the source bit for bit."""
        return cls(out * mask + source * (1.0 - mask), mask, out)


def to_pixels(picture: Float[Tensor, "3 S S"]) -> Pixels:
    """A picture (3,S,S) in [-1, 1] as uint8 pixels (S,S,3)."""
    levels = ((picture.clamp(-1.0, 1.0) + 1.0) * 127.5).round().to(torch.uint8)
    return levels.permute(1, 2, 0).cpu().numpy()


def widths_by_scale(size_px: int, width: int, widest: int) -> tuple[int, ...]:
    """Channels at S, S/2, ... 4 px: `width`, doubled at each halving, `widest` at most. Raises ConfigError."""
    halvings = (size_px // SMALLEST_PX).bit_length() - 1
    if halvings < 1 or size_px != SMALLEST_PX << halvings:
        raise RangeError("size_px", size_px, f"a power of two of at least {2 * SMALLEST_PX}")
    if not 1 <= width <= widest:
        raise RangeError("width", width, f"1 to widest, which is {widest}")
    return tuple(min(width << scale, widest) for scale in range(halvings + 1))


def convolution(into: int, out: int) -> nn.Conv2d:
    """A 3x3 convolution that keeps the resolution."""
    return nn.Conv2d(into, out, 3, padding=1)


def equal_subpixels(layer: nn.Conv2d, pixels: int) -> None:
    """Let the `pixels` outputs that share one place begin with the same weights, against a grid in unfolded pictures.

    Source: Aitken et al., arXiv 1707.02937, sec. 3.
    """
    assert layer.bias is not None
    with torch.no_grad():
        for tensor in (layer.weight, layer.bias):
            tensor.copy_(tensor[::pixels].repeat_interleave(pixels, dim=0))


def doubled(features: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H2 W2"]:
    """Features upsampled by two with nearest neighbors."""
    return interpolate(features, scale_factor=2.0, mode="nearest")


def doubled_convolution(features: Float[Tensor, "B C H W"], layer: nn.Conv2d) -> Float[Tensor, "B C2 H2 W2"]:
    """`layer(doubled(features))` for a 3x3 convolution, with 4/9 of its multiplications.

    Of three neighboring upsampled pixels, two are equal: each of the four phases of the result is a 2x2 convolution of
    the features before upsampling, with sums of the weights (Shi et al., arXiv 1609.07009).
    """
    assert layer.bias is not None
    (out, into), (height, width) = layer.weight.shape[:2], features.shape[-2:]
    first, middle, last = layer.weight.unbind(dim=2)
    rows = torch.stack([torch.stack([first, middle + last], 2), torch.stack([first + middle, last], 2)], 1)
    first, middle, last = rows.unbind(dim=-1)
    kernels = torch.stack(
        [torch.stack([first, middle + last], -1), torch.stack([first + middle, last], -1)], 2
    )
    made = conv2d(features, kernels.reshape(4 * out, into, 2, 2), layer.bias.repeat_interleave(4), padding=1)
    quarters = made.reshape(len(features), out, 2, 2, height + 1, width + 1)
    whole = torch.stack(
        [
            torch.stack([quarters[:, :, i, j, i : i + height, j : j + width] for j in (0, 1)], dim=-1)
            for i in (0, 1)
        ],
        dim=3,
    )
    return whole.reshape(len(features), out, 2 * height, 2 * width)


class ResidualDown(nn.Module):
    """Pre-activation residual block that halves the resolution by average pooling, without normalization.

    Source: He et al., arXiv 1603.05027 (pre-activation); Gulrajani et al., arXiv 1704.00028 (pooling after the
    second convolution), whose shortcut is 1x1 where FRGAN's (Zhao et al., ECCV 2018), as here, is 3x3.
    """

    def __init__(self, into: int, out: int, slope: float = 0.0) -> None:
        """`slope` is the leaky ReLU's slope for negative inputs."""
        super().__init__()
        self.slope = slope
        self.first, self.second = convolution(into, out), convolution(out, out)
        self.shortcut = convolution(into, out)

    def forward(self, features: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C2 H2 W2"]:
        residual = self.first(leaky_relu(features, self.slope))
        residual = self.second(leaky_relu(residual, self.slope))
        shortcut: Tensor = self.shortcut(avg_pool2d(features, 2))
        return shortcut + avg_pool2d(residual, 2)


class ResidualUp(nn.Module):
    """Pre-activation residual block that doubles the resolution by nearest-neighbor upsampling, with batch norm.

    Source: as `ResidualDown`.
    """

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.first_norm, self.second_norm = nn.BatchNorm2d(into), nn.BatchNorm2d(out)
        self.first, self.second = convolution(into, out), convolution(out, out)
        self.shortcut = convolution(into, out)

    def forward(self, features: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C2 H2 W2"]:
        residual = doubled_convolution(relu(self.first_norm(features)), self.first)
        residual = self.second(relu(self.second_norm(residual)))
        return doubled_convolution(features, self.shortcut) + residual


class Encoder(nn.Module):
    """Encodes a picture as features at every scale, finest first, and as a latent vector.

    Source: FRGAN (Zhao et al., ECCV 2018): a convolution, residual blocks down to 4x4, a linear layer.
    """

    def __init__(self, channels: int, widths: tuple[int, ...], latent: int) -> None:
        super().__init__()
        self.input_layer = convolution(channels, widths[0])
        self.blocks = nn.ModuleList([ResidualDown(into, out) for into, out in pairwise(widths)])
        self.output_layer = nn.Linear(widths[-1] * SMALLEST_PX**2, latent)

    def forward(self, picture: Float[Tensor, "B C S S"]) -> tuple[list[Tensor], Float[Tensor, "B L"]]:
        features = [self.input_layer(picture)]
        for block in self.blocks:
            features.append(block(features[-1]))
        return features, self.output_layer(features[-1].flatten(1))


class DenseDecoder(nn.Module):
    """Decodes a latent vector and the features of several encodings to a picture and a mask.

    Each block takes the encodings' features of its scale and the upsampled outputs of all blocks before it.

    Source: FRGAN (Zhao et al., ECCV 2018).
    """

    def __init__(self, encodings: int, widths: tuple[int, ...], latent: int, pixels: int = 1) -> None:
        """`pixels` of the picture share one place of the finest features: each has channels of its own."""
        super().__init__()
        self.input_layer = nn.Linear(latent, widths[-1] * SMALLEST_PX**2)
        coarse_first = widths[::-1]
        self.blocks = nn.ModuleList(
            [
                # dense connections: the output of the linear layer, of the coarsest width, and of each earlier block
                ResidualUp(encodings * here + coarse_first[0] + sum(coarse_first[1 : scale + 1]), finer)
                for scale, (here, finer) in enumerate(pairwise(coarse_first))
            ]
        )
        self.norm = nn.BatchNorm2d(widths[0])
        self.out = convolution((encodings + 1) * widths[0], 3 * pixels)
        self.mask = convolution((encodings + 1) * widths[0], pixels)

    def forward(
        self, latent: Float[Tensor, "B L"], encodings: list[list[Tensor]]
    ) -> tuple[Float[Tensor, "B C S S"], Float[Tensor, "B P S S"]]:
        """The picture in [-1, 1] and the mask in [0, 1]; each of `encodings` is a list of features, finest first."""
        *coarse_first, finest = reversed([torch.cat(scale, dim=1) for scale in zip(*encodings, strict=True)])
        decoded = [self.input_layer(latent).unflatten(1, (-1, SMALLEST_PX, SMALLEST_PX))]
        for block, features in zip(self.blocks, coarse_first, strict=True):
            latest = block(torch.cat([features, *decoded], dim=1))
            decoded = [*map(doubled, decoded), latest]
        final = torch.cat([finest, relu(self.norm(decoded[-1]))], dim=1)
        return self.out(final).tanh(), self.mask(final).sigmoid()
