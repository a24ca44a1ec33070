"""The lists of points are those of MediaPipe's mesh."""

from collections import Counter

import numpy as np
import pytest
from mediapipe.python.solutions.face_mesh_connections import FACEMESH_TESSELATION

from faceanime.morphable import topology
from faceanime.morphable.model import MorphableModel

HOLES = (
    (topology.RIGHT_EYE_LOWER, topology.RIGHT_EYE_UPPER),
    (topology.LEFT_EYE_LOWER, topology.LEFT_EYE_UPPER),
    (topology.INNER_LIPS_LOWER, topology.INNER_LIPS_UPPER),
)
MIRRORED = (
    (topology.RIGHT_EYE_LOWER, topology.LEFT_EYE_LOWER[::-1]),
    (topology.RIGHT_EYE_UPPER, topology.LEFT_EYE_UPPER[::-1]),
    (topology.RIGHT_BROW, topology.LEFT_BROW),
    (topology.INNER_LIPS_LOWER, topology.INNER_LIPS_LOWER[::-1]),
    (topology.INNER_LIPS_UPPER, topology.INNER_LIPS_UPPER[::-1]),
    (topology.OVAL, topology.OVAL[:1] + topology.OVAL[:0:-1]),
)

Edge = frozenset[int]


@pytest.fixture(scope="module")
def skin() -> np.ndarray:
    return topology.triangles_from_edges(FACEMESH_TESSELATION)


def edges_of(triangles: np.ndarray) -> Counter[Edge]:
    """How many triangles lie on each edge."""
    return Counter(frozenset((int(t[i]), int(t[i - 1]))) for t in triangles for i in range(3))


def loop(points: tuple[int, ...]) -> set[Edge]:
    return {frozenset((points[i], points[i - 1])) for i in range(len(points))}


def test_the_edges_make_852_triangles(skin: np.ndarray) -> None:
    assert len({tuple(sorted(t)) for t in skin}) == len(skin) == 852
    assert set(edges_of(skin)) == {frozenset(edge) for edge in FACEMESH_TESSELATION}
    assert max(edges_of(skin).values()) == 2


def test_oval_and_holes_are_the_skins_whole_border(skin: np.ndarray) -> None:
    border = {edge for edge, count in edges_of(skin).items() if count == 1}
    contours = [topology.OVAL, *(lower + upper[-2:0:-1] for lower, upper in HOLES)]
    assert border == set().union(*map(loop, contours))


def test_a_strip_closes_a_hole(skin: np.ndarray) -> None:
    for lower, upper in HOLES:
        strip = np.array(topology.strip_between(lower, upper))
        border = {edge for edge, count in edges_of(strip).items() if count == 1}
        assert border == loop(lower + upper[-2:0:-1])


def test_the_outer_lips_are_a_loop_of_the_mesh(skin: np.ndarray) -> None:
    assert loop(topology.OUTER_LIPS) <= set(edges_of(skin))


def test_all_points_but_the_irises_lie_on_the_skin(skin: np.ndarray) -> None:
    irises = {*topology.RIGHT_IRIS, *topology.LEFT_IRIS}
    assert set(skin.ravel().tolist()) == set(range(topology.LANDMARK_COUNT)) - irises
    assert set(np.flatnonzero(topology.IRISES).tolist()) == irises


def test_left_and_right_mirror_each_other(model: MorphableModel) -> None:
    for right, left in MIRRORED:
        assert tuple(model.mirror[list(right)]) == left
        assert tuple(model.mirror[list(left)]) == right
    assert set(model.mirror[list(topology.RIGID)]) == set(topology.RIGID)


def test_holes_start_at_the_subjects_right(model: MorphableModel) -> None:
    for lower, upper in HOLES:
        assert lower[0] == upper[0]
        assert lower[-1] == upper[-1]
        assert model.mean[lower[0], 0] < model.mean[lower[-1], 0]
        assert (model.mean[list(lower[1:-1]), 1] < model.mean[list(upper[1:-1]), 1] + 1e-6).all()


def test_the_part_masks_share_each_point(model: MorphableModel) -> None:
    masks = topology.part_masks(model.mean[: topology.LANDMARK_COUNT].astype(np.float64))
    np.testing.assert_allclose(sum(masks.values()), 1.0)
    assert min(mask.min() for mask in masks.values()) >= 0.0
    assert masks["mouth"][list(topology.INNER_LIPS_UPPER)].min() > 0.99
    assert masks["right_eye"][list(topology.RIGHT_EYE_UPPER)].min() > 0.5
    assert masks["right_eye"][list(topology.LEFT_EYE_UPPER)].max() < 1e-6
