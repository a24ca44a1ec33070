"""Hair that hangs before a cheek is hair's deep, not the cheek's."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from faceanime.geometry.camera import project
from faceanime.geometry.rotation import rotation_from_angles
from faceanime.morphable.mediapipe_schema import MEDIAPIPE
from faceanime.morphable.model import MorphableModel
from faceanime.render.head.hair_occlusion import pull_outline_to_hair
from faceanime.render.head.sheet import source_shape
from faceanime.render.masks import soft_polygon
from faceanime.structures.coefficients import FittedFace, HeadPose
from heads import fitted
from heads_drawn import HEIGHT, WIDTH, draw_portrait, drawn_face, head_matte

HAIR, WHITE, BLACK, GREEN = (40, 25, 15), (245, 245, 245), (5, 5, 5), (30, 140, 60)


def points_of(face: FittedFace, model: MorphableModel) -> np.ndarray:
    return project(source_shape(face, model), face.coefficients.pose)


def lift_of(face: FittedFace, picture: np.ndarray, matte: np.ndarray, model: MorphableModel) -> np.ndarray:
    """Displacement of the landmarks toward the viewer, px."""
    change = points_of(pull_outline_to_hair(face, picture, matte, model), model) - points_of(face, model)
    return np.asarray(change[: model.landmark_count, 2])


def hair_from(model: MorphableModel, share: float, width: float) -> tuple[np.ndarray, np.ndarray]:
    """A portrait before a wall and its matte: hair beside the cheek on the picture's right.

    It hangs from that share of the way to the cheek's outline, and is as wide as that share of the face.
    """
    picture, matte = draw_portrait(model), head_matte(model)
    picture[matte < 0.5] = 230
    oval = points_of(fitted(drawn_face(model), model), model)[MEDIAPIPE.oval, :2]
    middle, right = (oval[:, 0].min() + oval[:, 0].max()) / 2, oval[:, 0].max()
    left = int(middle + share * (right - middle))
    hair = (
        slice(int(oval[:, 1].min()), int(oval[:, 1].max())),
        slice(left, left + int(width * np.ptp(oval[:, 0]))),
    )
    picture[hair], matte[hair] = HAIR, 1.0
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.6)), matte


@pytest.mark.parametrize(("share", "width"), [(0.7, 0.4), (1.0, 0.25)], ids=["before it", "touching it"])
def test_hair_lies_before_the_cheek_on_its_side_alone(
    model: MorphableModel, share: float, width: float
) -> None:
    face, (picture, matte) = fitted(drawn_face(model), model), hair_from(model, share, width)
    before, lift = points_of(face, model), lift_of(face, picture, matte, model)
    oval = before[MEDIAPIPE.oval]
    middle = oval[:, 0].mean()
    on_side = [
        v for v, (x, y, _) in zip(MEDIAPIPE.oval, oval, strict=True) if x > middle and abs(y - 215) < 30
    ]
    assert len(on_side) >= 3
    assert min(lift[on_side]) > 10.0
    assert lift.min() > -1e-9
    assert lift[before[: model.landmark_count, 0] < middle].max() < 1.0
    shown = pull_outline_to_hair(face, picture, matte, model)
    np.testing.assert_allclose(points_of(shown, model)[:, :2], before[:, :2], atol=1e-6)  # nothing has moved
    assert shown.coefficients is face.coefficients


@pytest.mark.parametrize("wall", [WHITE, BLACK, GREEN, HAIR])
@pytest.mark.parametrize("reaches", [1.0, 1.06])
def test_a_wall_is_no_hair(model: MorphableModel, wall: tuple[int, int, int], reaches: float) -> None:
    """A bald head whose skin ends with the outline, or a little beyond."""
    face, picture = fitted(drawn_face(model), model), draw_portrait(model)
    oval = points_of(face, model)[MEDIAPIPE.oval, :2]
    center = oval.mean(axis=0)
    matte = soft_polygon((center + reaches * (oval - center)).astype(np.float32), HEIGHT, WIDTH, 1.0)
    picture = (matte[..., None] * picture + (1.0 - matte[..., None]) * np.array(wall)).astype(np.uint8)
    assert np.abs(lift_of(face, picture, matte, model)).max() < 1.0


def test_a_shadow_is_no_hair(model: MorphableModel) -> None:
    """Light from one side leaves the other's skin half as bright."""
    face, picture = fitted(drawn_face(model), model), draw_portrait(model)
    dimmer = np.interp(np.arange(WIDTH), (120, 280), (1.0, 0.5))[None, :, None]
    picture = (dimmer * picture).astype(np.uint8)
    assert np.abs(lift_of(face, picture, head_matte(model), model)).max() < 1.0


def test_hair_is_not_stretched_as_the_cheek_turns_to_the_viewer(model: MorphableModel) -> None:
    face, (picture, matte) = fitted(drawn_face(model), model), hair_from(model, 0.7, 0.4)
    pose = face.coefficients.pose
    turn = rotation_from_angles(np.radians(-25.0), 0.0, 0.0) @ pose.rotation
    turned = HeadPose(turn, pose.scale, pose.translation_px)
    still = points_of(face, model)
    begins = int(np.argmin(np.hypot(*(still[: model.landmark_count, :2] - (250, 205)).T)))

    def spread(face: FittedFace, pose: HeadPose) -> float:
        """From where hair begins to the outline."""
        points = project(source_shape(face, model), pose)
        return float(points[454, 0] - points[begins, 0])

    own, plain = spread(face, pose), spread(face, turned)
    assert spread(pull_outline_to_hair(face, picture, matte, model), turned) - own < 0.4 * (plain - own)


def test_a_face_that_the_picture_cuts_off_has_hair_too(model: MorphableModel) -> None:
    face, (picture, matte) = fitted(drawn_face(model), model), hair_from(model, 0.7, 0.4)
    cut = int(points_of(face, model)[MEDIAPIPE.oval, 0].max()) - 4  # the outline lies beyond the edge
    lift = lift_of(face, np.ascontiguousarray(picture[:, :cut]), np.ascontiguousarray(matte[:, :cut]), model)
    assert lift.max() > 10.0
    assert lift.min() > -1e-9
