"""Fit the morphable model to landmarks (arXiv 2105.14678, sec. III-A).

Minimizes, over pose, identity and expression,

    sum_t sum_i w_i | p_ti - (s_t Pi R_t v_i(a_id, a_exp,t) + t_t) |^2  +  ridge (|a_id|^2 + sum_t |a_exp,t|^2)

by alternating two steps: the pose of each frame from its *rigid* landmarks alone, so that neither the jaw nor a blink
moves the head (see also `MorphableModel.apparent_basis`), and all coefficients of all frames jointly for the given
poses. Identity is shared by the frames. Deviation from the paper: landmarks have weights, and the detector's depth
counts a little.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from faceanime.core.errors import check_shape
from faceanime.face.config import FitConfig
from faceanime.geometry.camera import FLIP_Y, project, unproject
from faceanime.geometry.procrustes import weighted_procrustes
from faceanime.geometry.rotation import rotation_from_vector
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import FaceCoefficients, FittedFace, HeadPose

FramePoints = Float[np.ndarray, "T L 3"]


def fit_coefficients(
    points: FramePoints,
    model: MorphableModel,
    config: FitConfig,
    identity: Float[np.ndarray, " K_id"] | None = None,
    pinned: Bool[np.ndarray, " T"] | None = None,
) -> FaceCoefficients:
    """The coefficients of T frames of one person.

    `points` (T,L,3) landmarks in px, finite. `identity` (K_id,) is kept if given, else fitted over all frames.
    `pinned` (T,), by default false: frames whose landmarks lie on an anchor's skin; all others contain the head's
    apparent motion (`MorphableModel.apparent_basis`). Returns identity repeated T times. Raises ShapeError.
    """
    check_shape("points", points, None, model.landmark_count, 3)
    points = np.asarray(points, dtype=np.float64)
    if pinned is None:
        return _fit_frames(points, model, config, identity, apparent=True)
    check_shape("pinned", pinned, len(points))
    if pinned.all() or not pinned.any():
        return _fit_frames(points, model, config, identity, apparent=not pinned.any())
    if identity is None:  # from the larger group
        most_pinned = bool(pinned.mean() > 0.5)
        majority = _fit_frames(points[pinned == most_pinned], model, config, None, apparent=not most_pinned)
        identity = majority.identity[0]
    order = np.argsort(np.concatenate([np.flatnonzero(pinned), np.flatnonzero(~pinned)]))
    groups = [
        _fit_frames(points[which], model, config, identity, apparent)
        for which, apparent in ((pinned, False), (~pinned, True))
    ]
    pose = HeadPose.concatenate([group.pose for group in groups])
    identities, expression = (
        np.concatenate([getattr(g, name) for g in groups]) for name in ("identity", "expression")
    )
    return FaceCoefficients(identities[order], expression[order], pose[order])


def _fit_frames(
    points: FramePoints,
    model: MorphableModel,
    config: FitConfig,
    identity: Float[np.ndarray, " K_id"] | None,
    apparent: bool,
) -> FaceCoefficients:
    """Fit frames whose landmarks are all pinned, or all as detected (`apparent`)."""
    solver = _CoefficientSolver(model, config, seen_basis(model, apparent))
    shape = np.broadcast_to(model.landmark_mean.astype(np.float64), points.shape)
    if identity is not None:
        shape = shape + model.landmark_identity_basis @ identity
    pose = initial_pose(points, shape, model)
    for _ in range(config.iterations):
        pose = _refine_pose(points, shape, pose, model, config)
        fitted_identity, expression = solver.solve(points, pose, identity)
        shape = solver.shape(fitted_identity, expression)
    pose = _refine_pose(points, shape, pose, model, config)
    repeated = np.repeat(fitted_identity[None], len(points), axis=0)
    return FaceCoefficients(repeated, expression, pose)


def fit_face(points: Float[np.ndarray, "L 3"], model: MorphableModel, config: FitConfig) -> FittedFace:
    """One face with its residual: the landmarks of the resulting mesh lie exactly on the points' x and y."""
    batch = fit_coefficients(points[None], model, config)
    return with_residual(
        FaceCoefficients(batch.identity[0], batch.expression[0], batch.pose[0]), points, model
    )


def with_residual(
    face: FaceCoefficients, points: Float[np.ndarray, "L D"], model: MorphableModel
) -> FittedFace:
    """The face with the residual that puts the landmarks of its mesh on the x and y of `points` (L,2 or 3), px."""
    vertices = model.vertices(face.identity, face.expression).astype(np.float64)
    landmarks = model.landmarks_of(vertices)
    wanted = project(landmarks, face.pose)
    wanted[:, :2] = points[:, :2]
    return FittedFace(face, model.spread(unproject(wanted, face.pose) - landmarks))


def mesh_at(points: Float[np.ndarray, "L 3"], model: MorphableModel) -> Float[np.ndarray, "V 3"]:
    """The model's mesh in the picture, its landmarks at `points` (px) and the rest where these let it lie."""
    if model.embedding.is_identity(len(model.mean)):
        return points
    pose = initial_pose(points[None], model.landmark_mean.astype(np.float64)[None], model)[0]
    mean = project(model.mean.astype(np.float64), pose)
    return mean + model.spread(points - model.landmarks_of(mean))


def initial_pose(points: FramePoints, shape: FramePoints, model: MorphableModel) -> HeadPose:
    """The poses in which the rigid points of `shape` (T,L,3), model units, lie closest to `points` (T,L,3), px."""
    scale, rotation, translation = weighted_procrustes(
        shape, points * FLIP_Y, model.rigid_weight.astype(np.float64)
    )
    return HeadPose(rotation, scale, (translation * FLIP_Y)[:, :2])


def _refine_pose(
    points: FramePoints,
    shape: FramePoints,
    pose: HeadPose,
    model: MorphableModel,
    config: FitConfig,
    steps: int = 2,
) -> HeadPose:
    """Gauss-Newton on (scale, rotation vector, translation, depth offset), over the rigid points."""
    weight = np.sqrt(model.rigid_weight)[:, None] * np.sqrt([1.0, 1.0, config.depth_weight])
    rigid = model.rigid_weight > 0
    weight, points, shape = weight[rigid], points[:, rigid] * FLIP_Y, shape[:, rigid]
    for _ in range(steps):
        turned = shape @ np.swapaxes(pose.rotation, -1, -2)
        scale = pose.scale[:, None, None]
        x, y, z = np.moveaxis(turned * scale, -1, 0)
        zero, one = np.zeros_like(x), np.ones_like(x)
        jacobian = np.stack(  # d(x,y,z) / d(log scale, rotation x, y, z, translation x, y, z)
            [
                np.stack([x, zero, z, -y, one, zero, zero], -1),
                np.stack([y, -z, zero, x, zero, one, zero], -1),
                np.stack([z, y, -x, zero, zero, zero, one], -1),
            ],
            axis=-2,
        )
        depth = np.average(points[..., 2] - z, axis=-1, weights=weight[:, 2])
        offset = np.concatenate([pose.translation_px * FLIP_Y[:2], depth[:, None]], axis=-1)
        error = (points - turned * scale - offset[:, None]) * weight
        jacobian = (jacobian * weight[:, :, None]).reshape(len(points), -1, 7)
        error = error.reshape(len(points), -1, 1)
        transposed = np.swapaxes(jacobian, -1, -2)
        step = np.linalg.solve(transposed @ jacobian, transposed @ error)[..., 0]
        pose = HeadPose(
            rotation_from_vector(step[:, 1:4]) @ pose.rotation,
            pose.scale * np.exp(np.clip(step[:, 0], -0.5, 0.5)),
            pose.translation_px + step[:, 4:6] * FLIP_Y[:2],
        )
    return pose


def seen_basis(model: MorphableModel, apparent: bool) -> Float[np.ndarray, "L 3 K_exp"]:
    """The expression basis as landmarks show it, with or without the head's apparent motion."""
    return model.apparent_basis if apparent else model.landmark_expression_basis


class _CoefficientSolver:
    """The exact least-squares coefficients for given poses.

    With scaled-orthographic poses the normal matrix of a frame is sum_ij C_ij G_ij with the 3x3 matrix
    C = R^T diag(1, 1, depth_weight) R and Gram matrices G_ij of the basis that do not depend on the frame; less
    what the frame's free depth offset takes up.
    """

    def __init__(
        self, model: MorphableModel, config: FitConfig, expression_basis: Float[np.ndarray, "L 3 K_exp"]
    ) -> None:
        count = model.landmark_count
        self._mean = model.landmark_mean.astype(np.float64)
        self._basis = np.concatenate([model.landmark_identity_basis, expression_basis], axis=2).astype(
            np.float64
        )
        self._weight = model.fit_weight.astype(np.float64)
        self._identities = model.identity_count
        self._metric = np.array([1.0, 1.0, config.depth_weight])
        self._gram = np.einsum("v,vik,vjl->ijkl", self._weight, self._basis, self._basis, optimize=True)
        self._summed_basis = np.einsum("v,vik->ik", self._weight, self._basis)
        self._identity_ridge = config.identity_ridge * self._weight.sum() / count
        self._expression_ridge = config.expression_ridge * self._weight.sum() / count

    def shape(
        self, identity: Float[np.ndarray, " K_id"], expression: Float[np.ndarray, "T K_exp"]
    ) -> FramePoints:
        k = self._identities
        base = self._mean + self._basis[..., :k] @ identity
        flat = expression @ self._basis[..., k:].reshape(-1, expression.shape[1]).T
        return np.asarray(base + flat.reshape(len(expression), -1, 3))

    def solve(
        self, points: FramePoints, pose: HeadPose, identity: Float[np.ndarray, " K_id"] | None
    ) -> tuple[Float[np.ndarray, " K_id"], Float[np.ndarray, "T K_exp"]]:
        k = self._identities
        normal, target = self._normal_equations(points, pose)
        expression_block = normal[:, k:, k:] + self._expression_ridge * np.eye(normal.shape[-1] - k)
        if identity is None:  # eliminate each frame's expression (Schur complement)
            cross = normal[:, :k, k:]
            gain = np.linalg.solve(expression_block, np.swapaxes(cross, -1, -2))
            reduced: np.ndarray = (normal[:, :k, :k] - cross @ gain).sum(axis=0)
            reduced += self._identity_ridge * np.eye(k)
            right = (target[:, :k] - np.einsum("tke,te->tk", np.swapaxes(gain, 1, 2), target[:, k:])).sum(0)
            identity = np.linalg.solve(reduced, right)
        rest = target[:, k:] - np.einsum("tke,k->te", normal[:, :k, k:], identity)
        return identity, np.linalg.solve(expression_block, rest[..., None])[..., 0]

    def _normal_equations(
        self, points: FramePoints, pose: HeadPose
    ) -> tuple[Float[np.ndarray, "T K K"], Float[np.ndarray, "T K"]]:
        """In model units, so that the ridge means the same for a face of any size."""
        metric = np.swapaxes(pose.rotation, -1, -2) @ (self._metric[:, None] * pose.rotation)
        normal = np.tensordot(metric, self._gram, axes=((1, 2), (0, 1)))
        depth = pose.rotation[:, 2] @ self._summed_basis
        normal -= self._metric[2] / self._weight.sum() * depth[:, :, None] * depth[:, None]
        seen = points * FLIP_Y
        seen[..., :2] -= (pose.translation_px * FLIP_Y[:2])[:, None]
        seen /= pose.scale[:, None, None]
        flat = self._mean @ np.swapaxes(pose.rotation, -1, -2)
        error = seen - flat
        error[..., 2] -= np.average(error[..., 2], axis=1, weights=self._weight)[:, None]
        pulled = (error * self._metric) @ pose.rotation * self._weight[:, None]
        target = pulled.reshape(len(points), -1) @ self._basis.reshape(-1, self._basis.shape[2])
        return normal, target
