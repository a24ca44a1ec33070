"""Laws of tracking: one face is followed, without lag, through loss and cuts; nothing aborts it."""

import numpy as np
import pytest
from faces import FACE_WIDTH_PX, as_frames, astronaut, moved

from faceanime.core.errors import ConfigError
from faceanime.face.config import TrackConfig
from faceanime.face.landmark_view import place_of
from faceanime.face.track import LandmarkTracker
from faceanime.morphable.mediapipe_schema import MEDIAPIPE
from faceanime.structures.landmarks import Landmarks
from trackers import bundled_tracker


@pytest.fixture(scope="module")
def tracker() -> LandmarkTracker:
    return bundled_tracker()


def centers(track: list[Landmarks | None]) -> np.ndarray:
    return np.array([[np.nan, np.nan] if t is None else t.points_image[:, :2].mean(axis=0) for t in track])


def test_a_moving_face_is_followed_without_lag(tracker: LandmarkTracker) -> None:
    t = np.arange(30)
    x, y = 60 * np.sin(t / 4), 20 * np.cos(t / 3)
    track = list(
        tracker.track(as_frames(moved(astronaut(), 0.9, *p) for p in zip(x + 30, y + 40, strict=True)))
    )
    found = centers(track) - np.column_stack([x, y])
    speed = np.gradient(x)
    assert np.abs(found - found.mean(axis=0)).max() < 0.01 * FACE_WIDTH_PX
    assert abs(np.polyfit(speed, found[:, 0], 1)[0]) < 0.02  # lag in frames


def test_a_still_face_is_still(tracker: LandmarkTracker) -> None:
    track = list(tracker.track(as_frames([astronaut()] * 12)))
    points = np.array([t.points_image for t in track if t is not None])
    assert len(points) == 12
    assert np.abs(np.diff(points[4:, :, :2], axis=0)).mean() < 0.05


def test_a_lost_face_is_none_and_found_again(tracker: LandmarkTracker) -> None:
    blank = np.full_like(astronaut(), 90)
    track = list(tracker.track(as_frames([blank] * 3 + [astronaut()] * 6 + [blank] * 7 + [astronaut()] * 8)))
    seen = np.array([t is not None for t in track])
    assert not seen[:3].any()
    assert not seen[9:16].any()
    assert seen[5:9].all()
    assert seen[-3:].all()


def test_no_frames_and_no_face_are_no_errors(tracker: LandmarkTracker) -> None:
    assert list(tracker.track([])) == []
    assert list(tracker.track(as_frames([np.zeros((8, 8, 3), np.uint8)] * 3))) == [None] * 3


def test_the_chosen_face_is_kept_beside_another() -> None:
    left, right = moved(astronaut(), 0.8), astronaut()
    pair = np.concatenate([left, right], axis=1)
    frames = as_frames(moved(pair, 1.0, 4.0 * t) for t in range(10))
    for config, is_right in ((TrackConfig("largest"), True), (TrackConfig(1), False)):
        x = centers(list(bundled_tracker(config).track(frames)))[:, 0]
        assert ((x > 512) == is_right).all()
        assert np.diff(x) == pytest.approx(4.0, abs=0.5)


def test_when_the_face_leaves_another_does_not_take_its_place(tracker: LandmarkTracker) -> None:
    both = np.concatenate([moved(astronaut(), 0.8), astronaut()], axis=1)
    alone = both.copy()
    alone[:, 512:] = 90
    track = list(tracker.track(as_frames([both] * 3 + [alone] * 8)))
    assert all(t is not None for t in track[:3])
    assert track[3:] == [None] * 8


def test_a_jump_in_a_cut_is_a_loss(tracker: LandmarkTracker) -> None:
    far = moved(astronaut(), 1.0, 150.0)
    track = list(tracker.track(as_frames([astronaut()] * 3 + [far] * 25)))
    assert track[3] is None
    assert track[-1] is not None
    assert centers(track)[-1, 0] == pytest.approx(centers(track)[0, 0] + 150, abs=1)


def test_the_view_does_not_pump_with_the_jaw(tracker: LandmarkTracker) -> None:
    (face,) = tracker.track(as_frames([astronaut()]))
    assert face is not None
    points = face.points_image
    jaw = points[:, 1] > points[2, 1]
    opened = points.copy()
    opened[jaw, 1] += 30 * (points[jaw, 1] - points[2, 1]) / (points[152, 1] - points[2, 1])
    assert place_of(opened, MEDIAPIPE) == place_of(points, MEDIAPIPE)


def test_a_setting_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"track\.search_every"):
        TrackConfig(search_every=0)
