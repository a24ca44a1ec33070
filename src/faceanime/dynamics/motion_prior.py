"""The motion prior: a Gaussian process, to whose mean and samples a network adds.

States are those of `state.py`, normalized. B sequences, T frames, D numbers a state, G groups of numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

StateBatch = Float[Tensor, "B T D"]

GROUPS = 6
"""Groups of numbers that share an autocovariance: lids and gaze, brows, mouth, rotation, log scale, translation."""
_LEAST_VARIANCE = 1e-4
"""Floor of the kernel's eigenvalues, in variances of normalized states, which keeps the kernel positive definite."""


class MotionPrior(nn.Module):
    """A stationary Gaussian process; each number by itself, with its group's autocovariance.

    `autocovariance` (G,W) of normalized states, at lags of 0 to W - 1 frames; `group` (D,) of each number.
    """

    autocovariance: Float[Tensor, "G W"]
    group: Int[Tensor, " D"]

    def __init__(self, groups: int, window: int, numbers: int) -> None:
        super().__init__()
        self.register_buffer("autocovariance", (torch.arange(window) == 0).float().expand(groups, -1).clone())
        self.register_buffer("group", torch.zeros(numbers, dtype=torch.long))
        self.clear_cache()
        self.register_load_state_dict_post_hook(lambda *_: self.clear_cache())  # type: ignore[no-untyped-call]

    def clear_cache(self) -> None:
        """Forget what was derived from the buffers; to be called when they change."""
        self._kernel: Tensor | None = None
        self._members: tuple[Tensor, ...] | None = None
        self._factor: Tensor | None = None

    def _cholesky_factor(self) -> Float[Tensor, "G W W"]:
        if self._factor is None:
            self._factor = torch.linalg.cholesky(self.kernel())
        return self._factor

    def kernel(self) -> Float[Tensor, "G W W"]:
        """Covariance matrices of a window's frames; positive definite."""
        if self._kernel is None:
            frame = torch.arange(self.autocovariance.shape[1])
            toeplitz = self.autocovariance[:, (frame[:, None] - frame).abs()].double()
            values, vectors = torch.linalg.eigh(toeplitz)
            kernel = vectors @ torch.diag_embed(values.clamp_min(_LEAST_VARIANCE)) @ vectors.mT
            self._kernel = kernel.float()
        return self._kernel

    def draw(self, white: StateBatch) -> StateBatch:
        """A sample of the process, made from white noise."""
        motion = torch.empty_like(white)
        for numbers, factor in zip(self.members(), self._cholesky_factor(), strict=True):
            motion[..., numbers] = factor @ white[..., numbers]
        return motion

    def members(self) -> tuple[Int[Tensor, " _"], ...]:
        """The numbers of each group."""
        if self._members is None:
            groups = range(len(self.autocovariance))
            self._members = tuple(torch.nonzero(self.group == group)[:, 0] for group in groups)
        return self._members

    def given(self, known: StateBatch, is_known: Bool[Tensor, "B T"]) -> Bridge:
        """The process conditioned on its known frames; `known` counts where `is_known`."""
        kernel = self.kernel()
        most = int(is_known.sum(dim=1).max())
        known_frame = is_known.to(torch.int8).argsort(dim=1, descending=True, stable=True)[:, :most]
        counts = is_known.gather(1, known_frame).to(known.dtype)[:, None]  # 0 for padding
        to_known = kernel[:, :, known_frame].permute(2, 0, 1, 3) * counts[..., None, :]
        among_known = kernel[:, known_frame[:, :, None], known_frame[:, None, :]].transpose(0, 1)
        among_known = counts[..., None] * counts[..., None, :] * among_known + torch.diag_embed(1.0 - counts)
        gain = torch.cholesky_solve(to_known.mT, torch.linalg.cholesky(among_known)).mT
        explained = (gain * to_known).sum(dim=-1)
        variance = (kernel.diagonal(dim1=1, dim2=2) - explained)[:, self.group].mT
        variance = torch.where(is_known[..., None], 0.0, variance.clamp_min(0.0))
        return Bridge(gain, known_frame, self.members(), known, is_known, variance.sqrt())


@dataclass(frozen=True, eq=False)
class Bridge:
    """A Gaussian process conditioned on its known frames (see `MotionPrior.given`)."""

    gain: Float[Tensor, "B G T K"]
    """Weight of each known frame in the mean of each frame; 0 for padding."""
    known_frame: Int[Tensor, "B K"]
    """Indices of the known frames."""
    members: tuple[Int[Tensor, " _"], ...]
    """The numbers of each group."""
    known: StateBatch
    """States of the known frames; others do not count."""
    is_known: Bool[Tensor, "B T"]
    """Whether a frame is known."""
    deviation: StateBatch
    """Standard deviation of each number given the known frames; 0 at a known frame."""
    mean: StateBatch = field(init=False)
    """Mean of the conditioned process."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", self.through(torch.zeros_like(self.known)))

    def through(self, motion: StateBatch) -> StateBatch:
        """Bend a sample of the process so that it passes through the known frames (Matheron's rule)."""
        indices = self.known_frame[..., None].expand(-1, -1, motion.shape[2])
        missing = (self.known - motion).gather(1, indices)
        bent = motion.clone()
        for group, numbers in enumerate(self.members):
            bent[..., numbers] += self.gain[:, group] @ missing[..., numbers]
        return torch.where(self.is_known[..., None], self.known, bent)
