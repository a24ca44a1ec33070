"""A frozen, differentiable face recognizer: dlib's network, read into torch.

The identity loss of arXiv 2105.14678 needs the gradient of the features with respect to the picture, which
`face.identity.DlibIdentity`, the same network, does not give. The weights come from the file of the extra `identity`,
in the format of dlib's `serialize.h`. It is parsed here because nothing else gives torch the weights: dlib's Python
package runs the network but does not show its layers, and a converted copy would be a second file to distribute of
weights that others made. The layers are those of `dnn_face_recognition_ex.cpp`, a ResNet (He et al.,
arXiv 1512.03385) of 29 convolutions whose batch norms have become fixed scales and offsets.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample, max_pool2d, pad, relu

from faceanime.core.errors import WeightsError, check_shape
from faceanime.face.identity import DLIB_SIZE_PX, dlib_weights_path

_MEAN_RGB = (122.782, 117.001, 104.298)
"""Mean color in levels of 255, from dlib's input layer."""
_LEVELS: tuple[tuple[int, bool], ...] = (
    *((32, False),) * 3,
    *((64, True), (64, False), (64, False), (64, False)),
    *((128, True), (128, False), (128, False)),
    *((256, True), (256, False), (256, False)),
    (256, True),
)
"""The residual blocks in their order: channels, and whether the size is halved."""
_FEATURES = 128
"""Length of the face descriptor."""


class _Scaled(nn.Module):
    """dlib's `affine` layer: a scale and an offset for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, features: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        return self.gamma * features + self.beta


class _Residual(nn.Module):
    """Two 3x3 convolutions with a shortcut, which is average-pooled where they halve the size."""

    def __init__(self, into: int, out: int, halved: bool) -> None:
        super().__init__()
        self.halved = halved
        # dlib pads a convolution only where it does not stride
        self.first = nn.Conv2d(into, out, 3, stride=2 if halved else 1, padding=0 if halved else 1)
        self.first_scale = _Scaled(out)
        self.second = nn.Conv2d(out, out, 3, padding=1)
        self.second_scale = _Scaled(out)

    def forward(self, features: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C2 H2 W2"]:
        residual = self.second_scale(self.second(relu(self.first_scale(self.first(features)))))
        shortcut = avg_pool2d(features, 2) if self.halved else features
        size = [max(a, b) for a, b in zip(residual.shape[1:], shortcut.shape[1:], strict=True)]
        return relu(_padded(residual, size) + _padded(shortcut, size))


def _padded(features: Tensor, size: list[int]) -> Tensor:
    """Features padded with zeros at their ends to `size` (C, H, W), as dlib adds tensors of different sizes."""
    channels, height, width = (want - have for want, have in zip(size, features.shape[1:], strict=True))
    return pad(features, (0, width, 0, height, 0, channels))


class DlibRecogniser(nn.Module):
    """Maps aligned faces (B,3,150,150) in [-1, 1] to features (B,128); frozen, float32."""

    name = "dlib"
    size_px = DLIB_SIZE_PX
    mean: Tensor

    def __init__(self, path: Path | None = None) -> None:
        """`path` is dlib_face_recognition_resnet_model_v1.dat; without it, the file of the extra `identity` is read.

        Raises WeightsError where the file is missing or holds another network.
        """
        super().__init__()
        self.input_layer, self.input_scale = nn.Conv2d(3, 32, 7, stride=2), _Scaled(32)
        widths = [32, *(channels for channels, _ in _LEVELS)]
        self.blocks = nn.Sequential(
            *(_Residual(into, *level) for into, level in zip(widths[:-1], _LEVELS, strict=True))
        )
        self.output_layer = nn.Linear(_LEVELS[-1][0], _FEATURES, bias=False)
        self.register_buffer("mean", torch.tensor(_MEAN_RGB)[:, None, None], persistent=False)
        self._fill(path or dlib_weights_path())
        self.eval().requires_grad_(False)

    def forward(self, faces: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B D"]:
        """The descriptors of aligned faces with values in [-1, 1]. Raises ShapeError."""
        check_shape("faces", faces, None, 3, self.size_px, self.size_px)
        shown = (127.5 * (faces + 1.0) - self.mean) / 256.0
        features = max_pool2d(relu(self.input_scale(self.input_layer(shown))), 3, stride=2)
        features = self.blocks(features)
        out: Tensor = self.output_layer(features.mean(dim=(2, 3)))
        return out

    def _fill(self, path: Path) -> None:
        layers = [module for module in self.modules() if isinstance(module, nn.Conv2d | _Scaled | nn.Linear)]
        blobs = _tensors(path)
        if len(blobs) != len(layers):
            raise WeightsError(
                f"{path} holds {len(blobs)} layers, expected the {len(layers)} of dlib's recognizer"
            )
        for layer, numbers in zip(layers, blobs, strict=True):
            _set_parameters(layer, torch.from_numpy(numbers), path)


def _set_parameters(layer: nn.Module, numbers: Float[Tensor, " N"], path: Path) -> None:
    """Set a layer's parameters from numbers in dlib's order: weights or scales, then offsets."""
    parameters = list(layer.parameters())
    if numbers.numel() != sum(parameter.numel() for parameter in parameters):
        raise WeightsError(
            f"{path} holds a layer of {numbers.numel()} numbers that dlib's recognizer does not have"
        )
    if isinstance(layer, nn.Linear):  # dlib's matrix is (in, out)
        layer.weight.data = numbers.reshape(layer.in_features, layer.out_features).T.contiguous()
        return
    parts = torch.split(numbers, [parameter.numel() for parameter in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.data = part.reshape(parameter.shape).clone()


_LAYER_NAMES = {b"\x01\x05con_4": 0, b"\x01\x07affine_": 0, b"\x01\x04fc_2": 2}
"""The bytes before a layer's parameters: the name of its version as dlib writes a string, and a number of integers."""


def _tensors(path: Path) -> list[Float32[np.ndarray, " N"]]:
    """The parameters of a dlib network's layers, from the input on.

    A dlib integer is a byte with the number of bytes that follow, then those bytes, the lowest first. A tensor is its
    version (2), four sizes, and its numbers as little-endian float32. Raises WeightsError.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror}; reinstall faceanime[identity]") from error
    found: list[Float32[np.ndarray, " N"]] = []
    place = 0
    while True:
        starts = {content.find(name, place): name for name in _LAYER_NAMES}
        starts.pop(-1, None)
        if not starts:
            return found
        first = min(starts)
        place = first + len(starts[first])
        for _ in range(_LAYER_NAMES[starts[first]]):
            _, place = _integer(content, place)
        sizes = []
        for _ in range(5):
            value, place = _integer(content, place)
            sizes.append(value)
        count = int(np.prod(sizes[1:]))
        if sizes[0] != 2 or not 0 < 4 * count <= len(content) - place:
            raise WeightsError(f"{path} holds no network that this version of faceanime can read")
        found.append(np.frombuffer(content, "<f4", count, place).astype(np.float32))
        place += 4 * count


def _integer(content: bytes, place: int) -> tuple[int, int]:
    """The dlib integer at a place, and the place after it."""
    size = content[place] & 0x0F
    return int.from_bytes(content[place + 1 : place + 1 + size], "little"), place + 1 + size


def aligned(
    pictures: Float[Tensor, "B 3 H W"], to_aligned: Float[Tensor, "B 2 3"], size_px: int
) -> Float[Tensor, "B 3 S S"]:
    """Faces in [-1, 1] aligned for a recognizer, black outside their picture."""
    return warped(pictures + 1.0, to_aligned, size_px) - 1.0


def warped(
    pictures: Float[Tensor, "B 3 H W"], similarity: Float[Tensor, "B 2 3"], size_px: int
) -> Float[Tensor, "B 3 S S"]:
    """Pictures warped by similarities, px to px (pixel centers at .5), bilinearly; 0 outside. Differentiable."""
    height, width = pictures.shape[-2:]
    linear = torch.linalg.inv(similarity[:, :, :2].double())
    offset = -linear @ similarity[:, :, 2:].double()
    # in torch's coordinates both sides go from -1 to 1
    scale = linear.new_tensor([[2.0 / width], [2.0 / height]])
    middle = linear.new_full((2, 1), size_px / 2)
    theta = torch.cat([scale * linear * (size_px / 2), scale * (linear @ middle + offset) - 1.0], dim=2)
    grid = affine_grid(theta.to(pictures.dtype), [len(pictures), 3, size_px, size_px], align_corners=False)
    return grid_sample(pictures, grid, align_corners=False)
