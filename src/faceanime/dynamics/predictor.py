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
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from faceanime.core.errors import ConfigError

States = Float[Tensor, "B T D"]
GROUPS = 6
"""Channels that share an autocovariance: lids and gaze, brows, mouth, rotation, log scale, place."""
TRUST_EDGES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.8)
"""Deviations that the prior has left, between which the network is trusted alike."""
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

    mean: Float[Tensor, " D"]
    deviation: Float[Tensor, " D"]

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
    group: Int[Tensor, " D"]

    def __init__(self, groups: int, window: int, numbers: int) -> None:
        super().__init__()
        self.register_buffer("autocovariance", (torch.arange(window) == 0).float().expand(groups, -1).clone())
        self.register_buffer("group", torch.zeros(numbers, dtype=torch.long))
        self._forget()
        self.register_load_state_dict_post_hook(lambda *_: self._forget())  # type: ignore[no-untyped-call]

    def _forget(self) -> None:
        self._kernel: Tensor | None = None
        self._members: tuple[Tensor, ...] | None = None
        self._factor: Tensor | None = None

    def _factors(self) -> Float[Tensor, "G W W"]:
        if self._factor is None:
            self._factor = torch.linalg.cholesky(self.kernel())
        return self._factor

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
        motion = torch.empty_like(white)
        for mine, factor in zip(self.members(), self._factors(), strict=True):
            motion[..., mine] = factor @ white[..., mine]
        return motion

    def members(self) -> tuple[Int[Tensor, " _"], ...]:
        """The numbers of each group."""
        if self._members is None:
            groups = range(len(self.autocovariance))
            self._members = tuple(torch.nonzero(self.group == group)[:, 0] for group in groups)
        return self._members

    def given(self, known: States, is_known: Bool[Tensor, "B T"]) -> Bridge:
        """The process that passes through the known frames, which count where `is_known`."""
        kernel = self.kernel()
        most = int(is_known.sum(dim=1).max())
        at = is_known.to(torch.int8).argsort(dim=1, descending=True, stable=True)[:, :most]
        told = is_known.gather(1, at).to(known.dtype)[:, None]
        of_known = kernel[:, :, at].permute(2, 0, 1, 3) * told[..., None, :]
        among = kernel[:, at[:, :, None], at[:, None, :]].transpose(0, 1)
        among = told[..., None] * told[..., None, :] * among + torch.diag_embed(1.0 - told)
        gain = torch.cholesky_solve(of_known.mT, torch.linalg.cholesky(among)).mT
        explained = (gain * of_known).sum(dim=-1)
        variance = (kernel.diagonal(dim1=1, dim2=2) - explained)[:, self.group].mT
        variance = torch.where(is_known[..., None], 0.0, variance.clamp_min(0.0))
        return Bridge(gain, at, self.members(), known, is_known, variance.sqrt())


@dataclass(frozen=True, eq=False)
class Bridge:
    """A Gaussian process, given its known frames: what `MotionPrior.given` returns."""

    gain: Float[Tensor, "B G T K"]
    """How much each frame is pulled by each known one; by padding, 0."""
    at: Int[Tensor, "B K"]
    """Which frames those are."""
    members: tuple[Int[Tensor, " _"], ...]
    """The numbers of each group."""
    known: States
    is_known: Bool[Tensor, "B T"]
    deviation: States
    """What is left open: 0 at a known frame, the more the farther off."""
    mean: States = field(init=False)
    """Of all motions through the known frames."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", self.through(torch.zeros_like(self.known)))

    def through(self, motion: States) -> States:
        """The motion bent so that it passes through the known frames (Matheron's rule: a sample given those)."""
        missing = (self.known - motion).gather(1, self.at[..., None].expand(-1, -1, motion.shape[2]))
        bent = motion.clone()
        for group, mine in enumerate(self.members):
            bent[..., mine] += self.gain[:, group] @ missing[..., mine]
        return torch.where(self.is_known[..., None], self.known, bent)


_LEAST_VARIANCE = 1e-4
_STYLE_OF_GROUP = [1, 1, 0, 2, 2, 2]
"""For each of `GROUPS`, which of `STYLES` tells how lively it is."""
_LIVELIEST = 1.6
"""Bound on the logarithm of what a drawn or chosen style differs by from the mean one: rarely reached."""


class FlowPredictor(nn.Module):
    """A transformer over patches of frames that completes a window, given noise and what is known of it."""

    style_mean: Float[Tensor, " S"]
    style_factor: Float[Tensor, "S S"]
    trust: Float[Tensor, "2 G N"]
    """How much of what the network adds to the mean held for people it had not seen: ahead of the known frames, or
    between them; by `TRUST_EDGES`."""
    blink_rate: Float[Tensor, "2"]
    """Mean and deviation over clips of the logarithm of blinks a minute; blinks are drawn apart from all else."""

    def __init__(self, numbers: int, config: FlowConfig = FlowConfig()) -> None:
        super().__init__()
        self.config, self.numbers = config, numbers
        self.normaliser = Normaliser(numbers)
        self.prior = MotionPrior(GROUPS, config.window, numbers)
        self.register_buffer("style_mean", torch.zeros(STYLES))
        self.register_buffer("style_factor", torch.eye(STYLES))
        self.register_buffer("trust", torch.ones(2, GROUPS, len(TRUST_EDGES) + 1))
        self.register_buffer("blink_rate", torch.tensor([math.log(17.0), 0.0]))
        width = config.width
        self.enter = nn.Linear(config.patch * (2 * numbers + 1), width)
        self.place = nn.Parameter(0.02 * torch.randn(config.window // config.patch, width))
        self.condition = nn.Sequential(
            nn.Linear(_TIMES + numbers + 2 * STYLES, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )
        self.blocks = nn.ModuleList(
            [_Block(width, config.heads, config.dropout) for _ in range(config.layers)]
        )
        self.leave = nn.LayerNorm(width)
        self.tell = nn.Linear(width, config.patch * _FRAME_WIDTH)
        self.gather = nn.Conv1d(2 * numbers + _FRAME_WIDTH, 2 * _FRAME_WIDTH, 5, padding=2)
        self.weigh = nn.Linear(width, 2 * _FRAME_WIDTH)
        self.add = nn.Conv1d(2 * _FRAME_WIDTH, numbers, 5, padding=2)
        self.carry = nn.Linear(width, numbers)
        for parameter in (*self.add.parameters(), *self.carry.parameters()):
            nn.init.zeros_(parameter)  # it starts from the Gaussian's answer

    def forward(
        self,
        noisy: States,
        time: Float[Tensor, " B"],
        bridge: Bridge,
        anchor: Float[Tensor, "B D"],
        style: Float[Tensor, "B S"],
        styled: Bool[Tensor, " B"],
    ) -> States:
        """The clean states (normalised) of a window: what a Gaussian would be, and what the network adds to it.

        `noisy` at flow `time` in [0,1], 0 is noise; `bridge` knows the known frames; `anchor` is the state that the
        sequence started from; `style` (B,3) whitened, counts where `styled`.
        """
        batch, frames = noisy.shape[:2]
        mean = bridge.mean
        given = torch.cat([noisy - mean, mean, bridge.is_known[..., None].to(noisy.dtype)], dim=-1)
        tokens = self.enter(given.reshape(batch, frames // self.config.patch, -1))
        heard = torch.where(styled[:, None], style, torch.zeros_like(style))
        told = styled[:, None].expand(-1, STYLES).to(noisy.dtype)
        condition = self.condition(torch.cat([_waves(time), anchor, heard, told], dim=-1))
        tokens = tokens + self.place[: tokens.shape[1]]
        for block in self.blocks:
            tokens = block(tokens, condition)
        # A token is too narrow for all that happens in its frames: they are looked at once more, one by one.
        told_frames = self.tell(self.leave(tokens)).reshape(batch, frames, _FRAME_WIDTH)
        seen = self.gather(torch.cat([noisy - mean, mean, told_frames], dim=-1).mT)
        weighed = nn.functional.gelu(seen * (1.0 + self.weigh(condition)[..., None]))
        added = self.add(weighed).mT
        # E[x_1 | x_t] of Gaussians with the same covariance around the mean, t x_1 + (1 - t) x_0 between them
        share = (time / (time**2 + (1.0 - time) ** 2))[:, None]
        carried = (share * (1.0 + self.carry(condition)))[:, None]
        clean: Tensor = mean + carried * (noisy - mean) + bridge.deviation * added
        return clean

    def liveliness(self, style: Float[Tensor, "B S"]) -> Float[Tensor, "B 1 D"]:
        """The size of a motion of that style (whitened), number by number, in root mean squares over all styles.

        People rest and rush; the process alone, whose covariance is that of all of them, is as lively in one window
        as in the next.
        """
        louder = (style @ self.style_factor.mT).clamp(-_LIVELIEST, _LIVELIEST)
        size = (louder - self.style_factor.pow(2).sum(dim=1)).exp()  # E[size^2] = 1 for a log-normal
        return size[:, _STYLE_OF_GROUP][:, self.prior.group][:, None]

    def mean_of(self, bridge: Bridge, anchor: Float[Tensor, "B D"], trusted: bool = True) -> States:
        """The mean of all futures: the prior's, and as much of what the network adds as can be trusted."""
        batch = len(anchor)
        nothing, no_style = torch.zeros(batch), torch.zeros(batch, STYLES)
        answer: Tensor = self(bridge.mean, nothing, bridge, anchor, no_style, nothing.bool())
        if not trusted:
            return answer
        return bridge.mean + self.trust[self.trust_place(bridge)] * (answer - bridge.mean)

    def trust_place(
        self, bridge: Bridge
    ) -> tuple[Int[Tensor, "B T 1"], Int[Tensor, " D"], Int[Tensor, "B T D"]]:
        """Where in `trust` each number of each frame stands."""
        between = bridge.is_known.flip(1).cummax(dim=1).values.flip(1)
        doubt = torch.bucketize(bridge.deviation.contiguous(), torch.tensor(TRUST_EDGES))
        return between[..., None].long(), self.prior.group, doubt


class _Block(nn.Module):
    """Attention and a two-layer network, both scaled, shifted and let in by the condition.

    The form is that of Peebles and Xie, arXiv 2212.09748, sec. 3.2 (adaLN-Zero).
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.first = nn.LayerNorm(width, elementwise_affine=False)
        self.second = nn.LayerNorm(width, elementwise_affine=False)
        self.told = nn.Linear(width, 6 * width)
        nn.init.zeros_(self.told.weight)
        nn.init.zeros_(self.told.bias)
        self.query_key_value, self.mix = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.think = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.drop = nn.Dropout(dropout)

    def forward(
        self, tokens: Float[Tensor, "B N W"], condition: Float[Tensor, "B W"]
    ) -> Float[Tensor, "B N W"]:
        scale, shift, let_in, scale_2, shift_2, let_in_2 = self.told(condition)[:, None].chunk(6, dim=-1)
        batch, count, width = tokens.shape
        parts = self.query_key_value((1.0 + scale) * self.first(tokens) + shift)
        query, key, value = parts.reshape(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(query, key, value)
        tokens = tokens + let_in * self.drop(self.mix(mixed.transpose(1, 2).reshape(batch, count, width)))
        thought: Tensor = self.think((1.0 + scale_2) * self.second(tokens) + shift_2)
        return tokens + let_in_2 * self.drop(thought)


_TIMES = 16
_FRAME_WIDTH = 48


def _waves(time: Float[Tensor, " B"]) -> Float[Tensor, "B N"]:
    """The flow time as sines and cosines."""
    angles = time[:, None] * math.pi * 2.0 ** torch.arange(_TIMES // 2, dtype=time.dtype)
    return torch.cat([angles.sin(), angles.cos()], dim=1)
