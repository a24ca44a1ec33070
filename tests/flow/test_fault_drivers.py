"""Given drivers that went wrong once; they run with `pytest --data=DIR` (faults/ in it)."""

from pathlib import Path

import numpy as np
import pytest

from faceanime.geometry.rotation import angles_from_rotation
from faceanime.morphable.axes import measure_expressions
from faceanime.morphable.model import MorphableModel
from faceanime.morphable.reference_frame import reference_frame
from faceanime.pipeline import Animator
from faceanime.structures.coefficients import Dynamics

pytestmark = pytest.mark.data

BROWS = ("brow_up_right", "brow_up_left", "inner_brow_up")


def range_of(motion: Dynamics) -> tuple[float, float]:
    """How far a head goes, in sizes of the head, and by which factor it grows, from the 2nd to the 98th percentile."""
    scale = motion.pose.scale[motion.valid]
    low, high = np.percentile(motion.pose.translation_px[motion.valid], (2, 98), axis=0)
    small, large = np.percentile(scale, (2, 98))
    return float(np.hypot(*(high - low)) / np.median(scale)), float(large / small)


@pytest.mark.parametrize("name", ["cut_other_place.mp4", "punch_in_same_person.mp4"])
def test_cuts_do_not_move_the_head(
    name: str, data_dir: Path, animator: Animator, caplog: pytest.LogCaptureFixture
) -> None:
    shift, growth = range_of(animator.motion(data_dir / "faults" / name))
    assert any("has cuts at" in record.getMessage() for record in caplog.records)
    assert shift < 0.6
    assert growth < 1.2


def test_a_camera_that_sways_does_not_sway_the_head(data_dir: Path, animator: Animator) -> None:
    shift, growth = range_of(animator.motion(data_dir / "faults/handheld_sway.mp4"))
    assert shift < 0.6
    assert growth < 1.2


def test_frames_without_a_face_come_first(
    data_dir: Path, animator: Animator, caplog: pytest.LogCaptureFixture
) -> None:
    motion = animator.motion(data_dir / "faults/starts_black_2s.mp4")
    first = int(np.flatnonzero(motion.valid)[0])
    assert first / float(motion.frame_rate) == pytest.approx(2.0, abs=0.25)
    held = motion.pose.translation_px[: first - 1]
    assert np.ptp(held, axis=0).max() < 1e-3, "the head is at rest"
    assert any("no face in" in record.getMessage() for record in caplog.records)


def test_a_film_upside_down_is_turned_upright(data_dir: Path, animator: Animator) -> None:
    motion = animator.motion(data_dir / "faults/upside_down_nometa.mp4")
    rolls = np.degrees(angles_from_rotation(motion.pose.rotation[motion.valid])[:, 2])
    assert abs(np.median(rolls)) < 30.0


def test_the_reference_frame_has_the_usual_brows(
    data_dir: Path, animator: Animator, model: MorphableModel
) -> None:
    motion = animator.motion(data_dir / "faults/auto_reference_scowl_driver.mp4")
    frame = reference_frame(motion, model)
    brows = np.sum(
        [measure_expressions(name, model, motion.identity, motion.expression) for name in BROWS], axis=0
    )
    assert 0.35 <= (brows[motion.valid] < brows[frame]).mean() <= 0.65
