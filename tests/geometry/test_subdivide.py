"""A divided mesh is the same surface on more vertices, and its outline is left whole."""

import numpy as np
import pytest

from faceanime.geometry.subdivide import divided, outline
from faceanime.morphable.model import MorphableModel


def areas(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    a, b, c = np.moveaxis(points[triangles], 1, 0)
    return np.asarray(np.cross(b - a, c - a) / 2)


@pytest.mark.parametrize("parts", [1, 2, 3, 5])
def test_each_triangle_keeps_its_area_and_direction(parts: int, model: MorphableModel) -> None:
    mesh = divided(model.triangles, len(model.mean), parts)
    mean = model.mean.astype(np.float64)
    points = np.einsum("wc,wcx->wx", mesh.weight, mean[mesh.corner])
    small, old = areas(points, mesh.triangles), areas(mean, model.triangles)
    total = np.zeros_like(old)
    np.add.at(total, mesh.parent, small)
    np.testing.assert_allclose(total, old, atol=1e-12)
    assert (np.einsum("fx,fx->f", small, old[mesh.parent]) > -1e-15).all()


@pytest.mark.parametrize("parts", [1, 2, 3, 5])
def test_the_old_vertices_come_first_and_edges_stay_closed(parts: int, model: MorphableModel) -> None:
    mesh = divided(model.triangles, len(model.mean), parts)
    count = len(model.mean)
    np.testing.assert_array_equal(mesh.corner[:count, 0], np.arange(count))
    np.testing.assert_array_equal(mesh.weight[:count], np.tile([1.0, 0.0, 0.0], (count, 1)))
    np.testing.assert_allclose(mesh.weight.sum(axis=1), 1.0)
    np.testing.assert_array_equal(outline(mesh.triangles), outline(model.triangles))
    assert len(np.unique(np.round(mesh.weight @ [1, 2, 4], 9))) <= (parts + 1) ** 2


def test_neighbors_share_the_vertices_of_their_edge() -> None:
    mesh = divided(np.array([[0, 1, 2], [2, 1, 3]]), 4, 2)
    assert len(mesh.corner) == 5  # the middle of the common edge alone; the outline is whole
    np.testing.assert_array_equal(np.sort(mesh.corner[4][mesh.weight[4] > 0]), [1, 2])
