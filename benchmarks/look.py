"""Contact sheets of portraits of unseen people, each moved by the hardest moments of several videos.

    python benchmarks/look.py --data DIR --out DIR [--quality quality | --generator FILE] [--portraits 20] [--drivers 5]

`DIR` holds clips.csv and portraits.csv (columns file, split, person); people are chosen evenly over the tables. Each
driver gets a sheet with its own frames in the first row: mouth widest open, mouth corners furthest out, lids most
closed, gaze lowest, and head turned furthest to either side.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from faceanime.geometry.rotation import angles_from_rotation
from faceanime.media.contact_sheet import contact_sheet
from faceanime.media.image import read_image, write_image
from faceanime.media.video import read_frames
from faceanime.morphable.axes import measure_expressions
from faceanime.morphable.model import MorphableModel
from faceanime.pipeline import Animator, AnimatorConfig
from faceanime.render.config import RendererConfig
from faceanime.structures.coefficients import Dynamics
from faceanime.train.data.clip_table import CLIPS, PORTRAITS, read_split

TILE_PX = 224


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--portraits", type=int, default=20)
    parser.add_argument("--drivers", type=int, default=5)
    parser.add_argument("--quality", choices=("fast", "quality"), default="fast")
    parser.add_argument("--generator", type=Path)
    parser.add_argument("--rows", type=int, default=10, help="Portraits on a sheet.")
    args = parser.parse_args()
    animator = Animator(AnimatorConfig(draw=RendererConfig(quality=args.quality, generator=args.generator)))
    pictures = people(args.data, PORTRAITS, args.split, args.portraits)
    portraits = [animator.portrait(read_image(path), str(path)) for path in pictures]
    args.out.mkdir(parents=True, exist_ok=True)
    for clip in people(args.data, CLIPS, args.split, args.drivers):
        motion = animator.motion(clip)
        moments = hardest(motion, animator.model)
        frames = [frame.pixels for frame in read_frames(clip)]
        film, drawn = [frames[t] for t in moments.values()], []
        for portrait in portraits:
            dynamics = animator.retarget(portrait, motion)
            drawn.append([portrait.pixels, *animator.render(portrait, dynamics, list(moments.values()))])
        for first in range(0, len(drawn), args.rows):
            these = slice(first, first + args.rows)
            rows = [[np.full_like(film[0], 255), *film], *drawn[these]]
            labels = [", ".join(moments), *(path.stem for path in pictures[these])]
            path = args.out / f"{clip.stem}-{first // args.rows}.png"
            write_image(path, contact_sheet(rows, labels, TILE_PX))
            print(path, flush=True)


def people(data: Path, table: str, split: str, count: int) -> list[Path]:
    """The first file of `count` people, evenly over the table."""
    first = {row["person"]: data / row["file"] for row in reversed(read_split(data / table, split))}
    paths = list(first.values())[::-1]
    chosen = np.unique(np.linspace(0, len(paths) - 1, min(count, len(paths))).astype(int))
    return [paths[i] for i in chosen]


def hardest(motion: Dynamics, model: MorphableModel) -> dict[str, int]:
    """The frames that are hardest to draw, by name."""

    def of(name: str) -> np.ndarray:
        return measure_expressions(name, model, motion.identity, motion.expression)

    yaw, _, _ = angles_from_rotation(motion.pose.rotation).T
    found = {
        "mouth wide": of("lips_apart"),
        "corners out": of("corner_out_left") + of("corner_out_right"),
        "lids closed": -np.minimum(of("lids_apart_left"), of("lids_apart_right")),
        "gaze low": -of("gaze_up"),
        "turned right": -yaw,
        "turned left": yaw,
    }
    return {name: int(np.argmax(np.where(motion.valid, value, -np.inf))) for name, value in found.items()}


if __name__ == "__main__":
    main()
