"""Hair that hangs before a cheek is hair's deep, not the cheek's."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from heads_drawn import draw_portrait, drawn_face, head_matte

from faceanime.geometry.camera import project
from faceanime.geometry.rotation import rotation_from_angles
from faceanime.morphable import topology
from faceanime.morphable.model import MorphableModel
from faceanime.prior.covered import hair_before
from faceanime.prior.warp import source_shape
from faceanime.structures.coefficients import FittedFace, HeadPose
from faceanime.structures.frames import Pixels
from heads import fitted

HAIR = (40, 25, 15)


def points_of(face: FittedFace, model: MorphableModel) -> np.ndarray:
    return project(source_shape(face, model), face.coefficients.pose)


@pytest.fixture(scope="module")
def covered(model: MorphableModel) -> Pixels:
    """Hair from beside the picture's right side's cheek to a sixth of the face's width within it."""
    picture = draw_portrait(model)
    picture[head_matte(model) < 0.5] = 230  # a plain wall
    oval = points_of(fitted(drawn_face(model), model), model)[list(topology.OVAL), :2]
    right, width = oval[:, 0].max(), np.ptp(oval[:, 0])
    top, bottom = int(oval[:, 1].min()), int(oval[:, 1].max())
    picture[top:bottom, int(right - width / 6) : int(right + width / 4)] = HAIR
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.6))


def test_hair_lies_before_the_cheek_on_its_side_alone(covered: Pixels, model: MorphableModel) -> None:
    face = fitted(drawn_face(model), model)
    shown = hair_before(face, covered, model)
    before, after = points_of(face, model), points_of(shown, model)
    np.testing.assert_allclose(after[:, :2], before[:, :2], atol=1e-6)  # in the picture nothing has moved
    lift = (after - before)[: model.landmark_count, 2]
    oval = before[list(topology.OVAL)]
    middle = oval[:, 0].mean()
    on_side = [
        v for v, (x, y, _) in zip(topology.OVAL, oval, strict=True) if x > middle and abs(y - 205) < 45
    ]
    assert min(lift[on_side]) > 10.0
    assert lift.min() > -1e-9
    assert lift[before[: model.landmark_count, 0] < middle].max() < 1.0
    assert shown.coefficients is face.coefficients


def test_a_face_without_hair_before_it_stays_as_it_is(model: MorphableModel) -> None:
    """Its picture shows skin as far as the outline, and beyond."""
    picture = draw_portrait(model)
    picture[head_matte(model) < 0.5] = picture[150, 150]
    face = fitted(drawn_face(model), model)
    np.testing.assert_allclose(hair_before(face, picture, model).residual, face.residual, atol=1e-9)


def test_hair_is_not_stretched_as_the_cheek_turns_to_the_viewer(
    covered: Pixels, model: MorphableModel
) -> None:
    face = fitted(drawn_face(model), model)
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
    assert spread(hair_before(face, covered, model), turned) - own < 0.4 * (plain - own)
