"""High dynamic range (ITU-R BT.2100) shown on a standard display."""

from __future__ import annotations

from functools import cache

import numpy as np
from jaxtyping import Float, UInt8, UInt16

HDR_WHITE_NITS = 203.0
"""Luminance of a white sheet in HDR (ITU-R BT.2408)."""
PQ_PEAK_NITS = 10_000.0
HLG_PEAK_NITS, HLG_SYSTEM_GAMMA = 1_000.0, 1.2
"""The display that HLG is meant for, in cd/m^2, and the exponent that belongs to it (BT.2100)."""
LUMINANCE_2020 = np.array([0.2627, 0.6780, 0.0593], np.float32)
"""Weights of R, G and B in luminance (BT.2020)."""
BT709_FROM_BT2020 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)
"""Linear RGB of BT.709 from that of BT.2020 (ITU-R BT.2087, table 4 inverted)."""
KNEE = 0.6
"""Linear light, 1 being white, from which highlights are compressed; chosen by eye."""
LEVELS = 1 << 16


def tone_mapped(rgb: UInt16[np.ndarray, "H W 3"], is_hlg: bool) -> UInt8[np.ndarray, "H W 3"]:
    """Return sRGB of an image in PQ, or HLG, with the primaries of BT.2020.

    Up to `KNEE`, light stays as it is; brighter light approaches white without reaching it. The largest of R, G and B
    is mapped and the others keep their ratio to it, so that hues stay.
    """
    if is_hlg:
        scene = _hlg_scene()[rgb]
        luminance = np.maximum(scene @ LUMINANCE_2020, 1e-6)
        light = scene * (luminance ** (HLG_SYSTEM_GAMMA - 1.0))[..., None] * (HLG_PEAK_NITS / HDR_WHITE_NITS)
    else:
        light = _pq_light()[rgb]
    peak = np.maximum(light.max(axis=-1), 1e-6)
    above = np.maximum(peak - KNEE, 0.0) / (1.0 - KNEE)
    mapped = np.minimum(peak, KNEE) + (1.0 - KNEE) * above / (1.0 + above)
    shown = (light * (mapped / peak)[..., None]) @ BT709_FROM_BT2020.T
    return _srgb()[(shown.clip(0.0, 1.0) * (LEVELS - 1) + 0.5).astype(np.uint16)]


@cache
def _pq_light() -> Float[np.ndarray, "65536"]:
    """Light of each level of PQ, 1 being white (SMPTE ST 2084)."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    signal = np.linspace(0.0, 1.0, LEVELS) ** (1.0 / m2)
    light = (np.maximum(signal - c1, 0.0) / (c2 - c3 * signal)) ** (1.0 / m1)
    return (light * (PQ_PEAK_NITS / HDR_WHITE_NITS)).astype(np.float32)


@cache
def _hlg_scene() -> Float[np.ndarray, "65536"]:
    """Light of the scene, 0 to 1, of each level of HLG (BT.2100, table 5)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    signal = np.linspace(0.0, 1.0, LEVELS)
    scene = np.where(signal <= 0.5, signal**2 / 3.0, (np.exp((signal - c) / a) + b) / 12.0)
    return scene.astype(np.float32)


@cache
def _srgb() -> UInt8[np.ndarray, "65536"]:
    """The 8-bit sRGB of each level of linear light (IEC 61966-2-1)."""
    light = np.linspace(0.0, 1.0, LEVELS)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(255.0 * encoded).astype(np.uint8)
