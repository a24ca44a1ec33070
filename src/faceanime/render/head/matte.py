"""Person mattes: from a segmentation network's alpha matte to the two mattes that the renderer uses.

The network's matte has soft halos, misses the outermost rows, and takes collars and scarves for background and people
close behind for the person. From it and the face's outline `person_mattes` makes the matte of what is drawn before
the background, and the matte of what moves with the head. All lengths are fractions of the face's height.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32

from faceanime.geometry.interpolation import Ramp, linear_step
from faceanime.render.head.hair_strands import find_strands
from faceanime.render.masks import disc, soft_polygon
from faceanime.structures.frames import Pixels


@dataclass(frozen=True)
class MatteLook:
    """Correction of the network's matte; lengths in face heights, chosen by eye unless stated otherwise."""

    trusted_fraction: float = 0.6
    """Mean matte within the face's outline below which the network missed the face (as in statues and drawings)."""
    face_blur: float = 0.03
    """Standard deviation of the blur of the face's outline."""
    sharpening: Ramp = (0.2, 0.8)
    """Ramp of the network's matte that removes thin halos."""
    certain_fraction: float = 0.8
    """Least matte of the pixels that certainly belong to the person, as a fraction of the face's mean matte."""
    halo: float = 0.05
    """Distance from certain pixels up to which doubtful ones count; from twice this distance on they count as another
    person close behind (docs/log/training.md, "Somebody close behind")."""
    border_rows: float = 0.02
    """Height of the strip at the picture's upper edge in which networks miss hair; it repeats the row below."""
    body: Ramp = (-0.4, -0.15)
    """Ramp over rows relative to the chin in face heights, positive downward: 1 where everything moves with the head.
    """
    doubtful: float = 0.1
    """Matte that counts as certain beside neck and shoulders: otherwise collars and scarves that the network half
    recognizes would tear off (docs/log/training.md, "The background")."""
    gap: float = 0.2
    """Largest width of the holes of the matte beside neck and shoulders that are filled (docs/log/training.md, "The
    background")."""
    gap_px: float = 20.0
    """Resolution of the search for holes: pixels across the widest one."""


_LOOK = MatteLook()


@dataclass(frozen=True, eq=False)
class PersonMattes:
    """The two mattes of a person, in [0,1].

    `visible` (H,W): the person's pixels, drawn in front of the background; `moving` (H,W): all that moves with the
    head. Between neck and shoulders that includes the background, because a sheet that fades evenly does not fold.
    """

    visible: Float32[np.ndarray, "H W"]
    moving: Float32[np.ndarray, "H W"]


def person_mattes(
    picture: Pixels, matte: Float32[np.ndarray, "H W"], oval: Float[np.ndarray, "R 2"]
) -> PersonMattes | None:
    """The trusted mattes of a picture (H,W,3), strands of hair included; None where the matte misses the face.

    `matte` is the network's, in [0,1]; `oval` the face's outline, px.
    """
    trusted = trusted_mattes(matte, oval)
    if trusted is None:
        return None
    strands = find_strands(picture, matte, float(np.ptp(oval[:, 1])))
    return PersonMattes(np.maximum(trusted.visible, strands), np.maximum(trusted.moving, strands))


def trusted_mattes(matte: Float32[np.ndarray, "H W"], oval: Float[np.ndarray, "R 2"]) -> PersonMattes | None:
    """`person_mattes` without strands of hair."""
    face_px, chin = float(np.ptp(oval[:, 1])), oval[:, 1].max()
    height, width = matte.shape
    face = soft_polygon(oval.astype(np.float32), height, width, _LOOK.face_blur * face_px)
    in_face = (matte * face).sum()
    if in_face < _LOOK.trusted_fraction * face.sum():
        return None
    certain = matte >= _LOOK.certain_fraction * float(in_face / face.sum())
    sharp = linear_step(matte, *_LOOK.sharpening) * _proximity(certain, _LOOK.halo * face_px)
    border = min(max(round(_LOOK.border_rows * face_px), 1), height - 1)
    sharp[:border] = np.maximum(sharp[:border], sharp[border])
    head = np.maximum(sharp, np.minimum(1.0, 2.0 * face))
    rows = np.arange(height, dtype=np.float32)[:, None] + 0.5
    body = linear_step((rows - chin) / face_px, *_LOOK.body)
    clothes = _close_gaps(np.clip(matte / _LOOK.doubtful, 0.0, 1.0), _LOOK.gap * face_px)
    return PersonMattes(
        np.maximum(head, body * clothes).astype(np.float32), np.maximum(head, body).astype(np.float32)
    )


def _proximity(mask: Bool[np.ndarray, "H W"], reach_px: float) -> Float32[np.ndarray, "H W"]:
    """1 within `reach_px` of the mask, 0 from twice that distance on."""
    distance = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
    return np.clip(2.0 - distance / reach_px, 0.0, 1.0).astype(np.float32)


def _close_gaps(matte: Float32[np.ndarray, "H W"], gap_px: float) -> Float32[np.ndarray, "H W"]:
    """The matte with holes narrower than `gap_px` filled (morphological closing, at a low resolution)."""
    height, width = matte.shape
    factor = min(_LOOK.gap_px / gap_px, 1.0)
    size = (max(round(width * factor), 1), max(round(height * factor), 1))
    radius = max(round(0.5 * factor * gap_px), 1)
    small = cv2.resize(matte, size, interpolation=cv2.INTER_AREA)
    padded = cv2.copyMakeBorder(small, radius, radius, radius, radius, cv2.BORDER_REPLICATE)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, disc(radius))[radius:-radius, radius:-radius]
    gaps = cv2.resize(closed - small, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.minimum(matte + gaps, 1.0)
