"""The groups of points are those of MediaPipe's mesh."""

from collections import Counter

import numpy as np
import pytest
from mediapipe.python.solutions.face_mesh_connections import FACEMESH_TESSELATION

from faceanime.morphable.face_parts import landmark_weights
from faceanime.morphable.landmark_schema import EyeLandmarks
from faceanime.morphable.mediapipe_schema import MEDIAPIPE, skin_triangles
from faceanime.morphable.model import MorphableModel
from faceanime.train.morphable.learn import strip_between

RIGHT, LEFT = MEDIAPIPE.eyes
HOLES = (
    (RIGHT.lower, RIGHT.upper),
    (LEFT.lower, LEFT.upper),
    (MEDIAPIPE.inner_lips_lower, MEDIAPIPE.inner_lips_upper),
)
MIRRORED = (
    (RIGHT.lower, LEFT.lower[::-1]),
    (RIGHT.upper, LEFT.upper[::-1]),
    (RIGHT.lower_middle, LEFT.lower_middle),
    (RIGHT.upper_middle, LEFT.upper_middle),
    (RIGHT.fold, LEFT.fold[::-1]),
    (RIGHT.iris[:1], LEFT.iris[:1]),
    (RIGHT.brow_upper, LEFT.brow_upper),
    (RIGHT.brow_lower, LEFT.brow_lower),
    (np.array([RIGHT.outer_corner, RIGHT.inner_corner]), np.array([LEFT.outer_corner, LEFT.inner_corner])),
    (MEDIAPIPE.inner_lips_lower, MEDIAPIPE.inner_lips_lower[::-1]),
    (MEDIAPIPE.inner_lips_upper, MEDIAPIPE.inner_lips_upper[::-1]),
    (MEDIAPIPE.lower_lip_middle, MEDIAPIPE.lower_lip_middle[::-1]),
    (MEDIAPIPE.upper_lip_middle, MEDIAPIPE.upper_lip_middle[::-1]),
    (MEDIAPIPE.right_mouth_corner, MEDIAPIPE.left_mouth_corner),
    (MEDIAPIPE.right_cheek, MEDIAPIPE.left_cheek),
    (MEDIAPIPE.nose_base, MEDIAPIPE.nose_base[::-1]),
    (MEDIAPIPE.oval, np.roll(MEDIAPIPE.oval[::-1], 1)),
)
"""Pairs of groups whose points mirror each other one for one."""
SYMMETRIC = (
    *(
        "outer_lips",
        "lip_midline",
        "upper_lip_edge",
        "lip_red",
        "chin",
        "forehead",
        "temples",
        "skull_outline",
    ),
    *("nose", "nose_ridge", "nose_bridge", "nose_wings", "cheeks", "cheek_skin", "plain_skin", "rigid"),
)
"""Groups that hold the mirror image of each of their points."""

Edge = frozenset[int]


@pytest.fixture(scope="module")
def skin() -> np.ndarray:
    return skin_triangles()


def edges_of(triangles: np.ndarray) -> Counter[Edge]:
    """Number of triangles at each edge."""
    return Counter(frozenset((int(t[i]), int(t[i - 1]))) for t in triangles for i in range(3))


def loop(points: np.ndarray) -> set[Edge]:
    return {frozenset((int(points[i]), int(points[i - 1]))) for i in range(len(points))}


def chain(points: np.ndarray) -> set[Edge]:
    return {frozenset((int(a), int(b))) for a, b in zip(points, points[1:], strict=False)}


def test_the_edges_make_852_triangles(skin: np.ndarray) -> None:
    assert len({tuple(sorted(t)) for t in skin}) == len(skin) == 852
    assert set(edges_of(skin)) == {frozenset(edge) for edge in FACEMESH_TESSELATION}
    assert max(edges_of(skin).values()) == 2


def test_oval_and_holes_are_the_skins_whole_border(skin: np.ndarray) -> None:
    border = {edge for edge, count in edges_of(skin).items() if count == 1}
    contours = [MEDIAPIPE.oval, *(np.concatenate([lower, upper[-2:0:-1]]) for lower, upper in HOLES)]
    assert border == set().union(*map(loop, contours))


def test_the_named_outlines_are_those_of_the_holes() -> None:
    for opening, (lower, upper) in zip((RIGHT.opening, LEFT.opening), HOLES[:2], strict=True):
        assert loop(opening) == chain(lower) | chain(upper)
    lips = MEDIAPIPE.inner_lips_lower, MEDIAPIPE.inner_lips_upper
    assert loop(MEDIAPIPE.mouth_opening) == chain(lips[0]) | chain(lips[1])


def test_a_strip_closes_a_hole() -> None:
    for lower, upper in HOLES:
        strip = np.array(strip_between(lower, upper))
        border = {edge for edge, count in edges_of(strip).items() if count == 1}
        assert border == chain(lower) | chain(upper)


def test_closed_contours_are_loops_of_the_mesh(skin: np.ndarray) -> None:
    edges = set(edges_of(skin))
    assert loop(MEDIAPIPE.outer_lips) <= edges
    for eye in MEDIAPIPE.eyes:
        assert chain(eye.fold) <= edges
        assert chain(eye.brow_upper) | chain(eye.brow_lower) <= edges
    for cheek in (MEDIAPIPE.right_cheek, MEDIAPIPE.left_cheek):
        assert loop(cheek) <= edges


def test_all_points_but_the_irises_lie_on_the_skin(skin: np.ndarray) -> None:
    irises = {*RIGHT.iris, *LEFT.iris}
    assert set(skin.ravel().tolist()) == set(range(MEDIAPIPE.count)) - irises
    assert set(np.flatnonzero(MEDIAPIPE.irises).tolist()) == irises


def test_left_and_right_mirror_each_other(model: MorphableModel) -> None:
    for right, left in MIRRORED:
        np.testing.assert_array_equal(model.landmark_mirror[right], left)
        np.testing.assert_array_equal(model.landmark_mirror[left], right)
    for name in SYMMETRIC:
        group = getattr(MEDIAPIPE, name)
        assert set(model.landmark_mirror[group]) == set(group), name


def test_contours_start_at_the_subjects_right(model: MorphableModel) -> None:
    for lower, upper in HOLES:
        assert lower[0] == upper[0]
        assert lower[-1] == upper[-1]
        assert model.mean[lower[0], 0] < model.mean[lower[-1], 0]
        assert (model.mean[lower[1:-1], 1] < model.mean[upper[1:-1], 1] + 1e-6).all()


@pytest.mark.parametrize("eye", MEDIAPIPE.eyes)
def test_an_eyes_parts_lie_where_their_names_say(model: MorphableModel, eye: EyeLandmarks) -> None:
    x, y = model.mean[:, 0], model.mean[:, 1]
    assert {eye.outer_corner, eye.inner_corner} == {eye.upper[0], eye.upper[-1]}
    assert abs(x[eye.outer_corner]) > abs(x[eye.inner_corner])
    assert set(eye.lower_middle) <= set(eye.lower)
    assert set(eye.upper_middle) <= set(eye.upper)
    assert (np.abs(x[eye.upper_middle] - x[eye.lower_middle]) < 0.02).all()
    assert (y[eye.fold] > y[eye.upper[1:-1]]).all()
    assert y[eye.brow].min() > y[eye.fold].max()
    assert (np.diff(np.abs(x[eye.brow_upper])) < 0).all()
    assert (np.diff(np.abs(x[eye.brow_lower])) > 0).all()
    rim = np.linalg.norm(model.mean[eye.iris[1:], :2] - model.mean[eye.iris[0], :2], axis=1)
    assert rim.max() < 1.3 * rim.min()


def test_the_middles_of_the_lips_face_each_other(model: MorphableModel) -> None:
    upper, lower = model.mean[MEDIAPIPE.upper_lip_middle], model.mean[MEDIAPIPE.lower_lip_middle]
    assert (upper[:, 1] > lower[:, 1]).all()
    assert np.abs(upper[:, 0] - lower[:, 0]).max() < 0.02
    assert set(MEDIAPIPE.upper_lip_middle) <= set(MEDIAPIPE.inner_lips_upper)
    assert set(MEDIAPIPE.lower_lip_middle) <= set(MEDIAPIPE.inner_lips_lower)


def test_the_nose_goes_down_to_its_tip(model: MorphableModel) -> None:
    ridge, tip = model.mean[MEDIAPIPE.nose_ridge], model.mean[MEDIAPIPE.nose_tip]
    assert (np.diff(ridge[:, 1]) < 0).all()
    assert (np.diff(ridge[:, 2]) > 0).all()
    assert tip[2] >= model.mean[MEDIAPIPE.nose, 2].max() - 0.02
    assert model.mean[MEDIAPIPE.nose_base, 1].max() < tip[1]


def test_the_part_masks_share_each_point(model: MorphableModel) -> None:
    masks = landmark_weights(model.mean.astype(np.float64), MEDIAPIPE)
    np.testing.assert_allclose(sum(masks.values()), 1.0)
    assert min(mask.min() for mask in masks.values()) >= 0.0
    assert masks["mouth"][MEDIAPIPE.inner_lips_upper].min() > 0.99
    assert masks["right_eye"][RIGHT.upper].min() > 0.5
    assert masks["right_eye"][LEFT.upper].max() < 1e-6
