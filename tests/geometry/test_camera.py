"""Laws of the scaled-orthographic camera."""

import numpy as np
import pytest

from faceanime.geometry.camera import project, unproject
from faceanime.geometry.rotation import rotation_from_vector
from faceanime.structures.coefficients import HeadPose


def random_pose(batch: tuple[int, ...]) -> HeadPose:
    rng = np.random.default_rng(0)
    rotation = rotation_from_vector(rng.normal(size=(*batch, 3)))
    return HeadPose(rotation, np.asarray(rng.uniform(10, 200, batch)), rng.uniform(0, 500, (*batch, 2)))


@pytest.mark.parametrize("batch", [(), (4,), (2, 3)])
def test_unproject_undoes_project(batch: tuple[int, ...]) -> None:
    vertices = np.random.default_rng(1).normal(size=(*batch, 9, 3))
    pose = random_pose(batch)
    np.testing.assert_allclose(unproject(project(vertices, pose), pose), vertices, atol=1e-9)


def test_a_frontal_head_shows_as_the_conventions_say() -> None:
    pose = HeadPose(np.eye(3), np.asarray(100.0), np.array([256.0, 200.0]))
    origin, left, up, front = project(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]), pose)
    np.testing.assert_allclose(origin, [256, 200, 0])
    np.testing.assert_allclose(left, [356, 200, 0])  # the subject's left is the picture's right
    np.testing.assert_allclose(up, [256, 100, 0])
    np.testing.assert_allclose(front, [256, 200, 100])


def test_a_resized_picture_shows_the_same_head() -> None:
    pose = random_pose(())
    vertices = np.random.default_rng(1).normal(size=(9, 3))
    moved = project(vertices, pose)[:, :2] * 0.5 + [3.0, 4.0]
    np.testing.assert_allclose(project(vertices, pose.resized(0.5, (3.0, 4.0)))[:, :2], moved)
