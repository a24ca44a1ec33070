"""Laws of rigid alignment."""

import numpy as np
import pytest

from faceanime.core.errors import ShapeError
from faceanime.geometry.procrustes import weighted_procrustes
from faceanime.geometry.rotation import rotation_from_vector


@pytest.mark.parametrize("batch", [(), (4,), (2, 3)])
def test_a_moved_cloud_gives_its_motion_back(batch: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    a, weights = rng.normal(size=(*batch, 7, 3)), rng.random(7)
    rotation = rotation_from_vector(rng.normal(size=(*batch, 3)))
    scale, translation = np.asarray(rng.uniform(0.5, 2, batch)), rng.normal(size=(*batch, 3))
    b = scale[..., None, None] * a @ np.swapaxes(rotation, -1, -2) + translation[..., None, :]
    found = weighted_procrustes(a, b, weights)
    for actual, expected in zip(found, (scale, rotation, translation), strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-9)


def test_points_without_weight_do_not_matter_and_batches_broadcast() -> None:
    rng = np.random.default_rng(0)
    a, weights = rng.normal(size=(1, 7, 3)), np.array([0, 1, 1, 1, 1, 1, 1.0])
    b = np.repeat(a, 3, axis=0)
    b[:, 0] += 100
    scale, rotation, translation = weighted_procrustes(a, b, weights)
    np.testing.assert_allclose(scale, np.ones(3))
    np.testing.assert_allclose(rotation, np.tile(np.eye(3), (3, 1, 1)), atol=1e-9)
    np.testing.assert_allclose(translation, np.zeros((3, 3)), atol=1e-9)


def test_a_mirrored_cloud_still_gets_a_rotation() -> None:
    a = np.random.default_rng(0).normal(size=(7, 3))
    _, rotation, _ = weighted_procrustes(a, a * [-1, 1, 1], np.ones(7))
    assert np.linalg.det(rotation) == pytest.approx(1)


def test_the_fit_is_a_minimum() -> None:
    rng = np.random.default_rng(0)
    a, b, weights = rng.normal(size=(9, 3)), rng.normal(size=(9, 3)), rng.random(9)
    scale, rotation, translation = weighted_procrustes(a, b, weights)

    def cost(s: float, r: np.ndarray, t: np.ndarray) -> float:
        return float((weights[:, None] * (s * a @ r.T + t - b) ** 2).sum())

    best = cost(float(scale), rotation, translation)
    for d in rng.normal(0, 0.02, (50, 7)):
        assert best <= cost(scale + d[0], rotation_from_vector(d[1:4]) @ rotation, translation + d[4:])


def test_wrong_input_is_named() -> None:
    a = np.ones((3, 3))
    with pytest.raises(ShapeError, match="coincide"):
        weighted_procrustes(a, a, np.ones(3))
    with pytest.raises(ShapeError, match="weights"):
        weighted_procrustes(a, a, np.zeros(3))
