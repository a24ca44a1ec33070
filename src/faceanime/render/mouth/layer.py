"""The inside of the mouth: what is visible between the parted lips. Here it is drawn.

Four plates are made once per portrait: for the upper row of teeth, rigid with the skull, and the lower row, rigid
with the jaw, each a drawn one (`teeth.py`) and what the portrait itself shows (`source_inside.py`); their colors and
those of tongue and cavity follow the portrait's light (`colors.py`). Per frame they are looked up on the dental arch
(`arch.py`), as the target's head turns it, and composed through the opening (`compositor.py`). Lengths are model units
(1 unit = distance of the outer eye corners, about 90 mm).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32

from faceanime.geometry.flow import sample
from faceanime.geometry.interpolation import Ramp, smoothstep
from faceanime.morphable.model import MorphableModel, Region
from faceanime.render.masks import soft_polygon
from faceanime.render.mouth import teeth
from faceanime.render.mouth.arch import arch_from_image_grid, arch_view, lip_heights
from faceanime.render.mouth.colors import MouthColors
from faceanime.render.mouth.compositor import MouthGeometry, MouthPlates, paint_inside
from faceanime.render.mouth.source_inside import SourceInside
from faceanime.structures.coefficients import FaceCoefficients, FittedFace
from faceanime.structures.frames import Pixels
from faceanime.structures.raster import WarpField


@dataclass(frozen=True)
class MouthLook:
    """Position of the teeth and opacity of the layer.

    Places and light come from a search over opened mouths of 9 validation and 70 training people, together with
    those of `compositor.py`, and were then judged by eye. The heights of the edges come from a second search, over 34
    smiles and 159 opened mouths of training people. Fields that say so were chosen by eye. Lengths are model units.
    """

    upper_edge: float = 0.05
    """Height of the upper incisors' edge below the upper lip in the neutral face, whose lips part by about 0.05."""
    lower_edge: float = 0.0
    """Height of the lower incisors' edge below that of the upper incisors in the neutral face."""
    upper_depth: float = 0.05
    """Distance of the upper incisors behind the line of the lips."""
    lower_depth: float = 0.07
    """Distance of the lower incisors behind the line of the lips."""
    jaw_from_lip: float = 0.25
    """Weight of the lower lip in the estimate of the jaw's motion; the chin has the rest. In a grin the lips part while
    the jaw stays."""
    lower_tint: tuple[float, float, float] = (0.91, 0.82, 0.79)
    """Color of the lower row as fractions of the upper row's: it lies deeper in the mouth, amid red tongue and lips."""
    stretch_light: float = 0.10
    """Additional height of the opening that lets in as much light as fully stretched lips, which lie flat on the teeth.
    """
    stretched: Ramp = (0.924, 1.074)
    """Ramp of the mouth's width as a fraction of the neutral face's: 1 means fully stretched lips."""
    full_departure: float = 0.03
    """Distance of the lips from the portrait's at which the layer is opaque; at rest the portrait itself shows. Chosen
    by eye."""
    edge_blur: float = 0.005
    """Standard deviation of the blur of the opening's edge. Chosen by eye."""
    parted_px: Ramp = (0.5, 1.5)
    """Ramp of the opening between the lips, px: the opacity of the layer. Chosen by eye."""
    oversampling: float = 1.6
    """Number of pixels of the plates per pixel of the portrait. Chosen by eye."""
    most_density: float = 1400.0
    """Largest number of pixels of the plates per model unit. Chosen by eye."""


_LOOK = MouthLook()


class _Jaw:
    """Lips, chin and jaw of one person.

    A shape (P,3) holds the upper lip, the lower lip and the chin, model units.
    """

    def __init__(self, face: FittedFace, model: MorphableModel) -> None:
        parts = (model.schema.inner_lips_upper, model.schema.inner_lips_lower, model.schema.chin)
        landmarks, (upper, lower, _) = np.concatenate(parts), map(len, parts)
        self._upper, self._lower = slice(0, upper), slice(upper, upper + lower)
        self._chin = slice(upper + lower, None)
        self._mean = model.landmark_mean[landmarks] + model.landmarks_of(face.residual)[landmarks]
        self._identity = model.landmark_identity_basis[landmarks]
        self._expression = model.landmark_expression_basis[landmarks]
        coefficients = face.coefficients
        self._rest = self.shape(replace(coefficients, expression=0.0 * coefficients.expression))

    def shape(self, face: FaceCoefficients) -> Float[np.ndarray, "P 3"]:
        """The shape of this person with the expression of `face`."""
        return np.asarray(self._mean + self._identity @ face.identity + self._expression @ face.expression)

    def upper_lip_middle(self) -> Float[np.ndarray, "3"]:
        """The middle of the upper lip's inner edge in the neutral face."""
        return np.asarray(_middle(self._rest[self._upper]))

    def relative_width(self, shape: Float[np.ndarray, "P 3"]) -> float:
        """The width of the mouth, a fraction of the neutral face's."""
        now, rest = (s[self._upper][[0, -1]] for s in (shape, self._rest))
        return float(np.linalg.norm(now[1] - now[0])) / float(np.linalg.norm(rest[1] - rest[0]))

    def displacement(self, shape: Float[np.ndarray, "P 3"]) -> Float[np.ndarray, "3"]:
        """Displacement of the jaw from its place in the neutral face, model units."""
        moved = shape - self._rest
        chin, lip = moved[self._chin].mean(axis=0), _middle(moved[self._lower])
        return np.asarray(chin + _LOOK.jaw_from_lip * (lip - chin))

    def lip_departure(self, shape: Float[np.ndarray, "P 3"], other: Float[np.ndarray, "P 3"]) -> float:
        """Largest distance between the lips of two shapes, model units."""
        lips = slice(self._upper.start, self._lower.stop)
        return float(np.linalg.norm((shape - other)[lips], axis=1).max())

    def parting(self, shape: Float[np.ndarray, "P 3"]) -> float:
        """The height of the opening between the lips at its widest."""
        return float((shape[self._upper, 1] - shape[self._lower, 1]).max())


def _middle(contour: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "3"]:
    """The point half way along a contour."""
    return contour[len(contour) // 2]


@dataclass(frozen=True, eq=False)
class OwnTeeth:
    """The visible teeth of the portrait itself, which no network needs to invent.

    `alpha` (2,h,w) of the plates of the upper and the lower row, `density` their px per unit; `origins` (2,3) of the
    arches at rest, model space.
    """

    jaw: _Jaw
    origins: Float[np.ndarray, "2 3"]
    alpha: Float32[np.ndarray, "2 h w"]
    density: float

    def opacity(
        self, target: FaceCoefficients, places: Float[np.ndarray, "H W 2"]
    ) -> Float32[np.ndarray, "H W"]:
        """The opacity of the portrait's own teeth at places (px) inside the mouth of the target's picture."""
        displacement = self.jaw.displacement(self.jaw.shape(target))
        opacity = np.zeros(places.shape[:2], np.float32)
        origins = self.origins + np.stack([0.0 * displacement, displacement])
        for alpha, origin in zip(self.alpha, origins, strict=True):
            if alpha.any():
                on_arch = arch_from_image_grid(places, arch_view(target.pose, origin))
                corner = [teeth.PLATE_WINDOW.left, teeth.PLATE_WINDOW.top]
                on_plate = (on_arch - corner) * [self.density, -self.density]
                opacity = np.maximum(opacity, sample(alpha[..., None], on_plate.astype(np.float32))[..., 0])
        return opacity


class MouthLayer:
    """The inside of the mouth of one portrait.

    `own_teeth`: where the portrait's own teeth are visible; `chroma`: 0 for a grey portrait, 1 for a colored one.
    """

    def __init__(
        self, source: Pixels, face: FittedFace, model: MorphableModel, points: Float[np.ndarray, "L 2"]
    ) -> None:
        """`source` (H,W,3); `points` (L,2) px, its landmarks."""
        pose = face.coefficients.pose
        self._schema, self._jaw = model.schema, _Jaw(face, model)
        lips = points[model.schema.inner_lips_upper], points[model.schema.inner_lips_lower]
        self._source_shape = self._jaw.shape(face.coefficients)
        edge = self._jaw.upper_lip_middle() - np.array([0.0, _LOOK.upper_edge, 0.0])
        self._upper_origin = edge - np.array([0.0, 0.0, _LOOK.upper_depth])
        self._lower_origin = edge - np.array([0.0, _LOOK.lower_edge, _LOOK.lower_depth])
        density = min(_LOOK.oversampling * float(pose.scale), _LOOK.most_density)
        jaw = self._jaw.displacement(self._source_shape)
        upper, lower = (
            SourceInside.unroll(source, pose, lips, origin, density)
            for origin in (self._upper_origin, self._lower_origin + jaw)
        )
        colors = MouthColors.estimate(source, points, upper.pixels(), model.schema)
        self.chroma = colors.chroma
        self._colors = colors.inside(upper.cavity_brightness())
        self._plates = _make_plates(upper, lower, colors)
        alpha = np.stack([self._plates.upper_source[..., 3], self._plates.lower_source[..., 3]])
        self.own_teeth = OwnTeeth(
            self._jaw, np.stack([self._upper_origin, self._lower_origin]), alpha, density
        )

    def paint(self, canvas: Pixels, field: WarpField, target: FaceCoefficients) -> None:
        """Draw the inside of the target's mouth into `canvas` (h,w,3), the picture of the field's region, in place."""
        shape, scale = self._jaw.shape(target), float(target.pose.scale)
        opacity = self._opacity(shape, scale)
        outline = field.landmarks[self._schema.mouth_opening, :2] - np.array([field.box.left, field.box.top])
        left, top = np.maximum(np.floor(outline.min(axis=0)).astype(int) - 2, 0)
        right, bottom = np.minimum(np.ceil(outline.max(axis=0)).astype(int) + 2, canvas.shape[1::-1])
        if opacity == 0.0 or right <= left or bottom <= top:
            return
        box = slice(top, bottom), slice(left, right)
        corners = (outline - np.array([left, top])).astype(np.float32)
        opening = _opening_mask(corners, field.region[box] == Region.MOUTH, _LOOK.edge_blur * scale)
        corner = float(left + field.box.left), float(top + field.box.top)
        mouth = self._geometry(shape, field, target)
        paint_inside(canvas[box], opacity * opening, corner, mouth, self._plates, self._colors)

    def _geometry(
        self, shape: Float[np.ndarray, "P 3"], field: WarpField, target: FaceCoefficients
    ) -> MouthGeometry:
        """Geometry of the target's mouth, whose jaw and lips have the `shape`."""
        jaw = self._jaw.displacement(shape)
        upper_view = arch_view(target.pose, self._upper_origin)
        lower_view = arch_view(target.pose, self._lower_origin + jaw)
        upper_lip = field.landmarks[self._schema.inner_lips_upper, :2]
        lower_lip = field.landmarks[self._schema.inner_lips_lower, :2]
        lips = lip_heights(upper_lip, lower_lip, upper_view)
        stretched = float(smoothstep(self._jaw.relative_width(shape), *_LOOK.stretched))
        return MouthGeometry(upper_view, lower_view, lips, jaw, _LOOK.stretch_light * stretched)

    def _opacity(self, shape: Float[np.ndarray, "P 3"], scale: float) -> float:
        """The layer's opacity: 0 for closed lips and for the portrait's own, 1 once they have moved and parted."""
        departure = smoothstep(self._jaw.lip_departure(shape, self._source_shape), 0.0, _LOOK.full_departure)
        return float(departure * smoothstep(self._jaw.parting(shape) * scale, *_LOOK.parted_px))


def _opening_mask(
    corners: Float32[np.ndarray, "n 2"], mouth: Bool[np.ndarray, "h w"], blur_px: float
) -> Float32[np.ndarray, "h w"]:
    """Weight of the inside at each pixel: within the opening's soft outline, and not occluded by the face.

    `corners` of the outline, px; `mouth`: pixels whose nearest triangle lies between the lips.
    """
    visible = cv2.dilate(mouth.astype(np.uint8), np.ones((3, 3), np.uint8))
    height, width = mouth.shape
    return soft_polygon(corners, height, width, blur_px) * visible.astype(np.float32)


def _make_plates(upper: SourceInside, lower: SourceInside, colors: MouthColors) -> MouthPlates:
    """The plates of both rows, from what the portrait shows of its mouth on the upper and the lower arch."""
    split, gum, density = upper.row_split(), colors.desaturate(teeth.GUM), upper.density
    lower_color = np.array(_LOOK.lower_tint) * colors.teeth
    upper_drawn = teeth.draw_row(teeth.UPPER_TEETH, colors.desaturate(colors.teeth), gum, density)
    lower_drawn = teeth.draw_row(teeth.LOWER_TEETH, colors.desaturate(lower_color), gum, density)
    upper_drawn = np.float32(1.0 - upper.presence()) * upper_drawn  # drawn teeth look wrong beside real ones
    return MouthPlates(
        upper_drawn, upper.upper_row(split, gum), lower_drawn, lower.lower_row(split, gum), density
    )
