"""How near the paper's generators come to true frames, at their own resolution: one table, the same pairs for all.

Run: python benchmarks/paint.py RENDERED/test GENERATOR... (what benchmarks/repair.py keeps with --rendered; of people
that no generator has seen)

Mean |I - I'| in levels of 255 within the true frame's face, its mouth, its eyes, and over the whole window; sharpness
of the face: mean |Laplacian| in shares of the truth's. Errors of whole pictures: docs/results.md, by
`faceanime evaluate`.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch

from faceanime.generator.face_window import face_window
from faceanime.generator.generator_file import load_generator
from faceanime.generator.pgfg import Pgfg
from faceanime.morphable import topology
from faceanime.morphable.model import load_model
from faceanime.prior.texture import TextureConfig
from faceanime.train.faces import FaceSample, batched_faces, face_sample
from faceanime.train.window_errors import sharpness, tensors_of
from faceanime.train.window_samples import Pair, Pairs

OUTLINES = {
    "face": (topology.OVAL,),
    "mouth": (topology.OUTER_LIPS,),
    "eyes": (
        topology.RIGHT_EYE_LOWER + topology.RIGHT_EYE_UPPER[-2:0:-1],
        topology.LEFT_EYE_LOWER + topology.LEFT_EYE_UPPER[-2:0:-1],
    ),
}


def painted(network: Pgfg, sample: FaceSample) -> np.ndarray:
    batch = tensors_of(batched_faces([sample]))
    with torch.inference_mode():
        face = network(batch["source"], batch["source_prior"], batch["target_prior"])
    return face.image[0].clamp(-1.0, 1.0).permute(1, 2, 0).numpy()


def regions(pairs: Pairs, pair: Pair, size_px: int) -> dict[str, np.ndarray]:
    shown = pairs.shown(pair)
    points = face_window(shown.before, shown.source_pose, size_px).placed(shown.after)[:, :2]
    masks = {"whole": np.ones((size_px, size_px), bool)}
    for name, outlines in OUTLINES.items():
        mask = np.zeros((size_px, size_px), np.uint8)
        cv2.fillPoly(mask, [np.rint(points[list(outline)]).astype(np.int32) for outline in outlines], 1)
        masks[name] = mask > 0
    return masks


def pictures(pairs: Pairs, network: Pgfg, every: int) -> Iterator[tuple[Pair, FaceSample, np.ndarray]]:
    for pair in pairs.all(every):
        sample = face_sample(pairs, pair, network.config)
        yield pair, sample, painted(network, sample)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rendered", type=Path)
    parser.add_argument("generators", type=Path, nargs="+")
    parser.add_argument("--every", type=int, default=10, help="one of so many pairs is measured")
    given = parser.parse_args()
    model, paths = load_model(), sorted(given.rendered.glob("*.pairs.safetensors"))
    columns = ("face", "mouth", "eyes", "whole")
    print("| | prior | interval | " + " | ".join(columns) + " | sharpness |")
    print("| --- | --- | ---: |" + " ---: |" * (len(columns) + 1))
    for index, path in enumerate(given.generators):
        network = load_generator(path, model)[0]
        assert isinstance(network, Pgfg)
        prior, size_px = network.config.prior, network.config.size_px
        sums: dict[tuple[str, str], float] = defaultdict(float)
        with Pairs(paths, model, texture=TextureConfig(prior.interval)) as pairs:
            for pair, sample, picture in pictures(pairs, network, given.every):
                masks = regions(pairs, pair, size_px)
                for name, shown in (("frozen", sample.source), ("made", picture)):
                    error = 127.5 * np.abs(shown - sample.truth).mean(axis=-1)
                    for region, mask in masks.items():
                        sums[name, region] += float(error[mask].sum())
                    sums[name, "edges"] += float(sharpness(shown)[masks["face"]].sum())
                sums["true", "edges"] += float(sharpness(sample.truth)[masks["face"]].sum())
                for region, mask in masks.items():
                    sums["pixels", region] += float(mask.sum())
        rows = {
            "made": (
                path.parent.name if path.stem == "generator" else path.stem,
                prior.kind,
                f"{prior.interval}",
            )
        }
        if index == 0:
            rows = {"frozen": ("frozen", "", ""), **rows}
        for name, (title, kind, interval) in rows.items():
            numbers = [sums[name, region] / max(sums["pixels", region], 1.0) for region in columns]
            told = [
                *(f"{number:.2f}" for number in numbers),
                f"{sums[name, 'edges'] / sums['true', 'edges']:.2f}",
            ]
            print(f"| {title} | {kind} | {interval} | " + " | ".join(told) + " |", flush=True)


if __name__ == "__main__":
    main()
