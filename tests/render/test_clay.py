"""The clay model: lit from the upper left, where the mesh is and nowhere else."""

import numpy as np
import pytest

from faceanime.geometry.rotation import rotation_from_angles
from faceanime.morphable.model import MorphableModel, Region, load_model
from faceanime.prior.sparse_texture import model_points
from faceanime.render.clay import shade_face, shade_mesh
from faceanime.structures.coefficients import FaceCoefficients, HeadPose

SIDE = 128


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return load_model()


@pytest.fixture(scope="module")
def skin(model: MorphableModel) -> np.ndarray:
    return model.triangles[model.region == Region.SKIN]


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


def test_an_empty_mesh_leaves_a_dark_backdrop() -> None:
    nothing = shade_mesh(np.zeros((3, 3)), np.zeros((0, 3), np.int32), SIDE, SIDE + 32)
    assert nothing.shape == (SIDE, SIDE + 32, 3)
    assert nothing.max() < 90
    assert nothing[0, 0].max() < nothing[SIDE // 2, SIDE // 2].min()


def test_clay_is_bright_where_the_mesh_is_and_changes_nothing_else(
    model: MorphableModel, skin: np.ndarray
) -> None:
    points = points_at(model)
    picture = shade_mesh(points, skin, SIDE, SIDE)
    backdrop = shade_mesh(points, skin[:0], SIDE, SIDE)
    column, row = points[1, :2].astype(int)
    assert picture[row, column].min() > 120
    low, high = points[np.unique(skin), :2].min(axis=0) - 1, points[np.unique(skin), :2].max(axis=0) + 1
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    outside = (x < low[0]) | (x > high[0]) | (y < low[1]) | (y > high[1])
    np.testing.assert_array_equal(picture[outside], backdrop[outside])


def test_the_key_light_stands_at_the_upper_left() -> None:
    latitude, longitude = np.meshgrid(np.linspace(0, np.pi, 33), np.linspace(0, np.pi, 33), indexing="ij")
    ball = np.stack(
        [-np.sin(latitude) * np.cos(longitude), -np.cos(latitude), np.sin(latitude) * np.sin(longitude)], -1
    ).reshape(-1, 3)
    corner = (np.arange(32)[:, None] * 33 + np.arange(32)).ravel()
    triangles = np.concatenate(
        [
            np.stack([corner, corner + 33, corner + 1], -1),
            np.stack([corner + 1, corner + 33, corner + 34], -1),
        ]
    ).astype(np.int32)
    light = shade_mesh(ball * 50 + [64, 64, 0], triangles, SIDE, SIDE).mean(axis=-1)
    upper_left, upper_right = light[44, 44], light[44, 84]
    lower_left, lower_right = light[84, 44], light[84, 84]
    assert upper_left > max(upper_right, lower_left) > lower_right


def test_size_does_not_change_the_light(model: MorphableModel, skin: np.ndarray) -> None:
    points = points_at(model, yaw=0.3)
    small = shade_mesh(points, skin, SIDE, SIDE).astype(float)
    large = shade_mesh(points * 2.0, skin, 2 * SIDE, 2 * SIDE).astype(float)
    shrunk = large.reshape(SIDE, 2, SIDE, 2, 3).mean(axis=(1, 3))
    assert np.abs(small - shrunk).mean() < 1.0


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
