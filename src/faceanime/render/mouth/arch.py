"""The dental arch: the surface on which the inside of a mouth is looked up, and lips as seen from it.

The frame of the arch has its origin at the middle of an incisors' edge, x to the subject's left, y up, in model units
(1 unit = distance of the outer eye corners, about 90 mm); the arch falls back as z = -curvature x^2. A view (4,2), of
`arch_view`, maps places of the picture (px) to the (x, y) on the arch that they show.
"""

from __future__ import annotations

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Float32
from numba import njit

from faceanime.geometry.camera import FLIP_Y
from faceanime.structures.coefficients import HeadPose


class ArchShape(NamedTuple):
    """The arch's shape. A named tuple, since numba's kernels read it as constants. Chosen by eye."""

    curvature: float = 3.0
    """Coefficient of the parabola z = -curvature x^2, 1 / model units."""
    flat_from: float = 0.4
    """|x| beyond which the arch is flat and lips are not sampled, model units."""
    lip_samples: int = 128
    """Number of samples of a lip's height over x."""


ARCH = ArchShape()


def arch_view(pose: HeadPose, origin: Float[np.ndarray, "3"]) -> Float[np.ndarray, "4 2"]:
    """The view of an arch whose frame's origin lies at `origin` (model space): offset, matrix (2 rows), slide.

    The slide is how far a place moves on the arch per x^2, because the arch falls back.
    """
    camera = (FLIP_Y[:, None] * pose.rotation * pose.scale)[:2]
    (a, b), (c, d) = camera[:, :2]
    inverse = np.array([[d, -b], [-c, a]]) / (a * d - b * c)
    offset = -inverse @ (pose.translation_px + camera @ origin)
    return np.stack([offset, *inverse, ARCH.curvature * (inverse @ camera[:, 2])])


def arch_surface(
    xy: Float32[np.ndarray, "h w 2"], origin: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "h w 3"]:
    """The points (model space) of an arch at `origin` over places (x, y) of its frame."""
    depth = -ARCH.curvature * np.minimum(xy[..., :1] ** 2, ARCH.flat_from**2)
    return np.asarray(np.concatenate([xy, depth], axis=-1) + origin)


@njit(cache=True, nogil=True)
@no_type_check
def arch_from_image(x, y, view):
    """The (x, y) on the arch that a place (x, y) of the picture, px, shows."""
    flat_x = view[0, 0] + view[1, 0] * x + view[1, 1] * y
    flat_y = view[0, 1] + view[2, 0] * x + view[2, 1] * y
    square = min(flat_x * flat_x, ARCH.flat_from * ARCH.flat_from)
    for _ in range(3):  # fixed point of x = flat_x + slide x^2
        bent = flat_x + view[3, 0] * square
        square = min(bent * bent, ARCH.flat_from * ARCH.flat_from)
    return flat_x + view[3, 0] * square, flat_y + view[3, 1] * square


@njit(cache=True, nogil=True)
@no_type_check
def arch_from_image_grid(places, view):
    """`arch_from_image` of a grid of places (h,w,2)."""
    found = np.empty_like(places)
    for row in range(places.shape[0]):
        for column in range(places.shape[1]):
            found[row, column] = arch_from_image(places[row, column, 0], places[row, column, 1], view)
    return found


@njit(cache=True, nogil=True)
@no_type_check
def height_at(lip, x):
    """A lip's height at x, from its samples (S,), linearly."""
    place = (x + ARCH.flat_from) * (ARCH.lip_samples - 1) / (2 * ARCH.flat_from)
    place = min(max(place, 0.0), ARCH.lip_samples - 1.001)
    index = int(place)
    return lip[index] + (place - index) * (lip[index + 1] - lip[index])


def lip_heights(
    upper_px: Float[np.ndarray, "n 2"], lower_px: Float[np.ndarray, "n 2"], view: Float[np.ndarray, "4 2"]
) -> Float[np.ndarray, "2 S"]:
    """The heights of both lips' inner edges over x, in the frame of the arch; where they cross, they meet."""
    steps = np.linspace(-ARCH.flat_from, ARCH.flat_from, ARCH.lip_samples)
    upper, lower = (
        np.interp(steps, np.maximum.accumulate(line[:, 0]), line[:, 1])
        for line in (np.array([arch_from_image(x, y, view) for x, y in lip]) for lip in (upper_px, lower_px))
    )
    return np.stack([upper, np.minimum(upper, lower)])
