"""Laws of SO(3)."""

import math
import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from faceanime.geometry.rotation import (
    angle_between,
    angles_from_rotation,
    nearest_rotation,
    rotation_from_angles,
    rotation_from_vector,
    vector_from_rotation,
)

short_vectors = arrays(np.float64, (2, 3), elements=st.floats(-1.7, 1.7))  # norms below pi


def assert_on_so3(rotation: np.ndarray) -> None:
    identity = np.broadcast_to(np.eye(3), rotation.shape)
    np.testing.assert_allclose(rotation @ np.swapaxes(rotation, -1, -2), identity, atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(rotation), 1, atol=1e-9)


@given(short_vectors)
def test_vectors_round_trip(vector: np.ndarray) -> None:
    rotation = rotation_from_vector(vector)
    assert_on_so3(rotation)
    np.testing.assert_allclose(vector_from_rotation(rotation), vector, atol=1e-9)
    still = np.broadcast_to(np.eye(3), rotation.shape)
    np.testing.assert_allclose(angle_between(still, rotation), np.linalg.norm(vector, axis=-1), atol=1e-9)


@given(short_vectors, short_vectors)
def test_the_angle_between_two_rotations_does_not_depend_on_the_axes(
    start: np.ndarray, turn: np.ndarray
) -> None:
    """The distance on SO(3) is invariant from both sides: a head turns by 10 degrees from wherever it starts."""
    a, by = rotation_from_vector(start), rotation_from_vector(turn)
    angle = np.linalg.norm(turn, axis=-1)
    for b in (a @ by, by @ a):
        np.testing.assert_allclose(angle_between(a, b), angle, atol=1e-7)
        np.testing.assert_allclose(angle_between(b, a), angle, atol=1e-7)


@given(st.floats(-3.1, 3.1), st.floats(-1.5, 1.5), st.floats(-3.1, 3.1))
def test_angles_round_trip(yaw: float, pitch: float, roll: float) -> None:
    rotation = rotation_from_angles(yaw, pitch, roll)
    assert_on_so3(rotation)
    np.testing.assert_allclose(angles_from_rotation(rotation), [yaw, pitch, roll], atol=1e-7)


def test_angles_turn_the_head_as_the_conventions_say() -> None:
    nose, crown = np.array([0.0, 0, 1]), np.array([0.0, 1, 0])
    turn = math.radians(20)
    assert (rotation_from_angles(turn, 0.0, 0.0) @ nose)[0] > 0, "positive yaw: to the subject's left, +X"
    assert (rotation_from_angles(0.0, turn, 0.0) @ nose)[1] < 0, "positive pitch: down"
    assert (rotation_from_angles(0.0, 0.0, turn) @ crown)[0] < 0, "positive roll: to the picture's left"


@given(arrays(np.float64, (3, 3), elements=st.floats(-1, 1)), short_vectors)
def test_the_nearest_rotation_is_one_and_is_nearest(matrix: np.ndarray, vectors: np.ndarray) -> None:
    nearest = nearest_rotation(matrix)
    assert_on_so3(nearest)
    for other in rotation_from_vector(vectors):
        assert np.linalg.norm(matrix - nearest) <= np.linalg.norm(matrix - other) + 1e-9


@given(short_vectors, arrays(np.float64, (3,), elements=st.floats(0.1, 1.0)))
def test_a_reflection_gives_up_the_axis_that_counts_least(axes: np.ndarray, stretch: np.ndarray) -> None:
    """No rotation mirrors: of the three axes the nearest one gets that wrong along which there is least to lose."""
    u, v = rotation_from_vector(axes)
    mirrored = u @ np.diag(np.sort(stretch)[::-1] * [1.0, 1.0, -1.0]) @ v
    nearest = nearest_rotation(mirrored)
    assert_on_so3(nearest)
    assert np.linalg.norm(mirrored - nearest) <= np.linalg.norm(mirrored - u @ v) + 1e-9


@given(short_vectors)
def test_a_rotation_is_nearest_to_itself(vector: np.ndarray) -> None:
    rotation = rotation_from_vector(vector)
    np.testing.assert_allclose(nearest_rotation(rotation), rotation, atol=1e-9)


def test_rotations_work_while_another_thread_imports_torch() -> None:
    """A module that is being imported is there, but has nothing in it yet."""
    script = (
        "import sys, types; import faceanime.geometry.rotation as r; import numpy as np;"
        "assert 'torch' not in sys.modules; sys.modules['torch'] = types.ModuleType('torch');"
        "turn = r.rotation_from_angles(0.1, 0.2, 0.3); r.angles_from_rotation(turn);"
        "r.rotation_from_vector(r.vector_from_rotation(turn))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
