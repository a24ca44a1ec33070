"""Inputs of the paper's generator: a square window around the portrait's face, and the prior of a geometry in it.

The prior is the paper's sparse texture (arXiv 2105.14678, sec. III-B) or, as a baseline, one heat map per landmark,
which shows the geometry but not the appearance.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import Float32

from faceanime.core.errors import check_range
from faceanime.generator.windows import Points, Window
from faceanime.morphable.landmark_schema import Group, LandmarkSchema
from faceanime.morphable.model import MorphableModel
from faceanime.prior.sparse_texture import LARGEST_INTERVAL, TextureConfig
from faceanime.structures.coefficients import HeadPose
from faceanime.structures.raster import SparseTexture


@lru_cache(maxsize=8)
def heat_landmarks(schema: LandmarkSchema) -> Group:
    """Landmarks on the contours that landmark-guided generators draw: one heat map each."""
    right, left = schema.eyes
    groups = (
        *(schema.oval[::2], right.brow_upper, left.brow_upper, schema.nose_ridge, schema.nose_base[[0, -1]]),
        *(right.lower[::2], right.upper[2:-1:2], left.lower[::2], left.upper[2:-1:2]),
        *(schema.outer_lips[::2], schema.inner_lips_lower[::2], schema.inner_lips_upper[2:-1:2]),
    )
    return np.concatenate(groups)


_HEAT_SIGMA = 2.0 / 128
"""Standard deviation of a heat map's Gaussian, as a fraction of the window's side; chosen by eye."""
_SIDE = 3.2
"""Side of the window in model units, chosen by eye: the head with a margin."""


@dataclass(frozen=True)
class PriorConfig:
    """The texture prior that conditions the generator on the geometry, or heat maps instead."""

    kind: Literal["texture", "heat-maps"] = "texture"
    """Kind of the prior: the paper's sparse texture, or heat maps of landmarks."""
    interval: int = TextureConfig.interval
    """Every n-th vertex carries the texture: 1 is dense, 16 the coarsest."""

    def __post_init__(self) -> None:
        check_range(self, "prior", "interval", least=1, most=LARGEST_INTERVAL)

    def channels(self, schema: LandmarkSchema) -> int:
        """Return the number of channels of one prior; heat maps show landmarks of `schema`."""
        return 3 if self.kind == "texture" else len(heat_landmarks(schema))


def face_window(points: Points, pose: HeadPose, size_px: int, model: MorphableModel) -> Window:
    """An upright square around a face: `points` (V,3) are the model's vertices in px, `pose` is their pose."""
    scale = size_px / (_SIDE * float(pose.scale))
    outline = model.landmarks_of(points)[model.schema.oval, :2]
    offset = size_px / 2 - scale * (outline.min(axis=0) + outline.max(axis=0)) / 2
    return Window(np.column_stack([scale * np.eye(2), offset]), size_px)


def draw_prior(
    config: PriorConfig, window: Window, texture: SparseTexture, points: Points, model: MorphableModel
) -> Float32[np.ndarray, "S S P"]:
    """The texture prior, or the heat maps, of a geometry, in [-1, 1]; `points` (V,3) in px of the picture."""
    if config.kind == "texture":
        return window.texture(texture, points)
    places = window.to_window_px(model.landmarks_of(points))[heat_landmarks(model.schema), :2]
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
        drawn = heat_landmarks(model.schema)
        channel = np.empty(model.landmark_count, np.int64)
        channel[drawn] = np.arange(len(drawn))
        turned = turned[..., channel[model.landmark_mirror[drawn]]]
    return np.ascontiguousarray(turned)
