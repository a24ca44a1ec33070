"""Laws of the head crop, the matte and their maps."""

import numpy as np
import pytest
from faces import astronaut
from hypothesis import given
from hypothesis import strategies as st

from faceanime.face.crop import CropConfig, Square, crop_around, crop_pixels, moved_landmarks
from faceanime.face.detect import MediapipeDetector
from faceanime.face.segment import PersonSegmenter
from faceanime.geometry.similarity import apply_affine
from faceanime.structures.landmarks import Landmarks


@pytest.fixture(scope="module")
def face() -> Landmarks:
    return MediapipeDetector().detect(astronaut())[0]


def test_a_crop_maps_there_and_back(face: Landmarks) -> None:
    crop = crop_around(face, CropConfig())
    points = face.points_image[:, :2].astype(np.float64)
    there = apply_affine(crop.crop_from_image, points)
    assert ((there > 0) & (there < crop.size_px)).all()
    assert np.allclose(apply_affine(crop.image_from_crop, there), points)


def test_the_crop_shows_the_face_where_its_map_says(face: Landmarks) -> None:
    crop = crop_around(face, CropConfig(size_px=320))
    pixels = crop_pixels(astronaut(), crop)
    assert pixels.shape == (320, 320, 3)
    again = MediapipeDetector().detect(pixels)[0].points_image[:, :2]
    expected = apply_affine(crop.crop_from_image, face.points_image[:, :2].astype(np.float64))
    assert np.linalg.norm(again - expected, axis=1).mean() < 1.0


def test_landmarks_move_with_the_picture_and_keep_their_depth_s_scale(face: Landmarks) -> None:
    moved = moved_landmarks(face, np.array([[2.0, 0.0, -100.0], [0.0, 2.0, 30.0]]))
    np.testing.assert_allclose(moved.points_image, 2 * face.points_image + [-100, 30, 0], rtol=1e-5)
    assert moved.score == face.score
    same = moved_landmarks(face, np.eye(2, 3))
    np.testing.assert_array_equal(same.points_image, face.points_image)


def test_a_crop_may_reach_beyond_the_picture(face: Landmarks) -> None:
    pixels = np.ascontiguousarray(astronaut()[60:190, 165:290])
    inside = Landmarks(face.points_image - np.array([165, 60, 0], np.float32), face.score)
    assert crop_pixels(pixels, crop_around(inside, CropConfig(enlarge=2.5))).shape == (256, 256, 3)


def test_the_matte_holds_the_person_and_not_the_wall() -> None:
    matte = PersonSegmenter().segment(np.ascontiguousarray(astronaut()[:400, 20:420]))
    assert matte.shape == (400, 400)
    assert matte.dtype == np.float32
    assert matte[80:180, 170:240].mean() > 0.95
    assert matte[20:100, 295:330].mean() < 0.05


def test_a_crop_leaves_more_room_over_the_face_than_under_it() -> None:
    """Landmarks end at the forehead, and the hair over it belongs to the head."""
    face = Landmarks(np.float32([[100, 100], [160, 180], [130, 140]]), 1.0)
    crop = crop_around(face, CropConfig())
    (left, top), (right, bottom) = apply_affine(
        crop.crop_from_image, np.array([[100.0, 100.0], [160.0, 180.0]])
    )
    assert left == pytest.approx(crop.size_px - right), "to the sides there is the same room"
    assert top > 1.5 * (crop.size_px - bottom)


@given(
    st.tuples(st.floats(-200, 600), st.floats(-200, 600)),
    st.floats(1.0, 900.0),
    st.integers(16, 700),
    st.integers(16, 700),
)
def test_a_square_inside_a_picture_lies_in_it_and_moves_no_further_than_needed(
    center: tuple[float, float], side: float, width: int, height: int
) -> None:
    square = Square(center, side)
    inside = square.inside(width, height)
    for at, wanted, length in zip(inside.center_px, center, (width, height), strict=True):
        low, high = at - inside.side_px / 2, at + inside.side_px / 2
        assert -1e-9 <= low <= high <= length + 1e-9
        if at != wanted:
            assert min(abs(low), abs(high - length)) < 1e-9, "it stops at the edge"
    assert inside.side_px == min(side, width, height)
    assert inside.inside(width, height) == inside
