"""The colors of a mouth's inside, estimated from the portrait: the light on its face, its skin, its own teeth.

`MouthColors.estimate` reads cheeks, lips, eye white and the pixels between the lips. Colors are sRGB, 0 to 255.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from faceanime.geometry.interpolation import Ramp, linear_step
from faceanime.morphable.landmark_schema import EyeLandmarks, Group, LandmarkSchema
from faceanime.render.masks import soft_polygon
from faceanime.render.mouth.compositor import InsideColors
from faceanime.structures.frames import Pixels
from faceanime.structures.raster import Rgb

Color = Float[np.ndarray, "3"]


@dataclass(frozen=True)
class ColorLook:
    """Colors of the inside, as fractions of the cheeks' color, and how teeth follow the portrait's light.

    Cavity and tongue: medians over opened mouths of training clips, adjusted by a search. Teeth and the light on them:
    half way to a fit to 209 opened mouths of training people of all skin tones, from clips and smiling portraits.
    Fields that say so were chosen by eye.
    """

    back: Rgb = (0.39, 0.24, 0.23)
    """Color of the cavity's back."""
    front: Rgb = (0.71, 0.53, 0.58)
    """Color of the cavity's lit front, over the lower lip."""
    tongue: Rgb = (0.75, 0.54, 0.58)
    """Color of the tongue."""
    dim_light: Rgb = (0.78, 0.42, 0.43)
    """Light on teeth behind lips that hardly part, as fractions of full light; it is redder, since it comes through the
    lips."""
    teeth_by_skin: float = 0.46
    """Slope of the brightness of teeth in full light over that of the cheeks."""
    teeth_by_white: float = 0.235
    """Slope of the brightness of teeth in full light over that of the eye white."""
    teeth_base: float = 76.0
    """Constant term of the brightness of teeth in full light, levels of 255."""
    teeth_hue: float = 0.4
    """Fraction of the skin's hue in that of teeth; the rest is white."""
    brightest_teeth: float = 240.0
    """Largest brightness of teeth, levels of 255. Chosen by eye."""
    white_by_skin: float = 0.9
    """Brightness of an eye white that is not visible, per brightness of the cheeks. Chosen by eye."""
    saturation: Ramp = (0.02, 0.12)
    """Ramp of the saturation of cheeks or lips: 0 means a grey portrait, 1 a colored one. Chosen by eye."""
    pale: float = 0.8
    """Ratio of green to red above which a pixel is a tooth's; tongue and gums are redder. Chosen by eye."""
    own_teeth_fraction: float = 0.2
    """Least fraction of the opening that pale pixels fill for the portrait's own teeth to count. Chosen by eye."""
    own_teeth_percentile: float = 50.0
    """Percentile of the pale pixels' brightness above which they are averaged to the color of the portrait's teeth, %.
    Chosen by eye."""
    own_teeth_brightness: float = 0.8
    """Least brightness of the portrait's own teeth, as a fraction of the cheeks'. Chosen by eye."""
    white_from: float = 1.15
    """Distance from the iris's center at which the eye white begins, in radii of the iris. Chosen by eye."""
    white_percentile: float = 85.0
    """Percentile of the pixels' brightness that is the eye white's, %: lids shade the rest. Chosen by eye."""
    least_px: int = 30
    """Least number of pixels of teeth, or of eye white, that count. Chosen by eye."""


_LOOK = ColorLook()


@dataclass(frozen=True, eq=False)
class MouthColors:
    """Mean colors (3,) of cheeks and teeth; `chroma`: 0 for a grey picture, 1 for a colored one."""

    skin: Color
    teeth: Color
    chroma: float

    @classmethod
    def estimate(
        cls,
        source: Pixels,
        points: Float[np.ndarray, "L 2"],
        inside: UInt8[np.ndarray, "n 3"],
        schema: LandmarkSchema,
    ) -> MouthColors:
        """Estimate them from a portrait (H,W,3), its landmarks (L,2) px and the pixels (n,3) between its lips."""
        height, width = source.shape[:2]

        def median(places: Group) -> Color:
            x, y = points[places].astype(int).T
            return np.asarray(np.median(source[y.clip(0, height - 1), x.clip(0, width - 1)], axis=0))

        skin = median(schema.cheek_skin)
        saturation = max(float(np.ptp(c)) / max(float(c.max()), 1.0) for c in (skin, median(schema.lip_red)))
        teeth = _own_teeth(inside, skin)
        if teeth is None:
            teeth = _expected_teeth(skin, _eye_white(source, points, schema))
        return cls(skin, teeth, float(linear_step(saturation, *_LOOK.saturation)))

    def inside(self, cavity: float | None) -> InsideColors:
        """The colors behind the teeth; `cavity`: the brightness of the dark that the portrait itself shows."""
        inside = self.skin * np.array([_LOOK.back, _LOOK.front, _LOOK.tongue])
        if cavity is not None:
            inside *= min(cavity / max(float(inside[0].mean()), 1.0), 1.0)
        return InsideColors(*self.desaturate(np.concatenate([inside, [_LOOK.dim_light]])))

    def desaturate(self, colors: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
        """Colors as saturated as the portrait is."""
        grey = colors.mean(axis=-1, keepdims=True)
        return np.asarray(grey + self.chroma * (colors - grey))


def _own_teeth(inside: UInt8[np.ndarray, "n 3"], skin: Color) -> Color | None:
    """The color of the teeth among the pixels between the lips; None where there are none."""
    pale = inside[inside[:, 1] > _LOOK.pale * inside[:, 0]]
    if len(pale) < max(_LOOK.least_px, _LOOK.own_teeth_fraction * len(inside)):
        return None
    brightness = pale.mean(axis=-1)
    teeth = pale[brightness >= np.percentile(brightness, _LOOK.own_teeth_percentile)].mean(axis=0)
    return teeth if teeth.mean() > _LOOK.own_teeth_brightness * skin.mean() else None


def _expected_teeth(skin: Color, white: float | None) -> Color:
    """The color of teeth that the portrait does not show, by the brightness of cheeks and eye white."""
    skin_brightness = float(skin.mean())
    if white is None:
        white = _LOOK.white_by_skin * skin_brightness
    brightness = _LOOK.teeth_by_skin * skin_brightness + _LOOK.teeth_by_white * white + _LOOK.teeth_base
    hue = 1.0 - _LOOK.teeth_hue + _LOOK.teeth_hue * skin / max(float(skin[0]), 1.0)
    return np.asarray(hue * (min(brightness, _LOOK.brightest_teeth) / hue.mean()))


def _eye_white(source: Pixels, points: Float[np.ndarray, "L 2"], schema: LandmarkSchema) -> float | None:
    """The brightness of the eye white, 0 to 255; None where too little of it is visible."""
    values = []
    for group in schema.eyes:
        outline = points[group.opening]
        low = np.maximum(np.floor(outline.min(axis=0)), 0).astype(int)
        high = np.minimum(np.ceil(outline.max(axis=0)), source.shape[1::-1]).astype(int)
        if (high - low < 2).any():
            continue
        patch = source[low[1] : high[1], low[0] : high[0]]
        values.append(patch[_white_mask(points, low, patch.shape[0], patch.shape[1], group)].mean(axis=-1))
    white = np.concatenate(values) if values else np.empty(0)
    return float(np.percentile(white, _LOOK.white_percentile)) if len(white) >= _LOOK.least_px else None


def _white_mask(
    points: Float[np.ndarray, "L 2"], corner: np.ndarray, height: int, width: int, group: EyeLandmarks
) -> Bool[np.ndarray, "h w"]:
    """The pixels of the eye white in a patch whose upper left corner lies at `corner`, px."""
    opening = soft_polygon((points[group.opening] - corner).astype(np.float32), height, width, 0.0)
    y, x = np.mgrid[:height, :width] + 0.5
    iris = points[group.iris[0]] - corner
    off_iris = np.hypot(x - iris[0], y - iris[1]) > _LOOK.white_from * group.iris_radius(points)
    return np.asarray((cv2.erode(opening, np.ones((3, 3), np.uint8)) > 0.9) & off_iris)
