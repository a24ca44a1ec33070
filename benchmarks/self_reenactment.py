"""Self-reenactment: a clip's first good frame is the portrait, the clip itself the driver.

Mean absolute error (0..255) against the clip's own frames, beside that of a frozen source, in the face (convex
hull of the detected landmarks), the mouth, the eyes, and outside the face; by rotation from the source and by
mouth opening. People of the split were never trained on.

    python benchmarks/self_reenactment.py --data DIR [--split test] [--sheets DIR]
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from faceanime.face.track import LandmarkTracker, TrackConfig
from faceanime.geometry.rotation import angle_between
from faceanime.media.image import write_image
from faceanime.media.video import read_frames
from faceanime.morphable import topology
from faceanime.morphable.axes import measure
from faceanime.morphable.model import MorphableModel
from faceanime.pipeline import Animator
from faceanime.sheet import contact_sheet
from faceanime.structures.coefficients import Dynamics
from faceanime.structures.faces import Landmarks
from faceanime.structures.frames import Pixels

EYE_DISTANCE = 0.7
"""Between the eyes' centres, model units: mouth openings are told in this unit."""
ROTATION_BINS_DEG = (0, 5, 10, 15, 20, 30, 90)
OPENING_BINS = (-1.0, 0.05, 0.1, 0.2, 0.3, 2.0)
REGIONS = ("face", "mouth", "eyes", "outside")


@dataclass(frozen=True)
class Row:
    """One frame: errors of the renderer and of the frozen source in each region."""

    clip: str
    rotation_deg: float
    opening: float
    ours: dict[str, float]
    frozen: dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--sheets", type=Path)
    parser.add_argument("--every", type=int, default=3, help="measure every n-th frame")
    parser.add_argument("--only", default="", help="clips whose name holds this")
    args = parser.parse_args()
    animator = Animator()
    rows: list[Row] = []
    with (args.data / "clips.csv").open() as table:
        clips = [
            r["file"] for r in csv.DictReader(table) if r["split"] == args.split and args.only in r["file"]
        ]
    for clip in clips:
        found = list(measured_clip(animator, args.data / clip, args.every, args.sheets))
        rows += found
        print(f"{Path(clip).stem:44s} {summary(found)}", flush=True)
    print_tables(rows)


def measured_clip(animator: Animator, path: Path, every: int, sheets: Path | None) -> Iterator[Row]:
    frames = [frame.pixels for frame in read_frames(path)]
    landmarks = list(LandmarkTracker(TrackConfig()).track(read_frames(path)))
    motion = animator.motion(path)
    index = first_good_frame(motion, animator.model)
    retargeting = replace(animator.config.retarget, reference=index)
    animator.config = replace(animator.config, retarget=retargeting)
    portrait = animator.portrait(frames[index], str(path))
    results = list(animator.animate(portrait, motion))
    opening = mouth_opening(motion, animator.model)
    rotation = np.degrees(angle_between(motion.pose.rotation, motion.pose.rotation[index]))
    for t in range(0, len(frames), every):
        seen = landmarks[t]
        if seen is None:
            continue
        masks = region_masks(seen, frames[t])
        yield Row(
            path.stem, float(rotation[t]), float(opening[t]),
            errors(results[t], frames[t], masks), errors(frames[index], frames[t], masks),
        )  # fmt: skip
    if sheets is not None:
        columns = np.linspace(0, len(frames) - 1, 8).astype(int)
        rows = [[frames[index]] * 8, [frames[i] for i in columns], [results[i] for i in columns]]
        sheets.mkdir(parents=True, exist_ok=True)
        write_image(sheets / f"{path.stem}.png", contact_sheet(rows, ("source", "truth", "result")))


def first_good_frame(motion: Dynamics, model: MorphableModel) -> int:
    """The first valid frame with a closed mouth, open eyes, and a face not turned far for this clip."""
    shape = model.vertices(motion.identity, motion.expression)
    lids = np.minimum(measure("lids_apart_right", shape), measure("lids_apart_left", shape))
    lips = measure("lips_apart", shape)
    middle = motion.pose.rotation[len(motion) // 2]
    good = motion.valid & (lips < max(0.05, np.percentile(lips, 15))) & (lids > 0.8 * np.median(lids))
    good &= angle_between(motion.pose.rotation, middle) < np.radians(25)
    return int(np.argmax(good))


def mouth_opening(motion: Dynamics, model: MorphableModel) -> np.ndarray:
    """Between the inner lips, in eye distances."""
    return measure("lips_apart", model.vertices(motion.identity, motion.expression)) / EYE_DISTANCE


def region_masks(seen: Landmarks, picture: Pixels) -> dict[str, np.ndarray]:
    points = seen.points_image[:, :2]
    groups = {
        "face": [np.arange(468)],
        "mouth": [np.array(topology.OUTER_LIPS)],
        "eyes": [
            np.array(topology.RIGHT_EYE_LOWER + topology.RIGHT_EYE_UPPER),
            np.array(topology.LEFT_EYE_LOWER + topology.LEFT_EYE_UPPER),
        ],
    }
    masks = {}
    for name, parts in groups.items():
        mask = np.zeros(picture.shape[:2], np.uint8)
        for part in parts:
            hull = cv2.convexHull(points[part])
            cv2.fillConvexPoly(mask, np.rint(hull - 0.5).astype(np.int32), 1)
        masks[name] = mask.astype(bool)
    return masks | {"outside": ~masks["face"]}


def errors(picture: Pixels, truth: Pixels, masks: dict[str, np.ndarray]) -> dict[str, float]:
    error = np.abs(picture.astype(np.float32) - truth).mean(axis=-1)
    return {name: float(error[mask].mean()) if mask.any() else 0.0 for name, mask in masks.items()}


def mean(rows: list[Row], region: str) -> tuple[float, float]:
    return float(np.mean([r.ours[region] for r in rows])), float(np.mean([r.frozen[region] for r in rows]))


def summary(rows: list[Row]) -> str:
    parts = []
    for region in REGIONS:
        ours, frozen = mean(rows, region)
        parts.append(f"{region} {ours:5.1f}/{frozen:5.1f} = {ours / max(frozen, 1e-6):.2f}")
    return "   ".join(parts)


def print_tables(rows: list[Row]) -> None:
    print(f"\nall {len(rows)} frames: {summary(rows)}\n")
    for title, key, bins in (
        ("rotation from the source, degrees", lambda r: r.rotation_deg, ROTATION_BINS_DEG),
        ("mouth opening, eye distances", lambda r: r.opening, OPENING_BINS),
    ):
        print(f"| {title} | frames | " + " | ".join(f"{r}: ours | frozen | ratio" for r in REGIONS) + " |")
        print("|---|---|" + "---|" * 3 * len(REGIONS))
        grouped: dict[int, list[Row]] = defaultdict(list)
        for row in rows:
            grouped[int(np.digitize(key(row), bins)) - 1].append(row)
        for i, members in sorted(grouped.items()):
            cells = []
            for region in REGIONS:
                ours, frozen = mean(members, region)
                cells.append(f"{ours:.1f} | {frozen:.1f} | {ours / max(frozen, 1e-6):.2f}")
            low, high = max(bins[i], 0), bins[min(i + 1, len(bins) - 1)]
            print(f"| {low} to {high} | {len(members)} | " + " | ".join(cells) + " |")
        print()


if __name__ == "__main__":
    main()
