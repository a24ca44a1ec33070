"""Networks that imagine how a face will move (3DDP; arXiv 2105.14678, sec. III-B), and beyond.

`LstmPredictor` is the paper's: it encodes the observed states and rolls one future out, toward a target if there
is one. One future is a mean, and a mean is still: `FlowPredictor` draws from the distribution of futures. It
fills in the unknown frames of a window and does not care which are known: the first (prediction), the first and
the last (target-driven), both ends (a loop). It is flow matching (Lipman et al., arXiv 2210.02747) whose noise is not
white: it is a Gaussian process with the autocovariance of real motion, conditioned on the known frames
(`MotionPrior`). So what the flow starts from moves smoothly, at a natural pace, and through the known frames; the
network adds what a Gaussian cannot: blinks, syllables, glances.

States are those of `state.py`, normalised by `Normaliser`. B sequences, T frames, D numbers a state.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from faceanime.errors import ConfigError

States = Float[Tensor, "B T D"]
GROUPS = 6
"""Channels that share an autocovariance: lids and gaze, brows, mouth, rotation, log scale, place."""
STYLES = 3
"""Numbers that describe how lively a motion is: of the mouth, of the eyes and brows, of the head."""


@dataclass(frozen=True)
class LstmConfig:
    """The paper's predictor; it leaves the width open: 256 is our choice."""

    width: int = 256
    timer: bool = True
    """Reweight the target by a timer that counts down to it; off, for the ablation, it is given as it is."""

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ConfigError(f"lstm.width is {self.width}, expected at least 1")


@dataclass(frozen=True)
class FlowConfig:
    """Size of the flow-matching predictor."""

    window: int = 96
    """Frames that it sees at once."""
    patch: int = 4
    """Frames in one token."""
    width: int = 128
    layers: int = 4
    heads: int = 4
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if min(self.window, self.patch, self.width, self.layers, self.heads) < 1:
            raise ConfigError("flow: window, patch, width, layers and heads must be at least 1")
        if self.window % self.patch or self.width % self.heads:
            raise ConfigError("flow: window must be whole patches, width a multiple of heads")
        if not 0.0 <= self.dropout < 1.0:
            raise ConfigError(f"flow.dropout is {self.dropout}, expected 0 to 1")


class Normaliser(nn.Module):
    """States to and from zero mean and unit deviation."""

    mean: Float[Tensor, "D"]
    deviation: Float[Tensor, "D"]

    def __init__(self, numbers: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(numbers))
        self.register_buffer("deviation", torch.ones(numbers))

    def normal(self, states: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        """Zero mean, unit deviation over the training set."""
        return (states - self.mean) / self.deviation

    def plain(self, normal: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        """The inverse of `normal`."""
        return normal * self.deviation + self.mean


class LstmPredictor(nn.Module):
    """Observed states in, the next one out, again and again.

    What the paper leaves open, and we chose: one layer; the network gives the *change* of the state; a target d_T
    enters as (d_T - d_{t-1}) / (T - t + 1), the change per frame that would just reach it, with the timer
    (T - t) / 25 beside it.
    """

    def __init__(self, numbers: int, config: LstmConfig = LstmConfig()) -> None:
        super().__init__()
        self.config = config
        self.normaliser = Normaliser(numbers)
        self.lstm = nn.LSTMCell(2 * numbers + 2, config.width)
        self.change = nn.Linear(config.width, numbers)
        nn.init.zeros_(self.change.weight)
        nn.init.zeros_(self.change.bias)

    def forward(
        self, observed: Float[Tensor, "B N D"], frames: int, target: Float[Tensor, "B D"] | None = None
    ) -> States:
        """The `frames` normalised states that follow the `observed` ones; the last is to be `target`."""
        state = observed[:, 0]
        hidden = torch.zeros(2, len(observed), self.config.width, dtype=observed.dtype)
        memory: tuple[Tensor, Tensor] = (hidden[0], hidden[1])
        last = observed.shape[1] - 1 + frames
        futures = []
        for t in range(1, last + 1):
            given = torch.cat([state, self._guide(state, target, last - t)], dim=1)
            memory = self.lstm(given, memory)
            predicted = state + self.change(memory[0])
            state = observed[:, t] if t < observed.shape[1] else predicted
            if t >= observed.shape[1]:
                futures.append(predicted)
        return torch.stack(futures, dim=1)

    def _guide(
        self, state: Float[Tensor, "B D"], target: Float[Tensor, "B D"] | None, frames_left: int
    ) -> Float[Tensor, "B D2"]:
        """What of the target is told: (B,D+2)."""
        if target is None:
            return torch.zeros(len(state), state.shape[1] + 2, dtype=state.dtype)
        if not self.config.timer:
            return torch.cat([target, torch.ones_like(target[:, :1]), torch.zeros_like(target[:, :1])], dim=1)
        timer = torch.full_like(target[:, :1], frames_left / 25.0)
        return torch.cat([(target - state) / (frames_left + 1), torch.ones_like(timer), timer], dim=1)


class MotionPrior(nn.Module):
    """Motion as a stationary Gaussian process: each channel by itself, with its group's autocovariance.

    `autocovariance` (G,W) of normalised states, at distances of 0 to W - 1 frames; `group` (D,) of each channel.
    """

    autocovariance: Float[Tensor, "G W"]
    group: Int[Tensor, "D"]

    def __init__(self, groups: int, window: int, numbers: int) -> None:
        super().__init__()
        self.register_buffer("autocovariance", (torch.arange(window) == 0).float().expand(groups, -1).clone())
        self.register_buffer("group", torch.zeros(numbers, dtype=torch.long))
        self._kernel: Tensor | None = None

    def kernel(self) -> Float[Tensor, "G W W"]:
        """Covariances between all frames of a window; positive definite."""
        if self._kernel is None:
            frame = torch.arange(self.autocovariance.shape[1])
            toeplitz = self.autocovariance[:, (frame[:, None] - frame).abs()].double()
            values, vectors = torch.linalg.eigh(toeplitz)
            kernel = vectors @ torch.diag_embed(values.clamp_min(_LEAST_VARIANCE)) @ vectors.mT
            self._kernel = kernel.float()
        return self._kernel

    def draw(self, white: States) -> States:
        """Motion made of white noise."""
        factor = torch.linalg.cholesky(self.kernel())
        return torch.einsum("dwv,bvd->bwd", factor[self.group], white)

    def through(self, motion: States, known: States, is_known: Bool[Tensor, "B T"]) -> States:
        """The motion bent so that it passes through the known frames (Matheron's rule: a sample given those)."""
        kernel = self.kernel()
        mask = is_known.float()
        both = mask[:, None, :, None] * mask[:, None, None, :]
        among = both * kernel + torch.diag_embed(1.0 - mask)[:, None]
        missing = mask[..., None] * (known - motion)
        bent = motion.clone()
        for group in range(len(kernel)):
            mine = self.group == group
            pull = torch.linalg.solve(among[:, group], missing[..., mine])
            bent[..., mine] += kernel[group] @ (mask[..., None] * pull)
        return torch.where(is_known[..., None], known, bent)


_LEAST_VARIANCE = 1e-4


class FlowPredictor(nn.Module):
    """A transformer over patches of frames that completes a window, given noise and what is known of it."""

    style_mean: Float[Tensor, "S"]
    style_factor: Float[Tensor, "S S"]

    def __init__(self, numbers: int, config: FlowConfig = FlowConfig()) -> None:
        super().__init__()
        self.config, self.numbers = config, numbers
        self.normaliser = Normaliser(numbers)
        self.prior = MotionPrior(GROUPS, config.window, numbers)
        self.register_buffer("style_mean", torch.zeros(STYLES))
        self.register_buffer("style_factor", torch.eye(STYLES))
        width = config.width
        self.enter = nn.Linear(config.patch * (2 * numbers + 1), width)
        self.place = nn.Parameter(0.02 * torch.randn(config.window // config.patch, width))
        self.condition = nn.Sequential(
            nn.Linear(_TIMES + numbers + 2 * STYLES, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.blocks = nn.ModuleList(
            [_Block(width, config.heads, config.dropout) for _ in range(config.layers)]
        )
        self.leave = nn.LayerNorm(width)
        self.add = nn.Linear(width, config.patch * numbers)
        nn.init.zeros_(self.add.weight)  # it starts from the Gaussian's answer
        nn.init.zeros_(self.add.bias)

    def forward(
        self,
        noisy: States,
        time: Float[Tensor, "B"],
        mean: States,
        known: States,
        is_known: Bool[Tensor, "B T"],
        anchor: Float[Tensor, "B D"],
        style: Float[Tensor, "B S"],
        styled: Bool[Tensor, "B"],
    ) -> States:
        """The clean states (normalised) of a window: what a Gaussian would be, and what the network adds to it.

        `noisy` at flow `time` in [0,1], 0 is noise; `mean` of the prior, given the `known` states, which count where
        `is_known`; `anchor` the state that the sequence started from; `style` (B,3) whitened, counts where `styled`.
        """
        batch, frames, numbers = noisy.shape
        given = torch.cat([noisy - mean, mean, is_known[..., None].to(noisy.dtype)], dim=-1)
        tokens = self.enter(given.reshape(batch, frames // self.config.patch, -1))
        heard = torch.where(styled[:, None], style, torch.zeros_like(style))
        told = styled[:, None].expand(-1, STYLES).to(noisy.dtype)
        condition = self.condition(torch.cat([_waves(time), anchor, heard, told], dim=-1))
        tokens = tokens + self.place[: tokens.shape[1]]
        for block in self.blocks:
            tokens = block(tokens, condition)
        added = self.add(self.leave(tokens)).reshape(batch, frames, numbers)
        # E[x_1 | x_t] of Gaussians with the same covariance around the mean, t x_1 + (1 - t) x_0 between them
        share = (time / (time**2 + (1.0 - time) ** 2))[:, None, None]
        clean = mean + share * (noisy - mean) + added
        return torch.where(is_known[..., None], known, clean)


class _Block(nn.Module):
    """Attention and a two-layer network, both told the condition."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.told = nn.Linear(width, 2 * width)
        self.query_key_value, self.mix = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.think = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(4 * width, width)
        )
        self.drop = nn.Dropout(dropout)

    def forward(
        self, tokens: Float[Tensor, "B N W"], condition: Float[Tensor, "B W"]
    ) -> Float[Tensor, "B N W"]:
        for_attention, for_thought = self.told(condition)[:, None].chunk(2, dim=-1)
        batch, count, width = tokens.shape
        parts = self.query_key_value(self.first(tokens) + for_attention)
        query, key, value = parts.reshape(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(query, key, value)
        tokens = tokens + self.drop(self.mix(mixed.transpose(1, 2).reshape(batch, count, width)))
        thought: Tensor = self.think(self.second(tokens) + for_thought)
        return tokens + self.drop(thought)


_TIMES = 16


def _waves(time: Float[Tensor, "B"]) -> Float[Tensor, "B N"]:
    """The flow time as sines and cosines."""
    angles = time[:, None] * math.pi * 2.0 ** torch.arange(_TIMES // 2, dtype=time.dtype)
    return torch.cat([angles.sin(), angles.cos()], dim=1)
