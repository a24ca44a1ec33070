"""Thin strands of hair beside a head, which segmentation networks miss.

A strand that is left in the background stays where it was when the head moves away: a ghost. `find_strands` returns
a matte of them, from the picture, the network's matte and the size of the face. Strands can be distinguished from what
is behind them only before a plain background, a studio's: there, thin structures that are darker (or lighter) than
the background, as the person is, and connected to the person, are hair. Where the background has thin structures of
its own (a door, a shelf, leaves) none are found.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from faceanime.geometry.interpolation import Ramp, linear_step
from faceanime.render.masks import disc
from faceanime.structures.frames import Pixels

SoftMask = Float32[np.ndarray, "H W"]


@dataclass(frozen=True)
class StrandLook:
    """Detection of strands; lengths in face heights, chosen by eye unless stated otherwise."""

    width: float = 0.02
    """Width of the widest strand."""
    reach: float = 0.4
    """Largest distance of a strand from the person."""
    neighborhood: float = 0.5
    """Half the side of the square in which person and background are compared; more than `reach`."""
    least_remote_area: float = 0.04
    """Least fraction of the picture that must lie beyond `reach` for the background to be judged by these pixels."""
    near_remote: float = 0.15
    """Distance from the person beyond which pixels judge the background where too few lie beyond `reach`; few strands
    are longer."""
    largest_face_px: float = 480.0
    """Height to which larger faces are scaled down, because their strands are wide, px."""
    contrast: Ramp = (5.0, 16.0)
    """Ramp of a thin structure's difference from the pixels beside it, in levels of 255: 1 means strand."""
    clutter: Ramp = (0.001, 0.003)
    """Ramp of the fraction of a background's pixels on thin structures: 0 means plain, 1 means that no strand is
    trusted. Studios' backgrounds have less than 0.0002, rooms mostly more than 0.004."""
    connecting: float = 0.2
    """Least weight of a strand that connects others to the person."""


_LOOK = StrandLook()


def find_strands(picture: Pixels, matte: SoftMask, face_px: float) -> SoftMask:
    """The probability that a pixel of a picture (H,W,3) is a strand of hair which the `matte` in [0,1] misses.

    `face_px` is the height of the face.
    """
    if face_px > _LOOK.largest_face_px:
        height, width = matte.shape
        factor = _LOOK.largest_face_px / face_px
        size = (max(round(width * factor), 1), max(round(height * factor), 1))
        small, small_matte = (cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in (picture, matte))
        found = find_strands(small, small_matte, _LOOK.largest_face_px)
        return np.asarray(cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR))
    person = matte > 0.5
    distance = cv2.distanceTransform((~person).astype(np.uint8), cv2.DIST_L2, 3)
    remote = _remote_pixels(distance, face_px)
    if not person.any() or not remote.any():
        return np.zeros(matte.shape, np.float32)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    darker, lighter = _thin_structures(grey, face_px)
    plainness = _plainness(np.maximum(darker, lighter)[remote])
    hair_like = np.where(_person_is_darker(grey, person, face_px), darker, lighter)
    strands = plainness * hair_like * (distance < _LOOK.reach * face_px)
    return _connected_to(person, strands)


def _remote_pixels(distance: SoftMask, face_px: float) -> Bool[np.ndarray, "H W"]:
    """The pixels beyond strands' reach, by their `distance` from the person, px."""
    remote = distance > _LOOK.reach * face_px
    if remote.mean() < _LOOK.least_remote_area:
        remote = distance > _LOOK.near_remote * face_px
    return np.asarray(remote)


def _thin_structures(grey: UInt8[np.ndarray, "H W"], face_px: float) -> tuple[SoftMask, SoftMask]:
    """The weights in [0,1] of structures that are thin and darker, or lighter, than their surroundings."""
    element = disc(max(round(_LOOK.width * face_px / 2), 1))
    darker, lighter = (
        linear_step(cv2.morphologyEx(grey, operation, element).astype(np.float32), *_LOOK.contrast)
        for operation in (cv2.MORPH_BLACKHAT, cv2.MORPH_TOPHAT)
    )
    return darker, lighter


def _plainness(structures: Float32[np.ndarray, " N"]) -> float:
    """Plainness of a background, 0 to 1, from the weights of the thin structures in it."""
    clutter = float((structures > 0.5).mean())
    plainest, busiest = _LOOK.clutter
    return float(linear_step(clutter, busiest, plainest))


def _person_is_darker(
    grey: UInt8[np.ndarray, "H W"], person: Bool[np.ndarray, "H W"], face_px: float
) -> Bool[np.ndarray, "H W"]:
    """Mask of the pixels in whose neighborhood the person is on average darker than the background."""
    level, inside = grey.astype(np.float32), person.astype(np.float32)
    reach_px = _LOOK.neighborhood * face_px
    return _local_mean(level, inside, reach_px) < _local_mean(level, 1.0 - inside, reach_px)


def _local_mean(values: SoftMask, weight: SoftMask, reach_px: float) -> SoftMask:
    """The weighted mean in a square around each pixel; 0 where all weights are."""
    side = 2 * max(round(reach_px), 1) + 1
    total, weights = cv2.blur(values * weight, (side, side)), cv2.blur(weight, (side, side))
    return np.asarray(total / np.maximum(weights, 1e-3), np.float32)


def _connected_to(person: Bool[np.ndarray, "H W"], strands: SoftMask) -> SoftMask:
    """The strands without those that are not connected to the person; gaps of a pixel or two are bridged."""
    joined = (person | (strands > _LOOK.connecting)).astype(np.uint8)
    _, component = cv2.connectedComponents(cv2.dilate(joined, np.ones((3, 3), np.uint8)))
    kept = np.zeros(int(component.max()) + 1, np.float32)
    kept[np.unique(component[person])] = 1.0
    return np.asarray(strands * kept[component], np.float32)
