"""Closing of open and smiling mouths: what is left of a portrait's opening when the driver's lips close.

    python benchmarks/closure.py --data DIR [--split test] [--driver NAME_OR_FILE ...] [--sheets DIR]

`DIR` holds portraits.csv (columns file, split). Portraits whose lips are further open than 0.03 distances of the outer
eye corners are driven by each driver. In the rendered frame in which the driver's lips are closest, the landmarks are
detected anew and the opening of the lips is measured, in distances of the outer eye corners, with and without `rest`.
`--sheets` writes the portrait, this frame and the one of the widest opening, side by side.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from faceanime.core.errors import NoFaceError
from faceanime.dynamics.motion_path import motion_path
from faceanime.dynamics.openings import opening_of
from faceanime.face.crop import CropConfig, crop_around, crop_pixels
from faceanime.media.contact_sheet import contact_sheet
from faceanime.media.image import read_image, write_image
from faceanime.morphable.axes import measure_landmarks
from faceanime.pipeline import Animator
from faceanime.render.head.sheet import source_shape
from faceanime.structures.coefficients import Dynamics
from faceanime.structures.frames import Pixels
from faceanime.structures.portrait import Portrait
from faceanime.train.data.clip_table import PORTRAITS, read_split

OPEN = 0.03
"""Opening above which a portrait's mouth is open, and below which a result's is closed."""
TILE_PX = 512
"""Side of the pictures of a contact sheet."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--portrait", type=Path, nargs="*", default=(), help="Further portraits.")
    parser.add_argument("--driver", type=Path, nargs="+", default=[Path("talk")])
    parser.add_argument("--sheets", type=Path)
    args = parser.parse_args()
    animator = Animator()
    portraits = _open_mouths(animator, args.data, args.split, args.portrait)
    motions = {driver.stem: animator.motion(motion_path(driver)) for driver in args.driver}
    print("portrait".ljust(34), "at rest", *(f"{name[:20]:>20}  (held)" for name in motions))
    closed: dict[str, list[bool]] = {name: [] for name in motions}
    for name, portrait in portraits.items():
        cells = []
        for title, motion in motions.items():
            after, before = (_closing(animator, portrait, motion, rest) for rest in (True, False))
            closed[title].append(after < OPEN)
            cells.append(f"{after:20.3f}  ({before:.3f})")
        print(name[:34].ljust(34), f"{opening(animator, portrait):7.3f}", *cells, flush=True)
        if args.sheets is not None:
            _write_sheet(animator, portrait, motions, args.sheets / f"{name}.png")
    for title, each in closed.items():
        print(f"{title}: {sum(each)} of {len(each)} close below {OPEN}")


def opening(animator: Animator, portrait: Portrait) -> float:
    """The opening of a portrait's lips, in distances of the outer eye corners."""
    shape = animator.model.landmarks_of(source_shape(portrait.face, animator.model))
    return float(measure_landmarks("lips_apart", shape, animator.model.schema))


def _open_mouths(animator: Animator, data: Path, split: str, further: list[Path]) -> dict[str, Portrait]:
    """The portraits of a split, and further ones, whose mouths are open."""
    paths = [data / row["file"] for row in read_split(data / PORTRAITS, split)] + list(further)
    found = {}
    for path in paths:
        try:
            portrait = animator.portrait(read_image(path), str(path))
        except NoFaceError:
            continue
        if opening(animator, portrait) > OPEN:
            found[path.stem] = portrait
    return found


def _moments(animator: Animator, motion: Dynamics) -> tuple[int, int]:
    """The frames in which the driver's lips are closest, and furthest apart."""
    lips = opening_of(motion, "lips_apart", animator.model)
    closest, furthest = (np.where(motion.valid, lips, fill) for fill in (np.inf, -np.inf))
    return int(closest.argmin()), int(furthest.argmax())


def _drawn(animator: Animator, portrait: Portrait, motion: Dynamics, rest: bool) -> list[Pixels]:
    """The frames of `_moments`."""
    config = replace(animator.config.retarget, rest=rest)
    dynamics = animator.retarget(portrait, motion, config)
    return list(animator.render(portrait, dynamics, _moments(animator, motion)))


def _closing(animator: Animator, portrait: Portrait, motion: Dynamics, rest: bool) -> float:
    """The opening that is measured in the rendered frame in which the driver's lips are closest."""
    drawn = _drawn(animator, portrait, motion, rest)[0]
    return opening(animator, animator.portrait(drawn, "the rendered frame"))


def _write_sheet(animator: Animator, portrait: Portrait, motions: dict[str, Dynamics], path: Path) -> None:
    """Write the portrait and its frames for each driver: held open, closed, and widest open."""
    crop = crop_around(portrait.landmarks, CropConfig(enlarge=1.1, raised=0.0, size_px=TILE_PX))
    rows = []
    for motion in motions.values():
        held, _ = _drawn(animator, portrait, motion, rest=False)
        row = [portrait.pixels, held, *_drawn(animator, portrait, motion, rest=True)]
        rows.append([crop_pixels(tile, crop) for tile in row])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, contact_sheet(rows, [f"{path.stem}, {name}" for name in motions], TILE_PX))


if __name__ == "__main__":
    main()
