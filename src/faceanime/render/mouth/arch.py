"""The dental arch, on which the inside of a mouth is looked up, and what a source picture shows there."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from faceanime.geometry.camera import FLIP_Y, project
from faceanime.geometry.flow import sample
from faceanime.morphable import topology
from faceanime.render.inpaint import fill_holes
from faceanime.render.mouth import teeth
from faceanime.render.mouth.compositor import ARCH, ARCH_END, LIP_STEPS, height_over, on_arch
from faceanime.structures.coefficients import HeadPose
from faceanime.structures.frames import Pixels

Image = Float32[np.ndarray, "h w"]
Gum = Float[np.ndarray, "3"]

UPPER_LIP = list(topology.INNER_LIPS_UPPER)
LOWER_LIP = list(topology.INNER_LIPS_LOWER)

# All lengths in model units (1 unit = distance of the outer eye corners, about 90 mm).
_SEAM = (0.006, 0.018)
"""So far from a source's lips its inside begins to be believed, and is wholly."""
_TELLING = (0.06, 0.10)
"""A source opened less than the first shows nothing of the inside worth keeping, from the second on all."""
_SIDE_FADE = 0.04
"""Toward the corners of its mouth what the source shows fades out over this width."""
_MIDDLE, _BINS = 0.12, 12
"""The dark between the rows is sought so far from the middle, in so many steps of height."""
_CLEARLY = 1.15
"""So many times brighter than the gap between them is either row."""
_BRIGHT = 0.5
"""Teeth have at least this share of the greatest brightness in the opening; less than it is dark."""
_GUM_FROM, _GUM_AT = 0.03, 0.08
"""Carried on under the lip, teeth turn to gums over these heights, ..."""
_CROWN = 0.115
"""... beyond so much of them, from the biting edge on, as crowns are high."""
_CROWN_SHOWN = (0.10, 0.125)
"""Of which at least so much is shown, they show where they end, and what is there goes on."""
_BY_BRIGHTNESS, _CROWN_BLUR = 6, 0.008
"""Their colour is that of the brightest places of a column, with neighbours this far away."""


def view_of(pose: HeadPose, origin: Float[np.ndarray, "3"]) -> Float[np.ndarray, "4 2"]:
    """The map from picture px to the plane of the arch at `origin` (model space): offset, matrix, slide.

    `slide` is how far a place moves for each x^2 that the arch falls back.
    """
    camera = (FLIP_Y[:, None] * pose.rotation * pose.scale)[:2]
    (a, b), (c, d) = camera[:, :2]
    inverse = np.array([[d, -b], [-c, a]]) / (a * d - b * c)
    offset = -inverse @ (pose.translation_px + camera @ origin)
    return np.stack([offset, *inverse, ARCH * (inverse @ camera[:, 2])])


def lip_heights(
    upper_px: Float[np.ndarray, "n 2"], lower_px: Float[np.ndarray, "n 2"], view: Float[np.ndarray, "4 2"]
) -> Float[np.ndarray, "2 LIP_STEPS"]:
    """The height of both inner lips over x, in the frame of the arch; where they cross, they meet."""
    steps = np.linspace(-ARCH_END, ARCH_END, LIP_STEPS)
    upper, lower = (
        np.interp(steps, np.maximum.accumulate(line[:, 0]), line[:, 1])
        for line in (np.array([on_arch(x, y, view) for x, y in lip]) for lip in (upper_px, lower_px))
    )
    return np.stack([upper, np.minimum(upper, lower)])


@dataclass(frozen=True, eq=False)
class SourceInside:
    """What a source shows between its lips, unrolled from the arch into the window of `teeth`.

    `picture` (h,w,3); each pixel's height `below` the upper and `above` the lower inner lip, model units.
    """

    picture: Pixels
    below: Image
    above: Image
    density: float

    @classmethod
    def seen(
        cls,
        source: Pixels,
        pose: HeadPose,
        points: Float[np.ndarray, "N 2"],
        origin: Float[np.ndarray, "3"],
        density: float,
    ) -> SourceInside:
        """From the source picture and its landmarks (px), for an arch at `origin`, at `density` px per unit."""
        xy = teeth.window(density)
        surface = np.concatenate([xy, -ARCH * np.minimum(xy[..., :1] ** 2, ARCH_END**2)], axis=-1) + origin
        places = project(surface.reshape(-1, 3), pose)[:, :2].reshape(xy.shape).astype(np.float32)
        lips = lip_heights(points[UPPER_LIP], points[LOWER_LIP], view_of(pose, origin))
        upper, lower = (np.array([height_over(lip, x) for x in xy[0, :, 0]], np.float32) for lip in lips)
        return cls(sample(source, places, "cubic"), upper - xy[..., 1], xy[..., 1] - lower, density)

    def presence(self) -> float:
        """How much there is to keep: 0 for lips that hardly part, 1 for an open mouth."""
        return float(ramp(self._height, *_TELLING))

    def colors(self) -> UInt8[np.ndarray, "n 3"]:
        """The pixels that are surely inside."""
        return self.picture[self._trusted() > 0.5]

    def split(self) -> float:
        """Share of the opening's height, from above, where the upper part gives way to the lower one.

        That is the gap between two rows, bright on both sides; without one all is upper (2), but for a mouth that
        stands open on the dark with something bright only below.
        """
        height, light = self._profile()
        gaps = [
            min(light[:i].max(), light[i + 1 :].max()) / max(light[i], 1.0)
            if min(light[:i].max(), light[i + 1 :].max()) > _BRIGHT * light.max()
            else 0.0
            for i in range(1, len(light) - 1)
        ]
        if gaps and max(gaps) >= _CLEARLY:
            return float(height[1 + int(np.argmax(gaps))])
        dark = light < _BRIGHT * light.max(initial=0.0)
        only_lower = self.cavity() is not None and dark[: len(dark) // 2].all()
        return float(height[dark].max()) if only_lower else 2.0

    def cavity(self) -> float | None:
        """The brightness of the dark, 0 to 255, of a mouth that stands open on it; None for one full of teeth."""
        _, light = self._profile()
        if len(light) == 0:
            return None
        dark = light[light < _BRIGHT * light.max()]
        return float(dark.mean()) if len(dark) > len(light) / 2 else None

    def upper_part(self, split: float, gum: Gum) -> Float32[np.ndarray, "h w 4"]:
        """What moves with the skull, premultiplied RGBA; `gum`: the colour of gums in shares of the teeth's."""
        shown = min(split, 1.0) * self._height
        return self._part(ramp(split - self._share, -0.06, 0.06), self.above, self.below, shown, gum)

    def lower_part(self, split: float, gum: Gum) -> Float32[np.ndarray, "h w 4"]:
        """What moves with the jaw; it goes on behind the upper part, so that both together hide the rest."""
        shown = max(1.0 - split, 0.0) * self._height
        return self._part(ramp(self._share - split, -0.18, -0.06), self.below, self.above, shown, gum)

    def _profile(self) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Heights (shares, from above) in the middle of the mouth and the brightness there; empty if too few."""
        sure = (self._trusted() > 0.5) & self._middle
        bins = np.clip((self._share[sure] * _BINS).astype(int), 0, _BINS - 1)
        count = np.bincount(bins, minlength=_BINS)
        seen = np.flatnonzero(count)
        if len(seen) < _BINS // 3:
            return np.empty(0), np.empty(0)
        light = np.bincount(bins, self.picture[sure].mean(axis=-1), _BINS)[seen] / count[seen]
        return (seen + 0.5) / _BINS, light

    def _part(
        self, chosen: Image, toward: Image, away: Image, shown: float, gum: Gum
    ) -> Float32[np.ndarray, "h w 4"]:
        """The chosen part, carried on under the lip it comes from (`away` is counted from there).

        Crowns of which less is `shown` than they are high go on, then there are gums.
        """
        trusted = self._trusted()
        columns = np.repeat(trusted.max(axis=0, keepdims=True), len(trusted), axis=0)
        columns = np.minimum(columns, cv2.blur(columns, (2 * round(_SIDE_FADE * self.density) + 1, 1)))
        weight = self.presence() * chosen * columns * ramp(toward, *_SEAM)
        if self.cavity() is not None:  # the dark is no thing that moves
            least = _BRIGHT * self._profile()[1].max()
            weight *= ramp(self.picture.mean(axis=-1), 0.5 * least, least)
        if not (weight * trusted > 0).any():
            return np.zeros((*weight.shape, 4), np.float32)
        under = ramp(-away - max(_CROWN - shown, 0.0), _GUM_FROM, _GUM_AT)[..., None]
        filled, gums_seen = fill_holes(self.picture, trusted), ramp(shown, *_CROWN_SHOWN)
        beyond = (1.0 - trusted[..., None]) * (1.0 - gums_seen)
        color = filled + beyond * (self._crowns(trusted * chosen) - filled)
        color = color * (1.0 + under * (gum - 1.0))
        return np.dstack([color * weight[..., None], weight]).astype(np.float32)

    def _crowns(self, weight: Image) -> Float32[np.ndarray, "1 w 3"]:
        """The colour of each column's brightest pixels by `weight`: near the lips teeth lie in shadow."""
        weight = weight * (self.picture.mean(axis=-1) / np.float32(255.0)) ** _BY_BRIGHTNESS
        total = weight.sum(axis=0)
        known = np.flatnonzero(total > 0.0)
        means = (weight[..., None] * self.picture).sum(axis=0)[known] / total[known, None]
        places = np.arange(len(total))
        colors = np.stack([np.interp(places, known, channel) for channel in means.T], axis=-1)
        return cv2.GaussianBlur(colors.astype(np.float32)[None], (0, 0), _CROWN_BLUR * self.density)

    def _trusted(self) -> Image:
        """1 well inside the opening, 0 where a lip may show."""
        return ramp(np.minimum(self.below, self.above), *_SEAM)

    @property
    def _height(self) -> float:
        """Of the opening, in the middle of the mouth."""
        return float((self.below + self.above)[:, self._middle].max())

    @property
    def _share(self) -> Image:
        """0 at the upper lip, 1 at the lower."""
        return np.asarray(self.below / np.maximum(self.below + self.above, 1e-4))

    @property
    def _middle(self) -> Bool[np.ndarray, " w"]:
        return np.asarray(np.abs(teeth.window(self.density)[0, :, 0]) < _MIDDLE)


def ramp(value: float | Float[np.ndarray, "*n"], low: float, high: float) -> Float32[np.ndarray, "*n"]:
    """0 up to `low`, 1 from `high` on, smooth between."""
    share = np.clip((value - low) / (high - low), 0.0, 1.0)
    return np.asarray(share * share * (3.0 - 2.0 * share), np.float32)
