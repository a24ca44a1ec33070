"""Laws of the anchor: landmarks go where the skin went, and only as far as the picture tells."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest
from faces import as_frames, astronaut

from faceanime.face.anchor import ANCHOR_CHUNK_FRAMES, Anchor, FaceView, choose_anchor, pin_to_anchor
from faceanime.face.config import TrackConfig
from faceanime.geometry.camera import project
from faceanime.geometry.rotation import rotation_from_angles
from faceanime.morphable.mediapipe_schema import MEDIAPIPE
from faceanime.morphable.model import MorphableModel
from faceanime.pipeline import Animator
from faceanime.render.composite import Paster
from faceanime.render.config import GeometricConfig
from faceanime.render.geometric import PortraitLayers
from faceanime.structures.coefficients import FaceCoefficients
from faceanime.structures.landmarks import Landmarks
from heads import axes_of, landmarks_of, pose_of
from trackers import bundled_tracker

CORNERS = MEDIAPIPE.mask(MEDIAPIPE.eye_corners)
NOT_PINNED = (MEDIAPIPE.lids & ~CORNERS) | MEDIAPIPE.irises


@dataclass(frozen=True, eq=False)
class Shot:
    """A picture and where each landmark truly is in it, (L,3) px."""

    pixels: np.ndarray
    points: np.ndarray

    def view(self, off_px: np.ndarray | float = 0.0) -> FaceView:
        points = self.points.copy()
        points[:, :2] += off_px
        return FaceView.of(self.pixels, Landmarks(points.astype(np.float32), 1.0), MEDIAPIPE)


@pytest.fixture(scope="module")
def shots(model: MorphableModel) -> list[Shot]:
    """The astronaut at rest, then turned and smiling: what the renderer draws, and where its mesh lies."""
    portrait = Animator().portrait(astronaut())
    renderer = PortraitLayers(portrait.pixels, portrait.face, portrait.matte, model, GeometricConfig())
    paster = Paster(portrait.pixels, renderer.region)
    rest = portrait.face.coefficients
    made = []
    for turn_deg, smile in ((0.0, 0.0), (6.0, 0.0), (-8.0, 0.4), (4.0, -0.4)):
        turn = rotation_from_angles(*np.radians([turn_deg, 0.5 * turn_deg, 0.0]))
        pose = replace(rest.pose, rotation=turn @ rest.pose.rotation)
        face = FaceCoefficients(rest.identity, rest.expression + axes_of(model, smile=smile), pose)
        shape = model.vertices(face.identity, face.expression) + portrait.face.residual
        points = project(model.landmarks_of(shape).astype(np.float64), pose)
        made.append(Shot(paster.paste(renderer.render(face)), points))
    return made


def away(found: Landmarks, shot: Shot) -> np.ndarray:
    return np.linalg.norm(found.points_image[:, :2] - shot.points[:, :2], axis=1)


def test_what_a_detector_reads_elsewhere_is_put_back_on_the_skin(
    shots: list[Shot], model: MorphableModel
) -> None:
    anchor = Anchor(shots[0].view(), model)
    inner = ~(NOT_PINNED | MEDIAPIPE.mask(MEDIAPIPE.oval))
    for shot in shots[1:]:
        assert away(anchor.pin(shot.view()), shot)[inner].mean() < 0.3
        for off_px in ([1.5, 0.0], [0.0, -1.5]):
            assert away(anchor.pin(shot.view(np.array(off_px))), shot)[inner].mean() < 0.4


def test_noise_of_the_detector_is_less_afterwards(shots: list[Shot], model: MorphableModel) -> None:
    rng, anchor = np.random.default_rng(0), Anchor(shots[0].view(), model)
    pinned = []
    for _ in range(6):
        smooth = rng.normal(0.0, 1.0, 2)  # the whole face, as detectors jitter
        pinned.append(anchor.pin(shots[1].view(smooth)).points_image[~NOT_PINNED, :2])
    assert np.std(pinned, axis=0).mean() < 0.25


def test_lids_and_irises_stay_the_detectors(shots: list[Shot], model: MorphableModel) -> None:
    view = shots[2].view(1.0)
    found = Anchor(shots[0].view(), model).pin(view)
    expected = shots[2].points[NOT_PINNED, :2] + 1.0
    np.testing.assert_allclose(found.points_image[NOT_PINNED, :2], expected, atol=1e-3)


def test_what_is_hidden_stays_the_detectors(shots: list[Shot], model: MorphableModel) -> None:
    anchor, shot = Anchor(shots[0].view(), model), shots[1]
    hidden = shot.pixels.copy()
    x, y = shot.points[[13, 14], :2].mean(axis=0).astype(int)
    hand = np.random.default_rng(0).integers(0, 255, (8, 8, 3)).astype(np.uint8).repeat(6, 0).repeat(6, 1)
    hidden[y - 24 : y + 24, x - 24 : x + 24] = hand
    beneath = (np.abs(shot.points[:, :2] - [x, y]) < 18).all(axis=1)
    assert beneath.sum() > 20
    found = anchor.pin(Shot(hidden, shot.points).view(1.0))
    assert np.abs(found.points_image[beneath, :2] - shot.points[beneath, :2] - 1.0).mean() < 0.1


def test_a_picture_without_skin_moves_nothing(shots: list[Shot], model: MorphableModel) -> None:
    other = Shot(np.full_like(shots[0].pixels, 120), shots[1].points)
    found = Anchor(shots[0].view(), model).pin(other.view())
    np.testing.assert_allclose(found.points_image[:, :2], other.points[:, :2], atol=0.05)


def test_frames_without_a_face_stay_so_and_the_anchor_is_itself(
    shots: list[Shot], model: MorphableModel
) -> None:
    views = [None, None, shots[0].view(), None, shots[1].view(1.0), *[shots[0].view()] * ANCHOR_CHUNK_FRAMES]
    found = list(pin_to_anchor(views, model))
    assert [one is None for one in found] == [view is None for view in views]
    assert found[2] is not None
    assert found[4] is not None
    np.testing.assert_allclose(found[2].points_image, shots[0].points, atol=1e-3)
    assert away(found[4], shots[1])[~NOT_PINNED].mean() < 0.5
    assert list(pin_to_anchor([None] * 3, model)) == [None] * 3
    assert list(pin_to_anchor([], model)) == []


def test_the_anchor_is_calm(model: MorphableModel) -> None:
    def view(yaw_deg: float = 0.0, **axes: float) -> FaceView:
        face = FaceCoefficients(
            np.zeros(model.identity_count), axes_of(model, **axes), pose_of(yaw_deg, at=(256, 256))
        )
        landmarks = Landmarks(landmarks_of(face, model).astype(np.float32), 1.0)
        return FaceView.of(astronaut(), landmarks, MEDIAPIPE)

    calm = view(2.0)
    others = [view(jaw_open=0.7), view(30.0), view(blink_right=1.0, blink_left=1.0)]
    for place in range(4):
        assert choose_anchor([*others[:place], calm, *others[place:]], model) is calm


def test_another_look_of_a_face_gets_an_anchor_of_its_own(shots: list[Shot], model: MorphableModel) -> None:
    negative = [Shot(255 - shot.pixels, shot.points) for shot in shots]  # as strange as another person
    first = [shots[0].view(), *[shots[1].view(1.5)] * (ANCHOR_CHUNK_FRAMES - 1)]
    second = [negative[0].view(), *[negative[1].view(1.5)] * (ANCHOR_CHUNK_FRAMES - 1)]
    lone = Anchor(shots[0].view(), model).pin(negative[1].view(1.5))
    assert not lone.pinned
    found = list(pin_to_anchor([*first, *second], model))
    for place, shot in ((ANCHOR_CHUNK_FRAMES - 1, shots[1]), (2 * ANCHOR_CHUNK_FRAMES - 1, negative[1])):
        last = found[place]
        assert last is not None
        assert last.pinned
        assert away(last, shot)[~NOT_PINNED].mean() < 0.6


def test_a_blurred_frame_is_no_anchor(shots: list[Shot], model: MorphableModel) -> None:
    blurred = Shot(cv2.GaussianBlur(shots[0].pixels, (0, 0), 4), shots[0].points)
    sharp = [shot.view() for shot in shots]
    assert choose_anchor([blurred.view(), *sharp], model) in sharp


def test_a_face_seen_once_stays_the_detectors(shots: list[Shot], model: MorphableModel) -> None:
    (found,) = pin_to_anchor([shots[1].view(1.5)], model)
    assert found is not None
    assert not found.pinned
    np.testing.assert_array_equal(found.points_image, shots[1].view(1.5).landmarks.points_image)


def test_the_tracker_pins_unless_told_not_to(shots: list[Shot]) -> None:
    frames = as_frames([shot.pixels for shot in shots])
    plain = list(bundled_tracker(TrackConfig(anchored=False)).track(frames))
    pinned = list(bundled_tracker().track(frames))
    errors = {"plain": [], "pinned": []}  # type: dict[str, list[np.ndarray]]
    for a, b, shot in zip(plain, pinned, shots, strict=True):
        assert a is not None
        assert b is not None
        assert not a.pinned
        assert b.pinned
        for name, found in (("plain", a), ("pinned", b)):
            errors[name].append(found.points_image[:, :2] - shot.points[:, :2])
    # where the detector reads the anchor's frame is where the skin is held to be
    drift = {
        name: np.linalg.norm(np.array(one) - one[0], axis=-1)[1:, ~NOT_PINNED].mean()
        for name, one in errors.items()
    }
    assert drift["pinned"] < 0.65 * drift["plain"]
