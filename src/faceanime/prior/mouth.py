"""The inside of the mouth: what is seen between the parted lips.

Two pictures drawn once, the upper row of teeth rigid with the skull and the lower row rigid with the jaw, each
overlaid with whatever the source itself shows of the inside; behind them a tongue and a dark cavity. Per frame
they are looked up on the surface of the dental arch, as the target's head turns it, through the opening.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from faceanime.geometry.camera import FLIP_Y, project
from faceanime.geometry.flow import identity_flow, sample
from faceanime.morphable import topology
from faceanime.morphable.model import MorphableModel, Region
from faceanime.prior import teeth
from faceanime.prior.fill import fill_holes, soft_polygon
from faceanime.prior.mouth_colors import MouthColors
from faceanime.structures.coefficients import FaceCoefficients, FittedFace, HeadPose
from faceanime.structures.frames import Pixels
from faceanime.structures.prior import WarpField

Image = Float32[np.ndarray, "h w"]
Colors = Float32[np.ndarray, "h w 3"]

_UPPER = list(topology.INNER_LIPS_UPPER)
_LOWER = list(topology.INNER_LIPS_LOWER)
_CHIN = [148, 152, 377]
_POINTS = _UPPER + _LOWER + _CHIN

# All lengths in model units (1 unit = distance of the outer eye corners, about 90 mm).
_ARCH = 3.0
"""Curvature of the dental arch: z = -_ARCH x^2, 1/units."""
_BEHIND = 0.05
"""The incisors stand so far behind the line of the lips."""
# The following were chosen by search on our validation clips, then looked at.
_UPPER_EDGE = 0.025
"""The upper incisors' edge below the upper lip of the neutral face (whose lips part by some 0.05)."""
_LOWER_EDGE = 0.014
"""The lower incisors' edge below that of the upper ones, in the same face."""
_LIP_SHARE = 0.45
"""Share of the lower lip in the guess of how far the jaw moved; the rest says the chin."""
_LIP = 0.012
"""Half the width of the seam between lips and inside."""
_DIM = np.array([0.90, 0.68, 0.70], np.float32)
"""Light on teeth behind lips that hardly part."""
_TELLING = (0.04, 0.08)
"""A source opened less than the first shows nothing of the inside worth keeping, from the second on all."""
_FULL_DEPARTURE = 0.03
"""The layer shows fully once the lips have moved so far: at rest the source shows."""
_TONGUE_SIZE = (0.21, 0.14)
_TONGUE_DROP = 0.09
"""The tongue's middle below the lower incisors' edge."""
_TONGUE_FOLLOWS = 0.53
"""Share of the jaw's motion that the tongue takes."""
_LIT_GAP = 0.19
"""Openings of this height let in enough light to see all by."""
_SIDE_FADE = 0.04
"""Toward the corners of its mouth what the source shows fades out over this width."""
_LOWER_LIGHT = 0.8
"""Brightness of the lower row in shares of the upper one's."""
_MIDDLE, _BINS, _DARK = 0.12, 12, 0.5
"""The dark between the rows is sought so far from the middle, in so many steps of height; it has at most this
share of the brightness below it."""
_DENSITY = 1.6
"""Pixels of the drawn rows per pixel of the source."""
_MAX_DENSITY = 1400.0


class MouthLayer:
    """The mouth's inside for one source picture."""

    def __init__(
        self, source: Pixels, face: FittedFace, model: MorphableModel, points: Float[np.ndarray, "N 2"]
    ) -> None:
        """`points` (N,2) px: the source's landmarks (and what follows them) in the picture."""
        self._mean = model.mean[_POINTS] + face.residual[_POINTS]
        self._identity = model.identity_basis[_POINTS]
        self._expression = model.expression_basis[_POINTS]
        coefficients = face.coefficients
        self._source_shape = self._shape(coefficients)
        rest = self._shape(
            FaceCoefficients(coefficients.identity, 0 * coefficients.expression, coefficients.pose)
        )
        self._rest_chin, self._rest_lip = _chin(rest), rest[len(_UPPER) + len(_LOWER) // 2]
        middle = rest[len(_UPPER) // 2]
        self._upper_origin = middle - np.array([0.0, _UPPER_EDGE, _BEHIND])
        self._lower_origin = self._upper_origin + np.array([0.0, -_LOWER_EDGE, -0.02])
        density = min(_DENSITY * float(coefficients.pose.scale), _MAX_DENSITY)
        self._density = density
        behind_upper = _Unrolled(source, coefficients.pose, points, self._upper_origin, density)
        jaw = self._jaw(self._source_shape)
        behind_lower = _Unrolled(source, coefficients.pose, points, self._lower_origin + jaw, density)
        split = behind_upper.split()
        self._upper_own, self._lower_own = behind_upper.upper_part(split), behind_lower.lower_part(split)
        self._colors = MouthColors.seen(source, points, behind_upper.colors())
        unseen = 1.0 - behind_upper.presence()  # beside teeth of one's own, drawn ones would look strange
        self._upper = unseen * teeth.draw_row(teeth.UPPER, self._colors.teeth, density)
        self._lower = teeth.draw_row(teeth.LOWER, _LOWER_LIGHT * self._colors.teeth, density)

    def paint(self, canvas: Pixels, field: WarpField, target: FaceCoefficients) -> None:
        """Draw the inside of the target's mouth into `canvas` (h,w,3), the picture of the field's region."""
        shape = self._shape(target)
        shown = self._departure(shape) * _openness(shape, float(target.pose.scale))
        origin = np.array([field.region.left, field.region.top], np.float64)
        outline = field.target_points[_UPPER + _LOWER[-2:0:-1], :2] - origin
        low = np.maximum(np.floor(outline.min(axis=0)) - 2, 0).astype(int)
        high = np.minimum(np.ceil(outline.max(axis=0)) + 3, canvas.shape[1::-1]).astype(int)
        if shown == 0.0 or (high <= low).any():
            return
        box = (slice(low[1], high[1]), slice(low[0], high[0]))
        part = canvas[box]
        softness = 0.4 * _LIP * float(target.pose.scale)
        alpha = soft_polygon((outline - low).astype(np.float32), *part.shape[:2], softness)
        visible = cv2.dilate((field.part[box] == Region.MOUTH).astype(np.uint8), np.ones((3, 3), np.uint8))
        weight = (shown * alpha * visible)[..., None]
        places = identity_flow(*part.shape[:2]) + (low + origin).astype(np.float32)
        inside = self._inside(places, field.target_points, shape, target.pose)
        part[:] = np.rint(weight * inside + (1.0 - weight) * part).clip(0, 255).astype(np.uint8)

    def _inside(
        self,
        places: Float32[np.ndarray, "h w 2"],
        points: Float[np.ndarray, "N 3"],
        shape: Float[np.ndarray, "P 3"],
        pose: HeadPose,
    ) -> Colors:
        """The colour of every place (picture px), whether or not lips cover it."""
        jaw = self._jaw(shape)
        upper = _on_arch(places, pose, self._upper_origin)
        lower = _on_arch(places, pose, self._lower_origin + jaw)
        gap = _Gap.between(points[_UPPER, :2], points[_LOWER, :2], upper, pose, self._upper_origin)
        light = _light(gap)
        picture = self._colors.cavity(gap.above)
        tongue = lower + (1.0 - _TONGUE_FOLLOWS) * jaw[:2].astype(np.float32)
        picture = _with_tongue(picture, tongue, self._colors.tongue)
        picture = _over(picture, self._look(self._lower, lower), light)
        picture = _over(picture, self._look(self._lower_own, lower))
        picture = _over(picture, self._look(self._upper, upper), light)
        own = self._look(self._upper_own, upper)
        return _over(picture * _contact_shadow(gap), own)

    def _look(
        self, picture: Float32[np.ndarray, "H W 4"], xy: Float32[np.ndarray, "h w 2"]
    ) -> Float32[np.ndarray, "h w 4"]:
        corner = np.array([teeth.LEFT, teeth.TOP], np.float32)
        scale = np.array([self._density, -self._density], np.float32)
        return sample(picture, (xy - corner) * scale)

    def _shape(self, face: FaceCoefficients) -> Float[np.ndarray, "P 3"]:
        return np.asarray(self._mean + self._identity @ face.identity + self._expression @ face.expression)

    def _jaw(self, shape: Float[np.ndarray, "P 3"]) -> Float[np.ndarray, "3"]:
        """How far the jaw has moved from its rest."""
        chin = _chin(shape) - self._rest_chin
        lip = shape[len(_UPPER) + len(_LOWER) // 2] - self._rest_lip
        return np.asarray(chin + _LIP_SHARE * (lip - chin))

    def _departure(self, shape: Float[np.ndarray, "P 3"]) -> float:
        moved = np.linalg.norm(shape - self._source_shape, axis=1)[: -len(_CHIN)].max()
        return float(_ramp(moved, 0.0, _FULL_DEPARTURE))


class _Unrolled:
    """What the source shows between its lips, as seen on the dental arch at `origin` (model space)."""

    def __init__(
        self,
        source: Pixels,
        pose: HeadPose,
        points: Float[np.ndarray, "N 2"],
        origin: Float[np.ndarray, "3"],
        density: float,
    ) -> None:
        self._density = density
        self._xy = teeth.window(density)
        surface = np.concatenate([self._xy, -_ARCH * self._xy[..., :1] ** 2], axis=-1) + origin
        places = project(surface.reshape(-1, 3), pose)[:, :2].reshape(self._xy.shape).astype(np.float32)
        self._picture = sample(source, places, "cubic")
        self._gap = _Gap.between(points[_UPPER], points[_LOWER], self._xy, pose, origin)

    def colors(self, reach: float = 1.0) -> UInt8[np.ndarray, "n 3"]:
        """The pixels that are surely inside, up to `reach` from the middle sideways."""
        return self._picture[self._surely(reach)]

    def presence(self) -> float:
        """How much of the inside is seen in the middle: 0 nothing to keep, 1 all."""
        middle = np.abs(self._xy[0, :, 0]) < _MIDDLE
        return float(self._gap.trusted()[:, middle].max(axis=0).mean())

    def split(self) -> float:
        """Share of the opening's height, from above, where the upper part gives way to the lower one.

        That is the dark between the rows; 2 (all is upper) where no such dark is followed by something bright.
        """
        luminance = self.colors(_MIDDLE).mean(axis=-1)
        bins = np.clip((self._gap.share[self._surely(_MIDDLE)] * _BINS).astype(int), 0, _BINS - 1)
        count = np.bincount(bins, minlength=_BINS)
        seen = np.flatnonzero(count)
        if len(seen) < _BINS // 3:
            return 2.0
        profile = np.bincount(bins, luminance, _BINS)[seen] / count[seen]
        darkest = int(profile.argmin())
        if profile[darkest] > _DARK * profile[darkest:].max():
            return 2.0
        return float((seen[darkest] + 0.5) / _BINS)

    def upper_part(self, split: float) -> Float32[np.ndarray, "h w 4"]:
        """What moves with the skull, premultiplied RGBA."""
        chosen = _ramp(split - self._gap.share, -0.06, 0.06)
        return self._part(chosen, self._gap.above, self._gap.below)

    def lower_part(self, split: float) -> Float32[np.ndarray, "h w 4"]:
        """What moves with the jaw; it goes on behind the upper part, so that both together hide the rest."""
        chosen = _ramp(self._gap.share - split, -0.18, -0.06)
        return self._part(chosen, self._gap.below, self._gap.above)

    def _part(self, chosen: Image, toward: Image, away: Image) -> Float32[np.ndarray, "h w 4"]:
        """The chosen part, carried on, as gums, under the lip it comes from (`away` is counted from there)."""
        trusted = self._gap.trusted()
        weight = chosen * _ramp(toward, 0.5 * _LIP, 1.5 * _LIP)
        columns = np.repeat(trusted.max(axis=0, keepdims=True), len(weight), axis=0)
        weight *= np.minimum(columns, cv2.blur(columns, (2 * round(_SIDE_FADE * self._density) + 1, 1)))
        if not (weight > 0).any():
            return np.zeros((*weight.shape, 4), np.float32)
        gum = _ramp(-away, 0.03, 0.08)[..., None]
        color = fill_holes(self._picture, trusted) * (1.0 + gum * (teeth.GUM - 1.0))
        return np.dstack([color * weight[..., None], weight]).astype(np.float32)

    def _surely(self, reach: float) -> Bool[np.ndarray, "h w"]:
        return (self._gap.trusted() > 0.5) & (np.abs(self._xy[..., 0]) < reach)


@dataclass(frozen=True, eq=False)
class _Gap:
    """Each pixel's place between the lips: model units `below` the upper and `above` the lower inner lip."""

    below: Image
    above: Image

    @classmethod
    def between(
        cls,
        upper_px: Float[np.ndarray, "n 2"],
        lower_px: Float[np.ndarray, "n 2"],
        xy: Float32[np.ndarray, "h w 2"],
        pose: HeadPose,
        origin: Float[np.ndarray, "3"],
    ) -> _Gap:
        top, bottom = (_height_over(_on_arch(lip, pose, origin), xy[..., 0]) for lip in (upper_px, lower_px))
        return cls(top - xy[..., 1], xy[..., 1] - bottom)

    @property
    def share(self) -> Image:
        """0 at the upper lip, 1 at the lower."""
        return np.asarray(self.below / np.maximum(self.below + self.above, 1e-4))

    def trusted(self) -> Image:
        """1 well inside the opening, 0 where a lip may show."""
        inside = _ramp(np.minimum(self.below, self.above), 0.5 * _LIP, 1.5 * _LIP)
        return inside * _ramp(self.below + self.above, *_TELLING)


def _on_arch(
    places: Float[np.ndarray, "*n 2"], pose: HeadPose, origin: Float[np.ndarray, "3"]
) -> Float32[np.ndarray, "*n 2"]:
    """The (x, y) on the dental arch at `origin` (model space) that is seen at each place of the picture."""
    camera = (FLIP_Y[:, None] * pose.rotation * pose.scale)[:2]
    inverse = np.linalg.inv(camera[:, :2])
    slide = (inverse @ camera[:, 2] * _ARCH).astype(np.float32)
    base = inverse @ (pose.translation_px + camera @ origin)
    flat = places.astype(np.float32) @ inverse.T.astype(np.float32) - base.astype(np.float32)
    square = np.square(np.clip(flat[..., :1], -0.4, 0.4))
    for _ in range(2):  # x = flat + slide x^2
        square = np.square(np.clip(flat[..., :1] + slide[0] * square, -0.4, 0.4))
    return np.asarray(flat + slide * square)


def _height_over(line: Float32[np.ndarray, "n 2"], x: Image) -> Image:
    """The height of a contour, ordered in x, over each x."""
    return np.interp(x, np.maximum.accumulate(line[:, 0]), line[:, 1]).astype(np.float32)


def _with_tongue(picture: Colors, xy: Float32[np.ndarray, "h w 2"], color: Float[np.ndarray, "3"]) -> Colors:
    radius = np.square(xy[..., 0] / _TONGUE_SIZE[0]) + np.square(
        (xy[..., 1] + _TONGUE_DROP) / _TONGUE_SIZE[1]
    )
    alpha = _ramp(1.4 - radius, 0.0, 0.9)[..., None]
    shaded = (1.0 - 0.25 * np.minimum(radius, 1.4))[..., None] * color.astype(np.float32)
    return np.asarray(alpha * shaded + (1.0 - alpha) * picture)


def _light(gap: _Gap) -> Colors:
    """How the teeth are lit through the opening: the less, the redder."""
    share = _ramp(gap.below + gap.above, 0.0, _LIT_GAP)[..., None]
    return np.asarray(_DIM + share * (1.0 - _DIM))


def _contact_shadow(gap: _Gap) -> Float32[np.ndarray, "h w 1"]:
    """The lips' shadow on what lies right behind them, the upper lip's the stronger."""
    upper = 1.0 - 0.35 * np.exp(-np.maximum(gap.below, 0.0) / 0.022)
    lower = 1.0 - 0.15 * np.exp(-np.maximum(gap.above, 0.0) / 0.015)
    return np.asarray(upper * lower)[..., None]


def _over(picture: Colors, layer: Float32[np.ndarray, "h w 4"], light: Colors | float = 1.0) -> Colors:
    return np.asarray(layer[..., :3] * light + (1.0 - layer[..., 3:]) * picture)


def _ramp(value: Float[np.ndarray, "*n"], low: float, high: float) -> Float32[np.ndarray, "*n"]:
    """0 up to `low`, 1 from `high` on, smooth between."""
    share = np.clip((value - low) / (high - low), 0.0, 1.0)
    return np.asarray(share * share * (3.0 - 2.0 * share), np.float32)


def _chin(shape: Float[np.ndarray, "P 3"]) -> Float[np.ndarray, "3"]:
    return np.asarray(shape[-len(_CHIN) :].mean(axis=0))


def _openness(shape: Float[np.ndarray, "P 3"], scale: float) -> float:
    """0 below half a pixel of opening, 1 from one and a half."""
    count = len(_UPPER)
    height = float((shape[:count, 1] - shape[count : 2 * count, 1]).max()) * scale
    return float(_ramp(np.asarray(height), 0.5, 1.5))
