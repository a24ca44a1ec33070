"""What flow-guided generators mend, region by region: one table, the same windows for every row.

Run: python benchmarks/repair.py RENDERED/test GENERATOR... (RENDERED: what `faceanime train generator` keeps with
--rendered; of clips that no generator has seen)

Each network looks through windows of its own size; what it changes is pasted into the picture, as the pipeline does,
and all are measured through the windows of `QUALITY`. Errors are mean |I - I'| in levels of 255 within a region of
`train.window_errors.REGIONS`, over all pixels of all windows; "frozen" is the source picture itself at the same place.
Sharpness: mean |Laplacian| of what the gates let through, in shares of the truth's. Flicker: mean |(I_t+1 - I_t) -
(I'_t+1 - I'_t)| where either gate is open. Openings are lips apart, in eye distances. Not the pictures' own errors:
those are in docs/results.md, by `faceanime evaluate`.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch

from faceanime.evaluate.pairs import EYE_DISTANCE
from faceanime.generator.flow_guided import QUALITY, FlowGuided
from faceanime.generator.generator_file import load_generator
from faceanime.generator.windows import PART_OF, WindowName
from faceanime.morphable.axes import measured
from faceanime.morphable.model import load_model
from faceanime.structures.frames import Pixels
from faceanime.train.window_errors import REGIONS, repaired, sharpness, tensors_of
from faceanime.train.window_samples import Pair, Pairs, WindowSample, batched

OPENINGS = (0.0, 0.03, 0.1, 0.2, 0.3, np.inf)


Looking: TypeAlias = dict[str, tuple[FlowGuided, Pairs]]
"""Networks, and the pairs through windows of their size."""


def picture_of(network: FlowGuided, pairs: Pairs, pair: Pair) -> Pixels:
    """The renderer's picture of a pair, repaired."""
    picture = pairs.shown(pair).canvas.copy()
    for name, sample in pairs.windows(pair):
        with torch.inference_mode():
            face = repaired(network, PART_OF[name], tensors_of(batched([sample])))
        image = face.image[0].clamp(-1.0, 1.0).permute(1, 2, 0).numpy()
        sample.window.paste(picture, 127.5 * (image - sample.canvas))
    return picture


def rows(
    pairs: Pairs, pair: Pair, looking: Looking
) -> Iterator[tuple[WindowName, WindowSample, dict[str, np.ndarray]]]:
    """The open windows of a pair, and every row's picture of them, in [-1, 1]."""
    pictures = {"frozen": pairs.portrait(pair)}
    pictures |= {key: picture_of(network, seen, pair) for key, (network, seen) in looking.items()}
    for name, sample in pairs.windows(pair):
        made = {
            key: sample.window.cut(picture) / np.float32(127.5) - 1.0 for key, picture in pictures.items()
        }
        yield name, sample, {**made, "geometric": sample.canvas}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rendered", type=Path)
    parser.add_argument("generators", type=Path, nargs="*")
    parser.add_argument("--every", type=int, default=1, help="one of so many pairs is measured")
    given = parser.parse_args()
    model = load_model()
    errors: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    edges: dict[tuple[str, str], float] = defaultdict(float)
    flicker: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    paths = sorted(given.rendered.glob("*.pairs.safetensors"))
    with ExitStack() as files:
        pairs = files.enter_context(Pairs(paths, model, QUALITY.windows))
        looking: Looking = {}
        for path in given.generators:
            network = load_generator(path, model)[0]
            assert isinstance(network, FlowGuided)
            key = path.parent.name if path.stem == "generator" else path.stem
            looking[key] = network.folded(), files.enter_context(Pairs(paths, model, network.config.windows))
        for pair in pairs.all(given.every):
            face = pairs.target(pair)
            lips = (
                float(measured("lips_apart", model, face.identity, face.expression[None])[0]) / EYE_DISTANCE
            )
            bin_of = (
                f"inside, lips {OPENINGS[np.searchsorted(OPENINGS, max(lips, 0.0), 'right') - 1]:g} apart"
            )
            beside = pairs.neighbour(pair)
            after = {} if beside is None else {n: (s, p) for n, s, p in rows(pairs, beside, looking)}
            for name, sample, pictures in rows(pairs, pair, looking):
                is_open = sample.gate > 0.5
                pictures = {**pictures, "filmed": sample.truth}
                for key, picture in pictures.items():
                    apart = 127.5 * np.abs(picture - sample.truth).mean(axis=-1)
                    for region, (part, channel) in REGIONS.items():
                        if part == PART_OF[name]:
                            mask = is_open & (sample.maps[..., channel] > 0.5)
                            for column in (region, bin_of) if region == "inside" else (region,):
                                errors[key, column][0] += float(apart[mask].sum())
                                errors[key, column][1] += float(mask.sum())
                    edges[key, PART_OF[name]] += float(sharpness(picture)[is_open].sum())
                    if name in after:
                        next_sample, next_pictures = after[name]
                        either = is_open | (next_sample.gate > 0.5)  # a gate that opens may pop
                        changes = (
                            next_pictures.get(key, next_sample.truth)
                            - picture
                            - (next_sample.truth - sample.truth)
                        )
                        flicker[key, PART_OF[name]][0] += float(
                            127.5 * np.abs(changes).mean(axis=-1)[either].sum()
                        )
                        flicker[key, PART_OF[name]][1] += float(either.sum())
    bins = sorted({column for _, column in errors if column.startswith("inside,")})
    names = ["filmed", "frozen", "geometric", *looking]
    table("error", names, [*REGIONS, *bins], lambda n, c: errors[n, c][0] / max(errors[n, c][1], 1.0))
    parts = ("mouth", "eye", "face")
    table("sharpness", names, parts, lambda n, c: edges[n, c] / max(edges["filmed", c], 1e-9))
    table("flicker", names, parts, lambda n, c: flicker[n, c][0] / max(flicker[n, c][1], 1.0))


def table(title: str, names: list[str], columns: "list[str] | tuple[str, ...]", value) -> None:  # type: ignore[no-untyped-def]
    print(f"\n| {title} | " + " | ".join(columns) + " |")
    print("| --- |" + " ---: |" * len(columns))
    for name in names:
        print(f"| {name} | " + " | ".join(f"{value(name, column):.3g}" for column in columns) + " |")


if __name__ == "__main__":
    main()
