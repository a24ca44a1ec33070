"""A 3D face as 3DMM coefficients: identity, expression and pose, of one frame or over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from jaxtyping import Bool, Float

from faceanime.core.errors import ShapeError, check_shape
from faceanime.core.short_repr import short_repr

_IDENTITY = np.eye(3)
"""The identity matrix."""
_ROTATION_TOLERANCE = 1e-3
"""Largest deviation of an entry of R^T R from the identity; chosen by eye, loose enough for float32 files."""
HIGHEST_FRAME_RATE = 1000
"""Frames per second; a guard against damaged files, chosen by eye."""


def _check_finite(name: str, array: np.ndarray) -> None:
    if not np.isfinite(array).all():
        raise ShapeError(f"{name} holds values that are not finite")


def _check_rotation(name: str, matrix: Float[np.ndarray, "*B 3 3"]) -> None:
    bounded = np.maximum(
        np.minimum(matrix, 2.0), -2.0
    )  # beyond any rotation's entries, so that nothing overflows
    deviates = np.abs(bounded.swapaxes(-1, -2) @ bounded - _IDENTITY) > _ROTATION_TOLERANCE
    if deviates.any() or (np.linalg.det(bounded) < 0).any():
        raise ShapeError(f"{name} holds matrices that are not rotations")


@dataclass(frozen=True, eq=False)
class HeadPose:
    """Scaled-orthographic pose, p = scale * Pi(rotation @ v) + translation; Pi drops z and flips y.

    `rotation` (*B,3,3) on SO(3); `scale` (*B,) px per model unit, > 0; `translation_px` (*B,2), the position of the
    model's origin in the picture.
    """

    rotation: Float[np.ndarray, "*B 3 3"]
    scale: Float[np.ndarray, "*B"]
    translation_px: Float[np.ndarray, "*B 2"]

    __repr__ = short_repr

    def __post_init__(self) -> None:
        check_shape("HeadPose.rotation", self.rotation, "*", 3, 3)
        batch = self.rotation.shape[:-2]
        check_shape("HeadPose.scale", self.scale, *batch)
        check_shape("HeadPose.translation_px", self.translation_px, *batch, 2)
        for name in ("rotation", "scale", "translation_px"):
            _check_finite(f"HeadPose.{name}", getattr(self, name))
        if (self.scale <= 0).any():
            raise ShapeError("HeadPose.scale must be positive")
        _check_rotation("HeadPose.rotation", self.rotation)

    def __getitem__(self, index: int | slice | np.ndarray) -> HeadPose:
        return HeadPose(self.rotation[index], np.asarray(self.scale[index]), self.translation_px[index])

    @classmethod
    def concatenate(cls, poses: Sequence[HeadPose]) -> HeadPose:
        """One sequence of poses (T,...) after the other, each of one frame or more."""
        return cls(
            np.concatenate([pose.rotation for pose in poses]),
            np.concatenate([pose.scale for pose in poses]),
            np.concatenate([pose.translation_px for pose in poses]),
        )

    def resized(self, factor: float, shift_px: tuple[float, float] = (0.0, 0.0)) -> HeadPose:
        """The pose in a resized picture, in which a point p is at factor * p + shift_px."""
        return HeadPose(
            self.rotation,
            np.asarray(self.scale * factor),
            self.translation_px * factor + np.asarray(shift_px),
        )


@dataclass(frozen=True, eq=False)
class FaceCoefficients:
    """One face, or a batch: `identity` (*B,K_id) and `expression` (*B,K_exp) in standard deviations; `pose`."""

    identity: Float[np.ndarray, "*B K_id"]
    expression: Float[np.ndarray, "*B K_exp"]
    pose: HeadPose

    __repr__ = short_repr

    def __post_init__(self) -> None:
        batch = self.pose.rotation.shape[:-2]
        check_shape("FaceCoefficients.identity", self.identity, *batch, None)
        check_shape("FaceCoefficients.expression", self.expression, *batch, None)
        _check_finite("FaceCoefficients.identity", self.identity)
        _check_finite("FaceCoefficients.expression", self.expression)


@dataclass(frozen=True, eq=False)
class Dynamics:
    """A dynamics sequence: one identity, and an expression and a pose for each of T frames.

    `identity` (K_id,); `expression` (T,K_exp); `pose` of T frames, in px of a picture whose longer side is
    `picture_side_px`; `valid` (T,), False where the face was lost and the values are filled in; `model_id`, the
    morphable model that the coefficients belong to; `rest`, the face from which its departures are measured where that
    is none of its frames, as in a motion whose head was turned throughout by an edit.
    """

    identity: Float[np.ndarray, " K_id"]
    expression: Float[np.ndarray, "T K_exp"]
    pose: HeadPose
    frame_rate: Fraction
    valid: Bool[np.ndarray, " T"]
    picture_side_px: int
    model_id: str
    rest: FaceCoefficients | None = None

    def __post_init__(self) -> None:
        frames = len(self.expression)
        check_shape("Dynamics.identity", self.identity, None)
        check_shape("Dynamics.expression", self.expression, None, None)
        check_shape("Dynamics.pose.rotation", self.pose.rotation, frames, 3, 3)
        check_shape("Dynamics.valid", self.valid, frames)
        _check_finite("Dynamics.identity", self.identity)
        _check_finite("Dynamics.expression", self.expression)
        if frames == 0:
            raise ShapeError("Dynamics holds no frame")
        if not 0 < self.frame_rate <= HIGHEST_FRAME_RATE:
            raise ShapeError(
                f"Dynamics.frame_rate is {self.frame_rate}, expected above 0 and at most {HIGHEST_FRAME_RATE}"
            )
        if self.picture_side_px < 1:
            raise ShapeError(f"Dynamics.picture_side_px is {self.picture_side_px}, expected at least 1")

    def __len__(self) -> int:
        return len(self.expression)

    def __repr__(self) -> str:
        seconds, rate = float(len(self) / self.frame_rate), float(self.frame_rate)
        frames = "1 frame" if self.is_goal else f"{len(self)} frames, {seconds:.2f} s at {rate:g} frames/s"
        return f"Dynamics({frames}, in a picture of {self.picture_side_px} px, face model {self.model_id})"

    @property
    def is_goal(self) -> bool:
        """Whether it is a single frame: a face to reach, not a movement."""
        return len(self) == 1

    def __getitem__(self, index: int) -> FaceCoefficients:
        """The coefficients of one frame."""
        return FaceCoefficients(self.identity, self.expression[index], self.pose[index])

    def replaced(
        self,
        *,
        expression: np.ndarray | None = None,
        pose: HeadPose | None = None,
        valid: np.ndarray | None = None,
    ) -> Dynamics:
        """A copy with another expression, pose or validity."""
        return replace(
            self,
            expression=self.expression if expression is None else expression,
            pose=self.pose if pose is None else pose,
            valid=self.valid if valid is None else valid,
        )


@dataclass(frozen=True, eq=False)
class FittedFace:
    """A fitted face: coefficients, and the residual that the model cannot explain.

    `residual` (V,3), model units, is added to the model's vertices and turns with the head; with it the mesh lies
    exactly on the detected landmarks.
    """

    coefficients: FaceCoefficients
    residual: Float[np.ndarray, "V 3"]

    __repr__ = short_repr

    def __post_init__(self) -> None:
        check_shape("FittedFace.residual", self.residual, None, 3)
        _check_finite("FittedFace.residual", self.residual)
