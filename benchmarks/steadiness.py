"""Steadiness of the head under drivers with cuts or a moving camera, compared with the same drivers without them.

    python benchmarks/steadiness.py --data DIR [--frames 50]

Ten drivers are cut by script out of clips of `clips512.csv` (split test): two shots of two people joined, punch-ins, a
window that sways, one that zooms, and both. `steady` is the same clip in a window that keeps still. Both motions are
transferred to the steady driver's own reference face. `place` is the standard deviation of the head's place in sizes of
the head (`HeadPose.scale`), `size` that of the logarithm of its size, in hundredths, without the time in which a cut
fades. `exceeds` marks what varies by more than a tenth and half a hundredth beyond the steady driver.
"""

from __future__ import annotations

import argparse
import csv
import logging
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from faceanime.dynamics.retarget import retarget
from faceanime.dynamics.retarget_config import RetargetConfig
from faceanime.dynamics.shots import SEAM_S
from faceanime.media.video import read_frames
from faceanime.morphable.reference_frame import reference_face
from faceanime.pipeline import Animator
from faceanime.structures.coefficients import Dynamics, FaceCoefficients
from faceanime.structures.frames import Frame, Pixels

SIDE_PX, RATE = 320, Fraction(25)
WINDOW = 0.8
"""Side of the steady window, in sides of the clip."""
SWAY, ZOOM, PUNCH = 0.05, 0.85, 0.75
"""Amplitude of the sway in sides of the clip; side of the window at the end of a zoom, and after a punch-in, in
windows."""
HALF_PERIOD = 20
"""Frames in which the window sways from one end to the other."""
KINDS = (
    "punch-in",
    "sway",
    "punch-in",
    "zoom",
    "joined",
    "sway and zoom",
    "joined",
    "sway",
    "punch-in",
    "zoom",
)
"""Kinds of the ten drivers; two of them are made of each of five clips."""
LARGE_PX = 500
"""Least side of the clips."""


class Variation(NamedTuple):
    """Standard deviations of a head's place, in sizes of the head, and of the logarithm of its size."""

    place: float
    size: float


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=50)
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    animator, exceeding = Animator(), 0
    paths = _clips(args.data)
    clips = [[f.pixels for f in islice(read_frames(path), args.frames)] for path in paths]
    steady = [_motion(animator, _windows(clip, "steady")) for clip in clips]
    print("| clip | driver | place, steady | place | size, steady | size | |")
    print("| --- | --- | ---: | ---: | ---: | ---: | --- |", flush=True)
    for index, kind in enumerate(KINDS):
        clip, other = index // 2, (index // 2 + 1) % len(clips)
        half = args.frames // 2
        pixels = (
            [*_windows(clips[clip][:half], "steady"), *_windows(clips[other][half:], "steady")]
            if kind == "joined"
            else list(_windows(clips[clip], kind))
        )
        face = reference_face(steady[clip], animator.model)
        cut_at = half if kind in ("joined", "punch-in") else None
        was = [_variation(animator, face, steady[clip], cut_at)]
        if kind == "joined":
            was.append(_variation(animator, face, steady[other], cut_at))
        usual = Variation(*np.max(was, axis=0))
        now = _variation(animator, face, _motion(animator, pixels), cut_at)
        exceeds = [name for name, a, b in zip(usual._fields, usual, now, strict=True) if b > 1.1 * a + 0.005]
        exceeding += bool(exceeds)
        numbers = (usual.place, now.place, usual.size, now.size)
        told = f"exceeds: {', '.join(exceeds)}" if exceeds else ""
        name = paths[clip].name.partition("__")[0]
        print(
            f"| {name} | {kind} | " + " | ".join(f"{100 * v:.1f}" for v in numbers) + f" | {told} |",
            flush=True,
        )
    print(f"\n{len(KINDS) - exceeding} of {len(KINDS)} vary no more than the steady driver")


def _clips(data: Path) -> list[Path]:
    """Five clips of five people, at least `LARGE_PX` wide."""
    with (data / "clips512.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    large = {row["person"]: data / row["file"] for row in rows if int(row["size_px"]) >= LARGE_PX}
    return list(large.values())[: len(KINDS) // 2]


def _windows(clip: Sequence[Pixels], kind: str) -> Iterator[Pixels]:
    """The frames of a clip as a camera of this kind films them: steady, swaying, zooming, or with a punch-in."""
    for t, pixels in enumerate(clip):
        side = pixels.shape[0]
        phase = np.pi * t / HALF_PERIOD
        shift = SWAY * side * np.array([np.sin(phase), 0.6 * np.sin(1.3 * phase)]) * ("sway" in kind)
        window = WINDOW * side * (ZOOM ** (t / len(clip)) if "zoom" in kind else 1.0)
        if kind == "punch-in" and t >= len(clip) // 2:
            window, shift = PUNCH * window, np.array([0.03, 0.05]) * side
        factor = SIDE_PX / window
        origin = side / 2 + shift - window / 2
        linear = np.array([[factor, 0.0, -factor * origin[0]], [0.0, factor, -factor * origin[1]]])
        yield np.asarray(cv2.warpAffine(pixels, linear, (SIDE_PX, SIDE_PX), flags=cv2.INTER_AREA))


def _motion(animator: Animator, pictures: Iterator[Pixels] | Sequence[Pixels]) -> Dynamics:
    frames = (Frame(pixels, t / RATE) for t, pixels in enumerate(pictures))
    return animator.reader.track(frames, RATE, SIDE_PX, "the driver")


def _variation(animator: Animator, face: FaceCoefficients, motion: Dynamics, cut_at: int | None) -> Variation:
    """The variation of a motion that is transferred to a face, without the frames after a cut."""
    moved = retarget(face, motion, animator.model, RetargetConfig(), picture_side_px=motion.picture_side_px)
    kept = moved.valid.copy()
    if cut_at is not None:
        kept[cut_at : cut_at + round(SEAM_S * RATE)] = False
    scale, place = moved.pose.scale[kept], moved.pose.translation_px[kept]
    return Variation(float(np.hypot(*(place.std(axis=0) / face.pose.scale))), float(np.log(scale).std()))


if __name__ == "__main__":
    main()
