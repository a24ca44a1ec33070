"""Rotations in 3D: a `rotation` is (*B,3,3) on SO(3), a rotation `vector` (*B,3) is axis times angle in radians.

Angles follow docs/reference/conventions.md: R = Ry(yaw) Rx(pitch) Rz(roll), radians.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

# SciPy asks once whether NumPy's arrays are torch's, which fails while another thread imports torch. Asked here, where
# no such thread runs yet, it remembers the answer.
Rotation.from_rotvec(np.zeros(3))


def rotation_from_vector(vector: Float[np.ndarray, "*B 3"]) -> Float[np.ndarray, "*B 3 3"]:
    """The exponential map: the rotation of a rotation vector.

    >>> rotation_from_vector(np.zeros(3)).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    flat = np.asarray(vector, dtype=np.float64).reshape(-1, 3)
    return Rotation.from_rotvec(flat).as_matrix().reshape(*vector.shape[:-1], 3, 3)


def vector_from_rotation(rotation: Float[np.ndarray, "*B 3 3"]) -> Float[np.ndarray, "*B 3"]:
    """The logarithm map: the rotation vector of a rotation; its norm is the angle, in [0, pi]."""
    flat = np.asarray(rotation, dtype=np.float64).reshape(-1, 3, 3)
    return Rotation.from_matrix(flat).as_rotvec().reshape(*rotation.shape[:-2], 3)


def rotation_from_angles(
    yaw: float | Float[np.ndarray, "*B"],
    pitch: float | Float[np.ndarray, "*B"],
    roll: float | Float[np.ndarray, "*B"],
) -> Float[np.ndarray, "*B 3 3"]:
    """R = Ry(yaw) Rx(pitch) Rz(roll), angles in radians."""
    yaw, pitch, roll = np.broadcast_arrays(*(np.asarray(a, np.float64) for a in (yaw, pitch, roll)))
    angles = np.stack([yaw, pitch, roll], axis=-1).reshape(-1, 3)
    return Rotation.from_euler("YXZ", angles).as_matrix().reshape(*yaw.shape, 3, 3)


def angles_from_rotation(rotation: Float[np.ndarray, "*B 3 3"]) -> Float[np.ndarray, "*B 3"]:
    """Yaw, pitch and roll, radians, of R = Ry(yaw) Rx(pitch) Rz(roll); pitch in [-pi/2, pi/2]."""
    flat = np.asarray(rotation, dtype=np.float64).reshape(-1, 3, 3)
    return Rotation.from_matrix(flat).as_euler("YXZ").reshape(*rotation.shape[:-2], 3)


def nearest_rotation(matrix: Float[np.ndarray, "*B 3 3"]) -> Float[np.ndarray, "*B 3 3"]:
    """The rotation nearest to a matrix in the Frobenius norm (orthogonal Procrustes)."""
    u, _, vt = np.linalg.svd(matrix)
    sign = np.linalg.det(u @ vt)
    u = u.copy()
    u[..., :, 2] *= sign[..., None]
    return np.asarray(u @ vt)


def angle_between(a: Float[np.ndarray, "*B 3 3"], b: Float[np.ndarray, "*B 3 3"]) -> Float[np.ndarray, "*B"]:
    """The geodesic distance on SO(3), radians."""
    return np.asarray(np.linalg.norm(vector_from_rotation(np.swapaxes(a, -1, -2) @ b), axis=-1))
