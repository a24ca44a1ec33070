"""A region put back into its picture leaves the rest of the picture alone."""

from __future__ import annotations

import numpy as np
import pytest

from faceanime.render.composite import Paster
from faceanime.structures.raster import Box

HEIGHT, WIDTH = 40, 50
BOXES = [
    Box(10, 8, 40, 30),
    Box(0, 0, WIDTH, HEIGHT),  # the whole picture
    Box(0, 5, 20, HEIGHT),  # at its left and lower edge
    Box(30, 0, WIDTH, 12),  # at its right and upper edge
    Box(7, 9, 8, 10),  # one pixel
    Box(3, 3, 6, 33),  # narrower than the soft edge
]


def picture(seed: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def outside(box: Box) -> np.ndarray:
    mask = np.ones((HEIGHT, WIDTH), bool)
    mask[box.slices] = False
    return mask


@pytest.mark.parametrize("box", BOXES, ids=str)
def test_outside_the_region_every_pixel_is_bit_exact(box: Box) -> None:
    source = picture(0)
    pasted = Paster(source, box).paste(picture(1, box.height, box.width))
    np.testing.assert_array_equal(pasted[outside(box)], source[outside(box)])


@pytest.mark.parametrize("box", BOXES, ids=str)
def test_pasting_a_region_of_the_picture_itself_changes_nothing(box: Box) -> None:
    source = picture(0)
    np.testing.assert_array_equal(Paster(source, box).paste(source[box.slices].copy()), source)


def test_the_middle_of_the_region_is_what_was_pasted() -> None:
    box = BOXES[0]
    pixels = picture(1, box.height, box.width)
    pasted = Paster(picture(0), box, feather_px=4).paste(pixels)
    np.testing.assert_array_equal(pasted[box.slices][4:-4, 4:-4], pixels[4:-4, 4:-4])


def test_the_edge_rises_softly_from_the_picture_to_the_region() -> None:
    black, box = np.zeros((HEIGHT, WIDTH, 3), np.uint8), BOXES[0]
    white = np.full((box.height, box.width, 3), 255, np.uint8)
    row = Paster(black, box, feather_px=5).paste(white)[20, box.left - 1 : box.left + 6, 0].astype(int)
    assert row[0] == 0
    assert row[-1] == 255
    assert (np.diff(row[:-1]) > 0).all()
    assert np.diff(row).max() < 80


def test_where_the_picture_ends_there_is_no_soft_edge() -> None:
    box = Box(0, 0, WIDTH, HEIGHT)
    pixels = picture(1)
    np.testing.assert_array_equal(Paster(picture(0), box).paste(pixels), pixels)


def test_pasting_leaves_the_source_and_earlier_results_alone() -> None:
    source, box = picture(0), BOXES[0]
    paster = Paster(source, box)
    first = paster.paste(picture(1, box.height, box.width))
    kept = first.copy()
    paster.paste(picture(2, box.height, box.width))
    np.testing.assert_array_equal(source, picture(0))
    np.testing.assert_array_equal(first, kept)
