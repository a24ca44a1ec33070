"""Surfaces: neighbors run alike, and normals point outward."""

import numpy as np
import pytest

from faceanime.geometry.surface import consistent_winding, vertex_normals
from faceanime.morphable.lips import openings_along_lips
from faceanime.morphable.model import MorphableModel
from faceanime.render.neutral_mesh import neutral_mesh
from faceanime.structures.landmarks import Landmarks
from faceanime.structures.portrait import Portrait
from heads import axes_of, face_of, fitted, landmarks_of, pose_of

SQUARES = np.array([[0, 1, 2], [0, 2, 3], [1, 4, 2], [4, 5, 2]])


def directed_edges(triangles: np.ndarray) -> np.ndarray:
    return np.concatenate([triangles[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))])


@pytest.mark.parametrize("reversed_ones", [[], [0], [3], [1, 2]])
def test_triangles_that_run_against_their_neighbors_are_turned(reversed_ones: list[int]) -> None:
    made = SQUARES.copy()
    made[reversed_ones] = made[reversed_ones][:, ::-1]
    edges = directed_edges(consistent_winding(made))
    assert len(np.unique(edges, axis=0)) == len(edges), "no edge is run along twice in one direction"
    if len(reversed_ones) == 1:
        rest = np.delete(np.arange(4), reversed_ones)
        np.testing.assert_array_equal(consistent_winding(made)[rest], made[rest])


def test_parts_that_do_not_touch_keep_what_most_of_them_do() -> None:
    made = np.concatenate([SQUARES, SQUARES[:, ::-1] + 10])
    made[2] = made[2, ::-1]
    expected = np.concatenate([SQUARES, SQUARES[:, ::-1] + 10])
    expected[2] = made[2, ::-1]
    np.testing.assert_array_equal(consistent_winding(made), expected)


def test_normals_of_a_sphere_point_outward() -> None:
    angles = np.linspace(0.2, np.pi - 0.2, 24), np.linspace(0, 2 * np.pi, 48, endpoint=False)
    polar, around = np.meshgrid(*angles, indexing="ij")
    points = np.stack(
        [np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)], axis=-1
    )
    index = np.arange(24 * 48).reshape(24, 48)
    a, b, c, d = index[:-1], index[1:], np.roll(index, -1, 1)[1:], np.roll(index, -1, 1)[:-1]
    triangles = np.concatenate(
        [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)]
    )
    normals = vertex_normals(points.reshape(-1, 3), triangles)
    inner = index[1:-1].ravel()
    assert (normals[inner] * points.reshape(-1, 3)[inner]).sum(axis=1).min() > 0.995


def test_a_vertex_without_triangles_has_a_normal_all_the_same() -> None:
    normals = vertex_normals(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 5, 5.0]]), np.array([[0, 1, 2]]))
    np.testing.assert_array_equal(normals, np.tile([0, 0, 1], (4, 1)))


@pytest.mark.parametrize("own", [{}, {"smile": 1.0, "jaw_open": 0.4}], ids=["neutral", "laughing"])
def test_a_portraits_mesh_has_no_hole_and_closed_lips(model: MorphableModel, own: dict[str, float]) -> None:
    identity = 0.6 * np.random.default_rng(4).normal(size=model.identity_count)
    face = face_of(model, pose_of(scale=90, at=(128, 128)), identity, axes_of(model, **own))
    picture, matte = np.zeros((256, 256, 3), np.uint8), np.ones((256, 256), np.float32)
    points = landmarks_of(face, model).astype(np.float32)
    vertices, normals, triangles, _ = neutral_mesh(
        Portrait(picture, Landmarks(points, 1.0), fitted(face, model), matte), model
    )
    edges = directed_edges(triangles)
    assert len(np.unique(edges, axis=0)) == len(edges)
    assert normals[:, 2].mean() > 0.3, "the face looks at the viewer"
    at = model.embedding.nearest_vertex
    used = np.unique(model.triangles)
    lips = [
        np.searchsorted(used, at[group[1:-1]])
        for group in (model.schema.inner_lips_upper, model.schema.inner_lips_lower)
    ]
    assert np.abs(vertices[lips[0], 1] - vertices[lips[1], 1]).max() < 0.008
    parted = openings_along_lips(model, identity, np.zeros(model.expression_count))
    assert parted.max() > 0.02, "the model's own neutral lips are parted"
