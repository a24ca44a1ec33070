"""The flow-guided generator: small networks that repair, in windows, what the geometric renderer cannot carry.

Four U-Nets (face; mouth; eye, which serves both; light) see a window of the renderer's picture, what the 3D face tells
of it (`conditions.py`) and, in feature space, the paper's residual E(p_t) - E(p_s) of both sparse texture priors
(arXiv 2105.14678, sec. III), each with an E of its own, so that it can be taught and kept by itself. That of light
gives a gain, smooth over the whole face: skin that turns with the head meets other light. Each of the others gives a
picture and a mask, and

    I = mask * synthesis + (1 - mask) * window,   mask = gate * sigmoid(logits).

The synthesis is the window plus twice a tanh: a network that has learned nothing changes nothing, light and skin stay
the source's own, and what is pasted is a change (`Window.paste`) that leaves finer detail than a window's alone.
Plain convolutions, batch norm that `folded` folds away, ReLU, nearest upsampling; all is done at half resolution and
below, from where the last convolution but one is folded out (PixelShuffle; Shi et al., arXiv 1609.05158): on a CPU such
networks are bound by memory.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar, Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_shuffle, relu

from faceanime.core.errors import ConfigError, check_shape
from faceanime.generator.blocks import GeneratedFace, doubled
from faceanime.generator.conditions import MAPS
from faceanime.generator.windows import PARTS, WindowPart, WindowSizes
from faceanime.prior.sparse_texture import TextureConfig
from faceanime.runtime.network import Network
from faceanime.runtime.torch_network import TorchNetwork

RepairedPart: TypeAlias = Literal["mouth", "eye", "face"]
"""What is painted; of light, only a gain is known."""

_SHOWN = 3 + 1
_GIVEN = _SHOWN + len(MAPS)
"""Channels that a network sees: the window and the gate, at full size to the end, and the maps."""
_SCALES = 4
"""Halvings of a window."""
_COLOUR_IN_USE = 0.25
"""Share of a change's colour that is believed in use; its light is, wholly. Compressed clips smear the red of lips over
small teeth, and what learned from them reddens those of large, sharp portraits: on validation red minus green was 4 to
10 levels too high there with all of it, right with a quarter, and no error rose by more than 0.3 levels."""
_LIGHT_IN_USE = 0.6
"""Share of light's logarithm that is believed in use: three quarters of what all of it gains on validation clips is
there, and portraits in a studio, whose light hardly changes, are not made worse."""
_BRIGHTEST = 0.5
"""Natural logarithm of the largest gain of light."""
_OPEN_LOGIT = 1.0
"""Masks begin rather open: a shut one would learn nothing."""


@dataclass(frozen=True)
class FlowGuidedConfig:
    """Size of the windows and of the networks; widths are channels at full size, a half, a quarter ... a sixteenth."""

    windows: WindowSizes = field(default_factory=WindowSizes)
    mouth: tuple[int, ...] = (8, 32, 56, 96, 128)
    eye: tuple[int, ...] = (8, 32, 56, 80, 96)
    face: tuple[int, ...] = (6, 16, 32, 48, 64)
    prior: tuple[int, ...] = (16, 32, 48)
    """Channels of the priors' encoder at a half, a quarter and an eighth."""
    light: tuple[int, ...] = (24, 48, 64, 64)
    """Channels at a half, a quarter, an eighth and a sixteenth: light leaves from a quarter."""
    interval: int = TextureConfig.interval
    """The sparse texture priors keep one of so many vertices."""

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
                raise ConfigError(f"flow-guided: {name} is {widths}, expected {count} widths of at least 1")
        _ = self.texture  # raises

    @property
    def texture(self) -> TextureConfig:
        """The sparse texture of the priors. Raises ConfigError."""
        return TextureConfig(self.interval)

    def widths(self, part: RepairedPart) -> tuple[int, ...]:
        """Of a part's network."""
        return {"mouth": self.mouth, "eye": self.eye, "face": self.face}[part]


FAST = FlowGuidedConfig()
"""2.0 GFLOP a frame, all five windows together; 2.2 M parameters."""
QUALITY = FlowGuidedConfig(windows=WindowSizes(mouth_px=192, eye_px=96, face_px=128))
"""4.0 GFLOP a frame. The same networks look closer, so their training can begin with the weights of `FAST`; networks
five times as large were no better after the hour and a half of a CPU core that they were given."""


class ConvNorm(nn.Module):
    """A 3x3 convolution, batch norm, ReLU; `folded` into one convolution for use."""

    def __init__(self, into: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(into, out, 3, stride=stride, padding=1, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(out)

    def forward(self, features: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C2 H2 W2"]:
        return relu(self.norm(self.convolution(features)))

    def fold(self) -> None:
        """Make the norm part of the convolution; for networks that learn no more."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.convolution = nn.utils.fuse_conv_bn_eval(self.convolution, self.norm)
            self.norm = nn.Identity()


class PriorEncoder(nn.Module):
    """E: a sparse texture prior as features at a quarter and at an eighth of its size."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        steps = pairwise((3, *widths))
        self.enter, self.second, self.third = (ConvNorm(into, out, stride=2) for into, out in steps)

    def forward(self, prior: Float[Tensor, "B 3 S S"]) -> tuple[Tensor, Tensor]:
        quarter = self.second(self.enter(prior))
        return quarter, self.third(quarter)

    def moved(
        self, target_prior: Float[Tensor, "B 3 S S"], source_prior: Float[Tensor, "B 3 S S"]
    ) -> tuple[Tensor, Tensor]:
        """E(p_t) - E(p_s) at a quarter and at an eighth of the size (arXiv 2105.14678, sec. III)."""
        quarter, eighth = self(torch.cat([target_prior, source_prior]))
        count = len(target_prior)
        return quarter[:count] - quarter[count:], eighth[:count] - eighth[count:]


def _halving(widths: tuple[int, ...]) -> nn.ModuleList:
    """A U-Net's way down: each block halves the size."""
    return nn.ModuleList(
        [nn.Sequential(ConvNorm(into, out, stride=2), ConvNorm(out, out)) for into, out in pairwise(widths)]
    )


def _doubling(widths: tuple[int, ...]) -> nn.ModuleList:
    """A U-Net's way up, coarsest first: each block sees what came up and what went down at its size."""
    return nn.ModuleList(
        [
            nn.Sequential(ConvNorm(coarse + fine, fine), ConvNorm(fine, fine))
            for fine, coarse in reversed(list(pairwise(widths)))
        ]
    )


class RepairNet(nn.Module):
    """A U-Net: a window and what is told of it in, a change in (-2, 2) and a mask's logits out."""

    def __init__(self, widths: tuple[int, ...], prior_widths: tuple[int, ...]) -> None:
        super().__init__()
        full, *below = widths
        self.prior_encoder = PriorEncoder(prior_widths)
        self.down, self.up = _halving((_GIVEN, *below)), _doubling(tuple(below))
        self.tell_quarter = nn.Conv2d(prior_widths[1], below[1], 1)
        self.tell_eighth = nn.Conv2d(prior_widths[2], below[2], 1)
        self.unfold = ConvNorm(below[0], 4 * full)
        self.leave = nn.Conv2d(full + _SHOWN, 3 + 1, 3, padding=1)
        assert self.leave.bias is not None
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)
        nn.init.constant_(self.leave.bias[3], _OPEN_LOGIT)

    def forward(
        self,
        given: Float[Tensor, "B C S S"],
        target_prior: Float[Tensor, "B 3 S S"],
        source_prior: Float[Tensor, "B 3 S S"],
    ) -> tuple[Float[Tensor, "B 3 S S"], Float[Tensor, "B 1 S S"]]:
        """The change, and the mask's logits."""
        moved = self.prior_encoder.moved(target_prior, source_prior)
        half = self.down[0](given)
        quarter = self.down[1](half) + self.tell_quarter(moved[0])
        eighth = self.down[2](quarter) + self.tell_eighth(moved[1])
        features = self.down[3](eighth)
        for up, skip in zip(self.up, (eighth, quarter, half), strict=True):
            features = up(torch.cat([doubled(features), skip], dim=1))
        full = pixel_shuffle(self.unfold(features), 2)
        made = self.leave(torch.cat([full, given[:, :_SHOWN]], dim=1))
        return 2.0 * made[:, :3].tanh(), made[:, 3:]


class LightNet(nn.Module):
    """A U-Net that leaves at a quarter of the size: a window and what is told of it in, a smooth gain out.

    The gain is the same for red, green and blue: three of their own were nearer to the truth by 0.3 % alone, and put
    coloured patches on tinted pictures.
    """

    def __init__(self, widths: tuple[int, ...], prior_widths: tuple[int, ...]) -> None:
        super().__init__()
        self.prior_encoder = PriorEncoder(prior_widths)
        self.down, self.up = _halving((_GIVEN, *widths)), _doubling(widths[1:])
        self.tell_quarter = nn.Conv2d(prior_widths[1], widths[1], 1)
        self.tell_eighth = nn.Conv2d(prior_widths[2], widths[2], 1)
        self.leave = nn.Conv2d(widths[1], 1, 3, padding=1)
        assert self.leave.bias is not None
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(
        self,
        given: Float[Tensor, "B C S S"],
        target_prior: Float[Tensor, "B 3 S S"],
        source_prior: Float[Tensor, "B 3 S S"],
    ) -> Float[Tensor, "B 1 S S"]:
        """The gain's natural logarithm."""
        moved = self.prior_encoder.moved(target_prior, source_prior)
        quarter = self.down[1](self.down[0](given)) + self.tell_quarter(moved[0])
        eighth = self.down[2](quarter) + self.tell_eighth(moved[1])
        features = self.down[3](eighth)
        for up, skip in zip(self.up, (eighth, quarter), strict=True):
            features = up(torch.cat([doubled(features), skip], dim=1))
        coarse = _BRIGHTEST * self.leave(features).float().tanh()
        return interpolate(coarse, scale_factor=4.0, mode="bilinear", align_corners=False)


class FlowGuided(nn.Module):
    """The four networks."""

    network: ClassVar[str] = "flow-guided"
    """Its name in weights files."""

    def __init__(self, config: FlowGuidedConfig = FAST) -> None:
        super().__init__()
        self.config = config
        self._colour = self._light = 1.0
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
        """The windows of one part, repaired; pictures and priors in [-1, 1].

        Where the gate is 0, `image` is `window` bit for bit. Raises ShapeError.
        """
        if part == "light":
            lit = (window + 1.0) * self.gain(window, maps, gate, target_prior, source_prior) - 1.0
            return GeneratedFace(lit, gate, lit)
        given = self._given(part, window, maps, gate, target_prior, source_prior)
        change, logits = self.nets[part](given, target_prior, source_prior)
        mask = gate * logits.float().sigmoid()
        light = change.float().mean(dim=1, keepdim=True)
        return GeneratedFace.over(window, window + light + self._colour * (change.float() - light), mask)

    def gain(
        self,
        window: Float[Tensor, "B 3 S S"],
        maps: Float[Tensor, "B C S S"],
        gate: Float[Tensor, "B 1 S S"],
        target_prior: Float[Tensor, "B 3 S S"],
        source_prior: Float[Tensor, "B 3 S S"],
    ) -> Float[Tensor, "B 1 S S"]:
        """By what the light of a face is multiplied, in the window of "light"; exactly 1 where the gate is 0.

        Raises ShapeError.
        """
        given = self._given("light", window, maps, gate, target_prior, source_prior)
        return (self._light * gate * self.light(given, target_prior, source_prior)).exp()

    def _given(
        self,
        part: WindowPart,
        window: Tensor,
        maps: Tensor,
        gate: Tensor,
        target_prior: Tensor,
        source_prior: Tensor,
    ) -> Tensor:
        """What a network sees beside the priors."""
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
        """What is taught by itself, by name."""
        return {**self.nets, "light": self.light}

    def networks(self) -> dict[WindowPart, Network]:
        """The networks for use alone, by part: each takes what `forward` does and returns `image` (light: `gain`)."""
        folded = self.folded()

        def repair(part: WindowPart) -> Callable[..., Mapping[str, Tensor]]:
            return lambda **given: {"image": folded(part, **given).image}

        def light(**given: Tensor) -> Mapping[str, Tensor]:
            return {"gain": folded.gain(**given)}

        return {part: TorchNetwork(light if part == "light" else repair(part)) for part in PARTS}

    def folded(self) -> FlowGuided:
        """A copy for use alone: less colour and light, batch norm in the convolutions, weights as CPUs like them."""
        network = copy.deepcopy(self).eval()
        network._colour, network._light = _COLOUR_IN_USE, _LIGHT_IN_USE
        for module in network.modules():
            if isinstance(module, ConvNorm):
                module.fold()
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # unknown to torch's stubs
        return network.requires_grad_(False)
