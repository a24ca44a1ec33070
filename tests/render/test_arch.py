"""The dental arch is looked up where the camera shows it."""

import numpy as np
import pytest

from faceanime.geometry.camera import project
from faceanime.render.mouth.arch import (
    ARCH,
    arch_from_image_grid,
    arch_surface,
    arch_view,
    height_at,
    lip_heights,
)
from heads import pose_of

ORIGIN = np.array([0.02, -0.4, 0.3])


def places_on_the_arch() -> np.ndarray:
    x, y = np.meshgrid(np.linspace(-0.2, 0.2, 9), np.linspace(-0.15, 0.1, 5))
    return np.stack([x, y], axis=-1).astype(np.float32)


@pytest.mark.parametrize(
    "turn", [(0, 0, 0), (20, 0, 0), (-20, 0, 0), (0, 15, 0), (0, -15, 10), (15, -10, -20)]
)
def test_a_place_of_the_picture_shows_the_point_of_the_arch_that_is_projected_there(
    turn: tuple[int, int, int],
) -> None:
    """Else teeth slide over the gums as the head turns."""
    pose, places = pose_of(*turn, scale=120.0), places_on_the_arch()
    surface = arch_surface(places, ORIGIN)
    seen = project(surface.reshape(-1, 3).astype(np.float64), pose)[:, :2].reshape(places.shape)
    found = arch_from_image_grid(seen, arch_view(pose, ORIGIN))
    np.testing.assert_allclose(found, places, atol=0.012)  # model units; three steps of a fixed point
    np.testing.assert_allclose(found[:, 4], places[:, 4], atol=1e-4)  # the arch's middle does not fall back


def test_the_arch_falls_back_to_both_sides_alike() -> None:
    depth = arch_surface(places_on_the_arch(), ORIGIN)[0, :, 2]
    np.testing.assert_allclose(depth, depth[::-1], atol=1e-6)
    assert (np.diff(depth[:5]) > 0).all()


def test_lips_that_cross_meet() -> None:
    """Landmarks of closed lips cross; the opening between them is nowhere negative."""
    pose = pose_of(scale=120.0)
    along = np.linspace(-0.3, 0.3, 11)
    upper = np.stack([along, 0.02 * np.cos(8.0 * along), 0.0 * along], axis=-1)
    lower = np.stack([along, 0.03 * np.sin(8.0 * along), 0.0 * along], axis=-1)
    lips_px = [project(lip + ORIGIN, pose)[::-1, :2] for lip in (upper[::-1], lower[::-1])]
    above, below = lip_heights(*lips_px, arch_view(pose, ORIGIN))
    assert (above >= below).all()
    assert (above > below).any()
    assert (above == below).any()


def test_a_lips_height_is_read_between_its_samples() -> None:
    places = np.linspace(-ARCH.flat_from, ARCH.flat_from, ARCH.lip_samples)
    lip = 0.3 * places + 0.1
    for x in np.linspace(-0.39, 0.39, 17):
        assert height_at(lip, x) == pytest.approx(0.3 * x + 0.1, abs=1e-9)
    assert height_at(lip, -9.0) == pytest.approx(lip[0])
