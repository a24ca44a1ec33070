"""Drawn rows of teeth: two rows that bite on each other, the lower one inside the upper one."""

import numpy as np
import pytest

from faceanime.render.mouth.teeth import GUM, LOWER_TEETH, UPPER_TEETH, TeethRow, draw_row, window

DENSITY = 300.0
WHITE = np.full(3, 200.0)


def drawn(row: TeethRow) -> tuple[np.ndarray, np.ndarray]:
    """The brightness and the opacity of a row, (h,w) each."""
    plate = draw_row(row, WHITE, GUM.astype(np.float64), DENSITY)
    return plate[..., :3].mean(axis=-1), plate[..., 3]


def test_biting_edges_face_each_other() -> None:
    """Both rows end at the line of the incisors' edges, the upper one over it and the lower one under it."""
    y = window(DENSITY)[..., 1]
    _, upper = drawn(UPPER_TEETH)
    _, lower = drawn(LOWER_TEETH)
    crowns = np.abs(y) < 0.05
    assert upper[crowns & (y > 0.01)].mean() > 4.0 * upper[crowns & (y < -0.01)].mean()
    assert lower[crowns & (y < -0.01)].mean() > 4.0 * lower[crowns & (y > 0.01)].mean()


def test_the_rows_come_apart_toward_the_corners_of_the_mouth() -> None:
    """Upper edges rise and lower ones fall from the canine on: the gap between the rows widens toward the sides."""
    canine = 2
    assert (np.diff(UPPER_TEETH.edges[canine:]) > 0).all()
    assert (np.diff(LOWER_TEETH.edges[canine:]) < 0).all()


def test_the_lower_row_fits_inside_the_upper_one() -> None:
    """Lower incisors are the smallest teeth; over the canine the upper row is the wider one by far."""
    assert LOWER_TEETH.height < UPPER_TEETH.height
    assert sum(LOWER_TEETH.widths[:3]) < 0.9 * sum(UPPER_TEETH.widths[:3])
    assert LOWER_TEETH.widths[0] == min(LOWER_TEETH.widths[:3]), (
        "the first lower incisor is the narrowest front tooth"
    )
    assert UPPER_TEETH.widths[0] == max(UPPER_TEETH.widths), "the first upper incisor is the widest"


@pytest.mark.parametrize("row", [UPPER_TEETH, LOWER_TEETH])
def test_a_row_is_symmetric_and_dimmer_toward_its_sides(row: TeethRow) -> None:
    brightness, alpha = drawn(row)
    np.testing.assert_allclose(alpha, alpha[:, ::-1], atol=0.02)
    side = np.abs(window(DENSITY)[0, :, 0])
    solid = np.where(alpha > 0.99, brightness, np.nan)
    middle, outer = (np.nanmean(solid[:, at]) for at in (side < 0.05, (side > 0.18) & (side < 0.22)))
    assert outer < 0.9 * middle


def test_the_lower_row_lies_deeper_in_the_shade() -> None:
    side = np.abs(window(DENSITY)[0, :, 0])

    def fall(row: TeethRow) -> float:
        brightness, alpha = drawn(row)
        solid = np.where(alpha > 0.99, brightness, np.nan)
        return float(np.nanmean(solid[:, (side > 0.18) & (side < 0.22)]) / np.nanmean(solid[:, side < 0.05]))

    assert fall(LOWER_TEETH) < fall(UPPER_TEETH)
