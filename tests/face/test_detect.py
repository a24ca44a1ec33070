"""Laws of detection: it moves, mirrors and scales with the picture, and says in words what it misses."""

import subprocess
import sys

import numpy as np
import pytest
from faces import FACE_WIDTH_PX, astronaut, moved, noise, with_face_of

from faceanime.core.errors import ConfigError, NoFaceError
from faceanime.face.config import DetectConfig
from faceanime.face.detect import MediapipeDetector, choose_face, require_faces
from faceanime.face.landmark_view import place_of, quarter_turns
from faceanime.structures.landmarks import Landmarks


@pytest.fixture(scope="module")
def detector() -> MediapipeDetector:
    return MediapipeDetector()


@pytest.fixture(scope="module")
def face(detector: MediapipeDetector) -> Landmarks:
    return detector.detect(astronaut())[0]


def mean_distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm((a - b)[:, :2], axis=1).mean())


def test_the_face_lies_where_it_is(face: Landmarks) -> None:
    left, _, right, _ = face.box_px
    assert right - left == pytest.approx(FACE_WIDTH_PX, abs=3)
    assert face.score > 0.8
    nose_tip, ears = face.points_image[1, 2], face.points_image[[234, 454], 2]
    assert nose_tip > ears.max() + 0.2 * FACE_WIDTH_PX


def test_same_pixels_same_landmarks_whatever_came_between(
    detector: MediapipeDetector, face: Landmarks
) -> None:
    detector.detect(with_face_of(60, 512))
    again = detector.detect(astronaut())[0]
    assert np.array_equal(again.points_image, face.points_image)


@pytest.mark.parametrize(("scale", "x", "y"), [(1.0, 7.0, 31.0), (1.0, 0.5, 0.25), (0.85, 40.0, 20.0)])
def test_landmarks_move_with_the_picture(
    detector: MediapipeDetector, face: Landmarks, scale: float, x: float, y: float
) -> None:
    found = detector.detect(moved(astronaut(), scale, x, y))[0]
    expected = scale * face.points_image + np.array([x, y, 0.0])
    assert mean_distance(found.points_image, expected) < 0.004 * FACE_WIDTH_PX


def test_landmarks_mirror_without_an_offset(detector: MediapipeDetector, face: Landmarks) -> None:
    mirrored = detector.detect(np.ascontiguousarray(astronaut()[:, ::-1]))[0]
    back = astronaut().shape[1] - mirrored.points_image[:, 0]
    assert abs(back.mean() - face.points_image[:, 0].mean()) < 0.2


@pytest.mark.parametrize("width_px", [30, 40, 60])
def test_a_small_face_in_a_large_picture_is_found(detector: MediapipeDetector, width_px: int) -> None:
    (found,) = detector.detect(with_face_of(width_px, 1024))
    left, _, right, _ = found.box_px
    assert right - left == pytest.approx(width_px, rel=0.05)


def test_a_face_that_fills_the_picture_is_found(detector: MediapipeDetector, face: Landmarks) -> None:
    tight = np.ascontiguousarray(astronaut()[75:175, 177:275])
    (found,) = detector.detect(tight)
    assert mean_distance(found.points_image, face.points_image - [177, 75, 0]) < 0.05 * FACE_WIDTH_PX


def test_faces_come_by_size(detector: MediapipeDetector) -> None:
    small = moved(astronaut(), 0.8)
    faces = detector.detect(np.concatenate([small, astronaut()], axis=1))
    assert len(faces) == 2
    assert faces[0].box_px[0] > 512 > faces[1].box_px[2]
    assert choose_face(faces, "largest", "a.jpg") == 0
    assert choose_face(faces, 1, "a.jpg") == 1


def test_a_missing_face_is_said_in_words(detector: MediapipeDetector) -> None:
    with pytest.raises(NoFaceError, match=r"no face in a\.jpg \(best score 0\.00, need 0\.50\)"):
        require_faces(detector, noise(), "a.jpg", 0.5)
    with pytest.raises(NoFaceError, match=r"no face in a\.jpg"):
        choose_face((), "largest", "a.jpg")


def test_an_index_beyond_the_faces_is_said_in_words(face: Landmarks) -> None:
    for index in (1, -1):
        with pytest.raises(NoFaceError, match=r"no face .* in a\.jpg \(1 face found"):
            choose_face((face,), index, "a.jpg")


def test_a_weak_face_names_a_threshold_that_finds_it(detector: MediapipeDetector, face: Landmarks) -> None:
    with pytest.raises(NoFaceError, match=r"try detect\.threshold 0\.9 or a picture") as caught:
        require_faces(detector, astronaut(), "a.jpg", 0.99)
    assert f"best score {face.score:.2f}, need 0.99" in str(caught.value)
    assert (caught.value.where, caught.value.threshold) == ("a.jpg", 0.99)
    assert caught.value.best_score == pytest.approx(face.score)


@pytest.mark.parametrize("shape", [(1, 1), (3, 300), (256, 256)])
def test_blank_pictures_of_any_shape_hold_no_face(
    detector: MediapipeDetector, shape: tuple[int, int]
) -> None:
    assert detector.detect(np.zeros((*shape, 3), np.uint8)) == ()


def test_nothing_of_the_networks_reaches_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    MediapipeDetector().detect(astronaut())
    assert capfd.readouterr() == ("", "")


def test_a_threshold_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"detect\.threshold"):
        DetectConfig(threshold=1.5)


@pytest.mark.parametrize(
    "use",
    [
        "import mediapipe as mp; assert mp.__version__ and mp.solutions.face_mesh.FaceMesh and mp.tasks.vision",
        "from mediapipe import solutions; assert solutions.drawing_utils.draw_landmarks and solutions.pose.Pose",
        "from mediapipe.python.solutions import hands; assert hands.Hands; import mediapipe; mediapipe.Image",
        "import mediapipe.python.solutions.pose as pose; assert pose.Pose",
    ],
)
def test_mediapipe_serves_others_as_ever_after_us(use: str) -> None:
    ours = "from faceanime.face.mediapipe_models import MeshModel; MeshModel()"
    code = f"import sys; {ours}; assert 'matplotlib' not in sys.modules; {use}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_networks_compute_what_they_do_after_all_of_mediapipe_is_imported() -> None:
    """mediapipe drops the options of a graph's nodes, without a word, whose definitions are not imported."""
    compute = """
import numpy as np, skimage.data
from faceanime.face.detect import MediapipeDetector
from faceanime.face.segment import PersonSegmenter
picture = skimage.data.astronaut()
for side in (0, 500):  # a near face, and a small one for the full range
    padded = np.pad(picture, ((side, side), (side, side), (0, 0)), "edge")
    print([face.points_image.tobytes().hex() for face in MediapipeDetector().detect(padded)])
print(PersonSegmenter().segment(picture).tobytes().hex()[:100000])
"""
    ours, all_of_it = (
        subprocess.check_output([sys.executable, "-c", first + compute])
        for first in ("", "import mediapipe\nmediapipe.tasks\n")
    )
    assert ours == all_of_it


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_face_that_is_turned_is_read_upright(quarters: int) -> None:
    """A face on its head is not taken for an upright one; one pass tells how to turn the picture back."""
    detector, height = MediapipeDetector(), len(astronaut())
    (upright,) = detector.detect(astronaut())
    (found,) = detector.detect(np.ascontiguousarray(np.rot90(astronaut(), -quarters)))
    points = found.points_image[:, :2].copy()
    for _ in range(quarters):  # turn the points back, counterclockwise
        points = np.column_stack([points[:, 1], height - points[:, 0]])
    assert np.abs(points - upright.points_image[:, :2]).mean() < 1.0
    assert quarter_turns(place_of(found.points_image, detector.schema).roll_rad) == quarters
