"""The choice among several faces, in words and marked in a picture."""

from fractions import Fraction

import numpy as np
import pytest

from faceanime.face.found import FoundFaces
from faceanime.media.marked_boxes import CHOSEN_RGB, OTHER_RGB, marked_boxes
from faceanime.structures.landmarks import Landmarks


def faces_at(*centers: tuple[float, float], chosen: int = 0) -> FoundFaces:
    corner = np.array([[-10, -10, 0], [10, 10, 0]], np.float32)
    faces = tuple(Landmarks(corner + np.array([*center, 0], np.float32), 1.0) for center in centers)
    return FoundFaces(np.zeros((100, 200, 3), np.uint8), faces, chosen)


@pytest.mark.parametrize(
    ("centers", "chosen", "words"),
    [
        ([(40, 50), (150, 55)], 0, "on the left"),
        ([(40, 50), (150, 55)], 1, "on the right"),
        ([(90, 20), (95, 80)], 0, "at the top"),
        ([(90, 20), (95, 80)], 1, "at the bottom"),
        ([(90, 50), (30, 50), (150, 50)], 0, "number 2 from the left"),
    ],
)
def test_the_place_of_a_face_among_others_is_told(
    centers: list[tuple[float, float]], chosen: int, words: str
) -> None:
    assert faces_at(*centers, chosen=chosen).side == words


@pytest.mark.parametrize(
    ("count", "remedy"), [(2, "--face 1 takes the other"), (4, "--face 1 to 3 take others")]
)
def test_the_line_names_what_takes_another(count: int, remedy: str, caplog: pytest.LogCaptureFixture) -> None:
    faces_at(*((20.0 + 50 * i, 50.0) for i in range(count))).tell("largest", "a.jpg")
    (record,) = caplog.records
    assert record.getMessage() == f"a.jpg shows {count} faces: the largest is taken, on the left"
    assert record.remedy.text(lambda name: f"--{name}") == remedy  # type: ignore[attr-defined]


@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
def test_after_a_turn_the_same_face_is_taken_though_another_seems_larger(quarter_turns: int) -> None:
    """The turned picture is searched anew, in whatever order its faces are found."""
    found = faces_at((40, 30), (150, 80), chosen=1)
    turned = np.rot90(found.pixels, quarter_turns)
    marks = [np.zeros(found.pixels.shape[:2]) for _ in found.faces]
    for mark, face in zip(marks, found.faces, strict=True):
        x, y = face.center_px
        mark[int(y), int(x)] = 1.0
    places = [np.argwhere(np.rot90(mark, quarter_turns))[0][::-1] + 0.5 for mark in marks]
    there = faces_at(*(tuple(place) for place in places)).faces
    for order, expected in (((0, 1), 1), ((1, 0), 0)):
        again = found.turned(turned, tuple(there[index] for index in order), quarter_turns)
        assert again.chosen == expected
        assert again.as_given is found
    assert found.side == "on the right"


@pytest.mark.parametrize(
    ("times_s", "line"),
    [
        ([0], "a.mp4 shows 2 faces: the largest is taken, on the left"),
        ([2], "a.mp4 shows several faces in the shots from 2.0 s: the largest is taken in each"),
        (
            [0, 1, 2, 3, 5],
            "a.mp4 shows several faces in the shots from 0.0 s, 1.0 s, 2.0 s and 2 more: the largest is taken in each",
        ),
    ],
)
def test_the_shots_of_a_driver_in_which_a_face_is_chosen_are_told_once(
    times_s: list[int], line: str, caplog: pytest.LogCaptureFixture
) -> None:
    found = faces_at((40, 50), (150, 50))
    found.tell_in_shots([Fraction(t) for t in times_s], 1, "a.mp4", "track.face")
    found.tell_in_shots([Fraction(t) for t in times_s], "largest", "a.mp4", "track.face")
    assert [record.getMessage() for record in caplog.records] == [line]


def test_nothing_is_told_of_one_face_or_of_a_face_that_was_asked_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    faces_at((40, 50)).tell("largest", "a.jpg")
    faces_at((40, 50), (150, 50), chosen=1).tell(1, "a.jpg")
    assert not caplog.records


def test_the_box_of_the_chosen_face_is_marked() -> None:
    found = faces_at((40, 50), (150, 50), chosen=1)
    marked = marked_boxes(found.pixels, [face.box_px for face in found.faces], found.chosen)
    edge = {"left": marked[55, 30], "right": marked[59, 160]}
    assert tuple(edge["left"]) == OTHER_RGB
    assert tuple(edge["right"]) == CHOSEN_RGB
    assert not marked[55, 100].any(), "between the boxes nothing is drawn"
    assert not found.pixels.any(), "the picture itself stays as it is"
