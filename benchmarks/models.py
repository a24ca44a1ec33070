"""The round trip of face models: synthesize faces, project their landmarks, fit, compare; a row of a table for each.

    python benchmarks/models.py NAME...

NAME is the name, the id or the file of an imported model (`faceanime models list`). Columns, distances in percent of
the distance of the outer eye corners:

- `fit`: mean distance of the fitted landmarks from the given ones in the picture, with the default settings; and with
  nearly no ridge and full depth, where it should be 0;
- `coefficients`: RMS error of identity and expression with nearly no ridge, in standard deviations;
- `portrait`: mean distance of the fitted landmarks from those of the public-domain portrait, without the residual;
- `talk`: mean and largest distance of the landmarks of the bundled motion when it is converted to the model;
- `ms`: time of the fit, a frame.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import skimage.data

from faceanime.dynamics.convert import convert_motion
from faceanime.dynamics.motion_file import bundled_motion
from faceanime.face.config import FitConfig
from faceanime.face.detect import MediapipeDetector
from faceanime.face.fit import fit_coefficients
from faceanime.geometry.camera import project
from faceanime.geometry.rotation import rotation_from_angles
from faceanime.morphable.model import MorphableModel, load_model
from faceanime.morphable.model_path import model_path
from faceanime.structures.coefficients import FaceCoefficients, HeadPose

FRAMES = 20
EXACT = FitConfig(iterations=60, identity_ridge=1e-9, expression_ridge=1e-9, depth_weight=1.0)


def main(names: list[str]) -> None:
    portrait = MediapipeDetector().detect(np.asarray(skimage.data.astronaut()))[0].points_image
    print("| model | vertices | fit | fit, exact | coefficients | portrait | talk | ms |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for name in names:
        print(row(name, load_model(model_path(Path(name))), portrait), flush=True)


def row(name: str, model: MorphableModel, portrait: np.ndarray) -> str:
    rng = np.random.default_rng(0)
    identity = rng.normal(0.0, 1.0, model.identity_count)
    expression = rng.normal(0.0, 0.5, (FRAMES, model.expression_count))
    pose = HeadPose(
        rotation_from_angles(*np.radians(rng.uniform(-25.0, 25.0, (3, FRAMES)))),
        rng.uniform(80.0, 120.0, FRAMES),
        rng.uniform(100.0, 150.0, (FRAMES, 2)),
    )
    points = project(landmarks(model, identity, expression), pose)
    began = time.perf_counter()
    usual = fitted(points, model, FitConfig())
    took_ms = 1e3 * (time.perf_counter() - began) / FRAMES
    exact = fitted(points, model, EXACT)
    errors = (
        (exact.identity[0] - identity)[model.identity_basis.any(axis=(0, 1))],  # not those that move nothing
        (exact.expression - expression)[:, model.expression_basis.any(axis=(0, 1))],
    )
    seen = portrait.astype(np.float64)[None]
    _, converted = convert_motion(bundled_motion("talk"), load_model(), model)
    cells = [
        name,
        str(len(model.mean)),
        f"{apart(usual, points, model):.2f} %",
        f"{apart(exact, points, model):.3f} %",
        ", ".join(f"{np.sqrt(np.square(error).mean()):.3f}" for error in errors),
        f"{apart(fit_coefficients(seen, model, FitConfig()), seen, model):.2f} %",
        f"{100 * converted.mean:.2f} %, {100 * converted.largest:.1f} %",
        f"{took_ms:.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def fitted(points: np.ndarray, model: MorphableModel, config: FitConfig) -> FaceCoefficients:
    """The fit of landmarks that have no apparent motion."""
    return fit_coefficients(points, model, config, pinned=np.ones(len(points), bool))


def apart(face: FaceCoefficients, points: np.ndarray, model: MorphableModel) -> float:
    """Mean distance in the picture, percent of the eye distance."""
    found = project(landmarks(model, face.identity, face.expression), face.pose)
    distance = np.linalg.norm((found - points)[..., :2], axis=-1) / face.pose.scale[:, None]
    return float(100 * distance.mean())


def landmarks(model: MorphableModel, identity: np.ndarray, expression: np.ndarray) -> np.ndarray:
    return model.landmarks_of(model.vertices(identity, expression)).astype(np.float64)


if __name__ == "__main__":
    main(sys.argv[1:])
