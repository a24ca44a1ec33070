"""Faces made of the bundled model alone: no picture, no detector."""

from fractions import Fraction

import numpy as np

from faceanime.geometry.camera import project
from faceanime.geometry.rotation import rotation_from_angles
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import Dynamics, FaceCoefficients, FittedFace, HeadPose


def pose_of(
    yaw_deg: float = 0.0,
    pitch_deg: float = 0.0,
    roll_deg: float = 0.0,
    scale: float = 80.0,
    at: tuple[float, float] = (128.0, 128.0),
) -> HeadPose:
    angles = np.radians([yaw_deg, pitch_deg, roll_deg])
    return HeadPose(rotation_from_angles(*angles), np.asarray(float(scale)), np.asarray(at, np.float64))


def poses_of(poses: list[HeadPose]) -> HeadPose:
    return HeadPose(
        np.stack([p.rotation for p in poses]),
        np.stack([p.scale for p in poses]),
        np.stack([p.translation_px for p in poses]),
    )


def random_poses(rng: np.random.Generator, count: int, up_to_deg: float = 30.0) -> HeadPose:
    angles = np.radians(rng.uniform(-up_to_deg, up_to_deg, (3, count)))
    return HeadPose(
        rotation_from_angles(*angles), rng.uniform(50, 200, count), rng.uniform(100, 300, (count, 2))
    )


def face_of(
    model: MorphableModel,
    pose: HeadPose,
    identity: np.ndarray | None = None,
    expression: np.ndarray | None = None,
) -> FaceCoefficients:
    return FaceCoefficients(
        np.zeros(model.identity_count) if identity is None else identity,
        np.zeros(model.expression_count) if expression is None else expression,
        pose,
    )


def fitted(face: FaceCoefficients, model: MorphableModel) -> FittedFace:
    """A face that the model says all of."""
    return FittedFace(face, np.zeros(model.mean.shape))


def axes_of(model: MorphableModel, **strengths: float) -> np.ndarray:
    """The expression of named axes."""
    expression = np.zeros(model.expression_count)
    for name, strength in strengths.items():
        expression += strength * model.axis(name)
    return expression


def landmarks_of(face: FaceCoefficients, model: MorphableModel) -> np.ndarray:
    """The landmarks as a detector sees them (`MorphableModel.apparent_basis`), (*B,L,3) px."""
    shape = (
        model.landmark_mean
        + np.einsum("vck,...k->...vc", model.landmark_identity_basis, face.identity)
        + np.einsum("vck,...k->...vc", model.apparent_basis, face.expression)
    )
    return project(shape.astype(np.float64), face.pose)


def driver_of(
    model: MorphableModel, pose: HeadPose, expression: np.ndarray, identity: np.ndarray | None = None
) -> Dynamics:
    return Dynamics(
        identity=np.zeros(model.identity_count) if identity is None else identity,
        expression=expression,
        pose=pose,
        frame_rate=Fraction(25),
        valid=np.ones(len(expression), bool),
        picture_side_px=256,
        model_id=model.id,
    )
