"""What errors are made of: how near pictures would be if their light, or where they show things, were the truth's.

Run: python benchmarks/headroom.py RENDERED/SPLIT [GENERATOR...] [--every N] (pictures that benchmarks/repair.py or
`faceanime train generator` keeps with --rendered)

Mean |I - I'| in the hulls of the face and of the lips, means over clips, in shares of the source's own ("frozen"). Each
row takes something from the truth that no renderer is told, so none can be reached; what it gains says where to look.
"light right": the difference to the truth, blurred within the face by a Gaussian of so many px of 256, is taken away.
"laid on the truth": moved by optical flow (Kroeger et al., arXiv 1603.03590), smoothed by 6 px of 256.
"""

import argparse
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np

from faceanime.evaluate.statistics import mean_over_clips
from faceanime.generator.flow_guided import FlowGuided
from faceanime.generator.generator_file import load_generator
from faceanime.geometry.flow import identity_flow, sample
from faceanime.morphable import topology
from faceanime.morphable.model import load_model
from faceanime.structures.frames import Pixels
from faceanime.train.generator.window_samples import Pairs
from repair import Looking, pictures_of

OUTLINES = {"face": topology.OVAL, "mouth": topology.OUTER_LIPS}
LIGHT_PX, SMOOTH_PX = (8.0, 16.0, 32.0), 6.0


def hull(points: np.ndarray, outline: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint(points[list(outline), :2] - 0.5).astype(np.int32)], 1)
    return mask.astype(np.float32)


def blurred(values: np.ndarray, face: np.ndarray, sigma_px: float) -> np.ndarray:
    """The mean around each pixel of what lies in the face."""
    weight = cv2.GaussianBlur(face, (0, 0), sigma_px)[..., None] + 1e-6
    return cv2.GaussianBlur(values * face[..., None], (0, 0), sigma_px) / weight


def laid(picture: Pixels, truth: Pixels, face: np.ndarray, sigma_px: float) -> np.ndarray:
    """The picture moved to where the truth shows the same."""
    grey = [cv2.cvtColor(one, cv2.COLOR_RGB2GRAY) for one in (truth, picture)]
    found = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(*grey, None)
    places = identity_flow(*face.shape) + blurred(found, face, sigma_px).astype(np.float32)
    return sample(picture, places, "cubic").astype(np.float32)


def told_by_the_truth(picture: Pixels, truth: Pixels, face: np.ndarray) -> dict[str, np.ndarray]:
    scale, real, made = max(truth.shape[:2]) / 256.0, truth.astype(np.float32), picture.astype(np.float32)
    there = laid(picture, truth, face, SMOOTH_PX * scale)
    rows = {"": made, ", laid on the truth": there}
    for sigma in LIGHT_PX:
        rows[f", light right ({sigma:g} px)"] = made + blurred(real - made, face, sigma * scale)
    rows[", both (16 px)"] = there + blurred(real - there, face, 16.0 * scale)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rendered", type=Path)
    parser.add_argument("generators", type=Path, nargs="*")
    parser.add_argument("--every", type=int, default=6, help="one of so many pairs is measured")
    given = parser.parse_args()
    model = load_model()
    paths = [p for p in sorted(given.rendered.glob("*.pairs.safetensors")) if "portraits-" not in p.name]
    sums: dict[tuple[str, str], dict[int, np.ndarray]] = defaultdict(lambda: defaultdict(lambda: np.zeros(2)))
    with ExitStack() as files:
        looking: Looking = {}
        for path in given.generators:
            network = load_generator(path, model)[0]
            assert isinstance(network, FlowGuided)
            seen = Pairs(paths, model, network.config.windows, network.config.texture)
            name = path.parent.name if path.stem == "generator" else path.stem
            looking[name] = (network.folded(), files.enter_context(seen))
        pairs = files.enter_context(Pairs(paths, model))
        for pair in pairs.all(given.every):
            shown = pairs.shown(pair)
            masks = {
                name: hull(shown.after, outline, shown.truth.shape) for name, outline in OUTLINES.items()
            }
            for key, picture in pictures_of(pairs, pair, looking).items():
                rows = (
                    {"": picture}
                    if key == "frozen"
                    else told_by_the_truth(picture, shown.truth, masks["face"])
                )
                for row, made in rows.items():
                    wrong = np.abs(made.astype(np.float32) - shown.truth).mean(axis=-1)
                    for region, mask in masks.items():
                        sums[key + row, region][pair[0]] += (wrong * mask).sum(), mask.sum()

    def mean(row: str, region: str) -> float:
        return mean_over_clips(np.array([np.divide(*one) for one in sums[row, region].values()])).mean

    print("| | face | mouth |\n| --- | ---: | ---: |")
    for row in dict.fromkeys(row for row, _ in sums):
        shares = (mean(row, region) / mean("frozen", region) for region in OUTLINES)
        print(f"| {row} | " + " | ".join(f"{share:.3f}" for share in shares) + " |")


if __name__ == "__main__":
    main()
