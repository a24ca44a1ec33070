"""Put a moving region back into the full picture."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, UInt8

from faceanime.structures.frames import Pixels
from faceanime.structures.raster import Box


class Paster:
    """Pastes regions into one picture; every pixel outside the region stays bit-exact.

    The region's edge is blended over `feather_px`, except where it is the picture's own edge.
    """

    def __init__(self, picture: Pixels, region: Box, feather_px: int = 6) -> None:
        self._picture = picture
        self._region = region
        height, width = picture.shape[:2]
        feather = min(feather_px, region.width // 4, region.height // 4)
        across = _ramp(region.width, feather, region.left > 0, region.right < width)
        down = _ramp(region.height, feather, region.top > 0, region.bottom < height)
        self._weight: Float32[np.ndarray, "h w 1"] = np.minimum(down[:, None], across[None])[..., None]
        self._bands = [
            (slice(0, feather), slice(None)),
            (slice(region.height - feather, None), slice(None)),
            (slice(feather, region.height - feather), slice(0, feather)),
            (slice(feather, region.height - feather), slice(region.width - feather, None)),
        ]

    def paste(self, pixels: UInt8[np.ndarray, "h w 3"]) -> Pixels:
        """The full picture (H,W,3) with the region's `pixels` (h,w,3)."""
        result = self._picture.copy()
        inside = result[self._region.slices]
        source = self._picture[self._region.slices]
        inside[:] = pixels
        for band in self._bands:
            weight = self._weight[band]
            inside[band] = np.rint(weight * pixels[band] + (1.0 - weight) * source[band]).astype(np.uint8)
        return result


def _ramp(length: int, feather: int, low: bool, high: bool) -> Float32[np.ndarray, " L"]:
    """Weights along one axis: rising over `feather` pixels at the `low` end, falling at the `high` end, else 1."""
    ramp = np.ones(length, np.float32)
    rise = (np.arange(feather, dtype=np.float32) + 0.5) / max(feather, 1)
    if low:
        ramp[:feather] = rise
    if high:
        ramp[length - feather :] = rise[::-1]
    return ramp
