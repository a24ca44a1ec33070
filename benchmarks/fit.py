"""How closely the morphable model fits unseen people, and how still it keeps a still head.

For the clips of a split: the mean distance of the projected landmarks from the tracked ones in crops of 256 px, and
the correlation of the lid openings. *Fit* is the fit itself: one identity for all frames, before smoothing, including
the detector's apparent motion of landmarks that are not pinned. *Rendered* is `fit_sequence`: the vertices as they are
drawn, without the apparent motion, before and after smoothing. Then the jitter of the calmest frames before and after
smoothing, and how far the head seems to move with jaw and lids (least squares over changes within 5 frames, in clips
whose head is held still).

    python benchmarks/fit.py --data DIR [--split test] [--no-anchored]

With --no-anchored the landmarks are the detector's own, not pinned to the skin of an anchor frame.
"""

from __future__ import annotations

import argparse
import csv
from fractions import Fraction
from pathlib import Path

import numpy as np

from faceanime.face.config import FitConfig, SmoothConfig, TrackConfig
from faceanime.face.detect import MediapipeDetector
from faceanime.face.fit import fit_coefficients, seen_basis
from faceanime.face.sequence import fit_sequence
from faceanime.face.track import LandmarkTracker
from faceanime.geometry.camera import project
from faceanime.geometry.rotation import angles_from_rotation
from faceanime.media.video import read_frames
from faceanime.morphable.axes import measure_landmarks
from faceanime.morphable.landmark_schema import EyeLandmarks
from faceanime.morphable.mediapipe_schema import MEDIAPIPE
from faceanime.morphable.model import MorphableModel, load_model
from faceanime.structures.coefficients import Dynamics, FaceCoefficients
from faceanime.structures.landmarks import Landmarks

STILL_HEADED = "grid"
"""Part of the names of clips whose head is held still."""
JAW, BLINK = 0.2, -0.0875
"""An opening of the mouth and the change of the lid opening in a full blink, model units."""
CAUSES = ("jaw over its own range", f"mouth opened by {JAW}", "blink")
EFFECTS = ("yaw, deg", "pitch, deg", "roll, deg", "scale, %")
COLUMNS = (
    "fit, px at 256", "rendered, unsmoothed", "rendered, smoothed",
    "lid opening correlation, fit", "rendered, smoothed",
    "jitter unsmoothed, px", "smoothed",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--anchored", action=argparse.BooleanOptionalAction, default=True)
    args = parser.parse_args()
    track = TrackConfig(anchored=args.anchored)
    model, detector = load_model(), MediapipeDetector()
    rows, wobbles = [], []
    print("| clip | " + " | ".join(COLUMNS) + " |")
    print("|---|" + "---|" * len(COLUMNS))
    with (args.data / "clips.csv").open() as table:
        clips = [r["file"] for r in csv.DictReader(table) if r["split"] == args.split]
    for clip in clips:
        seen = list(LandmarkTracker(track, detector, model).track(read_frames(args.data / clip)))
        rows.append(measured(seen, model))
        print(f"| {Path(clip).stem} | " + " | ".join(f"{v:.3f}" for v in rows[-1]) + " |", flush=True)
        if STILL_HEADED in clip:
            wobbles.append((Path(clip).stem, wobble(seen, model)))
    means = np.mean(rows, axis=0)
    print("| **mean** | " + " | ".join(f"{v:.3f}" for v in means) + " |")
    print("\n| apparent head motion | " + " | ".join(EFFECTS) + " |")
    print("|---|" + "---|" * len(EFFECTS))
    for name, found in wobbles:
        for cause, moved in zip(CAUSES, found, strict=True):
            print(f"| {name}, {cause} | " + " | ".join(f"{v:+.2f}" for v in moved) + " |")
    if wobbles:
        for cause, moved in zip(CAUSES, np.abs([found for _, found in wobbles]).max(axis=0), strict=True):
            print(f"| **largest, {cause}** | " + " | ".join(f"{v:.2f}" for v in moved) + " |")


def measured(seen: list[Landmarks | None], model: MorphableModel) -> tuple[float, ...]:
    points, _ = tracked(seen)
    raw, smooth = (sequence(seen, model, method) for method in ("none", "zero-phase"))
    drawn, shipped = (rendered(motion, model)[motion.valid] for motion in (raw, smooth))
    fit = fitted_as_seen(seen, model)
    return (
        distance(fit, points), distance(drawn, points), distance(shipped, points),
        lids(fit, points), lids(shipped, points),
        jitter(raw, raw, model), jitter(smooth, raw, model),
    )  # fmt: skip


def tracked(seen: list[Landmarks | None]) -> tuple[np.ndarray, np.ndarray]:
    """The landmarks, and whether they are pinned, of the frames that show the face."""
    found = [s for s in seen if s is not None]
    return np.stack([s.points_image for s in found]).astype(np.float64), np.array([s.pinned for s in found])


def fitted_as_seen(seen: list[Landmarks | None], model: MorphableModel) -> np.ndarray:
    points, pinned = tracked(seen)
    fitted = fit_coefficients(points, model, FitConfig(), pinned=pinned)
    neutral = model.vertices(fitted.identity, np.zeros_like(fitted.expression))
    shape = model.landmarks_of(neutral).astype(np.float64)
    shape += np.stack(
        [seen_basis(model, not on_skin) @ e for on_skin, e in zip(pinned, fitted.expression, strict=True)]
    )
    return project(shape, fitted.pose)


def rendered(motion: Dynamics, model: MorphableModel) -> np.ndarray:
    vertices = model.vertices(motion.identity, motion.expression).astype(float)
    return project(model.landmarks_of(vertices), motion.pose)


def distance(projected: np.ndarray, points: np.ndarray) -> float:
    return float(np.linalg.norm(projected[..., :2] - points[..., :2], axis=-1).mean())


def lids(projected: np.ndarray, points: np.ndarray) -> float:
    return float(
        np.mean([np.corrcoef(opening(projected, eye), opening(points, eye))[0, 1] for eye in MEDIAPIPE.eyes])
    )


def opening(points: np.ndarray, eye: EyeLandmarks) -> np.ndarray:
    apart = points[:, eye.upper_middle, :2] - points[:, eye.lower_middle, :2]
    return np.asarray(np.linalg.norm(apart, axis=-1).mean(axis=1))


def sequence(seen: list[Landmarks | None], model: MorphableModel, method: str) -> Dynamics:
    config = SmoothConfig(method=method)  # type: ignore[arg-type]
    return fit_sequence(seen, Fraction(25), 256, model, FitConfig(), config, "clip")


def jitter(motion: Dynamics, raw: Dynamics, model: MorphableModel) -> float:
    """RMS second difference of the landmarks / sqrt(6), over the calmest quarter of the frames, px at 256."""
    projected, calm = (rendered(m, model)[..., :2] for m in (motion, raw))
    speed = np.linalg.norm(calm[2:] - calm[:-2], axis=-1).mean(axis=1)
    still = speed <= np.percentile(speed, 25)
    second = projected[2:] - 2 * projected[1:-1] + projected[:-2]
    return float(np.sqrt((second[still] ** 2).sum(-1).mean() / 2 / 6))


def wobble(seen: list[Landmarks | None], model: MorphableModel) -> np.ndarray:
    """Apparent head motion, rows as `CAUSES`, columns as `EFFECTS`."""
    points, pinned = tracked(seen)
    face: FaceCoefficients = fit_coefficients(points, model, FitConfig(), pinned=pinned)
    shape = model.landmarks_of(model.vertices(face.identity, face.expression))
    names = ("lips_apart", "lids_apart_right")
    causes = np.stack([measure_landmarks(name, shape, model.schema) for name in names], axis=1)
    effects = np.column_stack(
        [np.degrees(angles_from_rotation(face.pose.rotation)), 100 * np.log(face.pose.scale)]
    )
    jaw, lid = np.linalg.lstsq(causes[5:] - causes[:-5], effects[5:] - effects[:-5], rcond=None)[0]
    spread = np.percentile(causes[:, 0], 95) - np.percentile(causes[:, 0], 5)
    return np.stack([jaw * spread, jaw * JAW, lid * BLINK])


if __name__ == "__main__":
    main()
