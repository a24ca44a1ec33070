"""Faces that are not all there: parts that something covers, and faces unlike all that the morphable model knows.

Landmarks are found under a mask, a hand or dark glasses as well, where the model expects them. What is there is told
by its color and structure: cloth is less red than the forehead, lips and the skin around them never are; lips differ
in color from the skin around them, the parts of a hand do not; an eye has bright and dark, dark glasses have neither.

The bounds were chosen on 436 portraits of training people, of which one is beyond them, who holds a microphone before
the lips, and on masks, hands and glasses that were drawn onto some; `benchmarks/cover.py` counts what they tell.
Portraits of validation and test people were looked at as well, so that a count on them is no independent test.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32

from faceanime.core.errors import Remedy, UnfitFaceError
from faceanime.geometry.similarity import warp_image
from faceanime.morphable.landmark_schema import EyeLandmarks
from faceanime.morphable.model import MorphableModel
from faceanime.render.head.sheet import source_shape
from faceanime.render.masks import disc, soft_polygon
from faceanime.structures.coefficients import FittedFace
from faceanime.structures.frames import Pixels
from faceanime.structures.portrait import CoveredPart, Portrait

log = logging.getLogger(__name__)

Lab = Float[np.ndarray, "3"]


@dataclass(frozen=True)
class _CoverRule:
    """Bounds that tell cloth, hands and glass from a face. Lengths in distances of the outer eye corners."""

    eyes_px: int = 100
    """Distance of the outer eye corners in the picture that is looked at, px."""
    lip_margin: float = 0.03
    """Distance from the lips' outer outline at which the skin around the mouth begins."""
    skin_reach: float = 0.12
    """Distance from the lips' outer outline at which it ends."""
    lid_margin: float = 0.05
    """Distance from the opening of the eye at which the lids' skin begins."""
    lid_reach: float = 0.09
    """Distance from the opening of the eye at which it ends."""
    sample: float = 0.04
    """Radius of the discs in which the forehead's color is read."""
    less_red: float = 0.55
    """Loss of redness, CIE a*, from the forehead to lips and skin around them, as a fraction of the forehead's, from
    which on something covers the mouth. People have 0.33 at most, masks that are not pink 0.86 and more."""
    least_red: float = 4.0
    """Least such loss, CIE a*: the redness of a grey picture tells nothing."""
    alike: float = 2.3
    """Distance of the colors of the lips and of the skin around them, CIE Lab, below which there are no lips, but a
    hand. People have 2.5 and more, one in a hundred less than 3.2; nineteen in twenty hands that are drawn have less
    than 2.0."""
    paler: float = 1.0
    """Redness of that skin beyond that of the lips, CIE a*, from which on these are no lips. People have 0.2 at most;
    fingers around a microphone have 1.8."""
    dim: float = 40.0
    """Lightness of that skin, CIE L*, below which both bounds fall in proportion, as all differences do."""
    flat: tuple[float, float] = (0.1, 0.25)
    """Standard deviation of the lightness of an eye and its lids, as a fraction of the forehead's lightness, below
    which it is no eye: anywhere, and where the lids are dark. People have 0.12 and more, those in deep shade 0.33 and
    more, glasses that are drawn 0.01 to 0.18."""
    dark: float = 0.36
    """Lightness of the lids, as a fraction of the forehead's, below which they are dark. People in plain light
    have 0.42 and more."""


@dataclass(frozen=True)
class _FitRule:
    """What no person's face has."""

    iris: tuple[float, float] = (0.235, 0.27)
    """Radius of the iris in widths of the eye, from which on it is large, and larger than any person's, which reach
    0.242; a large-eyed cartoon's reached 0.3."""
    lids: tuple[float, float] = (0.12, 0.155)
    """Opening of the lids in distances of the outer eye corners, from which on it is large, and larger than any
    person's, which reach 0.145."""
    doubtful: float = 0.875
    """Score of the landmarks below which large eyes are no person's. People's are 0.847 and more, their median is 0.94;
    people below this bound have irises up to 0.223 and openings up to 0.103. Drawn faces have 0.81 to 0.865."""
    uncertain: float = 0.84
    """Score of the landmarks below which something may cover them. Masks have 0.75 to 0.89."""


_COVER, _FIT = _CoverRule(), _FitRule()


def covered_parts(
    pixels: Pixels, points: Float32[np.ndarray, "L D"], model: MorphableModel
) -> frozenset[CoveredPart]:
    """The parts of a face that something covers: a mask or a hand the mouth, dark glasses both eyes.

    `pixels` (H,W,3) show it, `points` (L,2 or 3) are its landmarks, px.
    """
    places, lab = _close_up(pixels, np.asarray(points[:, :2], np.float64), model)
    forehead = _forehead(places, lab, model)
    lips, skin = _around_mouth(places, lab, model)
    found: set[CoveredPart] = set()
    loss = float(forehead[1] - max(lips[1], skin[1]))
    is_cloth = loss > max(_COVER.least_red, _COVER.less_red * forehead[1])
    light = min(1.0, float(skin[0]) / _COVER.dim)
    is_hand = np.linalg.norm(lips - skin) < light * _COVER.alike or skin[1] - lips[1] > light * _COVER.paler
    if is_cloth or is_hand:
        found.add("mouth")
    eyes = [_lids_and_relief(places, lab, eye) / max(forehead[0], 1.0) for eye in model.schema.eyes]
    lids, relief = np.max(eyes, axis=0)
    if relief < _COVER.flat[int(lids < _COVER.dark)]:
        found.add("eyes")
    return frozenset(found)


def accepted(portrait: Portrait, model: MorphableModel, where: str, force: bool) -> Portrait:
    """A portrait after `check_face`, or with `force`, unchecked and without covered parts. Raises UnfitFaceError."""
    if force:
        return replace(portrait, covered=frozenset())
    check_face(portrait, model, where)
    return portrait


def check_face(portrait: Portrait, model: MorphableModel, where: str) -> None:
    """Warn of covered parts of a portrait, which are held still; `where` names its picture.

    Raises UnfitFaceError for a face that is unlike any person's.
    """
    score = portrait.landmarks.score
    if not portrait.covered and _has_huge_eyes(portrait.face, score, model):
        raise UnfitFaceError(where, "its eyes are larger than a person's")
    if portrait.covered:
        parts, remedy = " and ".join(sorted(portrait.covered)), Remedy("force", "{} moves it")
        log.warning("something covers the %s in %s: held still", parts, where, extra={"remedy": remedy})
    elif score < _FIT.uncertain:
        remedy = Remedy("lips", "{} 0 holds the mouth still")
        text = (
            "the face in %s is found with a low score (%.2f): something covers it, or it is turned far away"
        )
        log.warning(text, where, score, extra={"remedy": remedy})


def _has_huge_eyes(face: FittedFace, score: float, model: MorphableModel) -> bool:
    """Whether eyes are larger than any person's, or large in a face of a doubtful score."""
    shape = model.landmarks_of(source_shape(face, model))
    iris, lids = np.mean([_eye_size(shape, eye) for eye in model.schema.eyes], axis=0)
    bound = int(score >= _FIT.doubtful)
    return bool(iris > _FIT.iris[bound] or lids > _FIT.lids[bound])


def _eye_size(shape: Float[np.ndarray, "L 3"], eye: EyeLandmarks) -> tuple[float, float]:
    """The radius of the iris in widths of the eye, and the opening of the lids in model units."""
    opening = np.linalg.norm(shape[eye.upper_middle] - shape[eye.lower_middle], axis=1).mean()
    return eye.iris_radius(shape) / eye.width(shape), float(opening)


def _close_up(
    pixels: Pixels, points: Float[np.ndarray, "L 2"], model: MorphableModel
) -> tuple[Float[np.ndarray, "L 2"], Float32[np.ndarray, "h w 3"]]:
    """The landmarks, px, and the CIE Lab colors of the face in a picture with eyes `eyes_px` apart."""
    corners = points[model.schema.eye_corners]
    factor = _COVER.eyes_px / max(float(np.linalg.norm(corners[-1] - corners[0])), 1.0)
    low, high = points.min(axis=0), points.max(axis=0)
    close_from_image = np.column_stack([factor * np.eye(2), -factor * low])
    width, height = np.ceil(factor * (high - low)).astype(int)
    seen = warp_image(np.ascontiguousarray(pixels), close_from_image, int(width), int(height))
    lab = cv2.cvtColor(seen.astype(np.float32) / np.float32(255.0), cv2.COLOR_RGB2LAB)
    return factor * (points - low), np.asarray(lab, np.float32)


def _forehead(
    places: Float[np.ndarray, "L 2"], lab: Float32[np.ndarray, "h w 3"], model: MorphableModel
) -> Lab:
    """The forehead's color: the plain skin above the eyes, where masks and glasses end."""
    skin, height = model.schema.plain_skin, model.landmark_mean[:, 1]
    above = skin[height[skin] > height[model.schema.eye_corners].max()]
    mask, radius_px = np.zeros(lab.shape[:2], np.uint8), round(_COVER.sample * _COVER.eyes_px)
    for x, y in places[above]:
        cv2.circle(mask, (round(float(x)), round(float(y))), radius_px, (1,), -1)
    return _median(lab, mask > 0)


def _around_mouth(
    places: Float[np.ndarray, "L 2"], lab: Float32[np.ndarray, "h w 3"], model: MorphableModel
) -> tuple[Lab, Lab]:
    """The colors of the lips, without what is between them, and of the skin around them."""
    outer = _filled(places[model.schema.outer_lips], lab)
    lips = outer & ~_filled(places[model.schema.mouth_opening], lab)
    skin = _grown(outer, _COVER.skin_reach) & ~_grown(outer, _COVER.lip_margin)
    return _median(lab, lips), _median(lab, skin & _filled(places[model.schema.oval], lab))


def _lids_and_relief(
    places: Float[np.ndarray, "L 2"], lab: Float32[np.ndarray, "h w 3"], eye: EyeLandmarks
) -> Float[np.ndarray, "2"]:
    """The lightness of the skin around an eye, and the standard deviation of that of both."""
    opening = _filled(places[eye.opening], lab)
    whole = _grown(opening, _COVER.lid_reach)
    lids = _median(lab, whole & ~_grown(opening, _COVER.lid_margin))
    return np.array([lids[0], lab[whole, 0].std() if whole.any() else np.inf])


def _filled(outline: Float[np.ndarray, "n 2"], lab: Float32[np.ndarray, "h w 3"]) -> Bool[np.ndarray, "h w"]:
    """The pixels within a closed outline."""
    height, width = lab.shape[:2]
    return soft_polygon(outline.astype(np.float32), height, width, 0.0) > 0.5


def _grown(mask: Bool[np.ndarray, "h w"], by: float) -> Bool[np.ndarray, "h w"]:
    return cv2.dilate(mask.astype(np.uint8), disc(round(by * _COVER.eyes_px))) > 0


def _median(lab: Float32[np.ndarray, "h w 3"], mask: Bool[np.ndarray, "h w"]) -> Lab:
    """The median color of some pixels; of all where there are none."""
    return np.asarray(np.median(lab[mask] if mask.any() else lab.reshape(-1, 3), axis=0))
