"""What the paper's generator sees: a square around the portrait's face, and in it a prior of any geometry.

The prior is the paper's sparse texture (arXiv 2105.14678, sec. III-B), or its rival, one heat map for each landmark:
those tell where a face goes, not what its skin looks like there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32

from faceanime.core.errors import ConfigError
from faceanime.generator.windows import Points, Window
from faceanime.morphable import topology
from faceanime.morphable.model import MorphableModel
from faceanime.prior.sparse_texture import LARGEST_INTERVAL
from faceanime.structures.coefficients import HeadPose
from faceanime.structures.raster import SparseTexture

HEAT_LANDMARKS = (
    *topology.OVAL[::2],
    *topology.RIGHT_BROW[:5],
    *topology.LEFT_BROW[:5],
    *(168, 197, 5, 1, 98, 327),  # the nose
    *topology.RIGHT_EYE_LOWER[::2],
    *topology.RIGHT_EYE_UPPER[2:-1:2],
    *topology.LEFT_EYE_LOWER[::2],
    *topology.LEFT_EYE_UPPER[2:-1:2],
    *topology.OUTER_LIPS[::2],
    *topology.INNER_LIPS_LOWER[::2],
    *topology.INNER_LIPS_UPPER[2:-1:2],
)
"""The contours that landmark-guided generators draw."""
_HEAT_SIGMA = 2.0 / 128
"""Share of the window's side."""
_SIDE = 3.2
"""Side of the window, model units: the head with some of what is around it."""


@dataclass(frozen=True)
class PriorConfig:
    """What tells the generator how the face is to move."""

    kind: Literal["texture", "heat-maps"] = "texture"
    interval: int = 4
    """One of so many vertices carries the texture: 1 is dense, 16 the coarsest."""

    def __post_init__(self) -> None:
        if not 1 <= self.interval <= LARGEST_INTERVAL:
            raise ConfigError(f"prior.interval is {self.interval}, expected 1 to {LARGEST_INTERVAL}")

    @property
    def channels(self) -> int:
        """Of one prior."""
        return 3 if self.kind == "texture" else len(HEAT_LANDMARKS)


def face_window(points: Points, pose: HeadPose, size_px: int) -> Window:
    """An upright square around a face: `points` (V,3) are all vertices of the model, px; `pose` is theirs."""
    scale = size_px / (_SIDE * float(pose.scale))
    outline = points[list(topology.OVAL), :2]
    offset = size_px / 2 - scale * (outline.min(axis=0) + outline.max(axis=0)) / 2
    return Window(np.column_stack([scale * np.eye(2), offset]), size_px)


def draw_prior(
    config: PriorConfig, window: Window, texture: SparseTexture, points: Points
) -> Float32[np.ndarray, "S S P"]:
    """The prior of the geometry `points` (V,3), px of the picture, in [-1, 1]."""
    if config.kind == "texture":
        return window.texture(texture, points)
    places = window.placed(points)[list(HEAT_LANDMARKS), :2]
    line = np.arange(window.size_px) + 0.5
    apart = (line[:, None, None] - places.T) / (_HEAT_SIGMA * window.size_px)  # (S,2,P)
    across, down = np.moveaxis(np.exp(-0.5 * apart**2), 1, 0)
    return (2.0 * down[:, None] * across[None] - 1.0).astype(np.float32)


def mirrored_prior(
    config: PriorConfig, prior: Float32[np.ndarray, "S S P"], model: MorphableModel
) -> Float32[np.ndarray, "S S P"]:
    """The prior of the mirrored face."""
    turned = prior[:, ::-1]
    if config.kind == "heat-maps":
        turned = turned[..., [HEAT_LANDMARKS.index(model.mirror[v]) for v in HEAT_LANDMARKS]]
    return np.ascontiguousarray(turned)
