"""Errors of the paper's generators against true frames, at their own resolution: one table, the same pairs for all.

    python benchmarks/paint.py RENDERED/test GENERATOR...

RENDERED is what benchmarks/repair.py keeps with --rendered, of people that no generator has seen.

Mean |I - I'| in grey levels of 255 within the true frame's face, mouth and eyes, and over the whole window: the mean
over the pixels of each clip, then over clips, followed by the 95 % interval of the difference from the first generator.
Sharpness of the face: mean |Laplacian| over all pixels, relative to the truth. For errors of whole pictures see
docs/results.md, by `faceanime evaluate`.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
import torch

from faceanime.evaluate.statistics import mean_over_clips, paired_difference
from faceanime.generator.face_window import face_window
from faceanime.generator.generator_file import load_generator
from faceanime.generator.pgfg import Pgfg
from faceanime.morphable.mediapipe_schema import MEDIAPIPE
from faceanime.morphable.model import load_model
from faceanime.prior.sparse_texture import TextureConfig
from faceanime.train.generator.face_batches import FaceSample, batched_faces, face_sample
from faceanime.train.generator.pairs import PairIndex, PairOptions, RenderedPairs
from faceanime.train.generator.window_errors import edge_strength, tensors_of

OUTLINES = {
    "face": (MEDIAPIPE.oval,),
    "mouth": (MEDIAPIPE.outer_lips,),
    "eyes": (
        MEDIAPIPE.right_eye.opening,
        MEDIAPIPE.left_eye.opening,
    ),
}
COLUMNS = (*OUTLINES, "whole")


def painted(network: Pgfg, sample: FaceSample) -> np.ndarray:
    batch = tensors_of(batched_faces([sample]))
    with torch.inference_mode():
        face = network(batch["source"], batch["source_prior"], batch["target_prior"])
    return face.image[0].clamp(-1.0, 1.0).permute(1, 2, 0).numpy()


def regions(pairs: RenderedPairs, pair: PairIndex, size_px: int) -> dict[str, np.ndarray]:
    frames = pairs.frames(pair)
    window = face_window(frames.source_points, frames.source_pose, size_px, pairs.model)
    points = window.to_window_px(frames.target_points)[:, :2]
    masks = {"whole": np.ones((size_px, size_px), bool)}
    for name, outlines in OUTLINES.items():
        mask = np.zeros((size_px, size_px), np.uint8)
        cv2.fillPoly(mask, [np.rint(points[list(outline)] - 0.5).astype(np.int32) for outline in outlines], 1)
        masks[name] = mask > 0
    return masks


def pictures(
    pairs: RenderedPairs, network: Pgfg, every: int
) -> Iterator[tuple[PairIndex, FaceSample, np.ndarray]]:
    for pair in pairs.all(every):
        sample = face_sample(pairs, pair, network.config)
        yield pair, sample, painted(network, sample)


Sums: TypeAlias = dict[str, dict[int, np.ndarray]]
"""For each column and clip: the sum of errors, and the number of pixels."""


def sharpness(picture: np.ndarray, mask: np.ndarray) -> float:
    """The edge strength of a picture (S,S,3), summed over a mask (S,S)."""
    edges = edge_strength(torch.from_numpy(picture).permute(2, 0, 1)[None])[0, 0]
    return float(edges.numpy()[mask].sum())


def measure(pairs: RenderedPairs, network: Pgfg, every: int) -> tuple[dict[str, Sums], dict[str, float]]:
    """Errors of the source ("frozen") and the result ("made"), and edge strengths of both and of the "true" face."""
    errors: dict[str, Sums] = {
        name: defaultdict(lambda: defaultdict(lambda: np.zeros(2))) for name in ("frozen", "made")
    }
    edges: dict[str, float] = defaultdict(float)
    for pair, sample, picture in pictures(pairs, network, every):
        masks = regions(pairs, pair, network.config.size_px)
        for name, shown in (("frozen", sample.source), ("made", picture)):
            error = 127.5 * np.abs(shown - sample.truth).mean(axis=-1)
            for region, mask in masks.items():
                errors[name][region][pair.clip] += error[mask].sum(), mask.sum()
            edges[name] += sharpness(shown, masks["face"])
        edges["true"] += sharpness(sample.truth, masks["face"])
    return errors, edges


def row(title: str, sums: Sums, first: Sums | None, sharp: float) -> None:
    """Print a row, with differences from `first`, the row of the first generator, if it is given."""
    cells = []
    for column in COLUMNS:
        clips = [clip for clip, (_, pixels) in sums[column].items() if pixels]
        values, others = (
            np.array([np.divide(*some[column][clip]) for clip in clips]) for some in (sums, first or sums)
        )
        cell = f"{mean_over_clips(values).mean:.2f}"
        if first is not None:
            difference = paired_difference(values, others)
            cell += f" ({difference.low:+.2f} to {difference.high:+.2f})"
        cells.append(cell)
    print(f"| {title} | " + " | ".join([*cells, f"{sharp:.2f}"]) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rendered", type=Path)
    parser.add_argument("generators", type=Path, nargs="+")
    parser.add_argument("--every", type=int, default=10, help="Measure every n-th pair.")
    given = parser.parse_args()
    model = load_model()
    paths = [p for p in sorted(given.rendered.glob("*.pairs.safetensors")) if "portraits-" not in p.name]
    print("| | prior | interval | " + " | ".join(COLUMNS) + " | sharpness |")
    print("| --- | --- | ---: |" + " ---: |" * (len(COLUMNS) + 1))
    first: Sums | None = None
    for path in given.generators:
        network = load_generator(path, model)[0]
        assert isinstance(network, Pgfg)
        prior = network.config.prior
        options = PairOptions(texture=TextureConfig(prior.interval))
        with RenderedPairs.open(paths, model, options) as pairs:
            errors, edges = measure(pairs, network, given.every)
        if first is None:
            print(f"| {len(errors['frozen']['face'])} clips" + " |" * (len(COLUMNS) + 3))
            row("frozen | | ", errors["frozen"], None, edges["frozen"] / edges["true"])
        name = path.parent.name if path.stem == "generator" else path.stem
        title = f"{name} | {prior.kind} | {prior.interval}"
        row(title, errors["made"], first, edges["made"] / edges["true"])
        first = first or errors["made"]


if __name__ == "__main__":
    main()
