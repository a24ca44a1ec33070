"""The components of the errors: how much smaller they would be with the light, or the places, of the true frame.

Run: python benchmarks/headroom.py RENDERED/SPLIT [GENERATOR...] [--every N] (pictures that benchmarks/repair.py or
`faceanime train generator` keeps with --rendered)

Mean |I - I'| in the hulls of the face and of the lips, means over clips, relative to the source's own ("frozen"). Each
row uses the truth, which no renderer has, so none can be reached; its gain shows where errors come from.
"true light": the difference to the truth, blurred within the face by a Gaussian (px of 256), is removed.
"aligned": moved by optical flow (Kroeger et al., arXiv 1603.03590), smoothed by 6 px of 256.
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
from faceanime.morphable.mediapipe_schema import MEDIAPIPE
from faceanime.morphable.model import load_model
from faceanime.structures.frames import Pixels
from faceanime.train.generator.pairs import PairOptions, RenderedPairs
from repair import Networks, pictures_of

OUTLINES = {"face": MEDIAPIPE.oval, "mouth": MEDIAPIPE.outer_lips}
LIGHT_PX, SMOOTH_PX = (8.0, 16.0, 32.0), 6.0


def hull(points: np.ndarray, outline: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint(points[outline, :2] - 0.5).astype(np.int32)], 1)
    return mask.astype(np.float32)


def blurred(values: np.ndarray, face: np.ndarray, sigma_px: float) -> np.ndarray:
    """The weighted mean around each pixel within the face."""
    weight = cv2.GaussianBlur(face, (0, 0), sigma_px)[..., None] + 1e-6
    return cv2.GaussianBlur(values * face[..., None], (0, 0), sigma_px) / weight


def aligned(picture: Pixels, truth: Pixels, face: np.ndarray, sigma_px: float) -> np.ndarray:
    """The picture aligned with the truth."""
    grey = [cv2.cvtColor(one, cv2.COLOR_RGB2GRAY) for one in (truth, picture)]
    found = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(*grey, None)
    places = identity_flow(*face.shape) + blurred(found, face, sigma_px).astype(np.float32)
    return sample(picture, places, "cubic").astype(np.float32)


def with_truth(picture: Pixels, truth: Pixels, face: np.ndarray) -> dict[str, np.ndarray]:
    scale, real, made = max(truth.shape[:2]) / 256.0, truth.astype(np.float32), picture.astype(np.float32)
    moved = aligned(picture, truth, face, SMOOTH_PX * scale)
    rows = {"": made, ", aligned": moved}
    for sigma in LIGHT_PX:
        rows[f", true light ({sigma:g} px)"] = made + blurred(real - made, face, sigma * scale)
    rows[", both (16 px)"] = moved + blurred(real - moved, face, 16.0 * scale)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rendered", type=Path)
    parser.add_argument("generators", type=Path, nargs="*")
    parser.add_argument("--every", type=int, default=6, help="measure every n-th pair")
    given = parser.parse_args()
    model = load_model()
    paths = [p for p in sorted(given.rendered.glob("*.pairs.safetensors")) if "portraits-" not in p.name]
    sums: dict[tuple[str, str], dict[int, np.ndarray]] = defaultdict(lambda: defaultdict(lambda: np.zeros(2)))
    with ExitStack() as files:
        networks: Networks = {}
        for path in given.generators:
            network = load_generator(path, model)[0]
            assert isinstance(network, FlowGuided)
            options = PairOptions(network.config.windows, network.config.texture)
            seen = RenderedPairs.open(paths, model, options)
            name = path.parent.name if path.stem == "generator" else path.stem
            networks[name] = (network.folded(), files.enter_context(seen))
        pairs = files.enter_context(RenderedPairs.open(paths, model))
        for pair in pairs.all(given.every):
            frames = pairs.frames(pair)
            masks = {
                name: hull(frames.target_points, outline, frames.truth.shape)
                for name, outline in OUTLINES.items()
            }
            for key, picture in pictures_of(pairs, pair, networks).items():
                rows = {"": picture} if key == "frozen" else with_truth(picture, frames.truth, masks["face"])
                for row, made in rows.items():
                    error = np.abs(made.astype(np.float32) - frames.truth).mean(axis=-1)
                    for region, mask in masks.items():
                        sums[key + row, region][pair.clip] += (error * mask).sum(), mask.sum()

    def mean(row: str, region: str) -> float:
        return mean_over_clips(np.array([np.divide(*one) for one in sums[row, region].values()])).mean

    print("| | face | mouth |\n| --- | ---: | ---: |")
    for row in dict.fromkeys(row for row, _ in sums):
        fractions = (mean(row, region) / mean("frozen", region) for region in OUTLINES)
        print(f"| {row} | " + " | ".join(f"{fraction:.3f}" for fraction in fractions) + " |")


if __name__ == "__main__":
    main()
