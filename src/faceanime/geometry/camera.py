"""The scaled-orthographic camera: p = s * Pi(R v) + t (arXiv 2105.14678, sec. III-A; docs/reference/conventions.md)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from faceanime.structures.coefficients import HeadPose

FLIP_Y = np.array([1.0, -1.0, 1.0])
"""Model space has +Y up, pictures have +y down."""


def project(vertices: Float[np.ndarray, "*B V 3"], pose: HeadPose) -> Float[np.ndarray, "*B V 3"]:
    """Project model vertices into the picture: x, y in px; z in px toward the viewer, 0 at the model's origin."""
    flipped = FLIP_Y[:, None] * pose.rotation * pose.scale[..., None, None]
    points = vertices @ np.swapaxes(flipped, -1, -2)
    points[..., :2] += pose.translation_px[..., None, :]
    return np.asarray(points)


def unproject(points: Float[np.ndarray, "*B V 3"], pose: HeadPose) -> Float[np.ndarray, "*B V 3"]:
    """The inverse of `project`."""
    centered = points.copy()
    centered[..., :2] -= pose.translation_px[..., None, :]
    return np.asarray((centered * FLIP_Y / pose.scale[..., None, None]) @ pose.rotation)
