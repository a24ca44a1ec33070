"""Errors of flow-guided generators by region, in the same windows for every row.

    python benchmarks/repair.py --data PREPARED [--portraits PICTURES] --rendered DIR GENERATOR...

PREPARED and PICTURES are as for `faceanime train generator`; the renderer's pictures of the split's people are kept in
DIR. Each network sees windows of its own size; its changes are pasted into the picture, as the pipeline does, and all
rows are measured in the windows of `QUALITY`.

Errors: mean |I - I'| in grey levels of 255 within a region of `window_errors.WINDOW_REGIONS`, the mean
over the pixels of each clip (or person, for portraits), then over clips, followed by the 95 % interval of the
difference from the geometric renderer (or from --against). "frozen" is the source at the same place, "frozen, moved
along" the source's own window: a still face on a moving head. Openings: distance between the lips over that between
the eyes' centers. Sharpness: mean |Laplacian| inside the gates over all pixels, relative to the truth. Flicker:
mean |(I_t+1 - I_t) - (I'_t+1 - I'_t)| where either gate is open. Faces: mean distance of the landmarks of mouth and
lids from those of the true frame, both read in the whole picture, in px of a picture of 256 px; identity: 100 times
the cosine similarity to the true frame by dlib's network, which flatters networks trained with it. For errors of
whole pictures see docs/results.md, by `faceanime evaluate`.
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
from faceanime.morphable.axes import measure_expressions
from faceanime.morphable.mediapipe_schema import MEDIAPIPE
from faceanime.morphable.model import MorphableModel
from faceanime.pipeline import Animator
from faceanime.structures.coefficients import FaceCoefficients
from faceanime.structures.frames import Pixels
from faceanime.structures.landmarks import Landmarks
from faceanime.train.generator.albums import albums_with_drivers
from faceanime.train.generator.face_clips import clips_with_drivers
from faceanime.train.generator.pairs import PairIndex, PairOptions, RenderedPairs
from faceanime.train.generator.rendered_pairs import PairsConfig, render_pairs
from faceanime.train.generator.window_errors import (
    NETWORK_INPUTS,
    WINDOW_REGIONS,
    edge_strength,
    repaired,
    tensors_of,
)
from faceanime.train.generator.window_samples import WindowSample, batched, open_windows

OPENINGS = (0.0, 0.03, 0.1, 0.2, 0.3, np.inf)
FEWEST_PX = 200
"""Clips with fewer pixels of a region are left out."""

Networks: TypeAlias = dict[str, tuple[FlowGuided, RenderedPairs]]
"""Networks by row, each with the pairs seen through windows of its size."""
Sums: TypeAlias = dict[tuple[str, str], dict[int, np.ndarray]]
"""For each row and column, and each clip: a sum, and the number of its pixels or pictures."""

READ = {
    "mouth": np.concatenate([MEDIAPIPE.outer_lips, MEDIAPIPE.inner_lips_lower, MEDIAPIPE.inner_lips_upper]),
    "lids": np.concatenate([lid for eye in MEDIAPIPE.eyes for lid in (eye.lower, eye.upper)]),
}
COLUMNS = (*(f"{part} px" for part in READ), "identity")


class FaceMetrics:
    """Distances of landmarks and of identity between whole pictures."""

    def __init__(self) -> None:
        self._detector, self._identity = MediapipeDetector(), DlibIdentity()

    def distances(self, pictures: dict[str, Pixels], truth: Pixels) -> dict[tuple[str, str], float]:
        """The numbers of each row and column; empty if any picture, or the true frame, shows no face."""
        found = self._detector.detect(truth)
        if not found:
            return {}
        place, scale = place_of(found[0].points_image, MEDIAPIPE), 256.0 / max(truth.shape[:2])
        true_face = self._face(truth, place)
        faces = {key: self._face(picture, place) for key, picture in pictures.items()}
        numbers: dict[tuple[str, str], float] = {}
        for key, face in faces.items():
            if true_face is None or face is None:
                return {}
            distance = scale * np.linalg.norm(face[0][:, :2] - true_face[0][:, :2], axis=1)
            for part, points in READ.items():
                numbers[key, f"{part} px"] = float(distance[points].mean())
            numbers[key, "identity"] = 100.0 * float(cosine_similarity(face[1], true_face[1])[0])
        return numbers

    def _face(self, picture: Pixels, place: Place) -> tuple[np.ndarray, np.ndarray] | None:
        """The landmarks (L,3) in px and the identity vector (1,128); None without a face."""
        reading = self._detector.read(picture, place)
        if reading is None:
            return None
        aligned = self._identity.align(picture, Landmarks(reading.points_image, 1.0))
        return reading.points_image, self._identity.embed([aligned])


def picture_of(network: FlowGuided, pairs: RenderedPairs, pair: PairIndex) -> Pixels:
    """The renderer's picture of a pair, repaired by a network."""
    picture = pairs.canvas(pair).copy()
    for name, sample in open_windows(pairs, pair):
        cut = sample.window.cut(picture) / np.float32(127.5) - 1.0  # with the repairs of the windows before
        batch = tensors_of(batched([sample])) | {"canvas": torch.from_numpy(cut).permute(2, 0, 1)[None]}
        with torch.inference_mode():
            if name == "light":
                gain = network.gain(*(batch[name] for name in NETWORK_INPUTS))
                sample.window.apply_gain(picture, gain[0, 0].numpy())
                continue
            image = repaired(network, PART_OF[name], batch).image[0].clamp(-1.0, 1.0)
        sample.window.paste(picture, 127.5 * (image.permute(1, 2, 0).numpy() - cut))
    return picture


def pictures_of(pairs: RenderedPairs, pair: PairIndex, networks: Networks) -> dict[str, Pixels]:
    """Whole pictures of a pair: the source, the renderer's, and the repaired one of each network."""
    repaired_pictures = {name: picture_of(network, seen, pair) for name, (network, seen) in networks.items()}
    return {"frozen": pairs.portrait(pair), "geometric": pairs.canvas(pair), **repaired_pictures}


def rows(
    pairs: RenderedPairs, pair: PairIndex, pictures: dict[str, Pixels], maker: WindowMaker
) -> Iterator[tuple[WindowName, WindowSample, dict[str, np.ndarray]]]:
    """The open windows of a pair, and each row's picture of them, in [-1, 1]."""
    frames = pairs.frames(pair)
    still = maker.windows(frames.source_points, frames.source_pose)
    for name, sample in open_windows(pairs, pair):
        cuts = {key: sample.window.cut(picture) for key, picture in pictures.items()}
        cuts["frozen, moved along"] = still[name].cut(frames.source)
        yield name, sample, {key: cut / np.float32(127.5) - 1.0 for key, cut in cuts.items()}


def sums() -> Sums:
    return defaultdict(lambda: defaultdict(lambda: np.zeros(2)))


class Measurement:
    """The sums of all tables over the pairs that were added."""

    def __init__(self) -> None:
        self.errors, self.flicker, self.faces = sums(), sums(), sums()
        self.edges: dict[tuple[str, str], float] = defaultdict(float)

    def add_window(
        self, clip: int, opening: float, part: str, sample: WindowSample, pictures: dict[str, np.ndarray]
    ) -> None:
        """Add the errors and edges of all rows in one window."""
        is_open = sample.gate > 0.5
        for key, picture in {**pictures, "filmed": sample.truth}.items():
            error = 127.5 * np.abs(picture - sample.truth).mean(axis=-1)
            for region, (region_part, channel) in WINDOW_REGIONS.items():
                if region_part == part:
                    mask = is_open & (sample.maps[..., channel] > 0.5)
                    columns = (region, f"lips {opening:g} apart") if region == "inside" else (region,)
                    for column in columns:
                        self.errors[key, column][clip] += error[mask].sum(), mask.sum()
            edges = edge_strength(torch.from_numpy(picture).permute(2, 0, 1)[None])[0, 0]
            self.edges[key, part] += float(edges.numpy()[is_open].sum())

    def add_change(
        self,
        clip: int,
        part: str,
        now: tuple[WindowSample, dict[str, np.ndarray]],
        then: tuple[WindowSample, dict[str, np.ndarray]],
    ) -> None:
        """Add the flicker of all rows between a window and the same window in the next frame."""
        (sample, pictures), (next_sample, next_pictures) = now, then
        either = (sample.gate > 0.5) | (next_sample.gate > 0.5)  # a gate that opens may pop
        true_change = next_sample.truth - sample.truth
        for key, picture in {**pictures, "filmed": sample.truth}.items():
            change = next_pictures.get(key, next_sample.truth) - picture
            error = 127.5 * np.abs(change - true_change).mean(axis=-1)
            self.flicker[key, part][clip] += error[either].sum(), either.sum()


def measure(
    paths: list[Path], networks: dict[str, FlowGuided], model: MorphableModel, every: int
) -> Measurement:
    """Measure every n-th pair of some files of pairs."""
    measurement, maker, metrics = Measurement(), WindowMaker(model, QUALITY.windows), FaceMetrics()
    with ExitStack() as files:
        pairs = files.enter_context(RenderedPairs.open(paths, model, PairOptions(QUALITY.windows)))
        with_pairs: Networks = {}
        for name, network in networks.items():
            options = PairOptions(network.config.windows, network.config.texture)
            with_pairs[name] = network, files.enter_context(RenderedPairs.open(paths, model, options))
        for pair in pairs.all(every):
            clip, whole = pair.clip, pictures_of(pairs, pair, with_pairs)
            for column, number in metrics.distances(whole, pairs.truth(pair)).items():
                measurement.faces[column][clip] += number, 1.0
            neighbor = neighbor_of(pair, pairs)
            after = {}
            if neighbor is not None:
                next_rows = rows(pairs, neighbor, pictures_of(pairs, neighbor, with_pairs), maker)
                after = {name: (sample, pictures) for name, sample, pictures in next_rows}
            for name, sample, pictures in rows(pairs, pair, whole, maker):
                measurement.add_window(
                    clip, opening_bin(pairs.target_face(pair), model), PART_OF[name], sample, pictures
                )
                if name in after:
                    measurement.add_change(clip, PART_OF[name], (sample, pictures), after[name])
    return measurement


def neighbor_of(pair: PairIndex, pairs: RenderedPairs) -> PairIndex | None:
    """The same source, driven to the frame after the pair's, or else to the one before; None without either."""
    times = pairs.files[pair.clip].times
    if not pairs.has_truth(pair):
        return None
    for step in (1, -1):
        found = np.flatnonzero(times == times[pair.target] + step)
        if len(found):
            return pair._replace(target=int(found[0]))
    return None


def opening_bin(face: FaceCoefficients, model: MorphableModel) -> float:
    """The lower edge of the bin of `OPENINGS` that the opening of the mouth is in."""
    opening = (
        float(measure_expressions("lips_apart", model, face.identity, face.expression[None])[0])
        / EYE_DISTANCE
    )
    return OPENINGS[np.searchsorted(OPENINGS, max(opening, 0.0), "right") - 1]


def show(measurement: Measurement, networks: list[str], against: str) -> None:
    """Print the tables."""
    names = ["frozen", "frozen, moved along", "geometric", *networks]
    bins = sorted({column for _, column in measurement.errors if column.startswith("lips ")})
    table("error", measurement.errors, names, [*WINDOW_REGIONS, *bins], against)
    parts, edges = ("mouth", "eye", "face", "light"), measurement.edges
    seen = [part for part in parts if edges["filmed", part] > 0.0]
    head("sharpness", seen)
    for name in names:
        print(f"| {name} | " + " | ".join(f"{edges[name, p] / edges['filmed', p]:.2f}" for p in seen) + " |")
    if measurement.flicker:
        table("flicker", measurement.flicker, names, parts, against)
    faces = measurement.faces
    table("faces", faces, [name for name in names if (name, "identity") in faces], COLUMNS, against, 1)


def table(
    title: str,
    sums: Sums,
    names: list[str],
    columns: "list[str] | tuple[str, ...]",
    against: str,
    fewest: int = FEWEST_PX,
) -> None:
    """Print means over clips, and the intervals of their differences from the row `against`."""
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
                difference = paired_difference(values(name, column), values(against, column))
                cell += f" ({difference.low:+.1f} to {difference.high:+.1f})"
            cells.append(cell)
        print(f"| {name} | " + " | ".join(cells) + " |")


def head(title: str, columns: "list[str] | tuple[str, ...]") -> None:
    print(f"\n| {title} | " + " | ".join(columns) + " |\n| --- |" + " ---: |" * len(columns))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("generators", type=Path, nargs="*")
    parser.add_argument("--data", type=Path, required=True, help="Shards of `faceanime prepare`.")
    parser.add_argument("--portraits", type=Path, help="A folder with portraits.csv.")
    parser.add_argument(
        "--rendered", type=Path, required=True, help="The folder that keeps the renderer's pictures."
    )
    parser.add_argument("--split", default="test")
    parser.add_argument("--against", default="geometric", help="The row that the others are compared with.")
    parser.add_argument("--every", type=int, default=12, help="Measure every n-th pair of clips.")
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
        show(measure(some, networks, model, every), list(networks), given.against)


if __name__ == "__main__":
    main()
