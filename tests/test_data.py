"""Tests on recorded clips; they run with `pytest --data=DIR` (clips.csv and clips/ in it)."""

import csv
from pathlib import Path

import numpy as np
import pytest

from faceanime import Animator
from faceanime.drivers.span import part_of
from faceanime.drivers.span_config import DriverSpan
from faceanime.dynamics.retarget_config import RetargetConfig
from faceanime.face.config import FitConfig, TrackConfig
from faceanime.face.fit import fit_coefficients
from faceanime.geometry.camera import project
from faceanime.geometry.rotation import vector_from_rotation
from faceanime.media.video import read_frames
from faceanime.morphable.axes import measure_landmarks
from faceanime.morphable.model import MorphableModel
from trackers import bundled_tracker

pytestmark = pytest.mark.data


def clips(data_dir: Path, holding: str) -> list[Path]:
    with (data_dir / "clips.csv").open(encoding="utf-8") as table:
        rows = [row["file"] for row in csv.DictReader(table) if row["split"] == "test"]
    return [data_dir / file for file in rows if holding in file]


def seen(clip: Path) -> np.ndarray:
    found = bundled_tracker(TrackConfig(anchored=False)).track(read_frames(clip))
    return np.stack([face.points_image for face in found if face is not None]).astype(np.float64)


def test_people_never_seen_are_fitted(data_dir: Path, model: MorphableModel) -> None:
    for clip in clips(data_dir, "talkvid_4"):
        points = seen(clip)
        face = fit_coefficients(points, model, FitConfig())
        shape = model.landmarks_of(model.vertices(face.identity, np.zeros_like(face.expression))).astype(
            np.float64
        )
        shape += np.einsum("vck,tk->tvc", model.apparent_basis, face.expression)
        landed = project(shape, face.pose)
        # 0.25 px measured (docs/reference/face-model.md): the fit before smoothing, with the apparent motion
        assert np.linalg.norm(landed[..., :2] - points[..., :2], axis=-1).mean() <= 0.45

        def gap(at: np.ndarray) -> np.ndarray:
            eye = model.schema.right_eye
            apart = at[:, eye.upper_middle, :2] - at[:, eye.lower_middle, :2]
            return np.asarray(np.linalg.norm(apart, axis=-1).mean(axis=1))

        assert np.corrcoef(gap(landed), gap(points))[0, 1] >= 0.99


FULL_BLINK = -0.0875  # change of the lids' gap, model units
# Measured on the three clips, not anchored (docs/reference/face-model.md): the jaw 1.20 degrees and 0.22 %, a blink
# 1.62 degrees and 0.59 %.
# The limits are a third above, so that they hold what is reached, not what would be good: less than a degree.
MOST_BY_JAW_DEG, MOST_BY_JAW_PERCENT = 1.6, 0.3
MOST_BY_BLINK_DEG, MOST_BY_BLINK_PERCENT = 2.15, 0.8


def test_a_talking_jaw_and_a_blink_hardly_move_a_still_head(data_dir: Path, model: MorphableModel) -> None:
    for clip in clips(data_dir, "grid_"):
        face = fit_coefficients(seen(clip), model, FitConfig())
        shape = model.vertices(face.identity, face.expression)
        lips, lids = (
            measure_landmarks(name, shape, model.schema) for name in ("lips_apart", "lids_apart_right")
        )
        turn = np.degrees(vector_from_rotation(face.pose.rotation @ face.pose.rotation[0].T))
        moved = np.column_stack([turn, 100 * np.log(face.pose.scale)])
        causes = np.stack([lips, lids], axis=1)
        by_jaw, by_lids = np.linalg.lstsq(causes[5:] - causes[:-5], moved[5:] - moved[:-5], rcond=None)[0]
        over_its_range = by_jaw * (np.percentile(lips, 95) - np.percentile(lips, 5))
        assert np.abs(over_its_range[:3]).max() <= MOST_BY_JAW_DEG, clip.name
        assert abs(over_its_range[3]) <= MOST_BY_JAW_PERCENT, clip.name
        in_a_blink = by_lids * FULL_BLINK
        assert np.abs(in_a_blink[:3]).max() <= MOST_BY_BLINK_DEG, clip.name
        assert abs(in_a_blink[3]) <= MOST_BY_BLINK_PERCENT, clip.name


def test_a_driver_is_reproduced_better_than_by_a_still(data_dir: Path) -> None:
    (clip,) = clips(data_dir, "talkvid_zh")
    after_cut = DriverSpan(start=0.4)
    frames = [frame.pixels for frame in read_frames(clip, start_s=after_cut.start)]
    animator = Animator()
    portrait = animator.portrait(frames[0])
    motion = animator.motion(part_of(animator.open(clip), after_cut))
    results = list(
        animator.render(portrait, animator.retarget(portrait, motion, RetargetConfig(reference=0)))
    )
    left, top, right, bottom = (int(v) for v in portrait.landmarks.box_px)
    face = slice(top, bottom), slice(left, right)
    ours = np.mean(
        [np.abs(r[face].astype(int) - f[face]).mean() for r, f in zip(results, frames, strict=True)]
    )
    still = np.mean([np.abs(frames[0][face].astype(int) - f[face]).mean() for f in frames])
    assert ours < 0.5 * still
