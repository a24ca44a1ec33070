"""A portrait of clay, and how it moves."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from faceanime.morphable.model import MorphableModel
from faceanime.prior.sparse_texture import model_points
from faceanime.render.clay import shade_face
from faceanime.structures.coefficients import Dynamics, FaceCoefficients
from faceanime.structures.landmarks import Landmarks
from faceanime.structures.portrait import Portrait
from heads import axes_of, face_of, fitted, landmarks_of, pose_of, poses_of

SIDE = 240


@pytest.fixture(scope="session")
def face(model: MorphableModel) -> FaceCoefficients:
    return face_of(model, pose_of(5, -3, 4, scale=70, at=(120, 110)))


@pytest.fixture(scope="session")
def picture(model: MorphableModel, face: FaceCoefficients) -> np.ndarray:
    points = model_points(face, np.zeros(model.mean.shape), model)
    noise = np.random.default_rng(0).normal(0, 12, (SIDE, SIDE, 1))
    return (shade_face(points, model, SIDE, SIDE) + noise).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def talking(model: MorphableModel, face: FaceCoefficients) -> FaceCoefficients:
    """The same face, speaking, its eyes shut."""
    expression = axes_of(model, jaw_open=0.8, blink_right=1.0, blink_left=1.0)
    return FaceCoefficients(face.identity, expression, face.pose)


@pytest.fixture(scope="session")
def portrait(picture: np.ndarray, face: FaceCoefficients, model: MorphableModel) -> Portrait:
    points = landmarks_of(face, model).astype(np.float32)
    matte = cv2.GaussianBlur((picture.mean(axis=-1) < 250).astype(np.float32), (0, 0), 2.0)
    return Portrait(picture, Landmarks(points, 1.0), fitted(face, model), matte, 0)


@pytest.fixture(scope="session")
def motion(face: FaceCoefficients, talking: FaceCoefficients, model: MorphableModel) -> Dynamics:
    """At rest, then speaking."""
    return Dynamics(
        face.identity,
        np.stack([face.expression, talking.expression]),
        poses_of([face.pose] * 2),
        Fraction(25),
        np.ones(2, bool),
        SIDE,
        model.id,
    )
