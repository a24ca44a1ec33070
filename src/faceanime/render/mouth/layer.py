"""The inside of the mouth: what is seen between the parted lips.

Two pictures drawn once, the upper row of teeth rigid with the skull and the lower row rigid with the jaw, each
overlaid with whatever the source itself shows of the inside; behind them a tongue and a dark cavity. Per frame
they are looked up on the surface of the dental arch, as the target's head turns it, through the opening.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32

from faceanime.geometry.flow import sample
from faceanime.morphable.model import MorphableModel, Region
from faceanime.render.inpaint import soft_polygon
from faceanime.render.mouth import compositor as paint_order
from faceanime.render.mouth import teeth
from faceanime.render.mouth.arch import LOWER_LIP, UPPER_LIP, SourceInside, lip_heights, ramp, view_of
from faceanime.render.mouth.colors import MouthColors
from faceanime.render.mouth.compositor import all_on_arch, paint_inside
from faceanime.structures.coefficients import FaceCoefficients, FittedFace
from faceanime.structures.frames import Pixels
from faceanime.structures.raster import WarpField

_CHIN = [148, 152, 377]
_POINTS = UPPER_LIP + LOWER_LIP + _CHIN
_LIPS = slice(0, len(UPPER_LIP) + len(LOWER_LIP))
_UPPER_MIDDLE = len(UPPER_LIP) // 2
_LOWER_MIDDLE = len(UPPER_LIP) + len(LOWER_LIP) // 2
_OUTLINE = UPPER_LIP + LOWER_LIP[-2:0:-1]

# Lengths in model units (1 unit = distance of the outer eye corners, about 90 mm), chosen by a search over
# opened mouths of 9 people (validation) and 70 (training), with those of `mouth_paint`, then looked at; the edges by
# another over 34 smiles and 159 opened mouths (training).
_UPPER_EDGE = 0.05
"""The upper incisors' edge below the upper lip of the neutral face (whose lips part by some 0.05)."""
_LOWER_EDGE = 0.0
"""The lower incisors' edge below that of the upper ones, in the same face."""
_UPPER_BEHIND, _LOWER_BEHIND = 0.05, 0.07
"""How far the incisors stand behind the line of the lips."""
_LIP_SHARE = 0.25
"""Share of the lower lip in the guess of how far the jaw moved; the rest says the chin: in a grin
the lips part and the jaw stays."""
_LOWER_LIGHT = np.array([0.91, 0.82, 0.79])
"""Colour of the lower row in shares of the upper one's: deeper in the mouth, amid red tongue and lips."""
_SMILE_LIGHT = 0.10
"""Lips that are stretched lie flat on the teeth and let in as much light as an opening this much higher ..."""
_SMILING = (0.924, 1.074)
"""... not at all, and fully so, at these widths of the mouth in shares of the neutral face's."""
_FULL_DEPARTURE = 0.03
"""The layer shows fully once the lips have moved so far: at rest the source shows."""
_SOFT_EDGE = 0.005
_PART_PX = (0.5, 1.5)
"""Lips that part by less than the first show nothing; from the second on they show all."""

_PX_PER_PX, _MAX_DENSITY = 1.6, 1400.0
"""Pixels of the rows' pictures per pixel of the source, and at most per model unit."""


class _Jaw:
    """Lips and chin of one person, and how far an expression moves the jaw."""

    def __init__(self, face: FittedFace, model: MorphableModel) -> None:
        self._mean = model.mean[_POINTS] + face.residual[_POINTS]
        self._identity = model.identity_basis[_POINTS]
        self._expression = model.expression_basis[_POINTS]
        coefficients = face.coefficients
        self.rest = self.shape(replace(coefficients, expression=0.0 * coefficients.expression))

    def shape(self, face: FaceCoefficients) -> Float[np.ndarray, "P 3"]:
        """Lips (upper, lower) and chin of a face of this person, model units."""
        return np.asarray(self._mean + self._identity @ face.identity + self._expression @ face.expression)

    def width(self, shape: Float[np.ndarray, "P 3"]) -> float:
        """Between the corners of the lips."""
        corners = shape[[0, len(UPPER_LIP) - 1]]
        return float(np.linalg.norm(corners[1] - corners[0]))

    def moved(self, shape: Float[np.ndarray, "P 3"]) -> Float[np.ndarray, "3"]:
        """How far the jaw has moved from its rest."""
        moved = shape - self.rest
        chin, lip = moved[-len(_CHIN) :].mean(axis=0), moved[_LOWER_MIDDLE]
        return np.asarray(chin + _LIP_SHARE * (lip - chin))


@dataclass(frozen=True, eq=False)
class OwnInside:
    """Where a source's own teeth are seen, which need no other ones: `alpha` (2,h,w) of upper and lower row."""

    jaw: _Jaw
    origins: Float[np.ndarray, "2 3"]
    alpha: Float32[np.ndarray, "2 h w"]
    density: float

    def seen(
        self, target: FaceCoefficients, places: Float[np.ndarray, "H W 2"]
    ) -> Float32[np.ndarray, "H W"]:
        """How far the places (px) show what the source showed, if they show the inside of the target's mouth."""
        moved = self.jaw.moved(self.jaw.shape(target))
        shares = np.zeros(places.shape[:2], np.float32)
        for alpha, origin in zip(self.alpha, self.origins + np.stack([0.0 * moved, moved]), strict=True):
            if alpha.any():
                at = all_on_arch(places, view_of(target.pose, origin))
                at = (at - [teeth.LEFT, teeth.TOP]) * [self.density, -self.density]
                shares = np.maximum(shares, sample(alpha[..., None], at.astype(np.float32))[..., 0])
        return shares


class MouthLayer:
    """The mouth's inside for one source picture; `own`, what of it is the source's; `chroma`, see `MouthColors`."""

    def __init__(
        self, source: Pixels, face: FittedFace, model: MorphableModel, points: Float[np.ndarray, "N 2"]
    ) -> None:
        """`source` (H,W,3); `points` (N,2) px, its landmarks (and whatever follows them) in the picture."""
        coefficients = face.coefficients
        self._jaw = _Jaw(face, model)
        self._source_shape = self._jaw.shape(coefficients)
        edge = self._jaw.rest[_UPPER_MIDDLE] - np.array([0.0, _UPPER_EDGE, 0.0])
        self._upper_origin = edge - np.array([0.0, 0.0, _UPPER_BEHIND])
        self._lower_origin = edge - np.array([0.0, _LOWER_EDGE, _LOWER_BEHIND])
        self._density = min(_PX_PER_PX * float(coefficients.pose.scale), _MAX_DENSITY)
        jaw = self._jaw.moved(self._source_shape)
        upper, lower = (
            SourceInside.seen(source, coefficients.pose, points, origin, self._density)
            for origin in (self._upper_origin, self._lower_origin + jaw)
        )
        colors = MouthColors.seen(source, points, upper.colors())
        self.chroma = colors.chroma
        self._colors = colors.of_inside(upper.cavity())
        self._pictures = _pictures(upper, lower, colors, self._density)
        self.own = OwnInside(
            self._jaw,
            np.stack([self._upper_origin, self._lower_origin]),
            self._pictures[[paint_order.UPPER_OWN, paint_order.LOWER_OWN], ..., 3],
            self._density,
        )

    def paint(self, canvas: Pixels, field: WarpField, target: FaceCoefficients) -> None:
        """Draw the inside of the target's mouth into `canvas` (h,w,3), the picture of the field's region."""
        shape, scale = self._jaw.shape(target), float(target.pose.scale)
        shown = self._departure(shape) * _openness(shape, scale)
        outline = field.target_points[_OUTLINE, :2] - np.array([field.region.left, field.region.top])
        left, top = np.maximum(np.floor(outline.min(axis=0)).astype(int) - 2, 0)
        right, bottom = np.minimum(np.ceil(outline.max(axis=0)).astype(int) + 2, canvas.shape[1::-1])
        if shown == 0.0 or right <= left or bottom <= top:
            return
        box = slice(top, bottom), slice(left, right)
        corners = (outline - np.array([left, top])).astype(np.float32)
        weight = shown * _opening(corners, field.part[box] == Region.MOUTH, _SOFT_EDGE * scale)
        jaw = self._jaw.moved(shape)
        upper_view = view_of(target.pose, self._upper_origin)
        paint_inside(
            canvas[box],
            weight,
            float(left + field.region.left),
            float(top + field.region.top),
            upper_view,
            view_of(target.pose, self._lower_origin + jaw),
            lip_heights(field.target_points[UPPER_LIP, :2], field.target_points[LOWER_LIP, :2], upper_view),
            _SMILE_LIGHT * ramp(self._jaw.width(shape) / self._jaw.width(self._jaw.rest), *_SMILING),
            jaw,
            self._pictures,
            self._density,
            self._colors,
        )

    def _departure(self, shape: Float[np.ndarray, "P 3"]) -> float:
        moved = np.linalg.norm((shape - self._source_shape)[_LIPS], axis=1).max()
        return float(ramp(float(moved), 0.0, _FULL_DEPARTURE))


def _openness(shape: Float[np.ndarray, "P 3"], scale: float) -> float:
    count = len(UPPER_LIP)
    parted_px = float((shape[:count, 1] - shape[count : 2 * count, 1]).max()) * scale
    return float(ramp(parted_px, *_PART_PX))


def _opening(
    corners: Float32[np.ndarray, "n 2"], seen: Bool[np.ndarray, "h w"], soft_px: float
) -> Float32[np.ndarray, "h w"]:
    """How far each pixel shows the inside: in the soft outline, and not hidden by another part of the face."""
    near = cv2.dilate(seen.astype(np.uint8), np.ones((3, 3), np.uint8))
    height, width = seen.shape
    return soft_polygon(corners, height, width, soft_px) * near.astype(np.float32)


def _pictures(
    upper: SourceInside, lower: SourceInside, colors: MouthColors, density: float
) -> Float32[np.ndarray, "4 h w 4"]:
    split, gum = upper.split(), colors.muted(teeth.GUM)
    pictures = [np.empty(0, np.float32)] * len(paint_order.PICTURES)
    # beside teeth of one's own, drawn ones look strange
    pictures[paint_order.UPPER] = (1.0 - upper.presence()) * teeth.draw_row(
        teeth.UPPER, colors.muted(colors.teeth), gum, density
    )
    pictures[paint_order.LOWER] = teeth.draw_row(
        teeth.LOWER, colors.muted(_LOWER_LIGHT * colors.teeth), gum, density
    )
    pictures[paint_order.UPPER_OWN] = upper.upper_part(split, gum)
    pictures[paint_order.LOWER_OWN] = lower.lower_part(split, gum)
    return np.stack(pictures).astype(np.float32)
