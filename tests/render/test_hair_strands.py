"""Strands of hair are found where they can be distinguished from the background."""

import cv2
import numpy as np
import pytest

from faceanime.render.head.hair_strands import find_strands

SIDE, FACE_PX = 300, 120.0
HELD, LOOSE = ((150, 100), (215, 65)), ((75, 115), (66, 135))


def drawn(hair: int = 40, wall: int = 200, strand: int = 70) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A head without a face before a wall, with a strand, and one that hangs in the air: picture, matte, the strand."""
    picture = np.full((SIDE, SIDE, 3), wall, np.uint8)
    line = np.zeros((SIDE, SIDE), np.uint8)
    cv2.line(picture, *LOOSE, (strand, strand, strand), 1, cv2.LINE_AA)
    cv2.line(picture, *HELD, (strand, strand, strand), 1, cv2.LINE_AA)
    cv2.line(line, *HELD, 1, 1)
    matte = np.zeros((SIDE, SIDE), np.float32)
    for canvas, value in ((picture, (hair, hair, hair)), (matte, (1.0,))):
        cv2.circle(canvas, (150, 150), 70, value, -1, cv2.LINE_AA)
    return picture, matte, (line > 0) & (matte < 0.1)


@pytest.mark.parametrize(("hair", "wall", "strand"), [(40, 200, 70), (200, 60, 170)])
def test_a_strand_that_hangs_on_the_head_is_found(hair: int, wall: int, strand: int) -> None:
    picture, matte, line = drawn(hair, wall, strand)
    found = find_strands(picture, matte, FACE_PX)
    assert found.shape == matte.shape
    assert (found[line] > 0.9).mean() > 0.9
    beside = cv2.dilate(line.astype(np.uint8), np.ones((7, 7), np.uint8)) == 0
    assert found[beside & (matte < 0.1)].max() == 0.0  # neither wall nor the loose one
    assert 0.0 <= found.min() <= found.max() <= 1.0


@pytest.mark.parametrize(("hair", "wall", "strand"), [(40, 200, 70), (200, 60, 170)])
def test_many_long_strands_do_not_make_a_wall_busy(hair: int, wall: int, strand: int) -> None:
    """Matte of a head with space around it."""
    picture, matte, _ = drawn(hair, wall, wall)
    picture, matte = (cv2.copyMakeBorder(p, 100, 0, 100, 100, cv2.BORDER_REPLICATE) for p in (picture, matte))
    line = np.zeros(matte.shape, np.uint8)
    for angle in np.linspace(0.2, 2.9, 14):
        ends = [(int(250 + r * np.cos(angle)), int(250 - r * np.sin(angle))) for r in (60, 112)]
        cv2.line(picture, *ends, (strand,) * 3, 1, cv2.LINE_AA)
        cv2.line(line, *ends, 1, 1)
    outside = (line > 0) & (matte < 0.1)
    assert (find_strands(picture, matte, FACE_PX)[outside] > 0.5).mean() > 0.8


def test_what_is_light_beside_dark_hair_is_no_strand() -> None:
    picture, matte, line = drawn(hair=40, wall=120, strand=200)
    assert find_strands(picture, matte, FACE_PX)[line].max() < 0.1


def test_before_a_busy_background_nothing_is_sure() -> None:
    picture, matte, _ = drawn()
    stripes = np.where(np.arange(SIDE) % 8 < 3, 90, 200)[None, :, None].repeat(SIDE, 0)
    busy = np.where(matte[..., None] > 0.5, picture, stripes).astype(np.uint8)
    cv2.line(busy, *HELD, (70, 70, 70), 1, cv2.LINE_AA)
    assert (find_strands(busy, matte, FACE_PX)[matte < 0.1] > 0.3).mean() < 0.01


def test_large_pictures_show_the_same_strands() -> None:
    picture, matte, line = drawn()
    size = (6 * SIDE, 6 * SIDE)
    large = find_strands(
        cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), cv2.resize(matte, size), 6 * FACE_PX
    )
    assert large.shape == size
    small = cv2.resize(large, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    once = find_strands(picture, matte, FACE_PX)
    assert np.abs(small - once)[line].mean() < 0.25


def test_without_a_person_there_are_none() -> None:
    picture, matte, _ = drawn()
    assert not find_strands(picture, np.zeros_like(matte), FACE_PX).any()
