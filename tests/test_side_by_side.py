"""Contact sheets of very wide and very tall portraits and drivers."""

from __future__ import annotations

import numpy as np
import pytest

from faceanime.media.contact_sheet import WHITE, contact_sheet
from faceanime.side_by_side import SideBySide

HEAD, WALL, DRIVER = (200, 30, 30), (40, 80, 120), (30, 160, 30)
TILE_PX = 320


def sheet_of(portrait: np.ndarray, driver: np.ndarray, place: tuple[float, float]) -> np.ndarray:
    shown = SideBySide(portrait, 5, False, place)
    for _ in range(5):
        shown.frame(lambda: driver, lambda: portrait, portrait)
    return shown.sheet({})


def with_head(height: int, width: int, place: tuple[float, float]) -> np.ndarray:
    pixels = np.full((height, width, 3), WALL, np.uint8)
    x, y, half = round(place[0] * width), round(place[1] * height), min(height, width) // 4
    pixels[max(y - half, 0) : y + half, max(x - half, 0) : x + half] = HEAD
    return pixels


def shares(sheet: np.ndarray, color: tuple[int, int, int]) -> float:
    """Pixels of a color, in tiles of a square picture."""
    return float((np.abs(sheet.astype(int) - color).max(axis=-1) < 10).sum()) / TILE_PX**2


@pytest.mark.parametrize(("height", "width"), [(40, 300), (300, 40)])
@pytest.mark.parametrize("at", [0.05, 0.5, 0.8])
def test_of_a_very_wide_or_tall_portrait_the_part_around_the_head_is_shown(
    height: int, width: int, at: float
) -> None:
    place = (at, 0.5) if width > height else (0.5, at)
    sheet = sheet_of(with_head(height, width, place), np.full((64, 64, 3), DRIVER, np.uint8), place)
    assert sheet.shape[1] <= 5.2 * TILE_PX * 16 / 9
    whole = 10 * (0.25 if width > height else 0.25 * (9 / 16) ** 2)
    assert shares(sheet, HEAD) == pytest.approx(whole, rel=0.25)


@pytest.mark.parametrize(("height", "width"), [(90, 160), (160, 90), (64, 64)])
def test_usual_shapes_are_shown_whole(height: int, width: int) -> None:
    portrait = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    rows = [[portrait] * 5] * 3
    np.testing.assert_array_equal(
        sheet_of(portrait, portrait, (0.1, 0.9)),
        contact_sheet(rows, ("source", "driver", "result"), tile_px=TILE_PX),
    )


@pytest.mark.parametrize("place", [(0.5, 0.5), (0.97, 0.03), (0.8, 0.2)])
def test_of_a_picture_with_a_small_head_the_part_around_it_is_shown(place: tuple[float, float]) -> None:
    page = np.full((1400, 1000, 3), WALL, np.uint8)
    x, y = round(place[0] * 1000), round(place[1] * 1400)
    page[y - 30 : y + 30, x - 30 : x + 30] = HEAD
    driver = np.full((64, 64, 3), DRIVER, np.uint8)
    shown = SideBySide(page, 5, False, place, 60 / 1400)
    for _ in range(5):
        shown.frame(lambda: driver, lambda: page, page)
    assert shares(shown.sheet({}), HEAD) == pytest.approx(10 / 4**2, rel=0.1)


def test_a_part_is_called_one() -> None:
    portrait, part, driver = (np.full((64, width, 3), WHITE, np.uint8) for width in (300, 114, 64))
    labels = ("source: the part around the head", "driver", "result: the part around the head")
    np.testing.assert_array_equal(
        sheet_of(portrait, driver, (0.5, 0.5)),
        contact_sheet([[part] * 5, [driver] * 5, [part] * 5], labels, tile_px=TILE_PX),
    )


def test_a_very_wide_driver_is_shown_whole_on_white() -> None:
    driver = np.full((40, 320, 3), DRIVER, np.uint8)
    sheet = sheet_of(np.full((64, 64, 3), WALL, np.uint8), driver, (0.5, 0.5))
    assert sheet.shape[1] <= 5.2 * TILE_PX * 16 / 9
    assert shares(sheet, DRIVER) == pytest.approx(5 * (16 / 9) ** 2 / 8, rel=0.1)
    assert (sheet[0] == WHITE).all()
