"""What flow-guided generators mend, region by region: the same windows for every row.

Run: python benchmarks/repair.py --data PREPARED [--portraits PICTURES] --rendered DIR GENERATOR...
(as `faceanime train generator`; what the renderer draws of the split's people is kept in DIR)

Each network looks through windows of its own size; what it changes is pasted into the picture, as the pipeline does,
and all are measured through the windows of `QUALITY`. Errors are mean |I - I'| in levels of 255 within a region of
`train.window_errors.REGIONS`: for each clip (or person, of portraits) the mean over its pixels, then the mean over
clips, and behind it the 95 % interval of its difference to the geometric renderer's (or to --against). "frozen" is the
source picture itself at the same place; "frozen, moved along" what its own window shows, a still face on a moving head.
Openings are lips apart, in eye distances. Sharpness: mean |Laplacian| of what the gates let through, over all pixels,
in shares of the truth's. Flicker: mean |(I_t+1 - I_t) - (I'_t+1 - I'_t)| where either gate is open. Faces: landmarks of
mouth and lids, read in the whole picture and in the true frame, mean distance in px of a picture of 256; identity: 100
times the cosine to the true frame, by dlib's recogniser (which a loss of identity learns to please). Not the pictures'
own errors: those are in docs/results.md, by `faceanime evaluate`.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch

from faceanime.commands.terminal_progress import TerminalProgress
from faceanime.evaluate.reenactment_pairs import EYE_DISTANCE
from faceanime.evaluate.statistics import mean_over_clips, paired_difference
from faceanime.face.detect import MediapipeDetector
from faceanime.face.identity import DlibIdentity, cosine_similarity
from faceanime.face.landmark_view import Place, place_of
from faceanime.generator.conditions import WindowMaker
from faceanime.generator.flow_guided import QUALITY, FlowGuided
from faceanime.generator.generator_file import load_generator
from faceanime.generator.windows import PART_OF, WindowName
from faceanime.morphable.axes import measured
from faceanime.morphable.model import MorphableModel
from faceanime.morphable.topology import (
    INNER_LIPS_LOWER,
    INNER_LIPS_UPPER,
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    OUTER_LIPS,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
)
from faceanime.pipeline import Animator
from faceanime.structures.frames import Pixels
from faceanime.structures.landmarks import Landmarks
from faceanime.train.generator.albums import albums_with_drivers
from faceanime.train.generator.face_clips import clips_with_drivers
from faceanime.train.generator.pairs import PairIndex, PairOptions, RenderedPairs
from faceanime.train.generator.rendered_pairs import PairsConfig, render_pairs
from faceanime.train.generator.window_errors import REGIONS, light_gain, repaired, sharpness, tensors_of
from faceanime.train.generator.window_samples import WindowSample, batched, open_windows

OPENINGS = (0.0, 0.03, 0.1, 0.2, 0.3, np.inf)
FEWEST_PX = 200
"""Clips that show less of a region do not count."""

Networks: TypeAlias = dict[str, tuple[FlowGuided, RenderedPairs]]
"""Networks by name, each with the pairs as it sees them."""
Sums: TypeAlias = dict[tuple[str, str], dict[int, np.ndarray]]
"""Of a row and a column, for each clip: a sum, and of how many pixels (or pictures)."""

READ = {
    "mouth": (*OUTER_LIPS, *INNER_LIPS_LOWER, *INNER_LIPS_UPPER),
    "lids": (*RIGHT_EYE_LOWER, *RIGHT_EYE_UPPER, *LEFT_EYE_LOWER, *LEFT_EYE_UPPER),
}
COLUMNS = (*(f"{part} px" for part in READ), "identity")


class Judge:
    """What is found in a whole picture: landmarks, and who it is."""

    def __init__(self) -> None:
        self._detector, self._identity = MediapipeDetector(), DlibIdentity()

    def distances(self, pictures: dict[str, Pixels], truth: Pixels) -> dict[tuple[str, str], float]:
        """For each picture its columns' numbers; none at all where one of them, or the true frame, shows no face."""
        found = self._detector.detect(truth)
        if not found:
            return {}
        place, scale = place_of(found[0].points_image), 256.0 / max(truth.shape[:2])
        real = self._looked_at(truth, place)
        seen = {key: self._looked_at(picture, place) for key, picture in pictures.items()}
        told: dict[tuple[str, str], float] = {}
        for key, made in seen.items():
            if real is None or made is None:
                return {}
            apart = scale * np.linalg.norm(made[0][:, :2] - real[0][:, :2], axis=1)
            told |= {(key, f"{part} px"): float(apart[list(points)].mean()) for part, points in READ.items()}
            told[key, "identity"] = 100.0 * float(cosine_similarity(made[1], real[1])[0])
        return told

    def _looked_at(self, picture: Pixels, place: Place) -> tuple[np.ndarray, np.ndarray] | None:
        """Landmarks (478,3) px, and the face as a vector (1,128)."""
        reading = self._detector.read(picture, place)
        if reading is None:
            return None
        aligned = self._identity.align(picture, Landmarks(reading.points_image, 1.0))
        return reading.points_image, self._identity.embed([aligned])


def picture_of(network: FlowGuided, pairs: RenderedPairs, pair: PairIndex) -> Pixels:
    """The renderer's picture of a pair, repaired."""
    picture = pairs.canvas(pair).copy()
    for name, sample in open_windows(pairs, pair):
        cut = sample.window.cut(picture) / np.float32(127.5) - 1.0  # what others have mended is seen
        batch = tensors_of(batched([sample])) | {"canvas": torch.from_numpy(cut).permute(2, 0, 1)[None]}
        with torch.inference_mode():
            if name == "light":
                sample.window.apply_gain(picture, light_gain(network, batch)[0, 0].numpy())
                continue
            image = repaired(network, PART_OF[name], batch).image[0].clamp(-1.0, 1.0)
        sample.window.paste(picture, 127.5 * (image.permute(1, 2, 0).numpy() - cut))
    return picture


def pictures_of(pairs: RenderedPairs, pair: PairIndex, networks: Networks) -> dict[str, Pixels]:
    """Whole pictures of a pair: the source, the renderer's, and what each network makes of that."""
    frames = pairs.frames(pair)
    made = {key: picture_of(network, seen, pair) for key, (network, seen) in networks.items()}
    return {"frozen": frames.source, "geometric": frames.canvas, **made}


def rows(
    pairs: RenderedPairs, pair: PairIndex, pictures: dict[str, Pixels], maker: WindowMaker
) -> Iterator[tuple[WindowName, WindowSample, dict[str, np.ndarray]]]:
    """The open windows of a pair, and every row's picture of them, in [-1, 1]."""
    frames = pairs.frames(pair)
    still = maker.windows(frames.source_points, frames.source_pose)
    for name, sample in open_windows(pairs, pair):
        cuts = {key: sample.window.cut(picture) for key, picture in pictures.items()}
        cuts["frozen, moved along"] = still[name].cut(frames.source)
        yield name, sample, {key: cut / np.float32(127.5) - 1.0 for key, cut in cuts.items()}


def measure(
    paths: list[Path], networks: dict[str, FlowGuided], model: MorphableModel, every: int, against: str
) -> None:
    """Print the tables of some files of pairs."""
    errors: Sums = defaultdict(lambda: defaultdict(lambda: np.zeros(2)))
    flicker: Sums = defaultdict(lambda: defaultdict(lambda: np.zeros(2)))
    faces: Sums = defaultdict(lambda: defaultdict(lambda: np.zeros(2)))
    edges: dict[tuple[str, str], float] = defaultdict(float)
    maker, judge = WindowMaker(model, QUALITY.windows), Judge()
    with ExitStack() as files:
        pairs = files.enter_context(RenderedPairs.open(paths, model, PairOptions(QUALITY.windows)))
        seen_by: Networks = {}
        for key, network in networks.items():
            options = PairOptions(network.config.windows, network.config.texture)
            seen_by[key] = network, files.enter_context(RenderedPairs.open(paths, model, options))
        for pair in pairs.all(every):
            face, clip = pairs.target_face(pair), pair.clip
            apart = float(measured("lips_apart", model, face.identity, face.expression[None])[0])
            opening = OPENINGS[np.searchsorted(OPENINGS, max(apart / EYE_DISTANCE, 0.0), "right") - 1]
            whole = pictures_of(pairs, pair, seen_by)
            for told, number in judge.distances(whole, pairs.truth(pair)).items():
                faces[told][clip] += number, 1.0
            beside = pairs.neighbour(pair)
            after = {}
            if beside is not None:
                seen_next = rows(pairs, beside, pictures_of(pairs, beside, seen_by), maker)
                after = {name: (sample, pictures) for name, sample, pictures in seen_next}
            for name, sample, pictures in rows(pairs, pair, whole, maker):
                is_open = sample.gate > 0.5
                for key, picture in {**pictures, "filmed": sample.truth}.items():
                    wrong = 127.5 * np.abs(picture - sample.truth).mean(axis=-1)
                    for region, (part, channel) in REGIONS.items():
                        if part == PART_OF[name]:
                            mask = is_open & (sample.maps[..., channel] > 0.5)
                            columns = (region, f"lips {opening:g} apart") if region == "inside" else (region,)
                            for column in columns:
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
    table("error", errors, names, [*REGIONS, *bins], against)
    parts = ("mouth", "eye", "face", "light")
    seen = [part for part in parts if edges["filmed", part] > 0.0]
    head("sharpness", seen)
    for name in names:
        print(f"| {name} | " + " | ".join(f"{edges[name, p] / edges['filmed', p]:.2f}" for p in seen) + " |")
    if flicker:
        table("flicker", flicker, names, parts, against)
    table("faces", faces, [name for name in names if (name, "identity") in faces], COLUMNS, against, 1)


def table(
    title: str,
    sums: Sums,
    names: list[str],
    columns: "list[str] | tuple[str, ...]",
    against: str,
    fewest: int = FEWEST_PX,
) -> None:
    """Means over clips, each by its pixels, and how far they are from those of the row `against`."""
    head(title, columns)
    clips = {c: [k for k, (_, n) in sums["geometric", c].items() if n >= fewest] for c in columns}
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
            if name not in (against, "frozen") and len(clips[column]) > 1:
                apart = paired_difference(values(name, column), values(against, column))
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
    parser.add_argument("--against", default="geometric", help="the row that the others are compared with")
    parser.add_argument("--every", type=int, default=12, help="one of so many pairs of clips is measured")
    given = parser.parse_args()
    animator, folder = Animator(), given.rendered / given.split
    model, networks = animator.model, {}
    for path in given.generators:
        network = load_generator(path, model)[0]
        assert isinstance(network, FlowGuided)
        networks[path.parent.name if path.stem == "generator" else path.stem] = network.folded()
    if given.against not in ("geometric", *networks):
        parser.error(f"--against names {given.against}; there are geometric, {', '.join(networks)}")
    with TerminalProgress() as progress:
        clips = clips_with_drivers(given.data, given.split)
        paths = [render_pairs(clips, folder, animator, PairsConfig(shut=False), progress)]
        if given.portraits is not None:
            albums = albums_with_drivers(given.portraits, given.data, given.split, animator)
            paths.append(render_pairs(albums, folder, animator, PairsConfig(shut=False), progress))
    for some, every in zip(paths, (given.every, 1), strict=False):
        measure(some, networks, model, every, given.against)


if __name__ == "__main__":
    main()
