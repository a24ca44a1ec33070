"""Laws of --crop: it shows nothing that is not in the picture, and is no larger than what it shows."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from program import Program, pictures

from faceanime.core.errors import NoFaceError
from faceanime.face.detect import MediapipeDetector
from faceanime.media.image import read_image, write_image
from faceanime.output_options import OutputOptions
from faceanime.pipeline import Animator
from faceanime.portrait_size import prepare_subject
from faceanime.structures.coefficients import Dynamics
from faceanime.structures.frames import Pixels
from faceanime.structures.landmarks import Landmarks

LONGEST_RUN_PX = 16
TIGHT = {
    "forehead and chin cut off": (slice(62, 178), slice(130, 262)),
    "in a corner": (slice(40, 320), slice(60, 330)),
    "wide and low": (slice(50, 190), slice(0, 320)),
}
"""Parts of the astronaut's picture, rows and columns."""


def longest_edge_run_px(pixels: Pixels) -> int:
    """Length of the longest line of equal pixels that begins at an edge and runs straight inward, of all four edges.

    One line in fifty may be longer: a flat wall has noise, but not everywhere after it was resampled.
    """
    runs = []
    for turns in range(4):
        turned = np.rot90(pixels, turns).astype(np.int16)
        same = (np.abs(turned - turned[:1]) <= 1).all(axis=-1)  # within rounding of the interpolation
        lengths = np.where(same.all(axis=0), len(same), np.argmin(same, axis=0))
        runs.append(np.percentile(lengths, 98))
    return int(max(runs))


def noisy(pixels: Pixels) -> Pixels:
    """The picture with noise, so that no two neighbors are equal by chance for long."""
    noise = np.random.default_rng(0).normal(0.0, 6.0, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def test_a_repeated_edge_is_seen(astronaut: np.ndarray) -> None:
    assert longest_edge_run_px(noisy(astronaut)) < 3
    padded = np.pad(noisy(astronaut), ((0, 0), (0, 40), (0, 0)), mode="edge")
    assert longest_edge_run_px(padded) == 41


@pytest.mark.parametrize("part", TIGHT)
def test_a_crop_near_an_edge_repeats_no_pixels_and_says_that_it_is_smaller(
    program: Program, astronaut: np.ndarray, motion_path: Path, tmp_path: Path, part: str
) -> None:
    rows, columns = TIGHT[part]
    write_image(tmp_path / "tight.png", noisy(astronaut[rows, columns]))
    done = program(
        *("animate", tmp_path / "tight.png", "--driving", motion_path, "--renderer", "geometric"),
        *("--crop", "-o", tmp_path / "crop"),
    )
    assert done.status == 0
    line = next(line for line in done.err.splitlines() if "ends close to the head: the crop is " in line)
    assert "tight.png" in line
    assert "(a smaller --crop-margin is tighter)" in line
    frames = pictures(tmp_path / "crop")
    height, width = frames.shape[1:3]
    assert height == width
    assert width <= min(rows.stop - rows.start, columns.stop - columns.start)
    assert max(map(longest_edge_run_px, frames)) <= LONGEST_RUN_PX


def test_a_small_portrait_is_not_enlarged(
    program: Program, astronaut: np.ndarray, motion_path: Path, tmp_path: Path
) -> None:
    small = cv2.resize(astronaut[30:200, 115:285], (64, 64), interpolation=cv2.INTER_AREA)
    write_image(tmp_path / "small.png", small)
    done = program(
        *("animate", tmp_path / "small.png", "--driving", motion_path, "--no-rest"),
        *("--crop", "-o", tmp_path / "crop"),
    )
    assert done.status == 0
    frames = pictures(tmp_path / "crop")
    assert frames.shape[1:3] == (64, 64)
    np.testing.assert_array_equal(frames[0], small)


def test_the_margin_sets_the_room_around_the_face(
    program: Program, portrait_path: Path, motion_path: Path, tmp_path: Path
) -> None:
    crop = ("animate", portrait_path, "--driving", motion_path, "--renderer", "geometric", "--crop")
    sides = [
        pictures(program.makes(tmp_path / name, *crop, "--crop-margin", margin)).shape[1]
        for name, margin in {"close": "0.1", "wide": "0.45"}.items()
    ]
    assert sides[0] / sides[1] == pytest.approx(1.2 / 1.9, abs=0.02)
    too_wide = program(*crop, "--crop-margin", "5", "-o", tmp_path / "x.mp4")
    assert too_wide.status == 2
    assert "crop-margin" in too_wide.err


@pytest.mark.data
def test_crops_of_portraits_tight_and_loose_repeat_no_pixels(
    data_dir: Path, animator: Animator, motion: Dynamics
) -> None:
    """All test portraits as they are, at rest and where the head moves, and cut at forehead and chin, at rest.

    Where the head moves, what lies beyond a cut is invented and may be smooth.
    """
    with (data_dir / "portraits.csv").open(encoding="utf-8", newline="") as file:
        paths = [data_dir / row["file"] for row in csv.DictReader(file) if row["split"] == "test"]
    faults = [data_dir / "faults" / "close_up_for_crop.jpg"]
    detector, options, seen = MediapipeDetector(), OutputOptions(crop=True, force=True), 0
    for path in paths + faults:
        pixels = read_image(path)
        for face in detector.detect(pixels)[:1]:
            for picture in (pixels, _cut_at_forehead_and_chin(pixels, face)):
                try:
                    subject = prepare_subject(animator, noisy(picture), options)
                except NoFaceError:  # cut so, some are found no more
                    continue
                seen += 1
                frames = [subject.portrait.pixels]
                if picture is pixels:
                    dynamics = animator.retarget(subject.portrait, motion)
                    frames += animator.render(subject.portrait, dynamics, [6])
                for frame in frames:
                    assert longest_edge_run_px(subject.shown(frame)) <= LONGEST_RUN_PX, path
    assert seen > 80


def _cut_at_forehead_and_chin(pixels: Pixels, face: Landmarks) -> Pixels:
    left, top, right, bottom = face.box_px
    inset = 0.08 * (bottom - top)
    x0, x1 = max(int(left), 0), min(int(right), pixels.shape[1])
    y0, y1 = max(int(top + inset), 0), min(int(bottom - inset), pixels.shape[0])
    return np.ascontiguousarray(pixels[y0:y1, x0:x1])
