"""The inside of the mouth as the portrait shows it, unrolled from the dental arch.

The pixels between the portrait's lips are looked up on the arch (`SourceInside.unroll`) and divided into what moves
with the skull (`upper_row`) and what moves with the jaw (`lower_row`), each a premultiplied RGBA plate in the window of
`teeth.py`. Under the lips the rows are continued: first crowns, then gums. Lengths are model units (1 unit = distance
of the outer eye corners, about 90 mm); heights in the opening may be fractions of it, 0 at the upper lip, 1 at the
lower.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from faceanime.geometry.camera import project
from faceanime.geometry.flow import sample
from faceanime.geometry.interpolation import Ramp, smoothstep
from faceanime.render.inpaint import fill_holes
from faceanime.render.mouth import teeth
from faceanime.render.mouth.arch import arch_surface, arch_view, height_at, lip_heights
from faceanime.structures.coefficients import HeadPose
from faceanime.structures.frames import Pixels

InsideMap = Float32[np.ndarray, "h w"]
Plate = Float32[np.ndarray, "h w 4"]
Gum = Float[np.ndarray, "3"]


@dataclass(frozen=True)
class SourceInsideLook:
    """Selection of what is kept of a portrait's mouth. Chosen by eye; lengths in model units."""

    lip_seam: Ramp = (0.006, 0.018)
    """Ramp of the distance from the lips: 1 means that a pixel shows the inside."""
    opening: Ramp = (0.06, 0.10)
    """Ramp of the opening's height: the weight with which the portrait's own inside is kept."""
    side_fade: float = 0.04
    """Width over which the plates fade out toward the corners of the mouth."""
    middle: float = 0.12
    """Half the width of the middle of the mouth, where the rows are separated."""
    profile_bins: int = 12
    """Number of samples of the brightness over the opening's height."""
    fewest_bins: int = 4
    """Least number of the `profile_bins` that must show the inside for the brightness to be known."""
    row_contrast: float = 1.15
    """Least ratio of the brightness of either row to that of the dark line between them."""
    dark: float = 0.5
    """Brightness, as a fraction of the greatest in the opening, below which a pixel is dark and no tooth."""
    darkest: float = 0.5
    """Brightness, as a fraction of the dark limit, up to which a pixel belongs to neither row."""
    upper_seam: Ramp = (-0.06, 0.06)
    """Ramp of the height above the split, as a fraction of the opening: the weight of the upper row."""
    lower_seam: Ramp = (-0.18, -0.06)
    """Ramp of the height below the split, as a fraction of the opening: the weight of the lower row. It overlaps with
    the upper row, so that both together occlude the drawn teeth."""
    gum: Ramp = (0.03, 0.08)
    """Ramp of the height under the lip beyond the crowns: 1 means gums."""
    crown: float = 0.115
    """Height of a crown from its biting edge (that of `teeth.UPPER_TEETH`)."""
    crown_visible: Ramp = (0.10, 0.125)
    """Ramp of a row's visible height: 1 means that the row shows where its crowns end."""
    crown_brightness_exponent: int = 6
    """Exponent of a pixel's brightness in its weight for the color of a column's crowns: near the lips teeth are in
    shadow."""
    crown_blur: float = 0.008
    """Standard deviation of the blur of the crowns' colors across columns."""


_LOOK = SourceInsideLook()


@dataclass(frozen=True, eq=False)
class SourceInside:
    """The part of a portrait between its lips, in the window of `teeth`.

    `picture` (h,w,3); each pixel's height `below` the upper and `above` the lower lip's inner edge, model units;
    `density`, px per model unit.
    """

    picture: Pixels
    below: InsideMap
    above: InsideMap
    density: float

    @classmethod
    def unroll(
        cls,
        source: Pixels,
        pose: HeadPose,
        lips_px: tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "n 2"]],
        origin: Float[np.ndarray, "3"],
        density: float,
    ) -> SourceInside:
        """Read it from a portrait (H,W,3) with the inner edges of both lips, upper first, on an arch at `origin`."""
        xy = teeth.window(density)
        surface = arch_surface(xy, origin)
        places = project(surface.reshape(-1, 3), pose)[:, :2].reshape(xy.shape).astype(np.float32)
        lips = lip_heights(*lips_px, arch_view(pose, origin))
        upper, lower = (np.array([height_at(lip, x) for x in xy[0, :, 0]], np.float32) for lip in lips)
        return cls(sample(source, places, "cubic"), upper - xy[..., 1], xy[..., 1] - lower, density)

    def presence(self) -> float:
        """Weight of what is kept: 0 for lips that hardly part, 1 for an open mouth."""
        return float(smoothstep(self._height, *_LOOK.opening))

    def pixels(self) -> UInt8[np.ndarray, "n 3"]:
        """The pixels that are certainly inside."""
        return self.picture[self._inside() > 0.5]

    def row_split(self) -> float:
        """The height, as a fraction of the opening, at which the upper row gives way to the lower one.

        That is the dark line between two bright rows. Without one, everything belongs to the upper row (2), except in
        a mouth that stands open and is bright only below.
        """
        height, brightness = self._profile()
        contrasts = [
            _gap_contrast(brightness[:i].max(), brightness[i], brightness[i + 1 :].max(), brightness.max())
            for i in range(1, len(brightness) - 1)
        ]
        if contrasts and max(contrasts) >= _LOOK.row_contrast:
            return float(height[1 + int(np.argmax(contrasts))])
        dark = brightness < _LOOK.dark * brightness.max(initial=0.0)
        only_lower = self.cavity_brightness() is not None and dark[: len(dark) // 2].all()
        return float(height[dark].max()) if only_lower else 2.0

    def cavity_brightness(self) -> float | None:
        """The brightness, 0 to 255, of the dark in a mouth that stands open; None for a mouth full of teeth."""
        _, brightness = self._profile()
        if len(brightness) == 0:
            return None
        dark = brightness[brightness < _LOOK.dark * brightness.max()]
        return float(dark.mean()) if len(dark) > len(brightness) / 2 else None

    def upper_row(self, split: float, gum: Gum) -> Plate:
        """The plate of what moves with the skull; `gum`: the color of gums, fractions of the teeth's."""
        visible = min(split, 1.0) * self._height
        weight = smoothstep(split - self._fraction, *_LOOK.upper_seam)
        return self._row(weight, self.above, self.below, visible, gum)

    def lower_row(self, split: float, gum: Gum) -> Plate:
        """The plate of what moves with the jaw."""
        visible = max(1.0 - split, 0.0) * self._height
        weight = smoothstep(self._fraction - split, *_LOOK.lower_seam)
        return self._row(weight, self.below, self.above, visible, gum)

    def _profile(self) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Heights (fractions) in the middle of the mouth and the brightness there, 0 to 255; empty if too few."""
        certain = (self._inside() > 0.5) & self._middle
        bins = np.clip((self._fraction[certain] * _LOOK.profile_bins).astype(int), 0, _LOOK.profile_bins - 1)
        count = np.bincount(bins, minlength=_LOOK.profile_bins)
        filled = np.flatnonzero(count)
        if len(filled) < _LOOK.fewest_bins:
            return np.empty(0), np.empty(0)
        total = np.bincount(bins, self.picture[certain].mean(axis=-1), _LOOK.profile_bins)
        return (filled + 0.5) / _LOOK.profile_bins, total[filled] / count[filled]

    def _row(
        self, row: InsideMap, edge_lip: InsideMap, root_lip: InsideMap, visible: float, gum: Gum
    ) -> Plate:
        """The plate of one row, continued under the lip where its roots are.

        `row` (h,w): the row's weight; `edge_lip`, `root_lip` (h,w): heights within the opening from the lip that the
        biting edges point to and from the one that occludes the roots; `visible`: the height of the row that is
        visible, to tell how much of its crowns lies under the lip.
        """
        inside = self._inside()
        weight = self.presence() * row * self._column_weight(inside) * smoothstep(edge_lip, *_LOOK.lip_seam)
        if self.cavity_brightness() is not None:  # the dark moves with neither row
            least = _LOOK.dark * self._profile()[1].max()
            weight *= smoothstep(self.picture.mean(axis=-1), _LOOK.darkest * least, least).astype(np.float32)
        if not (weight * inside > 0).any():
            return np.zeros((*weight.shape, 4), np.float32)
        gums = smoothstep(-root_lip - max(_LOOK.crown - visible, 0.0), *_LOOK.gum)[..., None]
        filled, ends_visible = fill_holes(self.picture, inside), smoothstep(visible, *_LOOK.crown_visible)
        occluded_crown = (1.0 - inside[..., None]) * (1.0 - ends_visible)
        color = filled + occluded_crown * (self._crown_colors(inside * row) - filled)
        color = color * (1.0 + gums * (gum - 1.0))
        return np.dstack([color * weight[..., None], weight]).astype(np.float32)

    def _column_weight(self, inside: InsideMap) -> InsideMap:
        """1 in columns that show the inside, fading out toward the corners of the mouth."""
        columns = np.repeat(inside.max(axis=0, keepdims=True), len(inside), axis=0)
        fade_px = round(_LOOK.side_fade * self.density)
        return np.minimum(columns, cv2.blur(columns, (2 * fade_px + 1, 1)))

    def _crown_colors(self, weight: InsideMap) -> Float32[np.ndarray, "1 w 3"]:
        """The color of each column's brightest pixels by `weight`."""
        brightness = self.picture.mean(axis=-1) / np.float32(255.0)
        weight = weight * brightness**_LOOK.crown_brightness_exponent
        total = weight.sum(axis=0)
        known = np.flatnonzero(total > 0.0)
        means = (weight[..., None] * self.picture).sum(axis=0)[known] / total[known, None]
        columns = np.arange(len(total))
        colors = np.stack([np.interp(columns, known, channel) for channel in means.T], axis=-1)
        return cv2.GaussianBlur(colors.astype(np.float32)[None], (0, 0), _LOOK.crown_blur * self.density)

    def _inside(self) -> InsideMap:
        """1 well inside the opening, 0 where a lip may show."""
        return np.asarray(smoothstep(np.minimum(self.below, self.above), *_LOOK.lip_seam), np.float32)

    @property
    def _height(self) -> float:
        """The opening's height in the middle of the mouth, model units."""
        return float((self.below + self.above)[:, self._middle].max())

    @property
    def _fraction(self) -> InsideMap:
        """0 at the upper lip, 1 at the lower."""
        return np.asarray(self.below / np.maximum(self.below + self.above, 1e-4))

    @property
    def _middle(self) -> Bool[np.ndarray, " w"]:
        """The columns in the middle of the mouth."""
        return np.asarray(np.abs(teeth.window(self.density)[0, :, 0]) < _LOOK.middle)


def _gap_contrast(above: float, line: float, below: float, brightest: float) -> float:
    """Brightness of the darker of two rows divided by that of the line between them; 0 if that row is no teeth."""
    darker = min(above, below)
    return darker / max(line, 1.0) if darker > _LOOK.dark * brightest else 0.0
