"""Metrics of pictures: differences of pixels and of structure, and sharpness.

Pictures are (H,W,3) uint8 RGB of the same size; only the pixels in a mask (H,W), if one is given, are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64

from faceanime.core.errors import ShapeError, check_shape
from faceanime.structures.frames import Pixels

Mask: TypeAlias = Bool[np.ndarray, "H W"]

_WHITE, _GREY = 255.0, 127.5
"""White, and the middle of the scale, in levels."""
_WINDOW_PX, _SIGMA_PX = 11, 1.5
"""Side and standard deviation of SSIM's Gaussian window (Wang et al. 2004)."""
_EDGE_PX = _WINDOW_PX // 2
"""Width of the picture's border around whose pixels a window is not complete."""
_C1, _C2 = (0.01 * _WHITE) ** 2, (0.03 * _WHITE) ** 2
"""SSIM's constants against division by zero: K1 = 0.01, K2 = 0.03 (Wang et al. 2004)."""
_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of MS-SSIM's scales, from fine to coarse (Wang, Simoncelli and Bovik 2003)."""
SMALLEST_MS_SSIM_PX = _WINDOW_PX * 2 ** (len(_SCALE_WEIGHTS) - 1)
"""Smallest side of a picture whose coarsest scale holds a window."""


def l1(a: Pixels, b: Pixels, mask: Mask | None = None) -> float:
    """Mean absolute difference in grey levels, 0..255; lower is better.

    FOMM (arXiv 2003.00196, sec. 4) gives it for pictures in [0, 1]: this number divided by 255.

    >>> l1(np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 51, np.uint8))
    51.0
    """
    check_shape("b", b, *a.shape)
    return _mean(cv2.absdiff(a, b), mask)


def psnr(a: Pixels, b: Pixels, mask: Mask | None = None) -> float:
    """Peak signal-to-noise ratio, 20 log10(255 / RMSE) in dB; higher is better, infinite for equal pictures.

    >>> psnr(np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8))
    0.0
    """
    check_shape("b", b, *a.shape)
    error = _mean(np.square(cv2.absdiff(a, b), dtype=np.float32), mask)
    return 10.0 * float(np.log10(_WHITE**2 / error)) if error > 0 else np.inf


def ssim(a: Pixels, b: Pixels, mask: Mask | None = None) -> float:
    """Structural similarity in [-1, 1], mean of the three colors; higher is better, 1 for equal pictures.

    Gaussian window of sigma 1.5 px, 11x11 px, K1 = 0.01, K2 = 0.03. Without a mask it is the mean over all windows
    inside the picture; with a mask, over the windows around its pixels, with the picture mirrored at its edge.
    Raises ShapeError for pictures under 11 px.
    Source: Wang et al., IEEE TIP 13(4), 2004, eq. 13. Deviation: the paper compares the luminance.

    >>> ramp = np.arange(16, dtype=np.uint8)[:, None, None] * np.full((1, 16, 3), 8, np.uint8)
    >>> ssim(ramp, ramp), round(ssim(ramp, 255 - ramp), 2)
    (1.0, -0.37)
    """
    return ssim_by_region(a, b, [mask])[0]


def ssim_by_region(a: Pixels, b: Pixels, masks: Sequence[Mask | None]) -> list[float]:
    """`ssim` of several masks, whose windows are compared only once. NaN for a mask without pixels."""
    _check_size("SSIM", a, b, _WINDOW_PX)
    similarity = _similarity(_centered(a), _centered(b), with_luminance=True)
    return [_mean_of_windows(similarity, mask) for mask in masks]


def ms_ssim(a: Pixels, b: Pixels, mask: Mask | None = None) -> float:
    """Multi-scale structural similarity in [0, 1]; higher is better, 1 for equal pictures.

    Five scales, each the mean of 2x2 px of the one before; a negative mean of a scale counts as 0. The mask is used as
    in `ssim`; a pixel of a coarser scale belongs to it if any of its pixels does. Raises ShapeError for pictures under
    176 px.
    Source: Wang, Simoncelli and Bovik, Asilomar 2003, eq. 7, with the paper's exponents.

    >>> grey = np.full((176, 176, 3), 128, np.uint8)
    >>> ms_ssim(grey, grey)
    1.0
    """
    return ms_ssim_by_region(a, b, [mask])[0]


def ms_ssim_by_region(a: Pixels, b: Pixels, masks: Sequence[Mask | None]) -> list[float]:
    """`ms_ssim` of several masks, whose windows are compared only once. NaN for a mask without pixels."""
    _check_size("MS-SSIM", a, b, SMALLEST_MS_SSIM_PX)
    x, y = _centered(a), _centered(b)
    last = len(_SCALE_WEIGHTS) - 1
    results = [1.0] * len(masks)
    for scale, weight in enumerate(_SCALE_WEIGHTS):
        if scale > 0:
            x, y = _halved(x), _halved(y)
            masks = [None if mask is None else _touched(mask) for mask in masks]
        similarity = _similarity(x, y, with_luminance=scale == last)
        for index, mask in enumerate(masks):
            results[index] *= np.maximum(_mean_of_windows(similarity, mask), 0.0) ** weight
    return [float(result) for result in results]


def laplacian_energy(picture: Pixels, mask: Mask | None = None) -> float:
    """Mean absolute Laplacian of the luminance, grey levels per px^2; larger is sharper.

    Divide it by that of the truth: 1 is best, below 1 is blurred, above 1 is too crisp or noisy.
    Source: Nayar and Nakagawa, IEEE TPAMI 16(8), 1994. Deviation: the plain 4-neighbor Laplacian, not the modified.

    >>> laplacian_energy(np.full((4, 4, 3), 200, np.uint8))
    0.0
    """
    check_shape("picture", picture, None, None, 3)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    laplacian = cv2.Laplacian(grey, cv2.CV_32F, borderType=cv2.BORDER_REFLECT)
    return _mean(np.abs(laplacian)[..., None], mask)


def _similarity(
    a: Float32[np.ndarray, "H W 3"], b: Float32[np.ndarray, "H W 3"], with_luminance: bool
) -> Float32[np.ndarray, "H W 3"]:
    """Similarity of contrast and structure around each pixel, times that of luminance if asked for.

    Values are relative to middle grey (127.5): relative to 0, single precision would lose the variance of bright, flat
    parts.
    """
    mean_a, mean_b = _blurred(a), _blurred(b)
    product, squares = mean_a * mean_b, mean_a * mean_a + mean_b * mean_b
    covariance, variances = _blurred(a * b), _blurred(a * a + b * b)
    covariance -= product
    variances -= squares
    similarity = _ratio(covariance, variances, _C2)
    if with_luminance:  # needs absolute grey levels: (x + g) (y + g) = x y + g (x + y + g)
        mean_a += mean_b
        mean_a *= 2 * _GREY
        mean_a += 2 * _GREY**2 + _C1
        similarity *= _ratio(product, squares, mean_a)
    return similarity


def _ratio(
    product: Float32[np.ndarray, "H W 3"],
    squares: Float32[np.ndarray, "H W 3"],
    constant: float | Float32[np.ndarray, "H W 3"],
) -> Float32[np.ndarray, "H W 3"]:
    """(2 x y + c) / (x^2 + y^2 + c), in place: new arrays would take most of the time."""
    product *= 2
    product += constant
    squares += constant
    product /= squares
    return product


def _centered(picture: Pixels) -> Float32[np.ndarray, "H W 3"]:
    return np.subtract(picture, np.float32(_GREY), dtype=np.float32)


def _blurred(values: Float32[np.ndarray, "H W 3"]) -> Float32[np.ndarray, "H W 3"]:
    size = (_WINDOW_PX, _WINDOW_PX)
    return np.asarray(cv2.GaussianBlur(values, size, _SIGMA_PX, borderType=cv2.BORDER_REFLECT_101))


def _halved(values: Float32[np.ndarray, "H W 3"]) -> Float32[np.ndarray, "h w 3"]:
    """Means of blocks of 2x2 px; an odd last row or column is left out."""
    even = values[: len(values) // 2 * 2, : values.shape[1] // 2 * 2]
    return np.asarray(cv2.resize(even, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))


def _touched(mask: Mask) -> Bool[np.ndarray, "h w"]:
    """The blocks of 2x2 px with a pixel in the mask; an odd last row or column is left out."""
    height, width = len(mask) // 2, mask.shape[1] // 2
    return np.asarray(mask[: 2 * height, : 2 * width].reshape(height, 2, width, 2).any(axis=(1, 3)))


def _mean_of_windows(similarity: Float32[np.ndarray, "H W 3"], mask: Mask | None) -> float:
    return _mean(_inside(similarity) if mask is None else similarity, mask)


def _inside(values: Float32[np.ndarray, "H W 3"]) -> Float32[np.ndarray, "h w 3"]:
    """The pixels whose whole window is inside the picture."""
    return values[_EDGE_PX:-_EDGE_PX, _EDGE_PX:-_EDGE_PX]


def _mean(values: np.ndarray, mask: Mask | None) -> float:
    """The mean over all colors of the pixels in the mask; NaN for a mask without pixels."""
    if mask is None:
        return float(values.mean(dtype=np.float64))
    check_shape("mask", mask, *values.shape[:2])
    counted: Float64[np.ndarray, " N"] = values[mask].astype(np.float64)
    return float(counted.mean()) if counted.size else float("nan")


def _check_size(metric: str, a: Pixels, b: Pixels, smallest_px: int) -> None:
    check_shape("a", a, None, None, 3)
    check_shape("b", b, *a.shape)
    if min(a.shape[:2]) < smallest_px:
        raise ShapeError(
            f"{metric} of pictures of {a.shape[1]}x{a.shape[0]} px, expected {smallest_px} at least"
        )
