"""Errors and flicker of rendered videos by part of the picture: face, hair and ears, body, background.

    python benchmarks/around.py --data PREPARED [--split val] [--every 10] [--renderer geometric]

Clips animate a frame of their own, as in `faceanime evaluate`. Each number is a mean absolute difference in grey levels
of 255, summed over a part of the true frame (the person is segmented by a network) and divided by the number of all
pixels of the picture, so that the parts add up to the whole. Means over clips.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from faceanime.dataset.shards import read_samples
from faceanime.evaluate.reenactment import without_pose_limits
from faceanime.evaluate.reenactment_pairs import self_pairs
from faceanime.evaluate.video_metrics import true_motions
from faceanime.face.segment import PersonSegmenter
from faceanime.geometry.flow import sample
from faceanime.morphable.mediapipe_schema import MEDIAPIPE
from faceanime.pipeline import Animator, AnimatorConfig
from faceanime.render.config import RendererConfig
from faceanime.structures.frames import Pixels
from headroom import hull

PARTS = ("face", "hair, ears", "body", "background")
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
        retargeting = replace(without_pose_limits(animator.config.retarget), reference=pair.reference)
        portrait = animator.portrait(film[pair.source_frame])
        dynamics = animator.retarget(portrait, pair.driver.motion(), retargeting)
        firsts = [t for t in range(0, len(film) - 1, args.every) if tracked[t : t + 2].all()]
        drawn = list(animator.render(portrait, dynamics, [t + k for t in firsts for k in (0, 1)]))
        sums = defaultdict(lambda: np.zeros((len(ERRORS), len(PARTS))))
        for number, t in enumerate(firsts):
            parts = parts_of(film[t + 1], points[t + 1], segmenter)
            rows = {"filmed": film[t : t + 2], "frozen": [film[pair.source_frame]] * 2}
            rows[args.renderer] = drawn[2 * number : 2 * number + 2]
            for row, frames in rows.items():
                sums[row] += errors(frames, film[t : t + 2], parts) / len(firsts)
        for row, total in sums.items():
            clips[row].append(total)
        print(len(clips["filmed"]), end=" ", flush=True)
    print("\n\n| | " + " | ".join((*PARTS, "whole")) + " |\n| --- |" + " ---: |" * (len(PARTS) + 1))
    for index, name in enumerate(ERRORS):
        for row, totals in clips.items():
            means = np.mean(totals, axis=0)[index]
            print(f"| {name}: {row} | " + " | ".join(f"{v:.3f}" for v in (*means, means.sum())) + " |")


def parts_of(frame: Pixels, points: np.ndarray, segmenter: PersonSegmenter) -> np.ndarray:
    """The masks (4,H,W) of `PARTS`."""
    face = hull(points, MEDIAPIPE.oval, frame.shape) > 0
    person = segmenter.segment(frame) > 0.5
    below = np.arange(len(frame))[:, None] > points[MEDIAPIPE.oval, 1].max()
    return np.stack([face, person & ~face & ~below, person & ~face & below, ~person & ~face])


def errors(result: list[Pixels], film: list[Pixels], parts: np.ndarray) -> np.ndarray:
    """`ERRORS` of two neighboring frames by part."""
    (motion,) = true_motions(film)
    change, true_change = (
        np.diff(np.stack(frames).astype(np.float32), axis=0)[0] for frames in (result, film)
    )
    differences = (
        cv2.absdiff(result[1], sample(result[0], motion.before_from_now)) * motion.visible[..., None],
        cv2.absdiff(result[1], film[1]),
        np.abs(change - true_change),
    )
    return np.array([[(part * one.mean(axis=-1)).mean() for part in parts] for one in differences])


if __name__ == "__main__":
    main()
