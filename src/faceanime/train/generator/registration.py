"""A true frame laid on what the renderer drew of it, so that a network learns what is there and not to blur.

Landmarks miss lips by a pixel or two: a mouth that is drawn exactly where its geometry says is then wrong along every
edge, and what has the least L1 error is a blurred one. So the truth is moved first, smoothly and by little, to where
the drawn skin around shows it to be. What lies inside the mouth goes along: it is what is to be learned, and tells
nothing of where it is. Not for eyes: there a network is to mend where the lids lie, too.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from faceanime.generator.conditions import INSIDE
from faceanime.geometry.flow import identity_flow, sample
from faceanime.structures.frames import Pixels

_FARTHEST = 0.045
"""Moves of more than so much of the side are believed to be mistakes."""
_SMOOTH = 0.045
"""Standard deviation of what moves are smoothed with, in sides."""
_LEAST_SEEN = 0.05


def registered(
    truth: Pixels, canvas: Pixels, maps: Float32[np.ndarray, "S S C"]
) -> UInt8[np.ndarray, "S S 3"]:
    """The truth (S,S,3), moved to lie on the canvas (S,S,3); `maps` as in `Conditions`.

    Source of the flow: Kroeger et al., arXiv 1603.03590 (dense inverse search).
    """
    side = len(truth)
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    finder.setFinestScale(1)
    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (canvas, truth)]
    moves = np.asarray(finder.calc(grey[0], grey[1], np.zeros((side, side, 2), np.float32)))
    inside = cv2.dilate(maps[..., INSIDE], np.ones((5, 5), np.uint8)) > 0
    seen = (
        ~inside
        & (np.abs(maps[..., :3]).max(axis=-1) > 0)
        & (np.linalg.norm(moves, axis=-1) < _FARTHEST * side)
    )
    weight = seen.astype(np.float32)
    spread = (0, 0), _SMOOTH * side
    share = cv2.GaussianBlur(weight, *spread)[..., None]
    smooth = cv2.GaussianBlur(moves * weight[..., None], *spread) / np.maximum(share, _LEAST_SEEN)
    return np.asarray(sample(truth, identity_flow(side, side) + smooth.astype(np.float32), "cubic"))
