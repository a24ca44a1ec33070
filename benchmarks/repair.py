"""What flow-guided generators mend, region by region: the same windows for every row.

Run: python benchmarks/repair.py --data PREPARED [--portraits PICTURES] --rendered DIR GENERATOR...
(as `faceanime train generator`; what the renderer draws of the split's people is kept in DIR)

Each network looks through windows of its own size; what it changes is pasted into the picture, as the pipeline does,
and all are measured through the windows of `QUALITY`. Errors are mean |I - I'| in levels of 255 within a region of
`train.window_errors.REGIONS`: for each clip (or person, of portraits) the mean over its pixels, then the mean over
clips, and behind it the 95 % interval of its difference to the geometric renderer's. "frozen" is the source picture
itself at the same place; "frozen, moved along" what its own window shows, a still face on a moving head. Openings are
lips apart, in eye distances. Sharpness: mean |Laplacian| of what the gates let through, over all pixels, in shares of
the truth's. Flicker: mean |(I_t+1 - I_t) - (I'_t+1 - I'_t)| where either gate is open. Not the pictures' own errors:
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
from faceanime.evaluate.statistics import mean_over_clips, paired_difference
from faceanime.generator.flow_guided import QUALITY, FlowGuided
from faceanime.generator.generator_file import load_generator
from faceanime.generator.windows import PART_OF, WindowMaker, WindowName
from faceanime.morphable.axes import measured
from faceanime.morphable.model import MorphableModel
from faceanime.pipeline import Animator
from faceanime.structures.frames import Pixels
from faceanime.terminal import TerminalProgress
from faceanime.train.albums import albums_with_drivers
from faceanime.train.pairs import PairsConfig, clips_with_drivers, render_pairs
from faceanime.train.window_errors import REGIONS, repaired, sharpness, tensors_of
from faceanime.train.window_samples import Pair, Pairs, WindowSample, batched

OPENINGS = (0.0, 0.03, 0.1, 0.2, 0.3, np.inf)
FEWEST_PX = 200
"""Clips that show less of a region do not count."""

Looking: TypeAlias = dict[str, tuple[FlowGuided, Pairs]]
"""Networks, and the pairs through windows of their size."""
Sums: TypeAlias = dict[tuple[str, str], dict[int, np.ndarray]]
"""Of a row and a column, for each clip: a sum, and of how many pixels."""


def picture_of(network: FlowGuided, pairs: Pairs, pair: Pair) -> Pixels:
    """The renderer's picture of a pair, repaired."""
    picture = pairs.shown(pair).canvas.copy()
    for name, sample in pairs.windows(pair):
        cut = sample.window.cut(picture) / np.float32(127.5) - 1.0  # what others have mended is seen
        batch = tensors_of(batched([sample])) | {"canvas": torch.from_numpy(cut).permute(2, 0, 1)[None]}
        with torch.inference_mode():
            image = repaired(network, PART_OF[name], batch).image[0].clamp(-1.0, 1.0)
        sample.window.paste(picture, 127.5 * (image.permute(1, 2, 0).numpy() - cut))
    return picture


def rows(
    pairs: Pairs, pair: Pair, looking: Looking, maker: WindowMaker
) -> Iterator[tuple[WindowName, WindowSample, dict[str, np.ndarray]]]:
    """The open windows of a pair, and every row's picture of them, in [-1, 1]."""
    shown = pairs.shown(pair)
    still = maker.windows(shown.before, shown.source_pose)
    pictures = {"frozen": shown.source}
    pictures |= {key: picture_of(network, seen, pair) for key, (network, seen) in looking.items()}
    for name, sample in pairs.windows(pair):
        cuts = {key: sample.window.cut(picture) for key, picture in pictures.items()}
        cuts["frozen, moved along"] = still[name].cut(shown.source)
        made = {key: cut / np.float32(127.5) - 1.0 for key, cut in cuts.items()}
        yield name, sample, {**made, "geometric": sample.canvas}


def measure(paths: list[Path], networks: dict[str, FlowGuided], model: MorphableModel, every: int) -> None:
    """Print the tables of some files of pairs."""
    errors: Sums = defaultdict(lambda: defaultdict(lambda: np.zeros(2)))
    flicker: Sums = defaultdict(lambda: defaultdict(lambda: np.zeros(2)))
    edges: dict[tuple[str, str], float] = defaultdict(float)
    maker = WindowMaker(model, QUALITY.windows)
    with ExitStack() as files:
        pairs = files.enter_context(Pairs(paths, model, QUALITY.windows))
        looking: Looking = {
            key: (
                network,
                files.enter_context(Pairs(paths, model, network.config.windows, network.config.texture)),
            )
            for key, network in networks.items()
        }
        for pair in pairs.all(every):
            face, clip = pairs.target(pair), pair[0]
            apart = float(measured("lips_apart", model, face.identity, face.expression[None])[0])
            opening = OPENINGS[np.searchsorted(OPENINGS, max(apart / EYE_DISTANCE, 0.0), "right") - 1]
            beside = pairs.neighbour(pair)
            after = {} if beside is None else {n: (s, p) for n, s, p in rows(pairs, beside, looking, maker)}
            for name, sample, pictures in rows(pairs, pair, looking, maker):
                is_open = sample.gate > 0.5
                for key, picture in {**pictures, "filmed": sample.truth}.items():
                    wrong = 127.5 * np.abs(picture - sample.truth).mean(axis=-1)
                    for region, (part, channel) in REGIONS.items():
                        if part == PART_OF[name]:
                            mask = is_open & (sample.maps[..., channel] > 0.5)
                            told = (region, f"lips {opening:g} apart") if region == "inside" else (region,)
                            for column in told:
                                errors[key, column][clip] += wrong[mask].sum(), mask.sum()
                    edges[key, PART_OF[name]] += float(sharpness(picture)[is_open].sum())
                    if name in after:
                        next_sample, next_pictures = after[name]
                        either = is_open | (next_sample.gate > 0.5)  # a gate that opens may pop
                        moved = next_pictures.get(key, next_sample.truth) - picture
                        changes = 127.5 * np.abs(moved - (next_sample.truth - sample.truth)).mean(axis=-1)
                        flicker[key, PART_OF[name]][clip] += changes[either].sum(), either.sum()
    names = ["frozen", "frozen, moved along", "geometric", *networks]
    bins = sorted({column for _, column in errors if column.startswith("lips ")})
    table("error", errors, names, [*REGIONS, *bins])
    parts = ("mouth", "eye", "face")
    seen = [part for part in parts if edges["filmed", part] > 0.0]
    head("sharpness", seen)
    for name in names:
        print(f"| {name} | " + " | ".join(f"{edges[name, p] / edges['filmed', p]:.2f}" for p in seen) + " |")
    if flicker:
        table("flicker", flicker, names, parts)


def table(title: str, sums: Sums, names: list[str], columns: "list[str] | tuple[str, ...]") -> None:
    """Means over clips, each by its pixels, and how far they are from the geometric renderer's."""
    head(title, columns)
    clips = {c: [k for k, (_, n) in sums["geometric", c].items() if n >= FEWEST_PX] for c in columns}
    print("| clips | " + " | ".join(str(len(clips[column])) for column in columns) + " |")

    def values(name: str, column: str) -> np.ndarray:
        return np.array([np.divide(*sums[name, column][clip]) for clip in clips[column]])

    for name in names:
        cells = []
        for column in columns:
            if not clips[column]:
                cells.append("")
                continue
            cell = f"{mean_over_clips(values(name, column)).mean:.3g}"
            if name not in ("geometric", "frozen") and len(clips[column]) > 1:
                apart = paired_difference(values(name, column), values("geometric", column))
                cell += f" ({apart.low:+.1f} to {apart.high:+.1f})"
            cells.append(cell)
        print(f"| {name} | " + " | ".join(cells) + " |")


def head(title: str, columns: "list[str] | tuple[str, ...]") -> None:
    print(f"\n| {title} | " + " | ".join(columns) + " |\n| --- |" + " ---: |" * len(columns))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("generators", type=Path, nargs="*")
    parser.add_argument("--data", type=Path, required=True, help="shards of `faceanime prepare`")
    parser.add_argument("--portraits", type=Path, help="a folder with portraits.csv")
    parser.add_argument("--rendered", type=Path, required=True, help="where the renderer's pictures are kept")
    parser.add_argument("--split", default="test")
    parser.add_argument("--every", type=int, default=12, help="one of so many pairs of clips is measured")
    given = parser.parse_args()
    animator, folder = Animator(), given.rendered / given.split
    model, networks = animator.model, {}
    for path in given.generators:
        network = load_generator(path, model)[0]
        assert isinstance(network, FlowGuided)
        networks[path.parent.name if path.stem == "generator" else path.stem] = network.folded()
    with TerminalProgress() as progress:
        clips = clips_with_drivers(given.data, given.split)
        paths = [render_pairs(clips, folder, animator, PairsConfig(), progress)]
        if given.portraits is not None:
            albums = albums_with_drivers(given.portraits, given.data, given.split, animator)
            paths.append(render_pairs(albums, folder, animator, PairsConfig(), progress))
    for some, every in zip(paths, (given.every, 1), strict=False):
        measure(some, networks, model, every)


if __name__ == "__main__":
    main()
