"""VGG-19 as a judge of pictures, where a user brings its weights: none are to be had without their licence.

Source: Simonyan and Zisserman, arXiv 1409.1556 (configuration E); Johnson et al., arXiv 1603.08155 (its features as a
loss); Wang et al., arXiv 1711.11585 (which layers, and how much each counts).
"""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from faceanime.core.errors import WeightsError

_LAYERS = (64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512, 512, 512, 512, 0, 512)
"""Channels of the convolutions up to the last that is heard; 0 is a max-pooling."""
_HEARD = {1: 1 / 32, 6: 1 / 16, 11: 1 / 8, 20: 1 / 4, 29: 1.0}
"""relu1_1 ... relu5_1, counted as torchvision does, and their weights."""
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Vgg19(nn.Module):
    """Pictures (B,3,H,W) in [-1, 1] in, H and W of 16 or more; the features of five layers out. Frozen."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, path: Path) -> None:
        """`path`: safetensors with torchvision's names, features.0.weight and so on; what else is in it is left out.

        Raises WeightsError.
        """
        super().__init__()
        layers: list[nn.Module] = []
        into = 3
        for channels in _LAYERS:
            if channels:
                layers += [nn.Conv2d(into, channels, 3, padding=1), nn.ReLU()]
                into = channels
            else:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(_DEVIATION)[:, None, None], persistent=False)
        self._fill(path)
        self.eval().requires_grad_(False)

    def forward(self, pictures: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        features = ((pictures + 1.0) / 2.0 - self.mean) / self.deviation
        heard = []
        for index, layer in enumerate(self.features):
            features = layer(features)
            if index in _HEARD:
                heard.append(features)
        return heard

    def _fill(self, path: Path) -> None:
        try:
            found = load_file(path)
        except (OSError, SafetensorError) as error:
            raise WeightsError(f"cannot read VGG-19's weights from {path}: {error}") from error
        wanted = self.state_dict()
        wrong = [name for name in wanted if name not in found or found[name].shape != wanted[name].shape]
        if wrong:
            raise WeightsError(
                f"{path} has no {wrong[0]} of VGG-19; expected safetensors with torchvision's names"
            )
        self.load_state_dict({name: found[name].float() for name in wanted})


def perceptual_l1(
    vgg: Vgg19, made: Float[Tensor, "B 3 H W"], real: Float[Tensor, "B 3 H W"]
) -> Float[Tensor, ""]:
    """sum_i w_i mean |V_i(I) - V_i(I')| over five layers (Wang et al., arXiv 1711.11585, its release)."""
    with torch.no_grad():
        wanted = vgg(real)
    pairs = zip(_HEARD.values(), vgg(made), wanted, strict=True)
    return torch.stack([weight * l1_loss(a, b) for weight, a, b in pairs]).sum()
