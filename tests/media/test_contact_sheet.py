"""Pictures in rows and grids."""

import numpy as np
import pytest

from faceanime.core.errors import ShapeError
from faceanime.media.contact_sheet import WHITE, contact_sheet, tile_row


def plain(height: int, width: int, level: int = 90) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


@pytest.mark.parametrize("shapes", [[(64, 64)], [(64, 64), (64, 33)], [(640, 480), (32, 17), (90, 160)]])
def test_a_row_has_the_height_asked_for_and_an_even_width(shapes: list[tuple[int, int]]) -> None:
    row = tile_row([plain(*shape) for shape in shapes], 64)
    assert row.shape[0] == 64
    assert row.shape[1] % 2 == 0
    assert row.dtype == np.uint8


def test_a_picture_of_that_height_is_kept_exactly() -> None:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (64, width, 3), dtype=np.uint8) for width in (40, 52)]
    row = tile_row(pictures, 64)
    np.testing.assert_array_equal(row[:, :40], pictures[0])
    np.testing.assert_array_equal(row[:, 42:94], pictures[1])
    assert (row[:, 40:42] == WHITE).all()


def test_scaling_keeps_proportions_and_color() -> None:
    row = tile_row([plain(300, 200)], 60)
    assert row.shape == (60, 40, 3)
    np.testing.assert_array_equal(row, 90)


def test_a_row_of_nothing_is_refused() -> None:
    with pytest.raises(ShapeError):
        tile_row([], 64)


def test_a_sheet_shows_every_tile_and_labels_every_row() -> None:
    rows = [[plain(50, 50, level) for level in (10 * r + 10, 10 * r + 15)] for r in range(3)]
    sheet = contact_sheet(rows, ["source", "driver", "result"], tile_px=128)
    for level in (10, 15, 20, 25, 30, 35):
        assert (sheet == level).all(axis=-1).sum() >= 128 * 128
    unlabelled = contact_sheet(rows, ["", "", ""], tile_px=128)
    assert unlabelled.shape == sheet.shape
    written = (sheet != unlabelled).any(axis=(1, 2))
    bands = np.flatnonzero(np.diff(np.concatenate([[False], written, [False]]).astype(int)) == 1)
    assert len(bands) == 3
    assert (sheet[[0, -1]] == WHITE).all()
    assert (sheet[:, [0, -1]] == WHITE).all()


def test_rows_of_different_widths_are_filled_with_white() -> None:
    sheet = contact_sheet([[plain(32, 32)], [plain(32, 32), plain(32, 64)]], ["one", "two"], tile_px=32)
    assert (sheet[:, -6:] == WHITE).sum() > (sheet[:, :40] == WHITE).sum() / 10


def test_a_label_that_is_longer_than_its_row_is_not_cut() -> None:
    label = "faces of the portrait, by size: 0 is taken, on the left"
    narrow, wide = (contact_sheet([[plain(64, width, WHITE)]], [label], tile_px=64) for width in (16, 1024))
    written, whole = ((sheet != WHITE).any(axis=(0, 2)).sum() for sheet in (narrow, wide))
    assert written == whole


@pytest.mark.parametrize("portrait", [(60, 40), (40, 60)])
def test_columns_line_up_whatever_the_shapes_of_the_rows(portrait: tuple[int, int]) -> None:
    rows = [[plain(*portrait, level=90)] * 4, [plain(50, 50, 120)] * 4]
    sheet = contact_sheet(rows, ["source", "driver"], tile_px=64)

    def middles(level: int) -> np.ndarray:
        shown = (sheet == level).all(axis=-1)
        columns = shown.sum(axis=0) >= 64  # the tiles, not a letter's edge
        edges = np.flatnonzero(np.diff(columns.astype(int)))
        return edges.reshape(-1, 2).mean(axis=1)

    assert len(middles(90)) == len(middles(120)) == 4
    np.testing.assert_allclose(middles(90), middles(120), atol=1.0)


@pytest.mark.parametrize(("rows", "labels"), [([], []), ([[plain(8, 8)]], []), ([[]], ["empty"])])
def test_rows_and_labels_must_match(rows: list[list[np.ndarray]], labels: list[str]) -> None:
    with pytest.raises(ShapeError):
        contact_sheet(rows, labels)
