"""Convert a motion from one face model to another, by the landmarks that both have."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float64

from faceanime.core.errors import MorphableModelError
from faceanime.core.short_repr import short_repr
from faceanime.geometry.procrustes import weighted_procrustes
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import Dynamics, FaceCoefficients, HeadPose

_RIDGE = 5e-5
"""Weight of the squared coefficients against the mean squared distance of landmarks in model units, as in fitting."""


@dataclass(frozen=True)
class ConversionError:
    """How far the landmarks of a converted motion lie from those of the original, in distances of the eye corners."""

    mean: float
    largest: float

    def __str__(self) -> str:
        return f"landmarks are off by {self.mean:.2%} of the eye distance on average, by {self.largest:.1%} at most"


def convert_motion(
    motion: Dynamics, source: MorphableModel, target: MorphableModel
) -> tuple[Dynamics, ConversionError]:
    """The motion in the coefficients of another model, and how far it is off.

    The person's neutral face and each expression's departure from it are fitted to the landmarks of the original by
    ridge regression with the weights of the fit. A motion of nobody, without identity, stays one: mean face is taken
    for mean face. The pose is kept: the mean faces are laid on each other by their rigid points. Raises
    MorphableModelError if `motion` does not belong to `source`, or the models have different landmarks.
    """
    source.require(motion.model_id, "the motion")
    if source.schema.name != target.schema.name:
        raise MorphableModelError(
            f"model {target.id} has landmarks {target.schema.name}, the motion's model {source.schema.name}"
        )
    to_target = _Similarity.between(source, target)
    theirs, weight = target.landmark_mean.astype(np.float64), target.fit_weight.astype(np.float64)
    neutral, identity = theirs, np.zeros(target.identity_count)
    if motion.identity.any():
        neutral = to_target.placed(source.landmark_mean + source.landmark_identity_basis @ motion.identity)
        identity = _solved(neutral - theirs, target.landmark_identity_basis, weight)

    def moves(expression: Float[np.ndarray, "T K"]) -> Float64[np.ndarray, "T L 3"]:
        return to_target.turned(np.moveaxis(source.landmark_expression_basis @ expression.T, -1, 0))

    def expressed(expression: Float[np.ndarray, "T K"]) -> Float64[np.ndarray, "T k"]:
        return _solved(moves(expression), target.landmark_expression_basis, weight)

    rest = motion.rest
    if rest is not None:
        rest = FaceCoefficients(identity, expressed(rest.expression[None])[0], to_target.pose(rest.pose))
    converted = replace(
        motion,
        identity=identity,
        expression=expressed(motion.expression),
        pose=to_target.pose(motion.pose),
        model_id=target.id,
        rest=rest,
    )
    shape = theirs + target.landmark_identity_basis @ identity
    found = shape + np.moveaxis(target.landmark_expression_basis @ converted.expression.T, -1, 0)
    apart = np.linalg.norm(found - (neutral + moves(motion.expression)), axis=-1)
    return converted, ConversionError(float(apart.mean()), float(apart.max()))


def _solved(
    moves: Float64[np.ndarray, "*B L 3"],
    basis: Float[np.ndarray, "L 3 K"],
    weight: Float64[np.ndarray, " L"],
) -> Float64[np.ndarray, "*B K"]:
    """The most probable coefficients that displace the landmarks by `moves`."""
    weighted = basis.astype(np.float64) * weight[:, None, None]
    normal = np.einsum("lik,lim->km", weighted, basis)
    ridge = _RIDGE * weight.sum() / len(weight) * np.eye(basis.shape[2])
    return np.asarray(np.linalg.solve(normal + ridge, np.einsum("lik,...li->k...", weighted, moves)).T)


@dataclass(frozen=True)
class _Similarity:
    """Target's model space from source's: scale and rotation that lay the mean faces' rigid points on each other."""

    scale: float
    rotation: Float64[np.ndarray, "3 3"]
    offset: Float64[np.ndarray, "3"]

    __repr__ = short_repr

    @classmethod
    def between(cls, source: MorphableModel, target: MorphableModel) -> _Similarity:
        scale, rotation, offset = weighted_procrustes(
            source.landmark_mean.astype(np.float64),
            target.landmark_mean.astype(np.float64),
            target.rigid_weight.astype(np.float64),
        )
        return cls(float(scale), rotation, offset)

    def placed(self, points: Float[np.ndarray, "L 3"]) -> Float64[np.ndarray, "L 3"]:
        """Points in the target's space."""
        return self.turned(points) + self.offset

    def turned(self, moves: Float[np.ndarray, "*B L 3"]) -> Float64[np.ndarray, "*B L 3"]:
        """Displacements in the target's space."""
        return np.asarray(self.scale * moves.astype(np.float64) @ self.rotation.T)

    def pose(self, pose: HeadPose) -> HeadPose:
        """The pose in which the target's space lies where the source's does."""
        rotation = pose.rotation @ self.rotation.T
        scale = np.asarray(pose.scale / self.scale)
        shift = (rotation @ self.offset)[..., :2] * [1.0, -1.0]
        return HeadPose(rotation, scale, pose.translation_px - scale[..., None] * shift)
