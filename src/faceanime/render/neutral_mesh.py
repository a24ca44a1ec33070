"""A portrait's face as a mesh for other programs: neutral, frontal, textured by the portrait itself."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int32

from faceanime.geometry.camera import project
from faceanime.morphable.model import MorphableModel
from faceanime.render.head.sheet import source_shape
from faceanime.structures.portrait import Portrait


def neutral_mesh(
    portrait: Portrait, model: MorphableModel
) -> tuple[Float[np.ndarray, "N 3"], Int32[np.ndarray, "F 3"], Float[np.ndarray, "N 2"]]:
    """Return vertices (N,3) in model units, triangles (F,3) and texture coordinates (N,2) in the portrait, in [0, 1].

    Texture coordinates count from the lower left corner, as in Wavefront .obj.
    """
    face = portrait.face
    seen = project(source_shape(face, model), face.coefficients.pose)[:, :2]
    neutral = model.vertices(face.coefficients.identity, np.zeros(model.expression_count))
    height, width = portrait.pixels.shape[:2]
    uv = np.clip(seen / (width, height), 0.0, 1.0)
    uv[:, 1] = 1.0 - uv[:, 1]
    used = np.unique(model.triangles)
    index = np.zeros(len(neutral), np.int32)
    index[used] = np.arange(len(used), dtype=np.int32)
    return neutral[used], index[model.triangles], uv[used]
