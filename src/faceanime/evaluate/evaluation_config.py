"""Settings of `faceanime evaluate`, and the names of the rows of its tables; loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from faceanime.core.errors import ConfigError, Remedy, check_range
from faceanime.generator.config import RENDERERS, Quality, RendererConfig

Protocol = Literal["self", "cross", "predict", "target", "speed"]
TRUTH, FROZEN = "filmed", "frozen"
"""Rows of every table: the driver's own frames, and the source repeated."""


@dataclass(frozen=True)
class EvaluateConfig:
    """Evaluation."""

    protocol: Protocol = "self"
    """self reenacts every clip from one of its own frames, cross from a frame of another person's clip.
    predict measures motion imagined from an observed start, target motion between two given frames.
    speed measures frames per second."""
    split: str = "test"
    """Split whose people are measured: train, val or test."""
    renderer: tuple[str, ...] = ("geometric", "flow")
    """Renderers to measure, each as a row."""
    quality: tuple[Quality, ...] = ("fast",)
    """Bundled networks of renderer flow to measure, each as a row."""
    predictions: tuple[Path, ...] = ()
    """Folders with the results of other methods, each measured as a row.
    Each holds NAME.mp4 or NAME/*.png for every pair that `faceanime evaluate pairs` writes."""
    generator: tuple[Path, ...] = ()
    """Weights of `faceanime train generator` to measure, each as a row named after its file or folder."""
    every: int = 3
    """Compare pictures in every n-th frame, 1 or more; faces, blinks and changes are measured in all frames."""
    seed: int = 0
    """Random seed of the pairs of protocol cross."""
    lpips_weights: Path | None = None
    """ONNX network that measures LPIPS: it takes two pictures and returns their distance."""
    fid_weights: Path | None = None
    """ONNX network that measures FID: Inception v3 up to its pooled features."""
    fvd_weights: Path | None = None
    """ONNX network that measures FVD: I3D on 16 frames."""
    identity_weights: Path | None = None
    """ONNX network of the ArcFace family that measures identity, instead of dlib's network (extra `identity`)."""
    predictor: Path | None = None
    """Weights of the flow predictor to measure, instead of the bundled ones."""
    paper_predictor: Path = Path("paper")
    """Weights of the paper's predictor (`faceanime train dynamics --preset paper`) to compare with; by default the
    bundled ones."""

    def __post_init__(self) -> None:
        check_range(self, "", "every", least=1)
        others = self.predictions if self.protocol in ("self", "cross") else ()
        if not (self.renderer or self.generator or others):
            raise ConfigError(
                "nothing to measure", Remedy("renderer"), Remedy("predictions", "a folder of {}")
            )
        names = [FROZEN, TRUTH, *self.bundled_rows, *map(generator_row, self.generator)]
        names += map(prediction_row, self.predictions)
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ConfigError(f"two rows would be called {twice[0]}; rename a file or a folder")

    @property
    def bundled_rows(self) -> dict[str, RendererConfig]:
        """The renderers with bundled networks or none, by the names of their rows."""
        rows: dict[str, RendererConfig] = {}
        for name in self.renderer:
            draw = RendererConfig(name)
            if RENDERERS[name].qualities:
                rows |= {f"{name}-{quality}": replace(draw, quality=quality) for quality in self.quality}
            else:
                rows[name] = draw
        return rows


def prediction_row(folder: Path) -> str:
    """The name of the row of another method: that of its folder."""
    return folder.resolve().name


def generator_row(weights: Path) -> str:
    """The name of the row of a generator: that of its file, or of its folder for a file called generator."""
    return weights.stem if weights.stem != "generator" else weights.resolve().parent.name
