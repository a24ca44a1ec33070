"""Inputs of the paper's generator: a square window around the portrait's face, and the prior of a geometry in it.

The prior is the paper's sparse texture (arXiv 2105.14678, sec. III-B) or, as a baseline, one heat map per landmark,
which shows the geometry but not the appearance.
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
"""Landmarks on the contours that landmark-guided generators draw."""
_HEAT_SIGMA = 2.0 / 128
"""Standard deviation of a heat map's Gaussian, as a fraction of the window's side; chosen by eye."""
_SIDE = 3.2
"""Side of the window in model units, chosen by eye: the head with a margin."""


@dataclass(frozen=True)
class PriorConfig:
    """The prior that conditions the generator on the geometry."""

    kind: Literal["texture", "heat-maps"] = "texture"
    """Kind of the prior: the paper's sparse texture, or heat maps of landmarks."""
    interval: int = 4
    """Every n-th vertex carries the texture: 1 is dense, 16 the coarsest."""

    def __post_init__(self) -> None:
        if not 1 <= self.interval <= LARGEST_INTERVAL:
            raise ConfigError(f"prior.interval is {self.interval}, expected 1 to {LARGEST_INTERVAL}")

    @property
    def channels(self) -> int:
        """Number of channels of one prior."""
        return 3 if self.kind == "texture" else len(HEAT_LANDMARKS)


def face_window(points: Points, pose: HeadPose, size_px: int) -> Window:
    """An upright square around a face: `points` (V,3) are the model's vertices in px, `pose` is their pose."""
    scale = size_px / (_SIDE * float(pose.scale))
    outline = points[list(topology.OVAL), :2]
    offset = size_px / 2 - scale * (outline.min(axis=0) + outline.max(axis=0)) / 2
    return Window(np.column_stack([scale * np.eye(2), offset]), size_px)


def draw_prior(
    config: PriorConfig, window: Window, texture: SparseTexture, points: Points
) -> Float32[np.ndarray, "S S P"]:
    """The prior of a geometry, in [-1, 1]; `points` (V,3) in px of the picture."""
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
