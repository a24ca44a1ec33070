"""Encoder and decoder of dense blocks, as the paper's article has them.

A dense block's layers each read the outputs of all layers before them (Huang et al., arXiv 1608.06993). In shapes, B is
the batch, C the channels, H and W the sides of features, and S the side of a picture in px.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, relu

from faceanime.generator.blocks import SMALLEST_PX, convolution, doubled


class DenseBlock(nn.Module):
    """3x3 convolutions that each read all features before them, and a 1x1 convolution of everything.

    Every layer adds half as many channels as the block is given. Source: Huang et al., arXiv 1608.06993, sec. 3
    (pre-activation layers, and a 1x1 convolution as transition).
    """

    def __init__(self, into: int, out: int, layers: int, normalized: bool) -> None:
        """`normalized`: with batch norm before each layer."""
        super().__init__()
        growth = max(into // 2, 1)
        widths = [into + layer * growth for layer in range(layers + 1)]
        self.norms = nn.ModuleList(
            [nn.BatchNorm2d(width) if normalized else nn.Identity() for width in widths]
        )
        self.layers = nn.ModuleList([convolution(width, growth) for width in widths[:-1]])
        self.transition = nn.Conv2d(widths[-1], out, 1)

    def forward(self, features: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C2 H W"]:
        *norms, last = self.norms
        for norm, layer in zip(norms, self.layers, strict=True):
            features = torch.cat([features, layer(relu(norm(features)))], dim=1)
        made: Tensor = self.transition(relu(last(features)))
        return made


class DenseBlockEncoder(nn.Module):
    """Encodes a picture as features at every scale, finest first, and as a latent vector.

    A convolution, dense blocks that average pooling follows, down to 4x4, and a linear layer.

    Source: arXiv 2105.14678, sec. III-C (dense blocks in the encoder). The paper gives no widths: those here, the
    number of layers, and the encoder without normalization are our choice.
    """

    def __init__(self, channels: int, widths: tuple[int, ...], latent: int, layers: int) -> None:
        super().__init__()
        self.input_layer = convolution(channels, widths[0])
        self.blocks = nn.ModuleList(
            [DenseBlock(into, out, layers, normalized=False) for into, out in pairwise(widths)]
        )
        self.output_layer = nn.Linear(widths[-1] * SMALLEST_PX**2, latent)

    def forward(self, picture: Float[Tensor, "B C S S"]) -> tuple[list[Tensor], Float[Tensor, "B L"]]:
        features = [self.input_layer(picture)]
        for block in self.blocks:
            features.append(avg_pool2d(block(features[-1]), 2))
        return features, self.output_layer(features[-1].flatten(1))


class DenseBlockDecoder(nn.Module):
    """Decodes a latent vector and the features of several encodings to a picture and a mask.

    At each scale, coarsest first, a 1x1 convolution merges the encodings' features with the upsampled features of the
    scale before, and a dense block with batch norm follows.

    Source: arXiv 2105.14678, sec. III-C (dense blocks in the decoder, skip connections of all encodings).
    """

    def __init__(
        self, encodings: int, widths: tuple[int, ...], latent: int, layers: int, pixels: int = 1
    ) -> None:
        """`pixels` of the picture share one place of the finest features: each has channels of its own."""
        super().__init__()
        coarse_first = widths[::-1]
        self.input_layer = nn.Linear(latent, widths[-1] * SMALLEST_PX**2)
        self.merges = nn.ModuleList([nn.Conv2d((encodings + 1) * width, width, 1) for width in coarse_first])
        self.blocks = nn.ModuleList(
            [
                DenseBlock(width, finer, layers, normalized=True)
                for width, finer in pairwise((*coarse_first, widths[0]))
            ]
        )
        self.out, self.mask = convolution(widths[0], 3 * pixels), convolution(widths[0], pixels)

    def forward(
        self, latent: Float[Tensor, "B L"], encodings: list[list[Tensor]]
    ) -> tuple[Float[Tensor, "B C S S"], Float[Tensor, "B P S S"]]:
        """The picture in [-1, 1] and the mask in [0, 1]; each of `encodings` is a list of features, finest first."""
        coarse_first = [torch.cat(scale, dim=1) for scale in zip(*encodings, strict=True)][::-1]
        decoded = self.input_layer(latent).unflatten(1, (-1, SMALLEST_PX, SMALLEST_PX))
        for scale, (merge, block) in enumerate(zip(self.merges, self.blocks, strict=True)):
            if scale > 0:
                decoded = doubled(decoded)
            decoded = block(merge(relu(torch.cat([coarse_first[scale], decoded], dim=1))))
        final = relu(decoded)
        return self.out(final).tanh(), self.mask(final).sigmoid()
