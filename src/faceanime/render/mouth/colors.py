"""The colours of a mouth's inside, guessed from what the source shows of the face: its light, its skin."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from faceanime.morphable import topology
from faceanime.render.inpaint import soft_polygon
from faceanime.structures.frames import Pixels

Color = Float[np.ndarray, "3"]

_CHEEKS = [50, 280, 205, 425, 101, 330, 36, 266]
_LIPS = [0, 17, 37, 267, 84, 314]
_EYES = (
    (topology.RIGHT_EYE_LOWER, topology.RIGHT_EYE_UPPER, topology.RIGHT_IRIS),
    (topology.LEFT_EYE_LOWER, topology.LEFT_EYE_UPPER, topology.LEFT_IRIS),
)

# In shares of the cheeks' colour: medians over opened mouths of our training clips, adjusted by a search.
_BACK = np.array([0.39, 0.24, 0.23])
_FRONT = np.array([0.71, 0.53, 0.58])
_TONGUE = np.array([0.75, 0.54, 0.58])
_TEETH_BY_SKIN, _TEETH_BY_WHITE, _TEETH_ALWAYS = 0.46, 0.235, 76.0
"""Brightness of teeth in full light, from that of cheeks and eye white (sRGB 0 to 255): half way to a fit to
209 opened mouths of training people of all skin tones, clips and smiling portraits (`mouth_paint._LIT_GAP`)."""
_TEETH_HUE = 0.4
"""Share of the skin's hue in that of teeth; the rest is white. The same fit."""
_WHITE_BY_SKIN = 0.9
_BRIGHTEST = 240.0
_PALE = 0.8
"""Teeth are pale: their green is at least this share of their red; tongue and gums are redder."""
_DIM = np.array([0.78, 0.42, 0.43])
"""Light on teeth behind lips that hardly part: it comes through the lips, so it is redder. A fit, see `mouth_paint`."""
_GREY, _COLOURED = 0.02, 0.12
"""A picture whose cheeks and lips are less saturated than the first is grey, from the second on it is coloured."""
_LEAST_PX, _LEAST_SHARE = 30, 0.2
"""Own teeth are believed from so many pixels on, and this share of the opening."""


@dataclass(frozen=True, eq=False)
class MouthColors:
    """Mean colours (3,), sRGB 0 to 255, of cheeks and teeth; `chroma`: 0 for a grey picture, 1 for a coloured."""

    skin: Color
    teeth: Color
    chroma: float

    @classmethod
    def seen(
        cls, source: Pixels, points: Float[np.ndarray, "N 2"], inside: UInt8[np.ndarray, "n 3"]
    ) -> MouthColors:
        """From a source picture (H,W,3), its landmarks (N,2) px and the pixels (n,3) between its lips."""
        height, width = source.shape[:2]

        def median(places: list[int]) -> Color:
            x, y = points[places].astype(int).T
            return np.asarray(np.median(source[y.clip(0, height - 1), x.clip(0, width - 1)], axis=0))

        skin = median(_CHEEKS)
        saturation = max(float(np.ptp(c)) / max(float(c.max()), 1.0) for c in (skin, median(_LIPS)))
        chroma = float(np.clip((saturation - _GREY) / (_COLOURED - _GREY), 0.0, 1.0))
        teeth = _own_teeth(inside, skin)
        if teeth is None:
            teeth = _guessed_teeth(skin, _eye_white(source, points))
        return cls(skin, teeth, chroma)

    def of_inside(self, cavity: float | None) -> Float[np.ndarray, "4 3"]:
        """The cavity's back, its lit front over the lower lip, the tongue, and the light through the lips.

        `cavity`: the brightness of the dark that the source itself shows.
        """
        inside = self.skin * np.stack([_BACK, _FRONT, _TONGUE])
        if cavity is not None:
            inside *= min(cavity / max(float(inside[0].mean()), 1.0), 1.0)
        return self.muted(np.concatenate([inside, _DIM[None]]))

    def muted(self, colors: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
        """Colours as saturated as the picture is."""
        grey = colors.mean(axis=-1, keepdims=True)
        return np.asarray(grey + self.chroma * (colors - grey))


def _own_teeth(inside: UInt8[np.ndarray, "n 3"], skin: Color) -> Color | None:
    """The colour of the teeth among the pixels between the lips; None where there are none."""
    pale = inside[inside[:, 1] > _PALE * inside[:, 0]]
    if len(pale) < max(_LEAST_PX, _LEAST_SHARE * len(inside)):
        return None
    brightness = pale.mean(axis=-1)
    teeth = pale[brightness >= np.percentile(brightness, 50)].mean(axis=0)
    return teeth if teeth.mean() > 0.8 * skin.mean() else None


def _guessed_teeth(skin: Color, white: float | None) -> Color:
    if white is None:
        white = _WHITE_BY_SKIN * float(skin.mean())
    brightness = min(
        _TEETH_BY_SKIN * float(skin.mean()) + _TEETH_BY_WHITE * white + _TEETH_ALWAYS, _BRIGHTEST
    )
    hue = 1.0 - _TEETH_HUE + _TEETH_HUE * skin / max(float(skin[0]), 1.0)
    return np.asarray(hue * (brightness / hue.mean()))


def _eye_white(source: Pixels, points: Float[np.ndarray, "N 2"]) -> float | None:
    """Brightness of the eye white, 0 to 255; None where too little of it is seen."""
    values = []
    for lower, upper, iris in _EYES:
        outline = points[list(lower + upper[-2:0:-1])]
        low = np.maximum(np.floor(outline.min(axis=0)), 0).astype(int)
        high = np.minimum(np.ceil(outline.max(axis=0)), source.shape[1::-1]).astype(int)
        if (high - low < 2).any():
            continue
        patch = source[low[1] : high[1], low[0] : high[0]]
        height, width = patch.shape[:2]
        inside = soft_polygon((outline - low).astype(np.float32), height, width, 0.0)
        y, x = np.mgrid[:height, :width] + 0.5
        centre = points[iris[0]] - low
        radius = np.linalg.norm(points[list(iris[1:])] - points[iris[0]], axis=1).mean()
        white = (cv2.erode(inside, np.ones((3, 3), np.uint8)) > 0.9) & (
            np.hypot(x - centre[0], y - centre[1]) > 1.15 * radius
        )
        values.append(patch[white].mean(axis=-1))
    seen = np.concatenate(values) if values else np.empty(0)
    return float(np.percentile(seen, 85)) if len(seen) >= _LEAST_PX else None
