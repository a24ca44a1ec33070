"""Laws of the camera: its shake is no motion of the head; one that is still, or follows the head, changes nothing."""

from collections.abc import Callable
from fractions import Fraction

import cv2
import numpy as np
import pytest
from faces import as_frames

from faceanime.face.camera import CameraMotion
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import Dynamics, HeadPose
from faceanime.structures.frames import Pixels
from heads import driver_of, pose_of, poses_of

SIDE_PX, FRAMES = 320, 40
HEAD = np.array([160.0, 190.0])
View = Callable[[int], tuple[float, float, float, float]]
"""Zoom, roll in radians, and shift x and y of the camera's picture in a frame."""


class Disc:
    """Segments the disc that stands for a person."""

    def segment(self, pixels: Pixels) -> np.ndarray:
        return (pixels[..., 0].astype(int) - pixels[..., 2] > 60).astype(np.float32)


def background(kind: str) -> Pixels:
    if kind == "plain":
        return np.full((480, 480, 3), 128, np.uint8)
    coarse = np.random.default_rng(4).integers(0, 255, (30, 30)).astype(np.uint8)
    grey = cv2.GaussianBlur(cv2.resize(coarse, (480, 480), interpolation=cv2.INTER_CUBIC), (0, 0), 4.0)
    return np.repeat(grey[..., None], 3, axis=2)


def filmed(view: View, nod: Callable[[int], float], kind: str) -> tuple[list[Pixels], HeadPose]:
    """What a camera sees of a red disc that bobs before a wall, and the poses of the disc in its pictures."""
    wall, pictures, poses = background(kind), [], []
    for t in range(FRAMES):
        zoom, roll, x, y = view(t)
        head = HEAD + np.array([0.0, nod(t)])
        c, s = zoom * np.cos(roll), zoom * np.sin(roll)
        linear = np.array([[c, -s], [s, c]])
        shift = np.array([160.0 + x, 160.0 + y]) - linear @ np.array([160.0, 160.0])
        scene = wall.copy()
        cv2.circle(scene, tuple(round(v) + 80 for v in head), 60, (220, 60, 60), -1)
        # the wall is 80 px wider than the picture on each side
        matrix = np.column_stack([linear, shift - linear @ np.array([80.0, 80.0])])
        pictures.append(np.asarray(cv2.warpAffine(scene, matrix, (SIDE_PX, SIDE_PX))))
        poses.append(pose_of(0, 0, -np.degrees(roll), 60.0 * zoom, tuple(linear @ head + shift)))
    return pictures, poses_of(poses)


def steadied(model: MorphableModel, pictures: list[Pixels], pose: HeadPose) -> Dynamics:
    camera = CameraMotion(Disc())
    assert len(list(camera.watched(as_frames(pictures)))) == len(pictures)
    motion = driver_of(model, pose.resized(256 / SIDE_PX), np.zeros((len(pictures), model.expression_count)))
    assert motion.picture_side_px == 256
    return camera.steadied(motion)


def nodding(t: int) -> float:
    return 4.0 * float(np.sin(t / 3))


SHAKEN: dict[str, View] = {
    "sway": lambda t: (1.0, 0.0, 25 * np.sin(t / 5), 15 * np.cos(t / 4)),
    "push-in": lambda t: (1.0 + 0.01 * t, 0.0, 0.0, 0.0),
    "roll": lambda t: (1.0, 0.1 * np.sin(t / 6), 0.0, 0.0),
}


@pytest.mark.parametrize("shake", SHAKEN)
def test_the_cameras_motion_is_taken_off_the_heads(model: MorphableModel, shake: str) -> None:
    """The head's own nod stays, from wherever the camera looked at first."""
    pictures, pose = filmed(SHAKEN[shake], nodding, "rich")
    zoom = SHAKEN[shake](0)[0]
    made = steadied(model, pictures, pose)
    own = np.array([nodding(t) - nodding(0) for t in range(FRAMES)]) * 256 / SIDE_PX * zoom
    away = made.pose.translation_px - made.pose.translation_px[0]
    np.testing.assert_allclose(away[:, 1], own, atol=1.2)
    np.testing.assert_allclose(away[:, 0], 0.0, atol=1.2)
    assert np.ptp(np.log(made.pose.scale)) < 0.03  # of 0.33
    np.testing.assert_allclose(made.pose.rotation, np.tile(made.pose.rotation[0], (FRAMES, 1, 1)), atol=0.02)


@pytest.mark.parametrize("kind", ["rich", "plain"])
def test_a_still_camera_changes_nothing(model: MorphableModel, kind: str) -> None:
    pictures, pose = filmed(lambda t: (1.0, 0.0, 0.0, 0.0), nodding, kind)
    made = steadied(model, pictures, pose)
    np.testing.assert_array_equal(made.pose.translation_px, pose.resized(256 / SIDE_PX).translation_px)


def test_a_camera_that_follows_the_head_is_not_taken_off_it(model: MorphableModel) -> None:
    """Somebody walks, and is kept in the middle: the wall goes by, the head stays."""
    pictures, pose = filmed(lambda t: (1.0, 0.0, 0.0, -nodding(t) * 8), lambda t: 8 * nodding(t), "rich")
    made = steadied(model, pictures, pose)
    assert np.ptp(made.pose.translation_px, axis=0).max() < 2.0


def test_before_a_plain_wall_a_head_that_moves_too_much_is_damped(model: MorphableModel) -> None:
    pictures, pose = filmed(lambda t: (1.0, 0.0, 40 * np.sin(t / 5), 0.0), nodding, "plain")
    made = steadied(model, pictures, pose)
    before, after = (np.ptp(each.translation_px[:, 0] / 60.0) for each in (pose, made.pose))
    assert after < 0.6 * before
    np.testing.assert_array_equal(made.pose.rotation, pose.rotation)
    assert made.frame_rate == Fraction(25)
