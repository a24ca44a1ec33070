"""A video's landmarks become dynamics, piece by piece, lost frames and all."""

import weakref
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

from faceanime.core.errors import NoFaceError
from faceanime.face.config import FitConfig, SmoothConfig
from faceanime.face.fit import fit_coefficients
from faceanime.face.sequence import DYNAMICS_SIZE_PX, FIT_CHUNK_FRAMES, Shot, fit_sequence, fit_shots
from faceanime.geometry.rotation import rotation_from_angles
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import Dynamics, FaceCoefficients, HeadPose
from faceanime.structures.landmarks import Landmarks
from heads import axes_of, landmarks_of, pose_of

SIDE_PX = 512
RAW = SmoothConfig(method="none", max_gap_s=0.0)
QUICK = FitConfig(iterations=2)


def film(model: MorphableModel, frames: int) -> np.ndarray:
    """Landmarks of a talking, turning head, (T,478,3) px."""
    identity = 0.5 * np.random.default_rng(0).normal(size=model.identity_count)
    phase = np.linspace(0, 6 * np.pi, frames)
    angles = np.radians([15 * np.sin(phase), 5 * np.cos(phase), 3 * np.sin(2 * phase)])
    pose = pose_of(scale=120, at=(256, 256))
    poses = HeadPose(
        rotation_from_angles(*angles), np.full(frames, 120.0), np.tile(pose.translation_px, (frames, 1))
    )
    expression = (0.5 - 0.5 * np.cos(3 * phase))[:, None] * axes_of(model, jaw_open=0.6)
    return landmarks_of(FaceCoefficients(np.tile(identity, (frames, 1)), expression, poses), model)


def as_landmarks(points: np.ndarray) -> list[Landmarks | None]:
    return [Landmarks(frame.astype(np.float32), 1.0) for frame in points]


def dynamics_of(
    landmarks: list[Landmarks | None], model: MorphableModel, smooth: SmoothConfig = RAW
) -> Dynamics:
    return fit_sequence(landmarks, Fraction(30000, 1001), SIDE_PX, model, QUICK, smooth, "a.mp4")


def test_chunks_give_what_one_batch_gives(model: MorphableModel) -> None:
    seen = as_landmarks(film(model, FIT_CHUNK_FRAMES + 40))
    dynamics = dynamics_of(seen, model)
    points = np.stack([face.points_image for face in seen if face is not None])
    batch = fit_coefficients(points, model, QUICK, dynamics.identity)
    np.testing.assert_allclose(dynamics.expression, batch.expression, atol=1e-6)
    np.testing.assert_allclose(dynamics.pose.rotation, batch.pose.rotation, atol=1e-6)
    factor = DYNAMICS_SIZE_PX / SIDE_PX
    np.testing.assert_allclose(dynamics.pose.scale, factor * batch.pose.scale, rtol=1e-6)
    np.testing.assert_allclose(dynamics.pose.translation_px, factor * batch.pose.translation_px, atol=1e-4)
    assert dynamics.valid.all()
    assert dynamics.frame_rate == Fraction(30000, 1001)
    assert dynamics.model_id == model.id


def test_lost_frames_repeat_the_nearest_one_known(model: MorphableModel) -> None:
    seen = as_landmarks(film(model, 30))
    for lost in (0, 1, 10, 11, 12, 29):
        seen[lost] = None
    dynamics = dynamics_of(seen, model)
    assert np.flatnonzero(~dynamics.valid).tolist() == [0, 1, 10, 11, 12, 29]
    for lost, known in ((0, 2), (1, 2), (29, 28)):
        np.testing.assert_array_equal(dynamics.expression[lost], dynamics.expression[known])
        np.testing.assert_array_equal(dynamics.pose.rotation[lost], dynamics.pose.rotation[known])


def test_short_gaps_are_bridged(model: MorphableModel) -> None:
    whole = film(model, 60)
    seen = as_landmarks(whole)
    seen[20] = seen[21] = None
    dynamics = dynamics_of(seen, model, SmoothConfig(method="none"))
    assert dynamics.valid.all()
    nearby = np.abs(dynamics.expression[19] - dynamics.expression[22]).max() + 1e-6
    assert np.abs(dynamics.expression[20] - dynamics.expression[19]).max() <= nearby


def test_a_face_may_come_after_the_first_chunk(model: MorphableModel) -> None:
    dynamics = dynamics_of([None] * (FIT_CHUNK_FRAMES + 3) + as_landmarks(film(model, 20)), model)
    assert len(dynamics) == FIT_CHUNK_FRAMES + 23
    assert np.flatnonzero(dynamics.valid)[0] == FIT_CHUNK_FRAMES + 3


def test_a_single_frame_is_a_sequence(model: MorphableModel) -> None:
    assert len(dynamics_of(as_landmarks(film(model, 1)), model, SmoothConfig())) == 1


@pytest.mark.parametrize("frames", [0, 7])
def test_no_face_at_all_is_an_error(model: MorphableModel, frames: int) -> None:
    with pytest.raises(NoFaceError, match=rf"{frames} frames of a\.mp4"):
        dynamics_of([None] * frames, model)


def test_landmarks_are_let_go_chunk_by_chunk(model: MorphableModel) -> None:
    alive: weakref.WeakSet[Landmarks] = weakref.WeakSet()
    most = 0
    points = film(model, 8)

    def stream() -> Iterator[Landmarks]:
        nonlocal most
        for t in range(3 * FIT_CHUNK_FRAMES):
            face = Landmarks(points[t % len(points)].astype(np.float32), 1.0)
            alive.add(face)
            most = max(most, len(alive))
            yield face

    fit_sequence(stream(), Fraction(25), SIDE_PX, model, FitConfig(iterations=1), RAW, "a.mp4")
    assert most <= 2 * FIT_CHUNK_FRAMES + 1


def test_a_video_tells_of_its_cuts_and_of_frames_without_a_face(
    model: MorphableModel, caplog: pytest.LogCaptureFixture
) -> None:
    """A black beginning, a shot of one person, one of another, and the first person again."""
    one = as_landmarks(film(model, 40))
    other = 2.0 * np.random.default_rng(9).normal(size=model.identity_count)
    pose = pose_of(scale=90, at=(120, 300))
    poses = HeadPose(
        np.repeat(pose.rotation[None], 30, 0), np.full(30, 90.0), np.tile(pose.translation_px, (30, 1))
    )
    still = np.zeros((30, model.expression_count))
    two = as_landmarks(landmarks_of(FaceCoefficients(np.tile(other, (30, 1)), still, poses), model))
    numbered = [(Shot(0), None)] * 10 + [(Shot(1), face) for face in one] + [(Shot(2), face) for face in two]
    numbered += [(Shot(3), face) for face in one[:20]]
    dynamics = fit_shots(numbered, Fraction(10), SIDE_PX, model, QUICK, RAW, "a.mp4")
    assert dynamics.valid.tolist() == [False] * 10 + [True] * 90
    assert [record.getMessage() for record in caplog.records] == [
        "a.mp4 is cut, or jumps, at 5.0 s, 8.0 s: each shot is read by itself; another person is seen at 5.0 to 8.0 s",
        "a.mp4: no face in 10 of 100 frames; the portrait keeps its own there",
    ]
    assert np.ptp(dynamics.pose.scale) / dynamics.pose.scale.mean() < 0.05


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_camera_held_sideways_or_upside_down_changes_nothing(model: MorphableModel, quarters: int) -> None:
    points = film(model, 40)
    turned = points.copy()
    for _ in range(quarters):  # a quarter turn clockwise of the square picture
        turned[..., 0], turned[..., 1] = SIDE_PX - turned[..., 1], turned[..., 0].copy()

    def read(points: np.ndarray) -> Dynamics:
        numbered = [(Shot(0), face) for face in as_landmarks(points)]
        return fit_shots(numbered, Fraction(25), SIDE_PX, model, QUICK, RAW, "a.mp4")

    upright, made = read(points), read(turned)
    np.testing.assert_allclose(made.pose.rotation, upright.pose.rotation, atol=0.01)
    np.testing.assert_allclose(made.pose.translation_px, upright.pose.translation_px, atol=0.2)
    np.testing.assert_allclose(made.expression, upright.expression, atol=0.05)
