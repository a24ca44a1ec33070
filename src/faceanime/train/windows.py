"""Windows of rendered pairs (`pairs.py`), as the flow-guided generator sees them, in batches.

They are cut out of the pictures, of any size, and what the network is told is rasterised, as they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from safetensors import safe_open

from faceanime.errors import ConfigError
from faceanime.generator.windows import (
    PART_OF,
    WINDOWS,
    Part,
    Points,
    Window,
    WindowMaker,
    WindowName,
    WindowSizes,
    mirrored_maps,
)
from faceanime.morphable.model import MorphableModel
from faceanime.prior.texture import TextureConfig, model_points, sample_texture
from faceanime.structures.coefficients import FaceCoefficients, FittedFace, HeadPose
from faceanime.structures.frames import Pixels
from faceanime.structures.prior import SparseTexture
from faceanime.train.pairs import KIND
from faceanime.train.reader import READ
from faceanime.weights import load_weights, read_header


@dataclass(frozen=True)
class AugmentConfig:
    """Light and cameras that the clips do not show. 0 switches one off."""

    exposure: float = 0.25
    """Brightness, natural logarithm of the factor, up and down."""
    tint: float = 0.08
    """The same for each colour by itself."""
    gamma: float = 0.25
    """Natural logarithm of the exponent, up and down."""
    blur: float = 0.15
    """Share of the samples that are blurred ..."""
    jpeg: float = 0.2
    """... and that are compressed."""
    zoom: float = 0.08
    """Natural logarithm of a window's magnification, up and down."""
    shift: float = 0.03
    """How far a window is off its place, right and down, in shares of its side."""
    mirror: bool = True
    """Mouths and faces are mirrored; a left eye is a mirrored right one anyway."""
    background: float = 0.3
    """Share of the whole faces (those of the paper's generator) that stand before another clip."""

    def __post_init__(self) -> None:
        lengths = (self.exposure, self.tint, self.gamma, self.blur, self.jpeg, self.zoom, self.shift)
        if min(*lengths, self.background) < 0:
            raise ConfigError("augment: numbers must be at least 0")


@dataclass(frozen=True, eq=False)
class Look:
    """One light and one camera, for all pictures of a pair."""

    gain: Float32[np.ndarray, "3"]
    exponent: float
    sigma: float
    quality: int | None
    mirrored: bool
    zoom: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def drawn(cls, config: AugmentConfig, rng: np.random.Generator) -> Look:
        """At random."""
        exposure = rng.uniform(-config.exposure, config.exposure)
        gain = np.exp(exposure + rng.uniform(-config.tint, config.tint, 3)).astype(np.float32)
        exponent = float(np.exp(rng.uniform(-config.gamma, config.gamma)))
        sigma = float(rng.uniform(0.4, 1.2)) if rng.random() < config.blur else 0.0
        quality = int(rng.integers(40, 90)) if rng.random() < config.jpeg else None
        mirrored = config.mirror and bool(rng.random() < 0.5)
        zoom = float(np.exp(rng.uniform(-config.zoom, config.zoom)))
        right, down = rng.uniform(-config.shift, config.shift, 2)
        return cls(gain, exponent, sigma, quality, mirrored, zoom, (float(right), float(down)))

    def placed(self, window: Window) -> Window:
        """The window as this camera is held."""
        return window.nudged(self.zoom, *self.shift)

    def lit(self, shares: Float32[np.ndarray, "*B 3"]) -> Float32[np.ndarray, "*B 3"]:
        """Colours, shares of white in [0, 1], in this light."""
        return np.asarray((self.gain * shares**self.exponent).clip(0.0, 1.0), np.float32)

    def seen(self, picture: UInt8[np.ndarray, "S S 3"]) -> UInt8[np.ndarray, "S S 3"]:
        """A picture in this light by this camera."""
        levels = np.linspace(0.0, 1.0, 256, dtype=np.float32)[:, None] * np.ones(3, np.float32)
        table = np.rint(255.0 * self.lit(levels)).astype(np.uint8)
        shown = np.stack([table[picture[..., c], c] for c in range(3)], axis=-1)
        if self.sigma:
            shown = np.asarray(cv2.GaussianBlur(shown, (0, 0), self.sigma))
        if self.quality is not None:
            _, code = cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, self.quality])
            shown = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR))
        return shown


PLAIN = Look(np.ones(3, np.float32), 1.0, 0.0, None, False)
"""As the clip shows it."""


@dataclass(frozen=True, eq=False)
class WindowSample:
    """One window of one pair, of side S: pictures and priors float32 in [-1, 1], the rest as in `Conditions`.

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
    window: Window


_SIZES, _TEXTURE = WindowSizes(), TextureConfig()
Pair: TypeAlias = tuple[int, int, int]
"""Which clip, which of its sources, which of its targets."""


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
    ) -> None:
        """Raises WeightsError, MorphableModelError for files of another kind or model."""
        self.model = model
        self._maker, self._files = WindowMaker(model, sizes), ExitStack()
        self._clips = [_Clip.opened(path, model, texture, self._files) for path in paths]
        if not self._clips:
            raise ConfigError("no clip to learn from")

    def __enter__(self) -> Pairs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()

    def __len__(self) -> int:
        return len(self._clips)

    def all(self, every: int) -> Iterator[Pair]:
        """Every so-maniest pair, as (clip, source, target)."""
        pairs = [
            (c, s, t)
            for c, clip in enumerate(self._clips)
            for s in range(clip.sources)
            for t in range(clip.targets)
        ]
        yield from pairs[::every]

    def draw(self, rng: np.random.Generator) -> Pair:
        """A pair of a clip drawn at random."""
        clip = int(rng.integers(len(self._clips)))
        return (
            clip,
            int(rng.integers(self._clips[clip].sources)),
            int(rng.integers(self._clips[clip].targets)),
        )

    def neighbour(self, pair: Pair) -> Pair | None:
        """The same source, driven to the frame after the pair's, or to that before it; None where neither is there."""
        frames = self._clips[pair[0]].frames
        for step in (1, -1):
            found = np.flatnonzero(frames == frames[pair[2]] + step)
            if len(found):
                return pair[0], pair[1], int(found[0])
        return None

    def portrait(self, pair: Pair) -> Pixels:
        """The source of a pair."""
        return self._clips[pair[0]].one("source", pair[1])

    def shown(self, pair: Pair) -> Shown:
        """The frames of a pair, and their geometry."""
        clip, s, t = self._clips[pair[0]], pair[1], pair[2]
        texture, before, _ = clip.source(s, self._maker)
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
        self, pair: Pair, names: Sequence[WindowName] = WINDOWS, look: Look = PLAIN
    ) -> Iterator[tuple[WindowName, WindowSample]]:
        """Those of the named windows of a pair whose gates are open, in the light of `look`."""
        clip, s, t = self._clips[pair[0]], pair[1], pair[2]
        texture, before, source_windows = clip.source(s, self._maker)
        face = clip.target(s, t)
        after = model_points(face, clip.residual[s], clip.model)
        windows = self._maker.windows(after, face.pose)
        canvas, truth = clip.canvas(s, t), clip.one("truth", t)
        for name in names:
            window, source_window = look.placed(windows[name]), look.placed(source_windows[name])
            conditions = self._maker.conditions(name, (source_window, before), (window, after))
            if not conditions.is_open:
                continue
            canvas_seen, truth_seen = (
                look.seen(window.cut(picture)) / np.float32(127.5) - 1.0 for picture in (canvas, truth)
            )
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


_PICTURES = ("canvas", "truth", "truth_matte", "source", "source_matte")


class _Clip:
    """One file of pairs: coefficients in memory, pictures on disk."""

    def __init__(
        self, tensors: dict[str, np.ndarray], file: Any, model: MorphableModel, texture: TextureConfig
    ) -> None:
        self._texture = texture
        self.model, self.residual = model, tensors["residual"].astype(np.float64)
        self._file, self._identity = file, tensors["identity"].astype(np.float64)
        self.frames = tensors["frame"]
        self._expression = {name: tensors[f"{name}_expression"] for name in ("source", "target")}
        self._pose = {
            name: HeadPose(*(tensors[f"{name}_{key}"] for key in ("rotation", "scale", "translation")))
            for name in ("source", "target")
        }
        self._pictures = {name: file.get_slice(name) for name in _PICTURES}
        self._sources: dict[int, tuple[SparseTexture, Points, dict[WindowName, Window]]] = {}

    @classmethod
    def opened(cls, path: Path, model: MorphableModel, texture: TextureConfig, files: ExitStack) -> _Clip:
        header = read_header(path)
        if header["kind"] != KIND:
            load_weights(path, KIND)  # raises
        model.require(str(header.get("model_id")), str(path))
        file = files.enter_context(safe_open(path, framework="numpy"))
        small = set(file.keys()).difference(_PICTURES)
        return cls({name: file.get_tensor(name) for name in small}, file, model, texture)

    @property
    def sources(self) -> int:
        return len(self.residual)

    @property
    def targets(self) -> int:
        return len(self.frames)

    def own(self, s: int) -> FaceCoefficients:
        """A source's coefficients."""
        return FaceCoefficients(self._identity, self._expression["source"][s], self._pose["source"][s])

    def target(self, s: int, t: int) -> FaceCoefficients:
        """A target's coefficients, as the mesh of a source meets it."""
        return FaceCoefficients(self._identity, self._expression["target"][s, t], self._pose["target"][s][t])

    def canvas(self, s: int, t: int) -> UInt8[np.ndarray, "H W 3"]:
        """What the geometric renderer drew."""
        return np.asarray(self._pictures["canvas"][s : s + 1, t : t + 1][0, 0])

    def one(self, name: str, index: int) -> UInt8[np.ndarray, "H W ..."]:
        """One of the pictures or mattes of that name."""
        return np.asarray(self._pictures[name][index : index + 1][0])

    def source(self, s: int, maker: WindowMaker) -> tuple[SparseTexture, Points, dict[WindowName, Window]]:
        """What is kept of a source: its sparse texture, its points, its windows."""
        if s not in self._sources:
            face = FittedFace(self.own(s), self.residual[s])
            texture = sample_texture(self.one("source", s), face, self.model, self._texture)
            points = model_points(face.coefficients, face.residual, self.model)
            self._sources[s] = texture, points, maker.windows(points, face.coefficients.pose)
        return self._sources[s]


Batch = dict[str, Float32[np.ndarray, "_ _ _ ..."]]
"""The fields of `WindowSample` over many windows: (B,S,S,C), and (B,K,2)."""


def batched(samples: Sequence[WindowSample]) -> Batch:
    """Windows of one size as a batch."""
    fields = ("canvas", "truth", "maps", "gate", "target_prior", "source_prior", "places")
    stacked = {name: np.stack([getattr(sample, name) for sample in samples]) for name in fields}
    return stacked | {"gate": stacked["gate"][..., None]}


def draw_batches(
    pairs: Pairs,
    count: int,
    shares: Mapping[Part, float],
    augment: AugmentConfig,
    rng: np.random.Generator,
    neighbours: bool = False,
) -> dict[Part, Batch]:
    """Open windows of `count` pairs drawn at random, by the network that repairs them.

    Of each part's windows only a share is looked at. With `neighbours`, one half of each batch are the pairs drawn, the
    other, in the same order, those of the frames beside them, where both have the window open.
    """
    found: dict[Part, list[WindowSample]] = {}
    beside: dict[Part, list[WindowSample]] = {}
    for _ in range(count // 2 if neighbours else count):
        pair, look = pairs.draw(rng), Look.drawn(augment, rng)
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
