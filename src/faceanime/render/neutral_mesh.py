"""A portrait's face as a mesh for other programs: neutral, lips closed, frontal, textured by the portrait itself."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32, Int32

from faceanime.geometry.camera import project
from faceanime.geometry.surface import consistent_winding, vertex_normals
from faceanime.morphable.lips import lips_opened_by, openings_along_lips
from faceanime.morphable.model import MorphableModel
from faceanime.render.head.sheet import source_shape
from faceanime.structures.portrait import Portrait


def neutral_mesh(
    portrait: Portrait, model: MorphableModel
) -> tuple[
    Float[np.ndarray, "N 3"], Float32[np.ndarray, "N 3"], Int32[np.ndarray, "F 3"], Float[np.ndarray, "N 2"]
]:
    """Return vertices (N,3) in model units, their normals (N,3), triangles (F,3) and texture coordinates (N,2).

    Its lips touch, although the model's neutral ones are parted by the mean of all people's, talking ones among them.
    Texture coordinates in the portrait, in [0, 1], count from its lower left corner, as in Wavefront .obj.
    """
    face = portrait.face
    seen = project(source_shape(face, model), face.coefficients.pose)[:, :2]
    identity, expression = face.coefficients.identity, np.zeros(model.expression_count)
    closed = expression - lips_opened_by(openings_along_lips(model, identity, expression), model)
    neutral = model.vertices(identity, closed)
    height, width = portrait.pixels.shape[:2]
    uv = np.clip(seen / (width, height), 0.0, 1.0)
    uv[:, 1] = 1.0 - uv[:, 1]
    used = np.unique(model.triangles)
    index = np.zeros(len(neutral), np.int32)
    index[used] = np.arange(len(used), dtype=np.int32)
    vertices, triangles = neutral[used], consistent_winding(index[model.triangles])
    return vertices, vertex_normals(vertices, triangles), triangles, uv[used]
