"""An oracle of `flow.sample`: torch's grid_sample."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample

from faceanime.core.errors import check_shape
from faceanime.geometry.flow import Interpolation

GRID_SAMPLE_MODE = {"linear": "bilinear", "cubic": "bicubic"}


def sample_torch(
    source: Float[Tensor, "B C H W"],
    source_from_target: Float[Tensor, "B h w 2"],
    interpolation: Interpolation = "linear",
) -> Float[Tensor, "B C h w"]:
    """Sample `source` at the flow's places (px, centers at +0.5); its edge pixels are repeated outside.

    The places are exact, where OpenCV rounds them to 1/32 px. Raises `ShapeError`.
    """
    check_shape("source", source, None, None, None, None)
    check_shape("source_from_target", source_from_target, len(source), None, None, 2)
    height, width = source.shape[2:]
    size = torch.tensor([width, height], dtype=source.dtype, device=source.device)
    return grid_sample(
        source,
        source_from_target * 2 / size - 1,
        mode=GRID_SAMPLE_MODE[interpolation],
        padding_mode="border",
        align_corners=False,
    )
