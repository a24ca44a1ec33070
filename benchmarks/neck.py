"""How far necks stretch: the distance from chin to collar while drivers move their bodies, beyond turning.

    python benchmarks/neck.py PICTURE... [--drivers VIDEO...] [--sheets DIR]

Ten motions are made by script (rises, slides, leans, steps toward the camera and back); `--drivers` adds filmed ones.
The collar is a point below the chin, at the depth that `COLLAR` says, or at the picture's lower edge if that is nearer.
Its place in each frame is where the renderer's sheet carries it. Distances are in sizes of the head; what turning
explains lies between a head that turns about its own middle and one that turns about the root of its neck. The table
gives, for each motion, the largest change beyond that over its frames as a fraction of `COLLAR`: the median and the
largest of all portraits, and how far the head goes. `--sheets` also writes contact sheets of the frames farthest from
rest.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from faceanime.dynamics.retarget_config import RetargetConfig
from faceanime.generator.config import RendererConfig
from faceanime.geometry.camera import project
from faceanime.geometry.flow import flow_from_mesh
from faceanime.geometry.rotation import rotation_from_angles
from faceanime.media.contact_sheet import contact_sheet
from faceanime.media.image import read_image, write_image
from faceanime.morphable.model import MorphableModel
from faceanime.pipeline import Animator, AnimatorConfig
from faceanime.render.config import WarpConfig
from faceanime.render.head.body import NeckRule
from faceanime.render.head.matte import person_mattes
from faceanime.render.head.sheet import WarpSheet, hair_pose, source_shape
from faceanime.structures.coefficients import Dynamics, FaceCoefficients, HeadPose
from faceanime.structures.portrait import Portrait

COLLAR = 0.3
"""Depth of the collar below the chin, in heights of the face."""
FRAMES, RATE = 25, Fraction(25)
EYE_PX = 80.0
"""Distance of the outer eye corners of the scripted drivers, px."""
MOTIONS: dict[str, tuple[float, float, float, float, float, float]] = {
    "rise": (0, 0, 0, 0, -0.6, 1),
    "sink": (0, 0, 0, 0, 0.6, 1),
    "slide left": (0, 0, 0, -0.6, 0, 1),
    "slide right": (0, 0, 0, 0.6, 0, 1),
    "lean left": (0, 0, 15, -0.6, 0.1, 1),
    "lean right, turned": (20, 0, -12, 0.6, 0.1, 1),
    "step closer": (0, 0, 0, 0, 0.15, 1.3),
    "step back": (0, 0, 0, 0, -0.1, 0.77),
    "bow": (0, 15, 0, 0, 0.4, 1.15),
    "stand up": (-10, -8, 0, 0.3, -0.5, 0.85),
}
"""Yaw, pitch, roll in degrees, shift right and down in distances of the outer eye corners, growth, at the farthest."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--drivers", type=Path, nargs="*", default=[])
    parser.add_argument("--sheets", type=Path)
    args = parser.parse_args()
    animator = Animator(AnimatorConfig(draw=RendererConfig(renderer="geometric")))
    portraits = {path: animator.portrait(read_image(path), str(path)) for path in args.pictures}
    motions = {name: scripted(animator.model, *far) for name, far in MOTIONS.items()}
    motions |= {path.stem: animator.motion(path) for path in args.drivers}
    print(
        "| motion | head goes, eye distances | chin to collar, median | largest | portrait |\n|---|---|---|---|---|"
    )
    for name, motion in motions.items():
        changes, goes = [], []
        for portrait in portraits.values():
            dynamics = animator.retarget(portrait, motion, settings(name))
            changes.append(largest_change(portrait, dynamics, animator.model))
            shift = dynamics.pose.translation_px - portrait.face.coefficients.pose.translation_px
            goes.append(np.linalg.norm(shift, axis=1).max() / portrait.face.coefficients.pose.scale)
        worst = list(portraits)[int(np.argmax(changes))].stem
        print(
            f"| {name} | {np.median(goes):.2f} | {np.median(changes):.1%} | {max(changes):.1%} | {worst} |",
            flush=True,
        )
    if args.sheets is not None:
        write_sheets(animator, portraits, motions, args.sheets)


def settings(name: str) -> RetargetConfig:
    """Scripted motions begin at rest; a filmed one's frame at rest is searched for."""
    return RetargetConfig(reference=0 if name in MOTIONS else "auto")


def scripted(
    model: MorphableModel, yaw: float, pitch: float, roll: float, right: float, down: float, growth: float
) -> Dynamics:
    """A head that goes from rest to a pose and back, once."""
    way = 0.5 - 0.5 * np.cos(np.linspace(0.0, 2.0 * np.pi, FRAMES))
    scale = EYE_PX * growth**way
    return Dynamics(
        identity=np.zeros(model.identity_count),
        expression=np.zeros((FRAMES, model.expression_count)),
        pose=HeadPose(
            rotation_from_angles(*(np.radians(angle) * way for angle in (yaw, pitch, roll))),
            scale,
            128.0 + EYE_PX * way[:, None] * np.array([right, down]),
        ),
        frame_rate=RATE,
        valid=np.ones(FRAMES, bool),
        picture_side_px=256,
        model_id=model.id,
    )


def largest_change(portrait: Portrait, dynamics: Dynamics, model: MorphableModel) -> float:
    """The largest relative change of the distance from chin to collar beyond what turning explains."""
    source = portrait.face.coefficients
    shape = source_shape(portrait.face, model)
    oval = project(model.landmarks_of(shape), source.pose)[model.schema.oval]
    height, width = portrait.pixels.shape[:2]
    chin = oval[oval[:, 1].argmax(), :2]
    neck_px = COLLAR * float(np.ptp(oval[:, 1]))
    collar = chin + np.array([0.0, max(min(neck_px, height - 1.0 - chin[1]), 1.0)])
    mattes = person_mattes(portrait.pixels, portrait.matte, oval[:, :2])
    moving = None if mattes is None else mattes.moving
    sheet = WarpSheet(portrait.face, model, width, height, moving, WarpConfig())
    carried = Carried(sheet, collar)
    root = np.array(NeckRule().root)
    chin_vertex = model.schema.oval[oval[:, 1].argmax()]
    chin_model = model.landmarks_of(
        model.vertices(source.identity, source.expression) + portrait.face.residual
    )[chin_vertex]
    poses = hair_pose(dynamics.pose, dynamics.frame_rate)
    changes = []
    for t in range(len(dynamics)):
        pose = dynamics.pose[t]
        still_face = FaceCoefficients(source.identity, source.expression, pose)
        chin_now = project(chin_model[None], pose)[0, :2]
        distance = (
            np.linalg.norm(carried.place(still_face, poses[t]) - chin_now) * source.pose.scale / pose.scale
        )
        explained = [
            np.linalg.norm(collar - project(chin_model[None], turned)[0, :2])
            for turned in turning_only(source.pose, pose, root)
        ]
        beyond = max(distance - max(explained), min(explained) - distance, 0.0)
        changes.append(beyond / neck_px)
    return float(max(changes))


def turning_only(source: HeadPose, pose: HeadPose, root: np.ndarray) -> Iterator[HeadPose]:
    """The poses if the head had only turned: about its middle, the root of its neck, and places between them."""
    middle = replace(source, rotation=pose.rotation)
    away = project(root[None], source)[0, :2] - project(root[None], middle)[0, :2]
    for fraction in np.linspace(0.0, 1.0, 11):
        yield replace(middle, translation_px=middle.translation_px + fraction * away)


class Carried:
    """Where a sheet carries a point of the portrait."""

    def __init__(self, sheet: WarpSheet, point: np.ndarray) -> None:
        self._sheet = sheet
        source = np.concatenate([sheet.source_points, np.zeros((len(sheet.source_points), 1))], axis=1)
        x, y = point.astype(int)
        _, triangle = flow_from_mesh(source[:, :2], source, sheet.triangles, y + 1, x + 1)
        self._corners = sheet.triangles[triangle[y, x]]
        corners = sheet.source_points[self._corners]
        self._weights = np.linalg.solve(np.vstack([corners.T, np.ones(3)]), np.append(point, 1.0))

    def place(self, face: FaceCoefficients, hair: HeadPose) -> np.ndarray:
        """The point's place with a face and a pose of hair and neck, px."""
        return np.asarray(self._weights @ self._sheet.target_points(face, hair)[self._corners, :2])


def write_sheets(
    animator: Animator, portraits: dict[Path, Portrait], motions: dict[str, Dynamics], out: Path
) -> None:
    """Write contact sheets of each portrait at the frame of each motion that is farthest from rest."""
    out.mkdir(parents=True, exist_ok=True)
    paths = list(portraits)
    for first in range(0, len(paths), 5):
        rows = []
        for path in paths[first : first + 5]:
            row = [portraits[path].pixels]
            for name, motion in motions.items():
                dynamics = animator.retarget(portraits[path], motion, settings(name))
                away = np.linalg.norm(dynamics.pose.translation_px - dynamics.pose.translation_px[0], axis=1)
                away = away + np.abs(dynamics.pose.scale - dynamics.pose.scale[0])
                row += animator.render(portraits[path], dynamics, [int(away.argmax())])
            rows.append(row)
        path = out / f"necks-{first // 5}.png"
        write_image(path, contact_sheet(rows, [path.stem for path in paths[first : first + 5]], 200))
        print(path, flush=True)


if __name__ == "__main__":
    main()
