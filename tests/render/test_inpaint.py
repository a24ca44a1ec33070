"""Known pixels stay; unknown ones become like their surroundings."""

import numpy as np
import pytest

from faceanime.render.inpaint import fill_holes, inpaint
from faceanime.render.masks import soft_polygon


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)


@pytest.fixture
def hole() -> np.ndarray:
    hole = np.zeros((50, 70), np.float32)
    hole[15:30, 20:45] = 1.0
    return hole


def square(left: float, top: float, side: float) -> np.ndarray:
    return np.float32([[left, top], [left + side, top], [left + side, top + side], [left, top + side]])


def test_known_pixels_are_kept(picture: np.ndarray, hole: np.ndarray) -> None:
    known = hole == 0
    assert (fill_holes(picture, 1.0 - hole)[known] == picture[known]).all()
    assert (inpaint(picture, hole)[known] == picture[known]).all()


def test_nothing_unknown_changes_nothing(picture: np.ndarray) -> None:
    np.testing.assert_array_equal(fill_holes(picture, np.ones((50, 70), np.float32)), picture)
    np.testing.assert_array_equal(inpaint(picture, np.zeros((50, 70), np.float32)), picture)


def test_a_picture_of_one_color_stays_so(hole: np.ndarray) -> None:
    plain = np.full((50, 70, 3), (200, 30, 90), np.uint8)
    np.testing.assert_array_equal(fill_holes(plain, 1.0 - hole), plain)
    assert np.abs(inpaint(plain, hole).astype(int) - plain).max() <= 4  # Telea's front rounds as it goes


def test_a_hole_takes_the_colors_around_it(hole: np.ndarray) -> None:
    ramp = np.repeat(np.arange(70, dtype=np.uint8)[None, :, None] * 3, 50, axis=0).repeat(3, axis=2)
    spoilt = ramp.copy()
    spoilt[hole > 0] = 255
    for filled in (fill_holes(spoilt, 1.0 - hole), inpaint(spoilt, hole)):
        assert np.abs(filled.astype(int) - ramp).max() < 40


def test_what_is_unknown_does_not_matter(picture: np.ndarray, hole: np.ndarray) -> None:
    spoilt = picture.copy()
    spoilt[hole > 0] = 7
    np.testing.assert_array_equal(fill_holes(spoilt, 1.0 - hole), fill_holes(picture, 1.0 - hole))


def test_a_large_picture_is_inpainted_too() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (700, 900, 3), np.uint8)
    hole = np.zeros((700, 900), np.float32)
    hole[300:320, 400:430] = 1.0
    filled = inpaint(picture, hole)
    assert (filled[hole == 0] == picture[hole == 0]).all()
    assert 60 < filled[hole > 0].mean() < 195


@pytest.mark.parametrize("left", [10.0, 10.25, 10.5, 10.9])
def test_a_polygon_covers_its_area(left: float) -> None:
    mask = soft_polygon(square(left, 12.3, 30.0), 60, 70, 0.0)
    assert mask.sum() == pytest.approx(900, rel=0.002)
    assert mask[25, 25] == 1.0
    assert mask[5, 5] == 0.0


def test_a_polygon_lies_where_it_lies_between_pixels() -> None:
    y, x = np.mgrid[:60, :70] + 0.5
    for left, top in ((10.0, 12.0), (10.25, 12.6), (10.5, 12.5)):
        mask = soft_polygon(square(left, top, 30.0), 60, 70, 0.0)
        middle = np.array([(mask * x).sum(), (mask * y).sum()]) / mask.sum()
        np.testing.assert_allclose(middle, [left + 15, top + 15], atol=0.03)


def test_softness_keeps_the_area_and_widens_the_edge() -> None:
    sharp, soft = (soft_polygon(square(15, 12, 30.0), 60, 70, s) for s in (0.0, 3.0))
    assert soft.sum() == pytest.approx(sharp.sum(), rel=0.01)
    assert ((soft > 0.05) & (soft < 0.95)).sum() > 3 * ((sharp > 0.05) & (sharp < 0.95)).sum()


def test_a_polygon_may_reach_beyond_the_picture() -> None:
    mask = soft_polygon(square(-20, -20, 40.0), 60, 70, 0.0)
    assert mask.sum() == pytest.approx(400, rel=0.002)
