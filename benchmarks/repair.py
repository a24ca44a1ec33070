"""What flow-guided generators mend, region by region: one table, the same windows for every row.

Run: python benchmarks/repair.py RENDERED/test GENERATOR... (RENDERED: what `faceanime train generator` keeps with
--rendered; of clips that no generator has seen)

Errors are mean |I - I'| in levels of 255 within a region of `train.window_errors.REGIONS`, over all pixels of all
windows; "frozen" is the source picture itself at the same place. Sharpness: mean |Laplacian| of what the gates let
through, in shares of the truth's. Flicker: mean |(I_t+1 - I_t) - (I'_t+1 - I'_t)| where either gate is open. Openings
are lips apart, in eye distances. Not the pictures' own errors: those are in docs/results.md, by `faceanime evaluate`.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from faceanime.evaluate.pairs import EYE_DISTANCE
from faceanime.generator.flow_guided import FlowGuided
from faceanime.generator.generator_file import load_generator
from faceanime.generator.windows import PART_OF, WindowName
from faceanime.morphable.axes import measured
from faceanime.morphable.model import load_model
from faceanime.train.window_errors import REGIONS, repaired, sharpness, tensors_of
from faceanime.train.window_samples import Pair, Pairs, WindowSample, batched

OPENINGS = (0.0, 0.03, 0.1, 0.2, 0.3, np.inf)


def picture_of(network: FlowGuided, name: WindowName, sample: WindowSample) -> np.ndarray:
    batch = tensors_of(batched([sample]))
    with torch.inference_mode():
        face = repaired(network, PART_OF[name], batch)
    return face.image[0].clamp(-1.0, 1.0).permute(1, 2, 0).numpy()


def rows(
    pairs: Pairs, pair: Pair, networks: dict[str, FlowGuided]
) -> Iterator[tuple[WindowName, WindowSample, dict[str, np.ndarray]]]:
    """The open windows of a pair, and every row's picture of them, in [-1, 1]."""
    portrait = pairs.portrait(pair)
    for name, sample in pairs.windows(pair):
        frozen = sample.window.cut(portrait) / np.float32(127.5) - 1.0
        made = {key: picture_of(network, name, sample) for key, network in networks.items()}
        yield name, sample, {"frozen": frozen, "geometric": sample.canvas, **made}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rendered", type=Path)
    parser.add_argument("generators", type=Path, nargs="*")
    parser.add_argument("--every", type=int, default=1, help="one of so many pairs is measured")
    given = parser.parse_args()
    model = load_model()
    networks = {}
    for path in given.generators:
        network = load_generator(path, model)[0]
        assert isinstance(network, FlowGuided)
        key = path.parent.name if path.stem == "generator" else path.stem
        networks[key] = network.folded()
    sizes = {network.config.windows for network in networks.values()}
    if len(sizes) > 1:
        raise SystemExit("generators with windows of other sizes see other pixels: measure them one by one")
    errors: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    edges: dict[tuple[str, str], float] = defaultdict(float)
    flicker: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    paths = sorted(given.rendered.glob("*.pairs.safetensors"))
    with Pairs(paths, model, **({"sizes": sizes.pop()} if sizes else {})) as pairs:
        for pair in pairs.all(given.every):
            face = pairs.target(pair)
            lips = (
                float(measured("lips_apart", model, face.identity, face.expression[None])[0]) / EYE_DISTANCE
            )
            bin_of = (
                f"inside, lips {OPENINGS[np.searchsorted(OPENINGS, max(lips, 0.0), 'right') - 1]:g} apart"
            )
            beside = pairs.neighbour(pair)
            after = {} if beside is None else {n: (s, p) for n, s, p in rows(pairs, beside, networks)}
            for name, sample, pictures in rows(pairs, pair, networks):
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
    names = ["filmed", "frozen", "geometric", *networks]
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
