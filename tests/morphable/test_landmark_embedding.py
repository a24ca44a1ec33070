"""An embedding gives the landmarks of a mesh, and spreads what is known of them over it."""

from dataclasses import replace

import numpy as np
import pytest

from faceanime.core.errors import MorphableModelError
from faceanime.morphable.landmark_embedding import LandmarkEmbedding
from faceanime.morphable.mediapipe_schema import MEDIAPIPE
from faceanime.morphable.model import MorphableModel
from meshes import denser, relabelled

SQUARE = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.5, 0.5]])
FANS = np.array([[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]], np.int32)
"""A square and its middle."""


def test_the_bundled_models_landmarks_are_its_vertices(model: MorphableModel) -> None:
    assert model.embedding.is_identity(len(model.mean))
    assert model.landmarks_of(model.mean) is not None
    np.testing.assert_array_equal(model.landmarks_of(model.mean), model.mean)
    np.testing.assert_allclose(model.embedding.weight.sum(axis=1), 1.0)


@pytest.mark.parametrize("make", [relabelled, denser])
def test_landmarks_of_another_mesh_are_the_same(model: MorphableModel, make) -> None:  # type: ignore[no-untyped-def]
    other = make(model, np.random.default_rng(0))
    assert not other.embedding.is_identity(len(other.mean))
    rng = np.random.default_rng(1)
    identity, expression = rng.normal(size=(2, 40)), rng.normal(size=(2, 68))
    here, there = (m.landmarks_of(m.vertices(identity, expression)) for m in (model, other))
    np.testing.assert_allclose(there, here, atol=1e-5)
    np.testing.assert_allclose(other.landmark_expression_basis, model.landmark_expression_basis, atol=1e-6)
    np.testing.assert_allclose(other.apparent_basis, model.apparent_basis, atol=1e-6)
    np.testing.assert_array_equal(other.landmark_mirror, model.landmark_mirror)


def test_a_landmark_is_the_weighted_mean_of_its_vertices() -> None:
    embedding = LandmarkEmbedding(np.array([[0, 1, 2]], np.int32), np.array([[0.5, 0.25, 0.25]], np.float32))
    np.testing.assert_allclose(embedding.of(SQUARE), [[0.5, 0.25]])
    assert embedding.nearest_vertex.tolist() == [0]


def test_a_spread_movement_moves_the_landmarks_by_what_was_asked() -> None:
    embedding = LandmarkEmbedding(
        np.array([[0, 1, 4], [2, 2, 2]], np.int32), np.array([[0.2, 0.3, 0.5], [1, 0, 0]], np.float32)
    )
    moves = np.array([[0.3, -0.1], [0.0, 0.2]])
    spread = embedding.spread(moves, FANS, len(SQUARE))
    np.testing.assert_allclose(embedding.of(spread), moves, atol=1e-7)


def test_vertices_between_landmarks_move_by_the_mean_of_their_neighbors() -> None:
    corners = LandmarkEmbedding.selecting(np.arange(4))
    moves = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
    spread = corners.spread(moves, FANS, len(SQUARE) + 1)
    np.testing.assert_allclose(spread[:4], moves, atol=1e-9)
    np.testing.assert_allclose(spread[4], [0.25, 0.5], atol=1e-7)
    np.testing.assert_allclose(spread[5], 0.0, atol=1e-9)  # no edge joins it to the rest


def test_where_every_vertex_is_a_landmark_each_moves_by_its_own(model: MorphableModel) -> None:
    moves = np.random.default_rng(0).normal(size=(model.landmark_count, 3))
    np.testing.assert_array_equal(model.spread(moves), moves)
    other = relabelled(model, np.random.default_rng(0))
    np.testing.assert_array_equal(other.landmarks_of(other.spread(moves)), moves)


def test_weights_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(MorphableModelError, match=r"landmark 0's .* 0\.9, expected 1"):
        LandmarkEmbedding(np.zeros((1, 3), np.int32), np.array([[0.5, 0.2, 0.2]], np.float32))


def test_a_group_outside_the_landmarks_is_refused() -> None:
    with pytest.raises(MorphableModelError, match=r"group chin .* expected 0 to 477"):
        replace(MEDIAPIPE, chin=np.array([478]))
    eye = replace(MEDIAPIPE.left_eye, inner_corner=-1)
    with pytest.raises(MorphableModelError, match=r"group left_eye\.inner_corner"):
        replace(MEDIAPIPE, left_eye=eye)
