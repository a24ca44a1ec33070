"""A network that reads landmarks off a window, so that drawn lips and lids lie where the geometry put them.

It learns from true windows alone, beside the generator; what it reads in a drawn one, the generator answers for. As
the classifier of Odena et al., arXiv 1610.09585, beside a critic; ours: what is read are places, and only the real
pictures teach.
"""

from __future__ import annotations

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from faceanime.generator.flow_guided import ConvNorm
from faceanime.generator.windows import WindowPart
from faceanime.morphable import topology

READ: dict[WindowPart, tuple[int, ...]] = {
    "mouth": topology.OUTER_LIPS + topology.INNER_LIPS_LOWER + topology.INNER_LIPS_UPPER[1:-1],
    "eye": topology.RIGHT_EYE_LOWER + topology.RIGHT_EYE_UPPER[1:-1],
    "face": (),
    "light": (),
}
"""Landmarks that are read in a part's window; of an eye, the right one's (a left one's window is mirrored)."""

_SEEN_PX = 64
_WIDTHS = (3, 16, 32, 64, 96)


class LandmarkReader(nn.Module):
    """Windows (B,3,S,S) in [-1, 1] in, the places of a part's landmarks (B,K,2) out, in shares of the side."""

    def __init__(self, part: WindowPart) -> None:
        super().__init__()
        self._count = len(READ[part])
        self.layers = nn.Sequential(*(ConvNorm(into, out, stride=2) for into, out in pairwise(_WIDTHS)))
        self.leave = nn.Linear(_WIDTHS[-1] * (_SEEN_PX >> (len(_WIDTHS) - 1)) ** 2, 2 * self._count)
        nn.init.constant_(self.leave.bias, 0.5)

    def forward(self, windows: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B K 2"]:
        features = self.layers(adaptive_avg_pool2d(windows, _SEEN_PX))
        return self.leave(features.flatten(1)).unflatten(1, (self._count, 2))
