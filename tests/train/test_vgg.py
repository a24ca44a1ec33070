"""VGG-19's features as a loss: its graph, its weights file, what it tells apart."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from faceanime.core.errors import WeightsError
from faceanime.train.generator.vgg_loss import Vgg19, perceptual_l1

CONVOLUTIONS = {  # torchvision's vgg19: index of each convolution, channels in and out
    0: (3, 64), 2: (64, 64), 5: (64, 128), 7: (128, 128), 10: (128, 256), 12: (256, 256), 14: (256, 256),
    16: (256, 256), 19: (256, 512), 21: (512, 512), 23: (512, 512), 25: (512, 512), 28: (512, 512),
}  # fmt: skip


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a network that has learned nothing: its graph is what is tested. With a layer that is not asked for."""
    torch.manual_seed(0)
    tensors = {"classifier.0.weight": torch.zeros(2, 2)}
    for index, (into, out) in CONVOLUTIONS.items():
        tensors[f"features.{index}.weight"] = torch.randn(out, into, 3, 3) * (2.0 / (9 * into)) ** 0.5
        tensors[f"features.{index}.bias"] = torch.zeros(out)
    path = tmp_path_factory.mktemp("vgg") / "vgg19.safetensors"
    save_file(tensors, path)
    return path


def test_it_hears_five_scales(weights: Path) -> None:
    features = Vgg19(weights)(torch.rand(2, 3, 64, 64) * 2.0 - 1.0)
    expected = [(64, 64), (128, 32), (256, 16), (512, 8), (512, 4)]
    assert [tuple(found.shape) for found in features] == [(2, c, s, s) for c, s in expected]
    assert all(float(found.min()) == 0.0 < float(found.max()) for found in features)


def test_the_loss_is_0_for_the_same_and_leads_there(weights: Path) -> None:
    vgg, real = Vgg19(weights), torch.rand(1, 3, 32, 32) * 2.0 - 1.0
    assert float(perceptual_l1(vgg, real, real)) == 0.0
    made = (0.5 * real).requires_grad_()
    loss = perceptual_l1(vgg, made, real)
    (slope,) = torch.autograd.grad(loss, made)
    better = made.detach() - 0.02 * slope / slope.abs().max()
    assert float(perceptual_l1(vgg, better, real)) < float(loss.detach())
    assert not any(parameter.requires_grad for parameter in vgg.parameters())


def test_other_files_are_told(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot read VGG-19"):
        Vgg19(tmp_path / "none.safetensors")
    save_file({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "part.safetensors")
    with pytest.raises(WeightsError, match=r"no features\.0\.bias"):
        Vgg19(tmp_path / "part.safetensors")
