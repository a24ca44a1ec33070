"""The clay model: lit from the upper left, where the mesh is and nowhere else."""

import cv2
import numpy as np
import pytest

from faceanime.geometry.rotation import rotation_from_angles
from faceanime.morphable.model import MorphableModel, Region, load_model
from faceanime.prior.sparse_texture import model_points
from faceanime.render.clay import shade_face
from faceanime.render.masks import soft_polygon
from faceanime.structures.coefficients import FaceCoefficients, HeadPose

SIDE = 128


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return load_model()


def points_at(
    model: MorphableModel, yaw: float = 0.0, scale: float = 45.0, expression: np.ndarray | None = None
) -> np.ndarray:
    middle = np.array([64.0, 50.0]) * scale / 45.0
    pose = HeadPose(rotation_from_angles(yaw, 0.0, 0.0), np.asarray(scale), middle)
    neutral = np.zeros(model.expression_count)
    face = FaceCoefficients(
        np.zeros(model.identity_count), neutral if expression is None else expression, pose
    )
    return model_points(face, np.zeros_like(model.mean), model)


def beyond_the_picture(points: np.ndarray) -> np.ndarray:
    return points + np.array([10_000.0, 0.0, 0.0])


def test_without_a_face_there_is_a_dark_backdrop(model: MorphableModel) -> None:
    nothing = shade_face(beyond_the_picture(points_at(model)), model, SIDE, SIDE + 32)
    assert nothing.shape == (SIDE, SIDE + 32, 3)
    assert nothing.max() < 90
    assert nothing[0, 0].max() < nothing[SIDE // 2, SIDE // 2].min()


def test_clay_is_bright_where_the_face_is_and_changes_nothing_else(model: MorphableModel) -> None:
    points = points_at(model)
    picture = shade_face(points, model, SIDE, SIDE)
    backdrop = shade_face(beyond_the_picture(points), model, SIDE, SIDE)
    column, row = points[1, :2].astype(int)
    assert picture[row, column].min() > 120
    skin = np.unique(model.triangles[model.region == Region.SKIN])
    low, high = points[skin, :2].min(axis=0) - 1, points[skin, :2].max(axis=0) + 1
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    outside = (x < low[0]) | (x > high[0]) | (y < low[1]) | (y > high[1])
    np.testing.assert_array_equal(picture[outside], backdrop[outside])


def test_the_key_light_stands_at_the_upper_left(model: MorphableModel) -> None:
    """The mean face is symmetric, its light is not; the subject's right is the picture's left."""
    points = points_at(model, scale=90.0)
    picture = shade_face(points, model, 2 * SIDE, 2 * SIDE).mean(axis=-1)

    def light(landmark: int) -> float:
        x, y = points[landmark, :2].astype(int)
        return float(picture[y - 2 : y + 3, x - 2 : x + 3].mean())

    forehead, jaw = 104, 210
    upper_left, upper_right = light(forehead), light(int(model.mirror[forehead]))
    lower_left, lower_right = light(jaw), light(int(model.mirror[jaw]))
    assert upper_left > max(upper_right, lower_left) > lower_right


def test_size_does_not_change_the_light(model: MorphableModel) -> None:
    points = points_at(model, yaw=0.3)
    small = shade_face(points, model, SIDE, SIDE).astype(float)
    large = shade_face(points * 2.0, model, 2 * SIDE, 2 * SIDE).astype(float)
    averaged = large.reshape(SIDE, 2, SIDE, 2, 3).mean(axis=(1, 3))
    assert np.abs(small - averaged).mean() < 1.0


def eye_of(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The brightness along the line between the corners of the right eye."""
    steps = np.linspace(points[33, :2], points[133, :2], 41)[4:-4].astype(int)
    return picture[steps[:, 1], steps[:, 0]].mean(axis=-1)


def test_the_eyes_look_where_the_face_looks(model: MorphableModel) -> None:
    dark = []
    for gaze in ("gaze_right", "gaze_left"):
        points = points_at(model, scale=180.0, expression=model.axis(gaze))
        eye = eye_of(shade_face(points, model, 2 * SIDE, 4 * SIDE), points)
        dark.append(np.average(np.arange(len(eye)), weights=np.clip(eye.max() - eye, 0, None)))
    assert dark[0] < dark[1] - 2  # the subject's right is the picture's left


def test_the_mouth_opens_dark(model: MorphableModel) -> None:
    dark_px = []
    for jaw in (0.0, 0.5, 1.0):
        points = points_at(model, scale=80.0, expression=jaw * model.axis("jaw_open"))
        picture = shade_face(points, model, 2 * SIDE, 2 * SIDE)
        dark_px.append(int((picture.max(axis=-1) < 30).sum()))
    assert 3 * dark_px[0] < dark_px[1] < dark_px[2]


@pytest.mark.parametrize("side", ["right", "left"])
def test_eyeballs_are_lit_from_where_the_face_is(model: MorphableModel, side: str) -> None:
    """The white of both is brighter toward the key light, at the upper left, as on any ball."""
    points = points_at(model, scale=360.0)
    picture = shade_face(points, model, 4 * SIDE, 9 * SIDE).mean(axis=-1)
    eye = {"right": model.schema.right_eye, "left": model.schema.left_eye}[side]
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]] + 0.5
    opening = soft_polygon(points[eye.opening, :2].astype(np.float32), *picture.shape, 0.0)
    white = cv2.erode(opening, np.ones((5, 5), np.uint8)) > 0.99
    iris = points[eye.iris[0]]
    white &= np.hypot(x - iris[0], y - iris[1]) > 1.2 * eye.iris_radius(points[:, :2])
    assert white.sum() > 300
    places = np.stack([x[white], y[white], np.ones(white.sum())], axis=-1)
    to_right, to_bottom, _ = np.linalg.lstsq(places, picture[white], rcond=None)[0]
    assert to_right < 0
    assert to_bottom < 0
