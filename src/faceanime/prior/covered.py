"""Hair that hangs before a face: where the source shows it, the mesh lies no deeper than hair does.

A cheek's outline lies far behind the cheek. Where hair hides it, what the mesh carries there is hair, which hangs in
front: left at the outline's depth it would be stretched into a dark blot as the cheek turns to the viewer.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float, Float32
from scipy.ndimage import gaussian_filter1d

from faceanime.geometry.camera import project, unproject
from faceanime.geometry.flow import sample
from faceanime.geometry.rasterize import rasterize_attributes
from faceanime.morphable import topology
from faceanime.morphable.model import MorphableModel, Region
from faceanime.prior.warp import source_shape
from faceanime.structures.coefficients import FittedFace
from faceanime.structures.frames import Pixels

_SKIN = (
    9,
    151,
    108,
    337,
    69,
    299,
    4,
    195,
    50,
    280,
    101,
    330,
    117,
    346,
    205,
    425,
    187,
    411,
    207,
    427,
    199,
    200,
)
"""Landmarks on skin: forehead, nose, cheeks, chin."""
_BROWS, _MOUTH = (105, 334), (61, 291)
"""Hair is looked for beside what lies between them: above is the hairline, below are beards and shadows."""
_ENDS = (0.1, 0.2)
"""Over so much above the brows, and below the mouth, it counts less and less, in heights of the face."""
_NEAR = 0.3
"""How near skin must be to tell what skin looks like at a place, in heights of the face."""
_SOFT = 0.008
"""Single strands are not seen: they are thinner than this, in heights of the face."""
_FROM, _TO, _PLACES = 0.6, 1.1, 51
"""Rays are looked at between these shares of their way to the outline, at so many places ..."""
_AT_THE_END = 8
"""... and hair hangs before the outline, or beside it, where one of the last of them is hair's."""
_UNLIKE = (18.0, 32.0)
"""Distances in CIELAB from skin from which on a place may be hair's, and is."""
_RIM = 0.08
"""So much further in than where hair begins skin is seen too flat to be stretched, in shares of the way ..."""
_SHORT = (0.6, 0.9)
"""... but not on a side that is turned away, so many times as short as the other: there hair lies behind the cheek."""
_SLOPE = 1.0
"""How far back hair lies at most for each step outward from there."""


def hair_before(face: FittedFace, source: Pixels, model: MorphableModel) -> FittedFace:
    """The face with its outer landmarks no deeper than the hair that the picture (H,W,3) shows there.

    In the picture all stay where they are.
    """
    pose, count = face.coefficients.pose, model.landmark_count
    shape = source_shape(face, model)
    points = project(shape, pose)
    oval = points[list(topology.OVAL), :2]
    height = float(np.ptp(oval[:, 1]))
    centre = (oval.min(axis=0) + oval.max(axis=0)) / 2
    out = oval - centre
    places = centre + np.linspace(_FROM, _TO, _PLACES)[:, None, None] * out
    hair = np.interp(_unlike_skin(source, points, places, height), _UNLIKE, (0.0, 1.0))
    hair = np.minimum.accumulate(hair[::-1])[::-1]  # and nothing else further out
    length = np.linalg.norm(out, axis=1)
    seen = np.interp(
        length / np.roll(length[::-1], 1), _SHORT, (0.0, 1.0)
    )  # against the other side of the face
    begins = _around(np.minimum(_TO - (_TO - _FROM) * hair.mean(axis=0), 1.0) - _RIM * seen)
    hangs = _around(hair[-_AT_THE_END:].max(axis=0) * _beside(oval[:, 1], points, height))
    depth = _depth_at(points, model, centre + begins[:, None] * out, source.shape[:2])
    away = points[:count, :2] - centre
    angles, ray_angles = (np.arctan2(way[:, 1], way[:, 0]) for way in (away, out))

    def at(values: Float[np.ndarray, " R"]) -> Float[np.ndarray, " L"]:
        """What is known of rays, at the landmarks."""
        order = np.argsort(ray_angles)
        return np.interp(angles, ray_angles[order], values[order], period=2.0 * np.pi)

    outward = np.linalg.norm(away, axis=1) - at(begins * length)
    nearest = at(depth) - _SLOPE * outward
    points[:count, 2] += (outward > 0.0) * at(hangs) * np.maximum(nearest - points[:count, 2], 0.0)
    return replace(face, residual=face.residual + unproject(points, pose) - shape)


def _beside(
    rows: Float[np.ndarray, " R"], points: Float[np.ndarray, "V 3"], height: float
) -> Float[np.ndarray, " R"]:
    """1 between brows and mouth, 0 well above and below."""
    top, bottom = (float(points[list(ends), 1].mean()) for ends in (_BROWS, _MOUTH))
    steps = (top - _ENDS[0] * height, top, bottom, bottom + _ENDS[1] * height)
    return np.interp(rows, steps, (0.0, 1.0, 1.0, 0.0))


def _around(values: Float[np.ndarray, " R"]) -> Float[np.ndarray, " R"]:
    """Smoothed over neighbouring rays."""
    return np.asarray(gaussian_filter1d(values, 1.0, mode="wrap"))


def _unlike_skin(
    source: Pixels, points: Float[np.ndarray, "V 3"], places: Float[np.ndarray, "S R 2"], height: float
) -> Float[np.ndarray, "S R"]:
    """How far the colours at places (px) are from those of the skin near by, in CIELAB."""
    soft = cv2.GaussianBlur(source, (0, 0), max(_SOFT * height, 0.5))
    lab = cv2.cvtColor(soft.astype(np.float32) / np.float32(255.0), cv2.COLOR_RGB2LAB)
    skin_at = points[list(_SKIN), :2]
    skin = sample(lab, skin_at[None].astype(np.float32))[0]
    apart = np.linalg.norm(places[..., None, :] - skin_at, axis=-1) / (_NEAR * height)
    weight = np.exp(-0.5 * apart**2)
    expected = (weight @ skin) / np.maximum(weight.sum(axis=-1, keepdims=True), 1e-9)
    return np.asarray(np.linalg.norm(sample(lab, places.astype(np.float32)) - expected, axis=-1))


def _depth_at(
    points: Float[np.ndarray, "V 3"],
    model: MorphableModel,
    places: Float[np.ndarray, "R 2"],
    size: tuple[int, ...],
) -> Float32[np.ndarray, " R"]:
    """How near the face is at places (px) of its picture, of that height and width."""
    face = model.triangles[model.region != Region.RING]
    depth, _ = rasterize_attributes(
        points, face, points[:, 2:].copy(), size[0], size[1], background=float(points[:, 2].min())
    )
    return np.asarray(sample(depth, places[None].astype(np.float32))[0, :, 0])
