"""Hair that hangs before a face: where the source shows it, the mesh lies no deeper than hair does.

A cheek's outline lies far behind the cheek. Where hair hides it, what the mesh carries there is hair, which hangs in
front: left at the outline's depth it would be stretched into a dark blot as the cheek turns to the viewer.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float, Float32
from scipy.ndimage import gaussian_filter1d, minimum_filter1d

from faceanime.geometry.camera import project, unproject
from faceanime.geometry.flow import sample
from faceanime.geometry.rasterize import rasterize_attributes
from faceanime.morphable import topology
from faceanime.morphable.model import MorphableModel, Region
from faceanime.render.head.sheet import face_region, source_shape
from faceanime.structures.coefficients import FittedFace
from faceanime.structures.frames import Pixels

_SKIN = (
    *(9, 151, 108, 337, 69, 299, 4, 195, 50, 280, 101),
    *(330, 117, 346, 205, 425, 187, 411, 207, 427, 199, 200),
)
"""Landmarks on skin: forehead, nose, cheeks, chin."""
_EYES, _MOUTH = (145, 374), (61, 291)
"""Hair is looked for beside what lies between them: above are temples, whose hair lies close, below beards, shadows."""
_ENDS = (0.1, 0.2)
"""Over so much above the eyes, and below the mouth, it counts less and less, in heights of the face."""
_NEAR = 0.3
"""How near skin must be to tell what skin looks like at a place, in heights of the face."""
_SOFT = 0.008
"""Single strands are not seen: they are thinner than this, in heights of the face."""
_WITHIN = np.linspace(1.0, 0.6, 41)
"""Where on its way from the face's middle to the outline a ray may be covered, from the outline inward ..."""
_COVERS, _SURELY_HAIR = (0.04, 0.08), (28.0, 42.0)
"""... the shares of the way that must be hair for it to hang before the face at all, and wholly; and the distances in
CIELAB from skin from which on what is the person's may be hair, and is: shadows on skin reach 28."""
_BESIDE = np.linspace(1.03, 1.15, 13)
"""Where long hair hangs beside the outline, as it does before a cheek whose outline it touches ..."""
_TOUCHES, _HAIR = (0.5, 0.9), (18.0, 32.0)
"""... the shares of that that must be hair, and the distances: beside lies the background, which is nobody's."""
_RIM = 0.02
"""So much further in than where hair begins skin is seen too flat to be stretched, in shares of the way."""
_SLOPE = 1.2
"""How far back hair lies at most for each step outward from there."""


def hair_before(
    face: FittedFace, source: Pixels, matte: Float32[np.ndarray, "H W"], model: MorphableModel
) -> FittedFace:
    """The face with its outer landmarks no deeper than the hair that the picture (H,W,3) shows before them.

    In the picture all stay where they are. `matte` (H,W) in [0,1], how surely a pixel is the person's.
    """
    pose, count = face.coefficients.pose, model.landmark_count
    shape = source_shape(face, model)
    points = project(shape, pose)
    oval = points[list(topology.OVAL), :2]
    height = float(np.ptp(oval[:, 1]))
    centre = (oval.min(axis=0) + oval.max(axis=0)) / 2
    out = oval - centre

    def hair(shares: Float[np.ndarray, " S"], unlike: tuple[float, float]) -> Float[np.ndarray, "S R"]:
        """How surely what is seen so far out on the rays is hair."""
        places = centre + shares[:, None, None] * out
        persons = sample(matte[..., None], places.astype(np.float32))[..., 0]
        return persons * np.interp(_unlike_skin(source, points[:count], places, height), unlike, (0.0, 1.0))

    covered = np.minimum.accumulate(hair(_WITHIN, _SURELY_HAIR)).mean(axis=0) * float(np.ptp(_WITHIN))
    beside = hair(_BESIDE, _HAIR).mean(axis=0)
    touched = minimum_filter1d(beside, 3, mode="wrap")  # by more than an ear's shadow
    hangs = np.maximum(np.interp(covered, _COVERS, (0.0, 1.0)), np.interp(touched, _TOUCHES, (0.0, 1.0)))
    hangs = _around(hangs * _between(oval[:, 1], points, height))
    if not hangs.any():
        return face
    begins = _around(1.0 - covered - _RIM)
    depth = _depth_at(points, model, centre + begins[:, None] * out)
    away = points[:count, :2] - centre
    angles, ray_angles = (np.arctan2(way[:, 1], way[:, 0]) for way in (away, out))

    def at(values: Float[np.ndarray, " R"]) -> Float[np.ndarray, " L"]:
        """What is known of rays, at the landmarks."""
        return np.interp(angles, ray_angles, values, period=2.0 * np.pi)

    outward = np.linalg.norm(away, axis=1) - at(begins * np.linalg.norm(out, axis=1))
    nearest = at(depth) - _SLOPE * outward
    points[:count, 2] += (outward > 0.0) * at(hangs) * np.maximum(nearest - points[:count, 2], 0.0)
    return replace(face, residual=face.residual + unproject(points, pose) - shape)


def _between(
    rows: Float[np.ndarray, " R"], points: Float[np.ndarray, "V 3"], height: float
) -> Float[np.ndarray, " R"]:
    """1 between eyes and mouth, 0 well above and below."""
    top, bottom = (float(points[list(ends), 1].mean()) for ends in (_EYES, _MOUTH))
    steps = (top - _ENDS[0] * height, top, bottom, bottom + _ENDS[1] * height)
    return np.interp(rows, steps, (0.0, 1.0, 1.0, 0.0))


def _around(values: Float[np.ndarray, " R"]) -> Float[np.ndarray, " R"]:
    """Smoothed over neighbouring rays."""
    return np.asarray(gaussian_filter1d(values, 1.0, mode="wrap"))


def _unlike_skin(
    source: Pixels, points: Float[np.ndarray, "V 3"], places: Float[np.ndarray, "S R 2"], height: float
) -> Float[np.ndarray, "S R"]:
    """How far the colours at places (px) are from those of the skin near by, in CIELAB."""
    near = face_region(points, source.shape[1], source.shape[0], 1.2)
    corner = np.array([near.left, near.top], np.float64)
    soft = cv2.GaussianBlur(source[near.slices], (0, 0), max(_SOFT * height, 0.5))
    lab = cv2.cvtColor(soft.astype(np.float32) / np.float32(255.0), cv2.COLOR_RGB2LAB)
    skin_at = points[list(_SKIN), :2]
    skin = sample(lab, (skin_at - corner)[None].astype(np.float32))[0]
    apart = np.linalg.norm(places[..., None, :] - skin_at, axis=-1) / (_NEAR * height)
    weight = np.exp(-0.5 * apart**2)
    expected = (weight @ skin) / np.maximum(weight.sum(axis=-1, keepdims=True), 1e-9)
    seen = sample(lab, (places - corner).astype(np.float32))
    return np.asarray(np.linalg.norm(seen - expected, axis=-1))


_VIEW_PX = 128.0
"""Side of the view in which depths are looked up."""


def _depth_at(
    points: Float[np.ndarray, "V 3"], model: MorphableModel, places: Float[np.ndarray, "R 2"]
) -> Float[np.ndarray, " R"]:
    """How near the face is at places (px) of its picture, px."""
    mesh = points[: model.landmark_count]
    low = mesh.min(axis=0)
    scale = _VIEW_PX / float((mesh[:, :2].max(axis=0) - low[:2]).max())
    side = int(_VIEW_PX) + 1
    face = model.triangles[model.region != Region.RING]
    seen, _ = rasterize_attributes(
        scale * (points - low), face, points[:, 2:].copy(), side, side, background=low[2]
    )
    return np.asarray(
        sample(seen, (scale * (places - low[:2]))[None].astype(np.float32))[0, :, 0], np.float64
    )
