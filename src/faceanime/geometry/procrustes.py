"""Rigid alignment of point sets."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from faceanime.core.errors import ShapeError, check_shape
from faceanime.geometry.rotation import nearest_rotation


def weighted_procrustes(
    a: Float[np.ndarray, "*#B N 3"], b: Float[np.ndarray, "*#B N 3"], weights: Float[np.ndarray, " N"]
) -> tuple[Float[np.ndarray, "*B"], Float[np.ndarray, "*B 3 3"], Float[np.ndarray, "*B 3"]]:
    """Scale, rotation and translation that minimize sum_i w_i |b_i - (s R a_i + t)|^2; batches broadcast.

    `weights` are not negative and may have any sum. Points on a line do not determine the rotation about it. Raises
    `ShapeError` for wrong shapes or weights that leave fewer than two distinct points.
    Source: Umeyama, IEEE TPAMI 13(4), 1991.
    """
    check_shape("weights", weights, None)
    check_shape("a", a, "*", len(weights), 3)
    check_shape("b", b, "*", len(weights), 3)
    if (weights < 0).any() or weights.sum() <= 0:
        raise ShapeError("weights must not be negative, and some must be positive")
    w = weights / weights.sum()
    center_a, center_b = (w[:, None] * a).sum(-2), (w[:, None] * b).sum(-2)
    a0, b0 = a - center_a[..., None, :], b - center_b[..., None, :]
    variance = (w[:, None] * a0**2).sum((-2, -1))
    if (variance <= 0).any():
        raise ShapeError("the weighted points of a coincide, expected two distinct ones")
    covariance = np.swapaxes(b0 * w[:, None], -1, -2) @ a0
    rotation = nearest_rotation(covariance)
    scale = np.asarray((rotation * covariance).sum((-2, -1)) / variance)
    translation = center_b - scale[..., None] * (rotation @ center_a[..., None])[..., 0]
    return scale, rotation, translation
