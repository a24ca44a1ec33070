"""How closely the morphable model fits people it has never seen, and how still it keeps a still head.

Over the clips of the split: mean distance of the 478 projected to the detected landmarks at 256 px crops, and
the correlation of the lids' gap. Then jitter of calm stretches before and after smoothing, and how far the head
seems to move with jaw and lids (least squares over changes within 5 frames, of clips whose head is held still).

    python benchmarks/fit.py --data DIR [--split test]
"""

from __future__ import annotations

import argparse
import csv
from fractions import Fraction
from pathlib import Path

import numpy as np

from faceanime.face.fit import FitConfig, fit_coefficients
from faceanime.face.sequence import fit_sequence
from faceanime.face.smooth import SmoothConfig
from faceanime.face.track import LandmarkTracker
from faceanime.geometry.camera import project
from faceanime.geometry.rotation import angles_from_rotation
from faceanime.media.video import read_frames
from faceanime.morphable.axes import LEFT_LIDS, RIGHT_LIDS, measure
from faceanime.morphable.model import MorphableModel, load_model
from faceanime.structures.coefficients import Dynamics, FaceCoefficients
from faceanime.structures.faces import Landmarks

STILL_HEADED = "grid"
JAW, BLINK = 0.2, -0.0875
"""An opening of the mouth (model units; the outer eye corners are 1 apart) and a full blink."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="test")
    args = parser.parse_args()
    model = load_model()
    rows = []
    print("| clip | mean error, px at 256 | lids' gap correlation | jitter raw, px | smoothed, px |")
    print("|---|---|---|---|---|")
    with (args.data / "clips.csv").open() as table:
        clips = [r["file"] for r in csv.DictReader(table) if r["split"] == args.split]
    for clip in clips:
        seen = list(LandmarkTracker().track(read_frames(args.data / clip)))
        rows.append(measured(seen, model))
        print(f"| {Path(clip).stem} | " + " | ".join(f"{v:.3f}" for v in rows[-1]) + " |", flush=True)
        if STILL_HEADED in clip:
            wobble(seen, model)
    means = np.mean(rows, axis=0)
    print("| **mean** | " + " | ".join(f"{v:.3f}" for v in means) + " |")


def measured(seen: list[Landmarks | None], model: MorphableModel) -> tuple[float, float, float, float]:
    points = np.stack([s.points_image for s in seen if s is not None]).astype(np.float64)
    fitted = fit_coefficients(points, model, FitConfig())
    count = model.landmark_count
    shape = model.vertices(fitted.identity, np.zeros_like(fitted.expression))[:, :count].astype(np.float64)
    shape += np.einsum("vck,tk->tvc", model.apparent_basis, fitted.expression)
    landed = project(shape, fitted.pose)
    error = np.linalg.norm(landed[..., :2] - points[..., :2], axis=-1).mean()
    lids = [np.corrcoef(gap(landed, pairs), gap(points, pairs))[0, 1] for pairs in (RIGHT_LIDS, LEFT_LIDS)]
    raw, smooth = (sequence(seen, model, method) for method in ("none", "zero-phase"))
    return float(error), float(np.mean(lids)), jitter(raw, raw, model), jitter(smooth, raw, model)


def gap(points: np.ndarray, pairs: tuple[tuple[int, int], ...]) -> np.ndarray:
    return np.mean([np.linalg.norm(points[:, a, :2] - points[:, b, :2], axis=-1) for a, b in pairs], axis=0)


def sequence(seen: list[Landmarks | None], model: MorphableModel, method: str) -> Dynamics:
    config = SmoothConfig(method=method)  # type: ignore[arg-type]
    return fit_sequence(seen, Fraction(25), 256, model, FitConfig(), config, "clip")


def jitter(motion: Dynamics, raw: Dynamics, model: MorphableModel) -> float:
    """RMS second difference of the landmarks / sqrt(6), over the calmest quarter of the frames, px at 256."""
    landed, calm = (
        project(model.vertices(m.identity, m.expression).astype(float), m.pose)[:, :478, :2]
        for m in (motion, raw)
    )
    speed = np.linalg.norm(calm[2:] - calm[:-2], axis=-1).mean(axis=1)
    still = speed <= np.percentile(speed, 25)
    second = landed[2:] - 2 * landed[1:-1] + landed[:-2]
    return float(np.sqrt((second[still] ** 2).sum(-1).mean() / 2 / 6))


def wobble(seen: list[Landmarks | None], model: MorphableModel) -> None:
    points = np.stack([s.points_image for s in seen if s is not None]).astype(np.float64)
    face: FaceCoefficients = fit_coefficients(points, model, FitConfig())
    shape = model.vertices(face.identity, face.expression)
    causes = np.stack([measure("lips_apart", shape), measure("lids_apart_right", shape)], axis=1)
    effects = np.column_stack(
        [np.degrees(angles_from_rotation(face.pose.rotation)), 100 * np.log(face.pose.scale)]
    )
    slope = np.linalg.lstsq(causes[5:] - causes[:-5], effects[5:] - effects[:-5], rcond=None)[0]
    names = ("yaw deg", "pitch deg", "roll deg", "scale %")
    for name, row, amount in (("jaw", slope[0], JAW), ("blink", slope[1], BLINK)):
        moved = ", ".join(f"{n} {v * amount:+.2f}" for n, v in zip(names, row, strict=True))
        print(f"|   with {name} {amount}: {moved} | | | | |")
    spread = np.percentile(causes[:, 0], 95) - np.percentile(causes[:, 0], 5)
    print(f"|   jaw range here {spread:.3f}; pitch range {np.ptp(effects[:, 1]):.2f} deg | | | | |")


if __name__ == "__main__":
    main()
