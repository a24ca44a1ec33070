"""Laws of segments: one face, one shot, no long gap; a crop that holds the face; one reason for what is dropped."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from fractions import Fraction

import cv2
import numpy as np
import pytest
import skimage.data

from faceanime.core.errors import ConfigError
from faceanime.dynamics.editing import motion_from_keyframes
from faceanime.face.sequence import fit_sequence
from faceanime.geometry.camera import project
from faceanime.geometry.similarity import apply_affine
from faceanime.morphable.model import MorphableModel
from faceanime.structures.landmarks import Landmarks
from faceanime.train.data.quality import ClipQuality, measure_segment, reason_to_drop
from faceanime.train.data.segments import (
    FrameFaces,
    PrepareConfig,
    Segment,
    crop_of,
    find_segments,
    fit_segment,
    sharpness_of,
)

WIDTH, HEIGHT, FACE_PX = 640, 360, 100.0
PICTURE = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
CONFIG = PrepareConfig(min_s=0.4, max_s=2.0)
GOOD = ClipQuality(5.0, 150.0, 1.0, 200.0, 0.0, 0.0, 0, 10.0, 0.3, 0.4)


def face(x: float = 200.0, y: float = 100.0, side: float = FACE_PX) -> Landmarks:
    points = np.random.default_rng(0).uniform(size=(478, 3))
    points[:2, :2] = [[0, 0], [1, 1]]
    return Landmarks((points * side + [x, y, 0]).astype(np.float32), 1.0)


def segments_of(faces: Iterable[Landmarks | None], shots: Iterable[int] | None = None) -> list[Segment]:
    faces = list(faces)
    frames = [
        FrameFaces(i, found, None if found is None else found.box_px, 50.0, ())
        for i, found in enumerate(faces)
    ]
    numbers = [0] * len(faces) if shots is None else list(shots)
    return list(
        find_segments([(n, frame, (HEIGHT, WIDTH)) for n, frame in zip(numbers, frames, strict=True)], CONFIG)
    )


def spans(segments: list[Segment]) -> list[tuple[int, int]]:
    return [(segment.first, len(segment.landmarks)) for segment in segments]


def test_a_short_gap_is_bridged_and_a_long_one_cuts() -> None:
    bridged = [*[face()] * 10, *[None] * 12, *[face()] * 10]
    assert spans(segments_of(bridged)) == [(0, 32)]
    cut = [None, *[face()] * 10, *[None] * 13, *[face()] * 10, None]
    assert spans(segments_of(cut)) == [(1, 10), (24, 10)]
    assert all(one.landmarks[0] and one.landmarks[-1] for one in segments_of(cut))


def test_a_new_shot_cuts_even_within_a_short_gap() -> None:
    assert spans(segments_of([face()] * 20, [0] * 8 + [1] * 12)) == [(0, 8), (8, 12)]
    assert spans(segments_of([*[face()] * 8, None, None, *[face()] * 5], [0] * 9 + [1] * 6)) == [
        (0, 8),
        (10, 5),
    ]


def test_a_long_segment_is_cut_to_length() -> None:
    assert spans(segments_of([face()] * 120)) == [(0, 50), (50, 50), (100, 20)]


def test_a_face_that_jumps_or_leaves_its_place_begins_another_segment() -> None:
    assert spans(segments_of([*[face(100)] * 9, *[face(135)] * 9])) == [(0, 9), (9, 9)]
    walking = [face(50 + 8.0 * t) for t in range(40)]
    segments = segments_of(walking)
    assert len(segments) > 1
    assert sum(len(segment.landmarks) for segment in segments) == 40
    for segment in segments:
        assert np.ptp(segment.boxes_px[:, 0]) + FACE_PX <= 1.8 * FACE_PX + 1


def test_no_faces_give_no_segments() -> None:
    assert segments_of([None] * 30) == []
    assert segments_of([]) == []


@pytest.mark.parametrize("places", [[(200, 100), (240, 120)], [(2, 3), (20, 10)], [(530, 250), (500, 240)]])
def test_the_crop_holds_the_face_everywhere_and_lies_in_the_picture(places: list[tuple[int, int]]) -> None:
    segment = Segment(0, tuple(face(x, y) for x, y in places), 50.0, (), WIDTH, HEIGHT)
    crop = crop_of(segment, 128)
    corners = apply_affine(crop.crop_from_image, segment.boxes_px.reshape(-1, 2))
    assert corners.min() >= 0
    assert corners.max() <= 128
    beyond = apply_affine(crop.image_from_crop, np.array([[0.0, 0.0], [128.0, 128.0]]))
    assert beyond.min() >= -1e-6
    assert (beyond <= np.array([WIDTH, HEIGHT]) + 1e-6).all()


def test_the_crop_of_a_still_face_is_the_head_crop() -> None:
    crop = crop_of(Segment(0, (face(250, 130),), 50.0, (), WIDTH, HEIGHT), 256)
    assert 256 / crop.crop_from_image[0, 0] == pytest.approx(1.9 * FACE_PX)


def test_a_clip_that_is_cropped_already_is_left_as_it_is() -> None:
    crop = crop_of(Segment(0, (face(60, 70, 150),), 50.0, (), 256, 256), 256)
    assert crop.crop_from_image == pytest.approx(np.eye(3)[:2])


@pytest.mark.parametrize(
    ("flaw", "reason"),
    [
        ({"seconds": 0.3}, "too short: 0.30 s, need 0.4"),
        ({"face_px": 40.0}, "face too small: 40 px, need 80"),
        ({"tracked": 0.5}, "face often lost: found in 50%, need 90%"),
        ({"cut_off": 0.2}, "face cut off by the picture: 20% of its landmarks"),
        ({"outside": 0.4}, "too close to the picture's edge: 40% of the crop beyond"),
        ({"others": 2}, "more than one face in the crop: 2 times"),
        ({"turn_deg": 70.0}, "turned away: 70 deg, at most 50"),
        ({"sharpness": 3.0}, "blurred: sharpness 3, need 20"),
        ({"misfit_px": 2.0}, "landmarks unsure: 2.00 px off, at most 1.6"),
        ({"smoothed_px": 2.0}, "too quick: 2.00 px off, at most 1.6"),
    ],
)
def test_each_flaw_has_its_reason(flaw: dict[str, float], reason: str) -> None:
    assert reason_to_drop(replace(GOOD, **flaw), CONFIG) == reason  # type: ignore[arg-type]
    assert set(flaw) <= {each.name for each in fields(ClipQuality)}


def test_a_good_segment_has_no_reason_and_a_bad_one_only_its_first() -> None:
    assert reason_to_drop(GOOD, CONFIG) == ""
    assert reason_to_drop(replace(GOOD, seconds=0.1, face_px=3.0), CONFIG).startswith("too short")


def test_a_blurred_face_is_less_sharp_and_a_large_one_is_not_sharper() -> None:
    picture = np.ascontiguousarray(skimage.data.astronaut()[:300, 80:380])  # type: ignore[no-untyped-call]
    found = face(95, 60, 92)
    sharp = sharpness_of(picture, found)
    assert sharpness_of(cv2.GaussianBlur(picture, (0, 0), 3), found) < 0.2 * sharp
    twice = cv2.resize(picture, (600, 600), interpolation=cv2.INTER_CUBIC)
    assert sharpness_of(twice, face(190, 120, 184)) < 1.2 * sharp


def nodding(model: MorphableModel, frames: int, degrees: float) -> list[Landmarks | None]:
    """A synthetic head that nods four times a second; lost for three frames."""
    pitch = degrees * np.sin(2 * np.pi * 4 * np.arange(frames) / 25)
    tracks = {"pitch_deg": [(t / 25, float(value)) for t, value in enumerate(pitch)]}
    motion = motion_from_keyframes(tracks, frames / 25, Fraction(25), model)
    shape = model.vertices(motion.identity, motion.expression)[:, : model.landmark_count]
    points = project(shape.astype(np.float64), motion.pose.resized(1.0, (200.0, 50.0)))
    noise = np.random.default_rng(1).normal(0.0, 0.1, points.shape)
    found = [Landmarks(each.astype(np.float32), 1.0) for each in points + noise]
    return [None if 10 <= t < 13 else each for t, each in enumerate(found)]


def test_the_motion_is_what_a_sequence_is_smoothed_to_gaps_included(model: MorphableModel) -> None:
    segment = Segment(0, tuple(nodding(model, 30, 3.0)), 50.0, (), WIDTH, HEIGHT)
    crop = crop_of(segment, 256)
    face = fit_segment(segment, crop, model, CONFIG, "a head")
    whole = fit_sequence(face.landmarks, Fraction(25), 256, model, CONFIG.fit, CONFIG.smooth, "a head")
    assert np.array_equal(face.smoothed.expression, whole.expression)
    assert np.array_equal(face.smoothed.pose.rotation, whole.pose.rotation)
    assert face.smoothed.valid.all()
    quality = measure_segment(segment, crop, face, model)
    assert quality.tracked == 0.9
    assert quality.misfit_px < 0.3


@pytest.mark.parametrize("size_px", [128, 512])
def test_what_is_measured_does_not_depend_on_the_size_of_the_clip(
    model: MorphableModel, size_px: int
) -> None:
    segment = Segment(0, tuple(nodding(model, 20, 3.0)), 50.0, (), WIDTH, HEIGHT)
    a, b = (
        measure_segment(segment, crop, fit_segment(segment, crop, model, CONFIG, ""), model).rounded()
        for crop in (crop_of(segment, 256), crop_of(segment, size_px))
    )
    assert a == pytest.approx(b, rel=0.02)


@pytest.mark.parametrize(
    "settings", [{"size": 63}, {"frame_rate": 0}, {"min_s": 11.0}, {"crf": 99}, {"shard_samples": 0}]
)
def test_settings_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        PrepareConfig(**settings)  # type: ignore[arg-type]
