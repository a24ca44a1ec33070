"""The flow-guided generator: small networks that repair, in windows, what the geometric renderer cannot draw.

Four U-Nets (face; mouth; eye, for both eyes; light) take a window of the renderer's picture, its conditioning maps
(`conditions.py`) and, in feature space, the paper's difference E(p_t) - E(p_s) of both sparse texture priors
(arXiv 2105.14678, sec. III). Each has an encoder E of its own, so that it can be trained and stored separately. The
light network returns a gain, smooth over the whole face, since skin that turns with the head is lit differently. Each
of the others returns a picture and a mask, and

    I = mask * synthesis + (1 - mask) * window,   mask = gate * sigmoid(logits).

The synthesis is the window plus twice a tanh: an untrained network changes nothing, light and skin remain the
source's, and what is pasted is a change (`Window.paste`), which keeps detail that exceeds the window's resolution. The
networks consist of plain convolutions, batch norm (merged into them by `folded`), ReLU and nearest-neighbor
upsampling. They work at half resolution and below, up to the last convolution but one (PixelShuffle; Shi et al.,
arXiv 1609.05158), since on a CPU such networks are bound by memory.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar, Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_shuffle, relu

from faceanime.core.errors import RangeError, check_shape
from faceanime.generator.blocks import GeneratedFace, doubled
from faceanime.generator.conditions import MAPS
from faceanime.generator.generator import Generator
from faceanime.generator.windows import PARTS, WindowPart, WindowSizes
from faceanime.prior.sparse_texture import TextureConfig
from faceanime.runtime.torch_network import TorchFunction

RepairedPart: TypeAlias = Literal["mouth", "eye", "face"]
"""The parts whose network returns a picture; the light network returns a gain."""

_IMAGE_CHANNELS = 3 + 1
"""The window and its gate, which also reach the last layer."""
_INPUT_CHANNELS = _IMAGE_CHANNELS + len(MAPS)
_SCALES = 4
"""Number of times that a network halves a window."""
_COLOR_IN_USE = 0.25
"""Fraction of a change's chroma that is applied at inference; its brightness is applied fully. In compressed clips the
red of lips bleeds over small teeth, so that networks trained on them redden the teeth of large, sharp portraits: on
validation data red minus green was 4 to 10 levels too high there with all of the chroma and right with a quarter, and
no error rose by more than 0.3 levels."""
_LIGHT_IN_USE = 0.6
"""Fraction of the gain's logarithm that is applied at inference: it keeps three quarters of the improvement on
validation clips, and does not degrade studio portraits, whose light hardly changes."""
_BRIGHTEST = 0.5
"""Natural logarithm of the light network's largest gain; chosen by eye."""
_OPEN_LOGIT = 1.0
"""Initial logit of the masks, which begin rather open, since a closed mask passes no gradient. Chosen by eye."""


@dataclass(frozen=True)
class FlowGuidedConfig:
    """Sizes of the windows and of the networks.

    Widths are channels at full, a half, a quarter, an eighth and a sixteenth of the window's resolution.
    """

    windows: WindowSizes = field(default_factory=WindowSizes)
    """Sides of the windows."""
    mouth: tuple[int, ...] = (8, 32, 56, 96, 128)
    """Widths of the mouth's network."""
    eye: tuple[int, ...] = (8, 32, 56, 80, 96)
    """Widths of the eyes' network."""
    face: tuple[int, ...] = (6, 16, 32, 48, 64)
    """Widths of the face's network."""
    prior: tuple[int, ...] = (16, 32, 48)
    """Widths of the priors' encoder at a half, a quarter and an eighth."""
    light: tuple[int, ...] = (24, 48, 64, 64)
    """Widths of the light network at a half, a quarter, an eighth and a sixteenth; its output is at a quarter."""
    interval: int = TextureConfig.interval
    """Every n-th vertex carries the sparse texture priors."""

    def __post_init__(self) -> None:
        for name, count in {
            "mouth": _SCALES + 1,
            "eye": _SCALES + 1,
            "face": _SCALES + 1,
            "light": _SCALES,
            "prior": 3,
        }.items():
            widths = getattr(self, name)
            if len(widths) != count or min(widths) < 1:
                raise RangeError(name, widths, f"{count} widths of 1 or more")
        _ = self.texture  # raises

    @property
    def texture(self) -> TextureConfig:
        """The sparse texture of the priors. Raises ConfigError."""
        return TextureConfig(self.interval)

    def widths(self, part: RepairedPart) -> tuple[int, ...]:
        """Widths of a part's network."""
        return {"mouth": self.mouth, "eye": self.eye, "face": self.face}[part]


FAST = FlowGuidedConfig()
"""2.0 GFLOP per frame for all five windows; 2.2 M parameters."""
QUALITY = FlowGuidedConfig(windows=WindowSizes(mouth_px=192, eye_px=96, face_px=128))
"""4.0 GFLOP per frame: the same networks on larger windows, so that training can start from the weights of `FAST`.
Networks five times as large were no better after one and a half hours of training on a CPU core."""


class ConvNorm(nn.Module):
    """A 3x3 convolution, batch norm and ReLU; `fold` merges the first two for inference."""

    def __init__(self, into: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(into, out, 3, stride=stride, padding=1, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(out)

    def forward(self, features: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C2 H2 W2"]:
        return relu(self.norm(self.convolution(features)))

    def fold(self) -> None:
        """Merge the batch norm into the convolution; only for networks that are not trained further."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.convolution = nn.utils.fuse_conv_bn_eval(self.convolution, self.norm)
            self.norm = nn.Identity()


class PriorEncoder(nn.Module):
    """The encoder E: features of a sparse texture prior at a quarter and an eighth of its resolution."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        steps = pairwise((3, *widths))
        self.input_layer, self.second, self.third = (ConvNorm(into, out, stride=2) for into, out in steps)

    def forward(self, prior: Float[Tensor, "B 3 S S"]) -> tuple[Tensor, Tensor]:
        """The features of a prior at a quarter and an eighth of the resolution."""
        quarter = self.second(self.input_layer(prior))
        return quarter, self.third(quarter)

    def difference(
        self, target_prior: Float[Tensor, "B 3 S S"], source_prior: Float[Tensor, "B 3 S S"]
    ) -> tuple[Tensor, Tensor]:
        """E(p_t) - E(p_s) at a quarter and an eighth of the resolution (arXiv 2105.14678, sec. III)."""
        quarter, eighth = self(torch.cat([target_prior, source_prior]))
        count = len(target_prior)
        return quarter[:count] - quarter[count:], eighth[:count] - eighth[count:]


def _halving(widths: tuple[int, ...]) -> nn.ModuleList:
    """Contracting path of a U-Net: each block halves the resolution."""
    return nn.ModuleList(
        [nn.Sequential(ConvNorm(into, out, stride=2), ConvNorm(out, out)) for into, out in pairwise(widths)]
    )


def _doubling(widths: tuple[int, ...]) -> nn.ModuleList:
    """Expanding path of a U-Net, coarsest block first: each takes the upsampled features and those of its skip."""
    return nn.ModuleList(
        [
            nn.Sequential(ConvNorm(coarse + fine, fine), ConvNorm(fine, fine))
            for fine, coarse in reversed(list(pairwise(widths)))
        ]
    )


class RepairNet(nn.Module):
    """A U-Net from a window and its conditions to a change in (-2, 2) and a mask's logits."""

    def __init__(self, widths: tuple[int, ...], prior_widths: tuple[int, ...]) -> None:
        super().__init__()
        full, *below = widths
        self.prior_encoder = PriorEncoder(prior_widths)
        self.down, self.up = _halving((_INPUT_CHANNELS, *below)), _doubling(tuple(below))
        self.prior_quarter = nn.Conv2d(prior_widths[1], below[1], 1)
        self.prior_eighth = nn.Conv2d(prior_widths[2], below[2], 1)
        self.unfold = ConvNorm(below[0], 4 * full)
        self.output_layer = nn.Conv2d(full + _IMAGE_CHANNELS, 3 + 1, 3, padding=1)
        assert self.output_layer.bias is not None
        nn.init.zeros_(self.output_layer.weight)
        nn.init.zeros_(self.output_layer.bias)
        nn.init.constant_(self.output_layer.bias[3], _OPEN_LOGIT)

    def forward(
        self,
        given: Float[Tensor, "B C S S"],
        target_prior: Float[Tensor, "B 3 S S"],
        source_prior: Float[Tensor, "B 3 S S"],
    ) -> tuple[Float[Tensor, "B 3 S S"], Float[Tensor, "B 1 S S"]]:
        """The change and the mask's logits; `given` is the window, its gate and its maps."""
        motion = self.prior_encoder.difference(target_prior, source_prior)
        half = self.down[0](given)
        quarter = self.down[1](half) + self.prior_quarter(motion[0])
        eighth = self.down[2](quarter) + self.prior_eighth(motion[1])
        features = self.down[3](eighth)
        for up, skip in zip(self.up, (eighth, quarter, half), strict=True):
            features = up(torch.cat([doubled(features), skip], dim=1))
        full = pixel_shuffle(self.unfold(features), 2)
        made = self.output_layer(torch.cat([full, given[:, :_IMAGE_CHANNELS]], dim=1))
        return 2.0 * made[:, :3].tanh(), made[:, 3:]


class LightNet(nn.Module):
    """A U-Net from a window and its conditions to a smooth gain, computed at a quarter of the resolution.

    The gain is the same for red, green and blue: separate ones reduced the error by only 0.3 % and left colored
    patches on tinted pictures.
    """

    def __init__(self, widths: tuple[int, ...], prior_widths: tuple[int, ...]) -> None:
        super().__init__()
        self.prior_encoder = PriorEncoder(prior_widths)
        self.down, self.up = _halving((_INPUT_CHANNELS, *widths)), _doubling(widths[1:])
        self.prior_quarter = nn.Conv2d(prior_widths[1], widths[1], 1)
        self.prior_eighth = nn.Conv2d(prior_widths[2], widths[2], 1)
        self.output_layer = nn.Conv2d(widths[1], 1, 3, padding=1)
        assert self.output_layer.bias is not None
        nn.init.zeros_(self.output_layer.weight)
        nn.init.zeros_(self.output_layer.bias)

    def forward(
        self,
        given: Float[Tensor, "B C S S"],
        target_prior: Float[Tensor, "B 3 S S"],
        source_prior: Float[Tensor, "B 3 S S"],
    ) -> Float[Tensor, "B 1 S S"]:
        """The natural logarithm of the gain; `given` as in `RepairNet`."""
        motion = self.prior_encoder.difference(target_prior, source_prior)
        quarter = self.down[1](self.down[0](given)) + self.prior_quarter(motion[0])
        eighth = self.down[2](quarter) + self.prior_eighth(motion[1])
        features = self.down[3](eighth)
        for up, skip in zip(self.up, (eighth, quarter), strict=True):
            features = up(torch.cat([doubled(features), skip], dim=1))
        coarse = _BRIGHTEST * self.output_layer(features).float().tanh()
        return interpolate(coarse, scale_factor=4.0, mode="bilinear", align_corners=False)


class FlowGuided(Generator):
    """The four networks: face, mouth, eye and light."""

    network: ClassVar[str] = "flow-guided"
    """Name in weights files."""

    def __init__(self, config: FlowGuidedConfig = FAST) -> None:
        super().__init__()
        self.config = config
        self._color = self._light = 1.0
        self.nets = nn.ModuleDict(
            {part: RepairNet(config.widths(part), config.prior) for part in ("mouth", "eye", "face")}
        )
        self.light = LightNet(config.light, config.prior)

    def forward(
        self,
        part: WindowPart,
        window: Float[Tensor, "B 3 S S"],
        maps: Float[Tensor, "B C S S"],
        gate: Float[Tensor, "B 1 S S"],
        target_prior: Float[Tensor, "B 3 S S"],
        source_prior: Float[Tensor, "B 3 S S"],
    ) -> GeneratedFace:
        """Repair the windows of one part; pictures and priors in [-1, 1].

        Where the gate is 0, `image` equals `window` bit for bit. Raises ShapeError.
        """
        if part == "light":
            lit = (window + 1.0) * self.gain(window, maps, gate, target_prior, source_prior) - 1.0
            return GeneratedFace(lit, gate, lit)
        given = self._inputs(part, window, maps, gate, target_prior, source_prior)
        change, logits = self.nets[part](given, target_prior, source_prior)
        mask = gate * logits.float().sigmoid()
        light = change.float().mean(dim=1, keepdim=True)
        return GeneratedFace.over(window, window + light + self._color * (change.float() - light), mask)

    def gain(
        self,
        window: Float[Tensor, "B 3 S S"],
        maps: Float[Tensor, "B C S S"],
        gate: Float[Tensor, "B 1 S S"],
        target_prior: Float[Tensor, "B 3 S S"],
        source_prior: Float[Tensor, "B 3 S S"],
    ) -> Float[Tensor, "B 1 S S"]:
        """The gain on the brightness of a face in its light window; exactly 1 where the gate is 0.

        Raises ShapeError.
        """
        given = self._inputs("light", window, maps, gate, target_prior, source_prior)
        return (self._light * gate * self.light(given, target_prior, source_prior)).exp()

    def _inputs(
        self,
        part: WindowPart,
        window: Tensor,
        maps: Tensor,
        gate: Tensor,
        target_prior: Tensor,
        source_prior: Tensor,
    ) -> Tensor:
        """Window, gate and maps, checked, as the channels of one tensor."""
        side, count = self.config.windows.of(part), len(window)
        check_shape("window", window, None, 3, side, side)
        check_shape("maps", maps, count, len(MAPS), side, side)
        for name, tensor, channels in (
            ("gate", gate, 1), ("target_prior", target_prior, 3), ("source_prior", source_prior, 3)
        ):  # fmt: skip
            check_shape(name, tensor, count, channels, side, side)
        return torch.cat([window, gate, maps], dim=1)

    @property
    def parts(self) -> dict[str, nn.Module]:
        """The networks that are trained separately, by name."""
        return {**self.nets, "light": self.light}

    def functions(self) -> dict[WindowPart, TorchFunction]:
        """The networks for inference: each takes the arguments of `forward` and returns `image` (light: `gain`)."""
        folded = self.folded()

        def repair(part: WindowPart) -> TorchFunction:
            return lambda **given: {"image": folded(part, **given).image}

        def light(**given: Tensor) -> Mapping[str, Tensor]:
            return {"gain": folded.gain(**given)}

        return {part: light if part == "light" else repair(part) for part in PARTS}

    def folded(self) -> FlowGuided:
        """A copy for inference: chroma and gain reduced, batch norm merged, weights in the format that suits CPUs."""
        network = copy.deepcopy(self).eval()
        network._color, network._light = _COLOR_IN_USE, _LIGHT_IN_USE
        for module in network.modules():
            if isinstance(module, ConvNorm):
                module.fold()
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # unknown to torch's stubs
        return network.requires_grad_(False)
