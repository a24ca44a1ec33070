"""The bundled model on other meshes: what is drawn and fitted must not depend on how its vertices are numbered."""

from dataclasses import replace

import numpy as np

from faceanime.morphable.landmark_embedding import LandmarkEmbedding
from faceanime.morphable.model import MorphableModel, Region


def relabelled(model: MorphableModel, rng: np.random.Generator) -> MorphableModel:
    """The same mesh, its vertices numbered otherwise."""
    old = rng.permutation(len(model.mean))
    new = np.argsort(old).astype(np.int32)
    return replace(
        model,
        embedding=LandmarkEmbedding(new[model.embedding.vertex], model.embedding.weight),
        mean=model.mean[old],
        identity_basis=model.identity_basis[old],
        expression_basis=model.expression_basis[old],
        triangles=new[model.triangles],
        mirror=new[model.mirror[old]],
    )


def denser(model: MorphableModel, rng: np.random.Generator) -> MorphableModel:
    """The same face on more vertices: skin triangles away from the lids are split at their middles, irises are means.

    The landmarks of the irises are no vertices any more, but each the mean of three around it. The vertices are
    numbered anew.
    """
    lids = model.embedding.nearest_vertex[model.schema.lids]
    skin = (model.region == Region.SKIN) & ~np.isin(model.triangles, lids).any(axis=1)
    known = {frozenset(triangle) for triangle in model.triangles[skin].tolist()}
    has_twin = np.array([frozenset(twin) in known for twin in model.mirror[model.triangles].tolist()])
    split = skin & has_twin  # a few triangles are none in the mirror
    corners = model.triangles[split]
    middles = len(model.mean) + np.arange(len(corners))
    middle_of = {frozenset(c): m for c, m in zip(corners.tolist(), middles.tolist(), strict=True)}
    mirror = [middle_of[frozenset(twin)] for twin in model.mirror[corners].tolist()]
    a, b, c = corners.T
    fans = np.concatenate(
        [np.stack(fan, axis=1) for fan in ((a, b, middles), (b, c, middles), (c, a, middles))]
    )
    added = replace(
        model,
        mean=_with_middles(model.mean, corners),
        identity_basis=_with_middles(model.identity_basis, corners),
        expression_basis=_with_middles(model.expression_basis, corners),
        triangles=np.concatenate([model.triangles[~split], fans]).astype(np.int32),
        region=np.concatenate([model.region[~split], np.full(len(fans), Region.SKIN)]).astype(np.int32),
        mirror=np.concatenate([model.mirror, mirror]).astype(np.int32),
    )
    return relabelled(_with_irises_between_vertices(added), rng)


def _with_middles(values: np.ndarray, corners: np.ndarray) -> np.ndarray:
    return np.concatenate([values, values[corners].mean(axis=1)]).astype(values.dtype)


def _with_irises_between_vertices(model: MorphableModel) -> MorphableModel:
    """Two more vertices beside each of the irises', all three moved apart: the landmark is their mean."""
    irises = np.flatnonzero(model.schema.irises)
    own = model.embedding.nearest_vertex[irises]
    first = len(model.mean) + 2 * np.arange(len(own))
    apart = np.array([[0.02, 0.0, 0.0], [-0.01, 0.01, 0.0], [-0.01, -0.01, 0.0]], np.float32)
    mean = np.concatenate([model.mean, (model.mean[own][:, None] + apart[1:]).reshape(-1, 3)])
    mean[own] += apart[0]
    vertex, weight = model.embedding.vertex.copy(), model.embedding.weight.copy()
    vertex[irises] = np.stack([own, first, first + 1], axis=1)
    weight[irises] = 1.0 / 3.0
    twin = {int(v): i for i, v in enumerate(own)}
    theirs = np.array([first[twin[int(model.mirror[v])]] for v in own])
    return replace(
        model,
        embedding=LandmarkEmbedding(vertex, weight),
        mean=mean,
        identity_basis=np.concatenate(
            [model.identity_basis, np.repeat(model.identity_basis[own], 2, axis=0)]
        ),
        expression_basis=np.concatenate(
            [model.expression_basis, np.repeat(model.expression_basis[own], 2, axis=0)]
        ),
        mirror=np.concatenate([model.mirror, np.stack([theirs, theirs + 1], axis=1).ravel()]).astype(
            np.int32
        ),
    )
