"""Person mattes: from a segmentation network's alpha matte to the two mattes that the renderer trusts.

The network's matte has soft halos, misses the outermost rows, takes collars and scarves for background and people
close behind for the person. From it and the face's outline `person_mattes` makes the matte of what is drawn before
the background, and the matte of what moves with the head. All lengths are fractions of the face's height.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32

from faceanime.geometry.interpolation import linear_step
from faceanime.render.head.hair_strands import find_strands
from faceanime.render.masks import disc, soft_polygon
from faceanime.structures.frames import Pixels


@dataclass(frozen=True)
class MatteLook:
    """Correction of the network's matte; lengths in face heights, chosen by eye unless stated otherwise."""

    trusted_fraction: float = 0.6
    """Mean matte within the face's outline below which the network missed the face (as with statues and drawings)."""
    face_blur: float = 0.03
    """Standard deviation of the blur of the face's outline."""
    sharpening: tuple[float, float] = (0.2, 0.8)
    """Mattes that become 0 and 1: thin halos go."""
    certain_fraction: float = 0.8
    """A pixel is certainly the person's from this fraction of the face's mean matte on."""
    halo: float = 0.05
    """Distance from certain pixels within which doubtful ones count. At twice the distance they no longer count: there
    they belong to another person close behind (docs/log/training.md, "Somebody close behind")."""
    border_rows: float = 0.02
    """Height of the picture's uppermost rows, in which networks miss hair; they repeat the row below."""
    body: tuple[float, float] = (-0.4, -0.15)
    """Heights below the chin from which on everything begins to move with the head, and does so wholly."""
    doubtful: float = 0.1
    """Beside neck and shoulders a matte of this and more is the person's: half-recognised collars and scarves would
    tear off (docs/log/training.md, "The background")."""
    gap: float = 0.2
    """Gaps of the matte beside neck and shoulders that are narrower than this are the person's (same place)."""
    gap_px: float = 20.0
    """Resolution of the search for gaps: pixels across the widest gap."""


_LOOK = MatteLook()


@dataclass(frozen=True, eq=False)
class PersonMattes:
    """`visible` (H,W) in [0,1]: the person's pixels, drawn before the background; `moving` (H,W): the pixels that move
    with the head, a superset: between neck and shoulders the background moves too, for a sheet that fades evenly does
    not fold.
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
    """The matte with gaps narrower than `gap_px` filled (morphological closing, at a low resolution)."""
    height, width = matte.shape
    factor = min(_LOOK.gap_px / gap_px, 1.0)
    size = (max(round(width * factor), 1), max(round(height * factor), 1))
    radius = max(round(0.5 * factor * gap_px), 1)
    small = cv2.resize(matte, size, interpolation=cv2.INTER_AREA)
    padded = cv2.copyMakeBorder(small, radius, radius, radius, radius, cv2.BORDER_REPLICATE)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, disc(radius))[radius:-radius, radius:-radius]
    gaps = cv2.resize(closed - small, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.minimum(matte + gaps, 1.0)
