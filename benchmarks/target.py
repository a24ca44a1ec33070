"""Measure how far a portrait reaches the expression of a target picture, by mouth width and lips of the last frame.

    python benchmarks/target.py --data DIR [--split test] [--people PREFIX] [--same-person yes] [--sheet FILE.png]

`DIR` holds portraits.csv (columns file, split, person). Of people with two pictures whose mouths differ by 5 % or more
in width, each picture is driven by the other, as with `animate --driving PICTURE`; `--others` also drives the first
picture of every other person by it. Landmarks are found anew in the last frame. Widths are in distances of the outer
eye corners; lips are ten points of the outer outline, aligned by the points that no muscle moves (or, in brackets, by
themselves).

- share: how much of the change of width arrives: 1 if all of it does. For other people, of that of the target's pair.
- lips: mean distance of the lips from the target's, as a fraction of that of the portrait's own (frozen).
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from faceanime.face.config import GoalConfig
from faceanime.generator.config import RendererConfig
from faceanime.geometry.procrustes import weighted_procrustes
from faceanime.media.contact_sheet import contact_sheet
from faceanime.media.image import read_image, write_image
from faceanime.morphable.model import MorphableModel
from faceanime.pipeline import Animator, AnimatorConfig
from faceanime.structures.coefficients import Dynamics, FaceCoefficients, HeadPose
from faceanime.structures.frames import Pixels
from faceanime.structures.portrait import Portrait
from faceanime.train.data.clip_table import PORTRAITS, read_split

LEAST_CHANGE = 0.05
"""Change of the mouth's width between two pictures, as a fraction, from which on one of them smiles."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--people", default="london_")
    parser.add_argument("--same-person", default="yes", choices=["auto", "yes", "no"])
    parser.add_argument("--others", action="store_true")
    parser.add_argument("--renderer", default="geometric")
    parser.add_argument("--sheet", type=Path)
    args = parser.parse_args()
    animator = Animator(
        AnimatorConfig(
            draw=RendererConfig(renderer=args.renderer), goal=GoalConfig(same_person=args.same_person)
        )
    )
    pairs = list(pairs_of(args.data, args.split, args.people, animator))
    shares, lips, lips_alone, others, rows = [], [], [], [], []
    for pair in pairs:
        for own, target in (pair, pair[::-1]):
            frame, reached = driven(own, target, animator)
            start, end = (mouth_width(each.landmarks.points_image, animator) for each in (own, target))
            shares.append((mouth_width(reached, animator) - start) / (end - start))
            for kept, alone in ((lips, False), (lips_alone, True)):
                frozen, left = (
                    lip_distance(each, target.landmarks.points_image, animator, alone)
                    for each in (own.landmarks.points_image, reached)
                )
                kept.append(left / frozen)
            rows.append([own.pixels, frame, target.pixels])
    print_row("share", shares)
    print_row("lips", lips)
    print_row("lips, aligned by themselves", lips_alone)
    if args.others:
        unknown = replace(animator.config.goal, same_person="no")
        stranger = Animator(replace(animator.config, goal=unknown), animator.model)
        for index, pair in enumerate(pairs):
            for start, target in (pair, pair[::-1]):
                change = np.log(
                    mouth_width(target.landmarks.points_image, animator)
                    / mouth_width(start.landmarks.points_image, animator)
                )
                for other in (*pairs[:index], *pairs[index + 1 :]):
                    # the other person's picture with the expression that the target's pair begins with
                    widths = [mouth_width(each.landmarks.points_image, animator) for each in other]
                    own = other[int(np.argmin(widths) if change > 0 else np.argmax(widths))]
                    _, reached = driven(own, target, stranger)
                    own_width = mouth_width(own.landmarks.points_image, animator)
                    others.append(np.log(mouth_width(reached, animator) / own_width) / change)
        print_row("share, other people", others)
    if args.sheet:
        write_image(args.sheet, contact_sheet(rows, [str(number) for number in range(len(rows))], 220))


def pairs_of(data: Path, split: str, people: str, animator: Animator) -> Iterator[tuple[Portrait, Portrait]]:
    """The portraits of people with two pictures that differ in the width of the mouth."""
    pictures: dict[str, list[Path]] = defaultdict(list)
    for row in read_split(data / PORTRAITS, split):
        if row["person"].startswith(people):
            pictures[row["person"]].append(data / row["file"])
    for files in pictures.values():
        if len(files) == 2:
            one, other = (animator.portrait(read_image(file), str(file)) for file in files)
            widths = [mouth_width(each.landmarks.points_image, animator) for each in (one, other)]
            if abs(np.log(widths[1] / widths[0])) >= LEAST_CHANGE:
                yield one, other


def driven(own: Portrait, target: Portrait, animator: Animator) -> tuple[Pixels, np.ndarray]:
    """The last frame of a portrait that moves to the target's face, and its landmarks."""
    goal = animator.goal(own, target.face.coefficients, target)
    motion = still_motion(goal, animator.model, target.side_px)
    (frame,) = animator.render(own, animator.retarget(own, motion))
    return frame, animator.portrait(frame, "the last frame").landmarks.points_image


def still_motion(face: FaceCoefficients, model: MorphableModel, side_px: int) -> Dynamics:
    """One face as a motion."""
    pose = HeadPose(face.pose.rotation[None], face.pose.scale[None], face.pose.translation_px[None])
    rate, valid = Fraction(25), np.ones(1, bool)
    return Dynamics(face.identity, face.expression[None], pose, rate, valid, side_px, model.id)


def print_row(name: str, values: list[float]) -> None:
    low, median, high = np.percentile(values, [5, 50, 95])
    print(
        f"{name}: median {median:.3f}, 5 % {low:.2f}, 95 % {high:.2f}, "
        f"least {min(values):.2f}, largest {max(values):.2f} ({len(values)})"
    )


def mouth_width(points: np.ndarray, animator: Animator) -> float:
    """Width of the mouth in distances of the outer eye corners."""
    schema = animator.model.schema
    right, left = points[[schema.right_mouth_corner[0], schema.left_mouth_corner[0]], :2]
    eyes = points[schema.eye_corners, :2]
    return float(np.linalg.norm(left - right) / np.linalg.norm(eyes[-1] - eyes[0]))


def lip_distance(points: np.ndarray, target: np.ndarray, animator: Animator, alone: bool) -> float:
    """Mean distance of ten points of the lips, px of `target`, after aligning the rigid points, or themselves."""
    ring = animator.model.schema.outer_lips
    ten = ring[np.linspace(0, len(ring), 10, endpoint=False).astype(int)]
    flat, wanted = (np.pad(shape[:, :2].astype(float), ((0, 0), (0, 1))) for shape in (points, target))
    weight = np.bincount(ten, minlength=len(flat)) if alone else animator.model.rigid_weight
    scale, rotation, shift = weighted_procrustes(flat[None], wanted[None], weight.astype(float))
    moved = scale[0] * flat @ rotation[0].T + shift[0]
    return float(np.linalg.norm((moved - wanted)[ten], axis=1).mean())


if __name__ == "__main__":
    main()
