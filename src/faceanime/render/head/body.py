"""The motion of neck and shoulders: what of a head's shift and growth its neck cannot take up, the body follows.

A head that turns stands on a still body. One that rises, slides, leans or comes closer by more than a neck can bend
carries the body along: shifted and scaled as a whole, never turned. A shift is first explained by the turning, about
the middle of the head or about the root of the neck, whichever leaves less.

The body ends where the picture does. Where its motion would uncover a place outside the picture, it fades out from the
collar to that edge, so that clothes are stretched there, and nothing is invented.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from faceanime.geometry.camera import FLIP_Y
from faceanime.geometry.interpolation import Ramp, smoothstep
from faceanime.geometry.similarity import apply_affine
from faceanime.geometry.soft_limit import soft_limit
from faceanime.structures.coefficients import HeadPose
from faceanime.structures.raster import Box

Places = Float[np.ndarray, "N 2"]


@dataclass(frozen=True)
class NeckRule:
    """How much a neck takes up, in model units, of which the outer eye corners are about one apart; chosen by eye."""

    root: tuple[float, float, float] = (0.0, -1.7, -0.8)
    """The root of the neck, about which heads turn: below the chin, in the plane of the ears."""
    reach: tuple[float, float] = (0.05, 0.025)
    """Largest shift of the head, sideways and up or down, that the body does not follow."""
    growth: float = 0.02
    """Largest logarithm of the head's growth that the body does not follow."""
    knee: float = 0.5
    """Fraction of these limits up to which the body stands still."""


@dataclass(frozen=True)
class BodyLook:
    """Where the body is, in heights of the face; chosen by eye."""

    top: Ramp = (-0.4, -0.15)
    """Rows relative to the chin, positive downward, over which the body begins, as in `matte.MatteLook.body`."""
    collar: float = 0.36
    """Depth of the collar below the chin, down to which the body moves as a whole."""
    shoulder: float = 0.05
    """Distance from the sides of the face within which the body moves as a whole."""
    least_fade: float = 0.15
    """Least length over which the motion fades out toward an edge."""


_NECK, _LOOK = NeckRule(), BodyLook()


def body_from_portrait(source: HeadPose, target: HeadPose) -> Float[np.ndarray, "2 3"]:
    """How the body moves when the head goes from its pose in the portrait to another one: an affine map, px.

    It is the identity exactly as long as the neck takes up all of the motion.
    """
    root = np.array(_NECK.root)
    growth = np.asarray(np.log(target.scale / source.scale))
    scale = float(np.exp(growth - soft_limit(growth, _NECK.knee * _NECK.growth, _NECK.growth)))
    seen, seen_turned = _flat(source.rotation @ root), _flat(target.rotation @ root)
    # the shift of the root, in model units, if the head had not turned
    shift = (target.translation_px - source.translation_px) / target.scale
    shift = shift + (1.0 - source.scale / target.scale) * seen
    turned = seen - seen_turned  # the head's shift if it turned about the root
    length = float(turned @ turned)
    if length > 0.0:
        shift = shift - np.clip(shift @ turned / length, 0.0, 1.0) * turned
    limit = np.array(_NECK.reach)
    shift = target.scale * (shift - soft_limit(shift, _NECK.knee * limit, limit))
    root_px = seen * source.scale + source.translation_px
    return np.concatenate([np.eye(2) * scale, (root_px * (1.0 - scale) + shift)[:, None]], axis=1)


def _flat(point: Float[np.ndarray, "3"]) -> Float[np.ndarray, "2"]:
    """A point of the turned model as seen in the picture, +y down."""
    return (point * FLIP_Y)[:2]


class Body:
    """How far each of some places of the portrait follows the body, and where it goes."""

    def __init__(
        self,
        places: Places,
        pose: HeadPose,
        oval: Float[np.ndarray, "R 2"],
        region: Box,
        picture_size: tuple[int, int],
    ) -> None:
        """`places` and the face's outline, `oval`, in px of the picture of width and height `picture_size`.

        `pose` is the portrait's own; `region` the part of the picture that moves.
        """
        self._places, self._pose = places, pose
        (left, _), (right, chin) = oval.min(axis=0), oval.max(axis=0)
        face_px = float(np.ptp(oval[:, 1]))
        collar, beside = chin + _LOOK.collar * face_px, _LOOK.shoulder * face_px
        width, height = picture_size
        x, y = places.T
        fades = [
            smoothstep(distance / max(length, _LOOK.least_fade * face_px))
            for distance, length in (
                (x - region.left, left - beside - region.left),
                (region.right - x, region.right - right - beside),
                (region.bottom - y, region.bottom - collar),
            )
        ]
        is_picture_edge = (region.left == 0, region.right == width, region.bottom == height)
        low, high = _LOOK.top
        self._weight = smoothstep(((y - chin) / face_px - low) / (high - low))
        for fade, at_edge in zip(fades, is_picture_edge, strict=True):
            if not at_edge:
                self._weight = self._weight * fade
        self._rightward, self._leftward, self._upward = fades

    def moved(self, target: HeadPose) -> Places:
        """The places when the head has the pose `target`."""
        x, y = (apply_affine(body_from_portrait(self._pose, target), self._places) - self._places).T
        x = x * np.where(x > 0.0, self._rightward, self._leftward)
        y = y * np.where(y < 0.0, self._upward, 1.0)
        return np.asarray(self._places + self._weight[:, None] * np.stack([x, y], axis=1))
