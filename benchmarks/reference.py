"""Where the automatic reference frame lies among the valid frames of its clip, axis by axis.

    python benchmarks/reference.py --data PREPARED [--split test] [MOTION_FILE...]

Each number is the percentile of the reference frame: 50 is the clip's own median. `middle` counts the clips whose brows
and smile both lie within the 35th to the 65th percentile. Motion files may be given besides the clips, or instead.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from faceanime.dataset.shards import read_samples
from faceanime.dynamics.motion_file import load_motion
from faceanime.geometry.rotation import angles_from_rotation
from faceanime.morphable.axes import measure_expressions
from faceanime.morphable.model import MorphableModel, load_model
from faceanime.morphable.reference_frame import reference_frame
from faceanime.structures.coefficients import Dynamics

AXES = {
    "brows": ("brow_up_right", "brow_up_left", "inner_brow_up"),
    "smile": ("corner_up_right", "corner_up_left", "corner_out_right", "corner_out_left"),
    "lips": ("lips_apart",),
    "lids": ("lids_apart_right", "lids_apart_left"),
    "gaze left": ("gaze_left",),
    "gaze up": ("gaze_up",),
}
"""The measures whose sum is an axis of the expression."""
ANGLES = ("yaw", "pitch", "roll")
MIDDLE = (35.0, 65.0)
"""Percentiles between which a frame counts as near the median."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("motions", type=Path, nargs="*", metavar="MOTION_FILE")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--split", default="test")
    args = parser.parse_args()
    model, rows = load_model(), []
    names = (*AXES, *ANGLES)
    print("| clip | frame | " + " | ".join(names) + " |\n| --- |" + " ---: |" * (len(names) + 1))
    for name, motion in _motions(args.data, args.split, args.motions):
        frame = reference_frame(motion, model)
        rows.append(percentiles(motion, frame, model))
        print(f"| {name} | {frame} | " + " | ".join(f"{v:.0f}" for v in rows[-1].values()) + " |")
    middle = [all(MIDDLE[0] <= row[axis] <= MIDDLE[1] for axis in ("brows", "smile")) for row in rows]
    print(f"\nmiddle: {sum(middle)} of {len(middle)}")


def _motions(data: Path | None, split: str, files: list[Path]) -> Iterator[tuple[str, Dynamics]]:
    if data is not None:
        yield from ((sample.key, sample.motion()) for sample in read_samples(data, split))
    yield from ((file.name.partition(".")[0], load_motion(file)) for file in files)


def percentiles(motion: Dynamics, frame: int, model: MorphableModel) -> dict[str, float]:
    """The percentile of a frame among the valid ones, by axis; equal frames count half."""
    series = {
        axis: sum(measure_expressions(m, model, motion.identity, motion.expression) for m in measures)
        for axis, measures in AXES.items()
    }
    series |= dict(zip(ANGLES, angles_from_rotation(motion.pose.rotation).T, strict=True))
    return {axis: _percentile(values[motion.valid], values[frame]) for axis, values in series.items()}


def _percentile(values: np.ndarray, value: float) -> float:
    return float(100 * ((values < value).mean() + (values == value).mean() / 2))


if __name__ == "__main__":
    main()
