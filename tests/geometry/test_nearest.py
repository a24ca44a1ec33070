"""The nearest point of a mesh is on it, and none of many points on it is nearer."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from faceanime.geometry.nearest import nearest_on_mesh


@given(st.integers(0, 1000))
def test_no_point_of_the_mesh_is_nearer(seed: int) -> None:
    rng = np.random.default_rng(seed)
    vertices, triangles = rng.normal(size=(9, 3)), rng.permutation(9).reshape(3, 3)
    points = 2.0 * rng.normal(size=(5, 3))
    triangle, weight = nearest_on_mesh(points, vertices, triangles)
    assert (weight >= 0.0).all()
    np.testing.assert_allclose(weight.sum(axis=1), 1.0)
    found = np.einsum("nc,ncx->nx", weight, vertices[triangles[triangle]])
    tried = rng.dirichlet(np.full(3, 0.5), size=(3, 500))
    others = np.einsum("fpc,fcx->fpx", tried, vertices[triangles]).reshape(-1, 3)
    least = np.linalg.norm(points[:, None] - others, axis=2).min(axis=1)
    assert (np.linalg.norm(points - found, axis=1) <= least + 1e-9).all()


def test_points_of_the_mesh_are_found_where_they_are() -> None:
    rng = np.random.default_rng(0)
    vertices, triangles = rng.normal(size=(30, 3)), np.arange(30).reshape(10, 3)
    weights = rng.dirichlet(np.ones(3), size=10)
    points = np.einsum("nc,ncx->nx", weights, vertices[triangles])
    triangle, weight = nearest_on_mesh(points, vertices, triangles)
    np.testing.assert_allclose(
        np.einsum("nc,ncx->nx", weight, vertices[triangles[triangle]]), points, atol=1e-9
    )


def test_a_triangle_without_area_counts_as_its_edges() -> None:
    vertices = np.array([[0.0, 0, 0], [2.0, 0, 0], [1.0, 0, 0]])
    _, weight = nearest_on_mesh(np.array([[0.5, 1.0, 0.0]]), vertices, np.array([[0, 1, 2]]))
    np.testing.assert_allclose(weight @ vertices, [[0.5, 0.0, 0.0]])
