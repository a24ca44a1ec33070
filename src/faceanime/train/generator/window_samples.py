"""Windows of rendered pairs (`pairs.py`), as the flow-guided generator sees them, in batches.

They are cut out of the pictures, of any size, and what the network is told is rasterised, as they are asked for.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float32, Int, UInt8
from safetensors import safe_open

from faceanime.core.errors import ConfigError
from faceanime.core.weights import load_weights, read_header
from faceanime.generator.conditions import WindowMaker, mirrored_maps
from faceanime.generator.windows import PART_OF, WINDOWS, Points, Window, WindowName, WindowPart, WindowSizes
from faceanime.morphable.model import MorphableModel
from faceanime.prior.sparse_texture import (
    SparseSkin,
    TextureConfig,
    model_points,
    sample_texture,
    sparse_skin,
)
from faceanime.render.mouth.layer import MouthLayer, OwnInside
from faceanime.structures.coefficients import FaceCoefficients, FittedFace, HeadPose
from faceanime.structures.frames import Pixels
from faceanime.structures.raster import SparseTexture
from faceanime.train.generator.augment import PLAIN, Appearance, AugmentConfig
from faceanime.train.generator.landmark_reader import READ
from faceanime.train.generator.registration import registered
from faceanime.train.generator.rendered_pairs import KIND


@dataclass(frozen=True, eq=False)
class WindowSample:
    """One window of one pair, of side S: pictures and priors float32 in [-1, 1], the rest as in `Conditions`.

    Without a `paired` truth, `truth` is the canvas.
    `places` (K,2): where the geometry puts the landmarks of `reader.READ`, in shares of the side. `window` is the
    target's.
    """

    canvas: Float32[np.ndarray, "S S 3"]
    truth: Float32[np.ndarray, "S S 3"]
    maps: Float32[np.ndarray, "S S C"]
    gate: Float32[np.ndarray, "S S"]
    target_prior: Float32[np.ndarray, "S S 3"]
    source_prior: Float32[np.ndarray, "S S 3"]
    places: Float32[np.ndarray, "K 2"]
    paired: bool
    window: Window


_SIZES, _TEXTURE = WindowSizes(), TextureConfig()
Pair: TypeAlias = tuple[int, int, int]
"""Which clip, which of its sources, which of its targets; after them come those that another person drives."""


@dataclass(frozen=True, eq=False)
class Shown:
    """One pair as it was filmed: two frames with mattes, what the renderer drew, and the geometry.

    `texture` is the source's, `before` its geometry and `after` that of the target.
    Mattes (H,W) are levels of 255, points px.
    """

    source: Pixels
    canvas: Pixels
    truth: Pixels
    source_matte: UInt8[np.ndarray, "H W"]
    truth_matte: UInt8[np.ndarray, "H W"]
    texture: SparseTexture
    before: Points
    source_pose: HeadPose
    after: Points


class Pairs:
    """The pairs of many clips, read from disk as they are asked for. Close it, or use it in a `with`."""

    def __init__(
        self,
        paths: Sequence[Path],
        model: MorphableModel,
        sizes: WindowSizes = _SIZES,
        texture: TextureConfig = _TEXTURE,
        registration: bool = False,
    ) -> None:
        """With `registration`, true mouths are laid on what was drawn (`registration.py`).

        Raises WeightsError, MorphableModelError for files of another kind or model.
        """
        self.model, self._registration = model, registration
        self.names = [path.name for path in paths]
        self._maker, self._files = WindowMaker(model, sizes), ExitStack()
        skin = sparse_skin(model, texture.interval)
        self._clips = [_Clip.opened(path, model, skin, self._files) for path in paths]
        self._told = [c for c, clip in enumerate(self._clips) if clip.telling]
        if not self._told:
            raise ConfigError("no clip to learn from, and nobody of whom there are two pictures")

    def __enter__(self) -> Pairs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()

    def __len__(self) -> int:
        return len(self._clips)

    def looked_at(self, sizes: WindowSizes) -> Pairs:
        """The same pairs through windows of other sizes; open as long as these are. Mouths are not laid on anything."""
        other = copy.copy(self)
        other._maker, other._registration, other._files = WindowMaker(self.model, sizes), False, ExitStack()
        other._clips = [clip.anew() for clip in self._clips]
        return other

    @property
    def rights(self) -> list[str]:
        """The licences of what is learned from, as far as they were told."""
        return sorted({clip.licence for clip in self._clips if clip.licence})

    def all(self, every: int) -> Iterator[Pair]:
        """Every so-maniest pair, as (clip, source, target); no frame drives itself."""
        pairs = [
            (c, s, t)
            for c, clip in enumerate(self._clips)
            for s in range(clip.sources)
            for t in clip.others(s).tolist()
        ]
        yield from pairs[::every]

    def draw(self, rng: np.random.Generator) -> Pair:
        """A pair of a clip drawn at random; not of one that is a single picture."""
        clip = self._told[int(rng.integers(len(self._told)))]
        source = int(rng.choice(self._clips[clip].telling))
        return clip, source, int(rng.choice(self._clips[clip].others(source)))

    def draw_foreign(self, rng: np.random.Generator) -> Pair | None:
        """A calm portrait driven by another person, of a clip drawn at random; None if that clip has none."""
        clip = int(rng.integers(len(self._clips)))
        first, count = self._clips[clip].targets, self._clips[clip].foreign
        return (clip, 0, first + int(rng.integers(count))) if count else None

    def neighbour(self, pair: Pair) -> Pair | None:
        """The same source, driven to the frame after the pair's, or to that before it; None where neither is there."""
        frames = self._clips[pair[0]].frames
        if pair[2] >= len(frames):
            return None
        for step in (1, -1):
            found = np.flatnonzero(frames == frames[pair[2]] + step)
            if len(found):
                return pair[0], pair[1], int(found[0])
        return None

    def target(self, pair: Pair) -> FaceCoefficients:
        """Where the source of a pair is driven to, its pose in px of the source."""
        return self._clips[pair[0]].target(pair[1], pair[2])

    def portrait(self, pair: Pair) -> Pixels:
        """The source of a pair, (H,W,3) uint8 sRGB."""
        return self._clips[pair[0]].one("source", pair[1])

    def shown(self, pair: Pair) -> Shown:
        """The frames of a pair, and their geometry."""
        clip, s, t = self._clips[pair[0]], pair[1], pair[2]
        texture, before, _, _ = clip.source(s, self._maker)
        after = model_points(clip.target(s, t), clip.residual[s], clip.model)
        return Shown(
            clip.one("source", s),
            clip.canvas(s, t),
            clip.one("truth", t),
            clip.one("source_matte", s),
            clip.one("truth_matte", t),
            texture,
            before,
            clip.own(s).pose,
            after,
        )

    def windows(
        self, pair: Pair, names: Sequence[WindowName] = WINDOWS, look: Appearance = PLAIN
    ) -> Iterator[tuple[WindowName, WindowSample]]:
        """Those of the named windows of a pair whose gates are open, in the light of `look`."""
        clip, s, t = self._clips[pair[0]], pair[1], pair[2]
        texture, before, source_windows, inside = clip.source(s, self._maker)
        face = clip.target(s, t)
        after = model_points(face, clip.residual[s], clip.model)
        windows = self._maker.windows(after, face.pose)
        canvas = clip.canvas(s, t)
        truth = clip.one("truth", t) if t < clip.targets else canvas
        for name in names:
            window, source_window = look.placed(windows[name]), look.placed(source_windows[name])
            own = inside.seen(face, window.places) if name == "mouth" else None
            conditions = self._maker.conditions(name, (source_window, before), (window, after), own)
            if not conditions.is_open:
                continue
            cuts = window.cut(canvas), window.cut(truth)
            if self._registration and name == "mouth":
                cuts = cuts[0], registered(cuts[1], cuts[0], conditions.maps)
            canvas_seen, truth_seen = (look.seen(cut) / np.float32(127.5) - 1.0 for cut in cuts)
            target_prior, source_prior = (
                2.0 * look.lit((prior + 1.0) / 2.0) - 1.0
                for prior in (window.texture(texture, after), source_window.texture(texture, before))
            )
            mirrored = look.mirrored and PART_OF[name] != "eye"
            places = self._places(name, window, after, mirrored != window.mirrored)
            made = WindowSample(
                canvas_seen,
                truth_seen,
                conditions.maps,
                conditions.gate,
                target_prior,
                source_prior,
                places,
                t < clip.targets,
                window,
            )
            yield name, _mirrored(made) if mirrored else made

    def _places(
        self, name: WindowName, window: Window, points: Points, mirrored: bool
    ) -> Float32[np.ndarray, "K 2"]:
        """Landmarks in shares of the window's side, as it is seen."""
        read = np.array(READ[PART_OF[name]], int)
        seen = window.placed(points)[self.model.mirror[read] if mirrored else read, :2] / window.size_px
        if mirrored:
            seen[:, 0] = 1.0 - seen[:, 0]
        return seen.astype(np.float32)


def _mirrored(sample: WindowSample) -> WindowSample:
    def turned(picture: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(picture[:, ::-1])

    return replace(
        sample,
        canvas=turned(sample.canvas),
        truth=turned(sample.truth),
        maps=mirrored_maps(sample.maps),
        gate=turned(sample.gate),
        target_prior=turned(sample.target_prior),
        source_prior=turned(sample.source_prior),
    )


_FACES = ("source", "target", "foreign")
_PICTURES = ("canvas", "foreign_canvas", "truth", "truth_matte", "source", "source_matte")


class _Clip:
    """One file of pairs: coefficients in memory, pictures on disk."""

    def __init__(
        self,
        tensors: dict[str, np.ndarray],
        file: Any,
        licence: str,
        model: MorphableModel,
        skin: SparseSkin,
    ) -> None:
        self.licence = licence
        self._skin = skin
        self.model, self.residual = model, tensors["residual"].astype(np.float64)
        self._identity = tensors["identity"].astype(np.float64)
        self.frames, self._own_frames = tensors["frame"], tensors["source_frame"]
        self._expression = {name: tensors[f"{name}_expression"] for name in _FACES}
        self._pose = {
            name: HeadPose(*(tensors[f"{name}_{key}"] for key in ("rotation", "scale", "translation")))
            for name in _FACES
        }
        self._pictures = {name: file.get_slice(name) for name in _PICTURES}
        self._sources: dict[int, tuple[SparseTexture, Points, dict[WindowName, Window], OwnInside]] = {}

    @classmethod
    def opened(cls, path: Path, model: MorphableModel, skin: SparseSkin, files: ExitStack) -> _Clip:
        header = read_header(path)
        if header["kind"] != KIND:
            load_weights(path, KIND)  # raises
        model.require(str(header.get("model_id")), str(path))
        file = files.enter_context(safe_open(path, framework="numpy"))
        small = set(file.keys()).difference(_PICTURES)
        licence = str(header.get("rights", {}).get("licence", ""))
        return cls({name: file.get_tensor(name) for name in small}, file, licence, model, skin)

    def anew(self) -> _Clip:
        """The same clip, for windows of other sizes."""
        other = copy.copy(self)
        other._sources = {}
        return other

    @property
    def sources(self) -> int:
        return len(self.residual)

    @property
    def targets(self) -> int:
        return len(self.frames)

    def others(self, s: int) -> Int[np.ndarray, " T"]:
        """The targets that are not the source's own frame."""
        return np.flatnonzero(self.frames != self._own_frames[s])

    @cached_property
    def telling(self) -> list[int]:
        """The sources that are driven to other pictures."""
        return [s for s in range(self.sources) if len(self.others(s))]

    def own(self, s: int) -> FaceCoefficients:
        """A source's coefficients."""
        return FaceCoefficients(self._identity, self._expression["source"][s], self._pose["source"][s])

    @property
    def foreign(self) -> int:
        return len(self._expression["foreign"])

    def target(self, s: int, t: int) -> FaceCoefficients:
        """A target's coefficients, as the mesh of a source meets it."""
        if t >= self.targets:
            f = t - self.targets
            return FaceCoefficients(self._identity, self._expression["foreign"][f], self._pose["foreign"][f])
        return FaceCoefficients(self._identity, self._expression["target"][s, t], self._pose["target"][s][t])

    def canvas(self, s: int, t: int) -> UInt8[np.ndarray, "H W 3"]:
        """What the geometric renderer drew."""
        if t >= self.targets:
            return self.one("foreign_canvas", t - self.targets)
        return np.asarray(self._pictures["canvas"][s : s + 1, t : t + 1][0, 0])

    def one(self, name: str, index: int) -> UInt8[np.ndarray, "H W ..."]:
        """One of the pictures or mattes of that name."""
        return np.asarray(self._pictures[name][index : index + 1][0])

    def source(
        self, s: int, maker: WindowMaker
    ) -> tuple[SparseTexture, Points, dict[WindowName, Window], OwnInside]:
        """What is kept of a source: its sparse texture, its points, its windows, its own teeth."""
        if s not in self._sources:
            face = FittedFace(self.own(s), self.residual[s])
            pixels = self.one("source", s)
            texture = sample_texture(pixels, face, self.model, self._skin)
            points = model_points(face.coefficients, face.residual, self.model)
            windows = maker.windows(points, face.coefficients.pose)
            self._sources[s] = (
                texture,
                points,
                windows,
                MouthLayer(pixels, face, self.model, points[:, :2]).own,
            )
        return self._sources[s]


Batch = dict[str, Float32[np.ndarray, "_ _ _ ..."]]
"""The fields of `WindowSample` over many windows: (B,S,S,C), (B,K,2), and `paired` (B,1,1,1), 0 or 1."""


def batched(samples: Sequence[WindowSample]) -> Batch:
    """Windows of one size as a batch."""
    fields = ("canvas", "truth", "maps", "gate", "target_prior", "source_prior", "places")
    stacked = {name: np.stack([getattr(sample, name) for sample in samples]) for name in fields}
    paired = np.array([sample.paired for sample in samples], np.float32)
    return stacked | {"gate": stacked["gate"][..., None], "paired": paired[:, None, None, None]}


def draw_batches(
    pairs: Pairs,
    count: int,
    shares: Mapping[WindowPart, float],
    augment: AugmentConfig,
    rng: np.random.Generator,
    neighbours: bool = False,
    foreign: float = 0.0,
) -> dict[WindowPart, Batch]:
    """Open windows of `count` pairs drawn at random, by the network that repairs them.

    Of each part's windows only a share is looked at. With `neighbours`, one half of each batch are the pairs drawn, the
    other, in the same order, those of the frames beside them, where both have the window open. A share of the pairs is
    `foreign`: driven by another person.
    """
    found: dict[WindowPart, list[WindowSample]] = {}
    beside: dict[WindowPart, list[WindowSample]] = {}
    for _ in range(count // 2 if neighbours else count):
        other = pairs.draw_foreign(rng) if rng.random() < foreign else None
        pair, look = other or pairs.draw(rng), Appearance.drawn(augment, rng)
        names = [name for name in WINDOWS if rng.random() < shares[PART_OF[name]]]
        samples = dict(pairs.windows(pair, names, look))
        if neighbours:
            next_ones = dict(pairs.windows(pairs.neighbour(pair) or pair, list(samples), look))
            samples = {name: samples[name] for name in next_ones}
            for name, sample in next_ones.items():
                beside.setdefault(PART_OF[name], []).append(sample)
        for name, sample in samples.items():
            found.setdefault(PART_OF[name], []).append(sample)
    return {part: batched(samples + beside.get(part, [])) for part, samples in found.items()}
