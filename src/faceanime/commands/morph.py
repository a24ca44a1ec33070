"""`faceanime morph`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from faceanime.commands.terminal_progress import TerminalProgress
from faceanime.dynamics.rollout_config import FutureConfig
from faceanime.output_options import OutputOptions
from faceanime.pipeline import Animator, AnimatorConfig
from faceanime.render.renderer import RendererConfig
from faceanime.workflows import predict_file


@dataclasses.dataclass(frozen=True)
class Morph:
    """Imagine the way from a portrait's face to the expression and head angles of another picture's."""

    portrait: tyro.conf.Positional[Path]
    """The picture to animate. Use it only with the consent of the person it shows."""
    target: Path
    """A picture of the face to arrive at, of the same person or another: only how it looks counts, not who it is."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """What to write: .mp4 .mov .mkv .webm .gif .webp, or a folder of PNGs."""
    film: Annotated[OutputOptions, tyro.conf.arg(name="")]
    draw: Annotated[RendererConfig, tyro.conf.arg(name="")]
    seconds: float = 2.0
    """How long it takes, 0.2 to 600."""
    seed: int = 0
    """Another seed, another way."""
    energy: float = 1.0
    """How lively it is, 0.2 to 3: about a factor on the speed of mouth and head."""
    temperature: float = 0.5
    """Factor on the noise that it is drawn from: 0 the calmest way, 1 as people move, who may talk on the way."""
    motion_out: Path | None = None
    """Also write the motion, as X.motion.safetensors."""
    predictor: Path | None = None
    """Predictor weights of `faceanime train dynamics`, instead of the bundled ones. The LSTM of its preset paper knows
    one future: it refuses any other seed or energy than the default, and has no use for temperature."""

    def run(self) -> None:
        future = FutureConfig(
            seconds=self.seconds, seed=self.seed, energy=self.energy, temperature=self.temperature
        )
        animator = Animator(AnimatorConfig(self.draw, predictor=self.predictor))
        with TerminalProgress() as progress:
            written = predict_file(
                animator, self.portrait, self.target, self.out, future, self.film, self.motion_out, progress
            )
        print(written)
