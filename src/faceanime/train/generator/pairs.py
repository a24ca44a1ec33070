"""Rendered pairs of many clips: a source frame, a target frame, and the renderer's picture of the target.

They are read from the files of `rendered_pairs.py` as they are asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from faceanime.core.errors import ConfigError
from faceanime.generator.conditions import WindowMaker
from faceanime.generator.windows import Points, Window, WindowName, WindowSizes
from faceanime.morphable.model import MorphableModel
from faceanime.prior.sparse_texture import TextureConfig, model_points, sample_texture, sparse_skin
from faceanime.render.mouth.layer import MouthLayer, OwnTeeth
from faceanime.structures.coefficients import FaceCoefficients, FittedFace, HeadPose
from faceanime.structures.frames import Pixels
from faceanime.structures.raster import SparseTexture
from faceanime.train.generator.pair_files import PairFile


class PairIndex(NamedTuple):
    """A pair: its clip, and its source and target in that clip.

    The targets of another person's clip are counted after those of the clip itself.
    """

    clip: int
    source: int
    target: int


@dataclass(frozen=True)
class PairOptions:
    """The options with which a network sees pairs."""

    sizes: WindowSizes = field(default_factory=WindowSizes)
    """Sides of its windows."""
    texture: TextureConfig = field(default_factory=TextureConfig)
    """Sampling of its sparse texture."""
    registration: bool = False
    """Whether true mouths are aligned with the rendered ones (`registration.py`)."""


_DEFAULT_OPTIONS = PairOptions()


@dataclass(frozen=True, eq=False)
class SourceGeometry:
    """The texture, points (px), windows and own teeth of a source, which do not depend on the target."""

    texture: SparseTexture
    points: Points
    windows: dict[WindowName, Window]
    own_teeth: OwnTeeth


@dataclass(frozen=True, eq=False)
class PairFrames:
    """The two frames of a pair with mattes (levels of 255), and the geometry (px)."""

    source: Pixels
    truth: Pixels
    source_matte: UInt8[np.ndarray, "H W"]
    truth_matte: UInt8[np.ndarray, "H W"]
    texture: SparseTexture
    source_points: Points
    source_pose: HeadPose
    target_points: Points


class RenderedPairs:
    """The pairs of many clips, seen as one network sees them. Close it, or use it in a `with` statement."""

    def __init__(
        self, files: Sequence[PairFile], model: MorphableModel, options: PairOptions, opened: ExitStack
    ) -> None:
        """`opened` closes the files. Raises ConfigError where no clip has a pair."""
        self.files, self.model, self.options, self._opened = files, model, options, opened
        self.maker = WindowMaker(model, options.sizes)
        self._skin = sparse_skin(model, options.texture.interval)
        self._sources: dict[tuple[int, int], SourceGeometry] = {}
        self._clips_with_pairs = [c for c, file in enumerate(files) if file.paired_sources]
        if not self._clips_with_pairs:
            raise ConfigError("no clip to learn from, and no person with two pictures")

    @classmethod
    def open(
        cls, paths: Sequence[Path], model: MorphableModel, options: PairOptions = _DEFAULT_OPTIONS
    ) -> RenderedPairs:
        """Open files of `rendered_pairs.py`.

        Raises WeightsError, MorphableModelError for files of another kind or model; ConfigError without a pair.
        """
        opened = ExitStack()
        return cls([PairFile(path, model, opened) for path in paths], model, options, opened)

    def __enter__(self) -> RenderedPairs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def __len__(self) -> int:
        return len(self.files)

    def seen_as(self, options: PairOptions) -> RenderedPairs:
        """The same pairs as another network sees them; open as long as these are."""
        return RenderedPairs(self.files, self.model, options, ExitStack())

    @property
    def id(self) -> str:
        """A hash of the files' names."""
        return hashlib.sha256("\n".join(file.name for file in self.files).encode()).hexdigest()

    @property
    def licences(self) -> list[str]:
        """The known licences of the clips."""
        return sorted({file.licence for file in self.files if file.licence})

    def all(self, stride: int = 1) -> Iterator[PairIndex]:
        """Every n-th pair, n being `stride`; no frame drives itself."""
        pairs = [
            PairIndex(c, s, t)
            for c, file in enumerate(self.files)
            for s in range(file.source_count)
            for t in file.other_targets(s).tolist()
        ]
        yield from pairs[::stride]

    def spread(self, count: int) -> Iterator[PairIndex]:
        """At most `count` pairs, spread evenly over all of them."""
        yield from self.all(-(-sum(1 for _ in self.all()) // count))

    def draw(self, rng: np.random.Generator) -> PairIndex:
        """A random pair of a random clip that has pairs."""
        clip = self._clips_with_pairs[int(rng.integers(len(self._clips_with_pairs)))]
        source = int(rng.choice(self.files[clip].paired_sources))
        return PairIndex(clip, source, int(rng.choice(self.files[clip].other_targets(source))))

    def draw_foreign(self, rng: np.random.Generator) -> PairIndex | None:
        """A neutral portrait of a random clip, driven by another person; None if that clip has no such target."""
        clip = int(rng.integers(len(self.files)))
        first, count = self.files[clip].target_count, self.files[clip].foreign_count
        return PairIndex(clip, 0, first + int(rng.integers(count))) if count else None

    def has_truth(self, pair: PairIndex) -> bool:
        """Whether a true frame shows the target."""
        return pair.target < self.files[pair.clip].target_count

    def target_face(self, pair: PairIndex) -> FaceCoefficients:
        """The face that the source of a pair is driven to, its pose in px of the source."""
        return self.files[pair.clip].target_face(pair.source, pair.target)

    def target_points(self, pair: PairIndex) -> Points:
        """The target's vertices on the source's mesh, px."""
        residual = self.files[pair.clip].residual[pair.source]
        return model_points(self.target_face(pair), residual, self.model)

    def portrait(self, pair: PairIndex) -> Pixels:
        """The source of a pair, (H,W,3) uint8 sRGB."""
        return self.files[pair.clip].picture("source", pair.source)

    def canvas(self, pair: PairIndex) -> Pixels:
        """The geometric renderer's picture of the target, (H,W,3) uint8 sRGB, of pairs that are rendered."""
        return self.files[pair.clip].canvas(pair.source, pair.target)

    def truth(self, pair: PairIndex) -> Pixels:
        """The true frame, (H,W,3) uint8 sRGB, of a pair that has one."""
        return self.files[pair.clip].picture("truth", pair.target)

    def frames(self, pair: PairIndex) -> PairFrames:
        """The frames of a pair, and their geometry."""
        file, geometry = self.files[pair.clip], self.source_geometry(pair)
        return PairFrames(
            source=self.portrait(pair),
            truth=self.truth(pair),
            source_matte=file.picture("source_matte", pair.source),
            truth_matte=file.picture("truth_matte", pair.target),
            texture=geometry.texture,
            source_points=geometry.points,
            source_pose=file.source_face(pair.source).pose,
            target_points=self.target_points(pair),
        )

    def source_geometry(self, pair: PairIndex) -> SourceGeometry:
        """The texture, points, windows and teeth of a pair's source; kept once computed."""
        key = pair.clip, pair.source
        if key not in self._sources:
            file = self.files[pair.clip]
            face = FittedFace(file.source_face(pair.source), file.residual[pair.source])
            pixels = self.portrait(pair)
            points = model_points(face.coefficients, face.residual, self.model)
            self._sources[key] = SourceGeometry(
                sample_texture(pixels, face, self.model, self._skin),
                points,
                self.maker.windows(points, face.coefficients.pose),
                MouthLayer(pixels, face, self.model, self.model.landmarks_of(points)[:, :2]).own_teeth,
            )
        return self._sources[key]
