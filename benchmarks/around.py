"""Where in the picture films that we draw are wrong, or unsteady: the face, hair and ears, the body, what is behind.

    python benchmarks/around.py --data PREPARED [--split val] [--every 10] [--renderer geometric]

Clips animate their own calm frame, as in `faceanime evaluate`. Each number is a mean absolute difference in levels of
255, summed over a part of the true frame (a network says which pixels are the person's) and divided by the whole
picture's pixels, so that the parts add up. Means over clips.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from faceanime.dataset.shards import read_samples
from faceanime.evaluate.reenactment_pairs import self_pairs
from faceanime.evaluate.run import unlimited
from faceanime.evaluate.video_metrics import true_motions
from faceanime.face.segment import PersonSegmenter
from faceanime.geometry.flow import sample
from faceanime.morphable import topology
from faceanime.pipeline import Animator, AnimatorConfig
from faceanime.render.renderer import RendererConfig
from faceanime.structures.frames import Pixels
from headroom import hull

PARTS = ("face", "hair, ears", "body", "behind")
ERRORS = ("warping error", "L1", "temporal error")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--renderer", choices=("geometric", "flow"), default="geometric")
    args = parser.parse_args()
    animator = Animator(AnimatorConfig(draw=RendererConfig(args.renderer)))
    segmenter, clips = PersonSegmenter(), defaultdict(list)
    for pair in self_pairs(list(read_samples(args.data, args.split)), animator.model):
        film, (points, tracked) = list(pair.driver.pictures()), pair.driver.landmarks()
        retargeting = replace(unlimited(animator.config.retarget), reference=pair.reference)
        portrait = animator.portrait(film[pair.source_frame])
        dynamics = animator.retarget(portrait, pair.driver.motion(), retargeting)
        firsts = [t for t in range(0, len(film) - 1, args.every) if tracked[t : t + 2].all()]
        drawn = list(animator.render(portrait, dynamics, [t + k for t in firsts for k in (0, 1)]))
        sums = defaultdict(lambda: np.zeros((len(ERRORS), len(PARTS))))
        for number, t in enumerate(firsts):
            where = parts_of(film[t + 1], points[t + 1], segmenter)
            rows = {"filmed": film[t : t + 2], "frozen": [film[pair.source_frame]] * 2}
            rows[args.renderer] = drawn[2 * number : 2 * number + 2]
            for row, two in rows.items():
                sums[row] += errors(two, film[t : t + 2], where) / len(firsts)
        for row, total in sums.items():
            clips[row].append(total)
        print(len(clips["filmed"]), end=" ", flush=True)
    print("\n\n| | " + " | ".join((*PARTS, "whole")) + " |\n| --- |" + " ---: |" * (len(PARTS) + 1))
    for index, name in enumerate(ERRORS):
        for row, totals in clips.items():
            means = np.mean(totals, axis=0)[index]
            print(f"| {name}: {row} | " + " | ".join(f"{v:.3f}" for v in (*means, means.sum())) + " |")


def parts_of(frame: Pixels, points: np.ndarray, segmenter: PersonSegmenter) -> np.ndarray:
    """Which pixels are which of `PARTS`: (4,H,W)."""
    face = hull(points, topology.OVAL, frame.shape) > 0
    person = segmenter.segment(frame) > 0.5
    below = np.arange(len(frame))[:, None] > points[list(topology.OVAL), 1].max()
    return np.stack([face, person & ~face & ~below, person & ~face & below, ~person & ~face])


def errors(two: list[Pixels], film: list[Pixels], where: np.ndarray) -> np.ndarray:
    """`ERRORS` of two neighbouring frames by part."""
    (motion,) = true_motions(film)
    made, real = (np.diff(np.stack(frames).astype(np.float32), axis=0)[0] for frames in (two, film))
    found = (
        cv2.absdiff(two[1], sample(two[0], motion.before_from_now)) * motion.visible[..., None],
        cv2.absdiff(two[1], film[1]),
        np.abs(made - real),
    )
    return np.array([[(part * one.mean(axis=-1)).mean() for part in where] for one in found])


if __name__ == "__main__":
    main()
