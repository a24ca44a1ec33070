"""Affine maps of the picture plane: `b_from_a` is (2,3), p_b = b_from_a[:, :2] @ p_a + b_from_a[:, 2].

OpenCV has pixel centers at integers, we have them at +0.5: this module, `flow.py` and `pixels.py` convert.
"""

from __future__ import annotations

import math
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Float, Float64, UInt8

from faceanime.core.errors import ShapeError, check_shape
from faceanime.geometry.flow import OPENCV_INTERPOLATION, Interpolation

Border = Literal["edge"] | tuple[int, int, int]
"""Padding outside a picture: its edge replicated, or one color, RGB."""

ANTIALIAS_BELOW = 0.7
"""Scale below which a picture is low-pass filtered before it is resampled; chosen by eye: above it, the loss of
sharpness is more visible than aliasing."""
PIXEL_SIGMA = 0.5
"""Standard deviation, px, of the Gaussian that approximates the footprint of a pixel."""
_LEAST_DETERMINANT = 1e-12
"""Determinant below which an affine map counts as singular."""


def similarity_from_points(
    a: Float[np.ndarray, "N 2"], b: Float[np.ndarray, "N 2"], weights: Float[np.ndarray, " N"] | None = None
) -> Float64[np.ndarray, "2 3"]:
    """The similarity `b_from_a` that fits pairs of points best: weighted least squares in b.

    `weights` are not negative; equal if None. Raises `ShapeError` for wrong shapes or when the weighted points of a
    coincide. Source: Umeyama, IEEE TPAMI 13(4), 1991; here in the plane, with points as complex numbers.
    """
    check_shape("a", a, None, 2)
    check_shape("b", b, len(a), 2)
    w = np.ones(len(a)) if weights is None else np.asarray(weights, np.float64)
    check_shape("weights", w, len(a))
    za, zb = (np.asarray(p, np.float64) @ np.array([1, 1j]) for p in (a, b))
    if not w.sum() > 0:
        raise ShapeError("weights must not be negative, and some must be positive")
    mean_a, mean_b = (w @ za) / w.sum(), (w @ zb) / w.sum()
    variance = w @ np.abs(za - mean_a) ** 2
    if not variance > 0:
        raise ShapeError("the weighted points of a coincide, expected two distinct ones")
    linear = (w * (za - mean_a).conj()) @ (zb - mean_b) / variance
    shift = mean_b - linear * mean_a
    return np.array([[linear.real, -linear.imag, shift.real], [linear.imag, linear.real, shift.imag]])


def apply_affine(
    matrix: Float[np.ndarray, "2 3"], points: Float[np.ndarray, "*B 2"]
) -> Float[np.ndarray, "*B 2"]:
    """Points of the plane, transformed.

    >>> apply_affine(np.array([[2.0, 0, 1], [0, 2, 0]]), np.array([1.0, 1.0])).tolist()
    [3.0, 2.0]
    """
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2])


def apply_affine_with_depth(
    matrix: Float[np.ndarray, "2 3"], points: Float[np.ndarray, "*B D"]
) -> Float[np.ndarray, "*B D"]:
    """Points (x, y) or (x, y, z) in px of a picture, transformed; the depth z is scaled like x and y.

    >>> apply_affine_with_depth(np.array([[2.0, 0, 1], [0, 2, 0]]), np.array([1.0, 1.0, 1.0])).tolist()
    [3.0, 2.0, 2.0]
    """
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    return np.concatenate([apply_affine(matrix, points[..., :2]), scale * points[..., 2:]], axis=-1)


def compose_affine(
    c_from_b: Float[np.ndarray, "2 3"], b_from_a: Float[np.ndarray, "2 3"]
) -> Float64[np.ndarray, "2 3"]:
    """The composition c_from_a: first `b_from_a`, then `c_from_b`."""
    composed = c_from_b[:, :2].astype(np.float64) @ b_from_a
    composed[:, 2] += c_from_b[:, 2]
    return composed


def invert_affine(b_from_a: Float[np.ndarray, "2 3"]) -> Float64[np.ndarray, "2 3"]:
    """The inverse a_from_b. Raises `ShapeError` when the map is singular."""
    (a, b, x), (c, d, y) = b_from_a.tolist()
    area = a * d - b * c
    if abs(area) < _LEAST_DETERMINANT:
        raise ShapeError("the affine map is singular and cannot be inverted")
    # in closed form: LAPACK's threads cost milliseconds, and this runs several times per frame
    return np.array([[d, -b, b * y - d * x], [-c, a, c * x - a * y]]) / area


def warp_image(
    pixels: UInt8[np.ndarray, "H W 3"],
    target_from_source: Float[np.ndarray, "2 3"],
    width_px: int,
    height_px: int,
    interpolation: Interpolation = "linear",
    border: Border = "edge",
) -> UInt8[np.ndarray, "height_px width_px 3"]:
    """Resample a picture through an affine map in px, pixel centers at +0.5; low-pass filtered first if it shrinks.

    The identity and shifts by whole pixels are bit-exact; otherwise OpenCV rounds sample positions to 1/32 px. Raises
    `ShapeError` for wrong shapes or a singular map.
    """
    check_shape("pixels", pixels, None, None, 3)
    check_shape("target_from_source", target_from_source, 2, 3)
    invert_affine(target_from_source)  # raises
    pixels, target_from_source = _antialiased(pixels, target_from_source)
    center = np.full(2, 0.5)
    opencv_map = target_from_source.astype(np.float64)
    opencv_map[:, 2] = apply_affine(opencv_map, center) - center
    return np.asarray(
        cv2.warpAffine(
            pixels,
            opencv_map,
            (width_px, height_px),
            flags=OPENCV_INTERPOLATION[interpolation],
            borderMode=cv2.BORDER_REPLICATE if border == "edge" else cv2.BORDER_CONSTANT,
            borderValue=(0, 0, 0) if border == "edge" else border,
        )
    )


def antialiasing_sigma(scale: float) -> float:
    """Standard deviation in px of the Gaussian that a picture needs before it is scaled by less than 1.

    A pixel is itself a filter, and the variances of successive filters add up.
    """
    return PIXEL_SIGMA * math.sqrt(scale**-2 - 1)


def _antialiased(
    pixels: UInt8[np.ndarray, "H W 3"], target_from_source: Float[np.ndarray, "2 3"]
) -> tuple[UInt8[np.ndarray, "h w 3"], Float[np.ndarray, "2 3"]]:
    """A picture low-pass filtered, and perhaps shrunk, for a map that shrinks it, and the map from that picture."""
    scale = math.sqrt(abs(np.linalg.det(target_from_source[:, :2])))
    if scale >= ANTIALIAS_BELOW:
        return pixels, target_from_source
    height, width = pixels.shape[:2]
    # averages of whole blocks first, so that the Gaussian stays small: a wide one is slow on a large photo
    block = max(1, math.floor(0.5 / scale))
    small_size = (max(1, round(width / block)), max(1, round(height / block)))
    small = cv2.resize(pixels, small_size, interpolation=cv2.INTER_AREA)
    source_from_small = np.array([[width / small_size[0], 0.0, 0.0], [0.0, height / small_size[1], 0.0]])
    sigma = antialiasing_sigma(scale * block)
    smooth = cv2.GaussianBlur(small, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(smooth), compose_affine(target_from_source, source_from_small)
