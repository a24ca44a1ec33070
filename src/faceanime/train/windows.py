"""Windows of rendered pairs (`pairs.py`), as the flow-guided generator sees them, in batches.

They are cut out of the pictures, of any size, and what the network is told is rasterised, as they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

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
    mirror: bool = True
    """Mouths and faces are mirrored; a left eye is a mirrored right one anyway."""

    def __post_init__(self) -> None:
        if min(self.exposure, self.tint, self.gamma, self.blur, self.jpeg) < 0:
            raise ConfigError("augment: exposure, tint, gamma, blur and jpeg must be at least 0")


@dataclass(frozen=True, eq=False)
class Look:
    """One light and one camera, for all pictures of a pair."""

    gain: Float32[np.ndarray, "3"]
    exponent: float
    sigma: float
    quality: int | None
    mirrored: bool

    @classmethod
    def drawn(cls, config: AugmentConfig, rng: np.random.Generator) -> Look:
        """At random."""
        exposure = rng.uniform(-config.exposure, config.exposure)
        gain = np.exp(exposure + rng.uniform(-config.tint, config.tint, 3)).astype(np.float32)
        exponent = float(np.exp(rng.uniform(-config.gamma, config.gamma)))
        sigma = float(rng.uniform(0.4, 1.2)) if rng.random() < config.blur else 0.0
        quality = int(rng.integers(40, 90)) if rng.random() < config.jpeg else None
        return cls(gain, exponent, sigma, quality, config.mirror and rng.random() < 0.5)

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
    """One window of one pair, of side S: pictures and priors float32 in [-1, 1], the rest as in `Conditions`."""

    canvas: Float32[np.ndarray, "S S 3"]
    truth: Float32[np.ndarray, "S S 3"]
    maps: Float32[np.ndarray, "S S C"]
    gate: Float32[np.ndarray, "S S"]
    target_prior: Float32[np.ndarray, "S S 3"]
    source_prior: Float32[np.ndarray, "S S 3"]


_SIZES, _TEXTURE = WindowSizes(), TextureConfig()


@dataclass(frozen=True, eq=False)
class Shown:
    """One pair as it was filmed: two frames, the sparse texture of the first, and the geometry of both, px."""

    source: Pixels
    truth: Pixels
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

    def all(self, every: int) -> Iterator[tuple[int, int, int]]:
        """Every so-maniest pair, as (clip, source, target)."""
        pairs = [
            (c, s, t)
            for c, clip in enumerate(self._clips)
            for s in range(clip.sources)
            for t in range(clip.targets)
        ]
        yield from pairs[::every]

    def draw(self, rng: np.random.Generator) -> tuple[int, int, int]:
        """A pair of a clip drawn at random."""
        clip = int(rng.integers(len(self._clips)))
        return (
            clip,
            int(rng.integers(self._clips[clip].sources)),
            int(rng.integers(self._clips[clip].targets)),
        )

    def shown(self, pair: tuple[int, int, int]) -> Shown:
        """The frames of a pair, and their geometry."""
        clip, s, t = self._clips[pair[0]], pair[1], pair[2]
        texture, before, _ = clip.source(s, self._maker)
        after = model_points(clip.target(t), clip.residual[s], clip.model)
        return Shown(clip.portrait(s), clip.truth(t), texture, before, clip.face("source", s).pose, after)

    def windows(
        self, pair: tuple[int, int, int], names: Sequence[WindowName] = WINDOWS, look: Look = PLAIN
    ) -> Iterator[tuple[WindowName, WindowSample]]:
        """Those of the named windows of a pair whose gates are open, in the light of `look`."""
        clip, s, t = self._clips[pair[0]], pair[1], pair[2]
        texture, before, source_windows = clip.source(s, self._maker)
        face = clip.target(t)
        after = model_points(face, clip.residual[s], clip.model)
        windows = self._maker.windows(after, face.pose)
        canvas, truth = clip.pictures(s, t)
        for name in names:
            window, source_window = windows[name], source_windows[name]
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
            made = WindowSample(
                canvas_seen, truth_seen, conditions.maps, conditions.gate, target_prior, source_prior
            )
            yield name, _mirrored(made) if look.mirrored and PART_OF[name] != "eye" else made


def _mirrored(sample: WindowSample) -> WindowSample:
    def turned(picture: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(picture[:, ::-1])

    return WindowSample(
        turned(sample.canvas),
        turned(sample.truth),
        mirrored_maps(sample.maps),
        turned(sample.gate),
        turned(sample.target_prior),
        turned(sample.source_prior),
    )


class _Clip:
    """One file of pairs: coefficients in memory, pictures on disk."""

    def __init__(
        self, tensors: dict[str, np.ndarray], file: Any, model: MorphableModel, texture: TextureConfig
    ) -> None:
        self._texture = texture
        self.model, self.residual = model, tensors["residual"].astype(np.float64)
        self._file, self._identity = file, tensors["identity"].astype(np.float64)
        self._faces = {
            name: (
                tensors[f"{name}_expression"],
                HeadPose(*(tensors[f"{name}_{key}"] for key in ("rotation", "scale", "translation"))),
            )
            for name in ("source", "target")
        }
        self._canvases = file.get_slice("canvas")
        self._truths = file.get_slice("truth")
        self._sources: dict[int, tuple[SparseTexture, Points, dict[WindowName, Window]]] = {}

    @classmethod
    def opened(cls, path: Path, model: MorphableModel, texture: TextureConfig, files: ExitStack) -> _Clip:
        header = read_header(path)
        if header["kind"] != KIND:
            load_weights(path, KIND)  # raises
        model.require(str(header.get("model_id")), str(path))
        file = files.enter_context(safe_open(path, framework="numpy"))
        small = set(file.keys()) - {"canvas", "truth", "source"}
        return cls({name: file.get_tensor(name) for name in small}, file, model, texture)

    @property
    def sources(self) -> int:
        return len(self.residual)

    @property
    def targets(self) -> int:
        return len(self._faces["target"][0])

    def face(self, name: str, index: int) -> FaceCoefficients:
        expression, pose = self._faces[name]
        return FaceCoefficients(self._identity, expression[index], pose[index])

    def target(self, t: int) -> FaceCoefficients:
        return self.face("target", t)

    def pictures(self, s: int, t: int) -> tuple[UInt8[np.ndarray, "H W 3"], UInt8[np.ndarray, "H W 3"]]:
        """Canvas and truth."""
        return self._canvases[s : s + 1, t : t + 1][0, 0], self.truth(t)

    def truth(self, t: int) -> UInt8[np.ndarray, "H W 3"]:
        """A frame that was filmed."""
        return self._truths[t : t + 1][0]

    def portrait(self, s: int) -> UInt8[np.ndarray, "H W 3"]:
        """A frame that is a source."""
        return self._file.get_slice("source")[s : s + 1][0]

    def source(self, s: int, maker: WindowMaker) -> tuple[SparseTexture, Points, dict[WindowName, Window]]:
        """What is kept of a source: its sparse texture, its points, its windows."""
        if s not in self._sources:
            face = FittedFace(self.face("source", s), self.residual[s])
            texture = sample_texture(self.portrait(s), face, self.model, self._texture)
            points = model_points(face.coefficients, face.residual, self.model)
            self._sources[s] = texture, points, maker.windows(points, face.coefficients.pose)
        return self._sources[s]


Batch = dict[str, Float32[np.ndarray, "_ _ _ _"]]
"""The fields of `WindowSample` over many windows: (B,S,S,C)."""


def batched(samples: Sequence[WindowSample]) -> Batch:
    """Windows of one size as a batch."""
    fields = ("canvas", "truth", "maps", "gate", "target_prior", "source_prior")
    stacked = {name: np.stack([getattr(sample, name) for sample in samples]) for name in fields}
    return stacked | {"gate": stacked["gate"][..., None]}


def draw_batches(
    pairs: Pairs, count: int, shares: Mapping[Part, float], augment: AugmentConfig, rng: np.random.Generator
) -> dict[Part, Batch]:
    """Open windows of `count` pairs drawn at random, by the network that repairs them.

    Of each part's windows only a share is looked at.
    """
    found: dict[Part, list[WindowSample]] = {}
    for _ in range(count):
        pair, look = pairs.draw(rng), Look.drawn(augment, rng)
        names = [name for name in WINDOWS if rng.random() < shares[PART_OF[name]]]
        for name, sample in pairs.windows(pair, names, look):
            found.setdefault(PART_OF[name], []).append(sample)
    return {part: batched(samples) for part, samples in found.items()}
