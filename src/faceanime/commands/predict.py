"""`faceanime predict`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from faceanime.commands.terminal_progress import TerminalProgress
from faceanime.core.errors import ConfigError
from faceanime.dynamics.rollout_config import FutureConfig
from faceanime.output_options import OutputOptions
from faceanime.pipeline import Animator, AnimatorConfig
from faceanime.render.renderer import RendererConfig
from faceanime.workflows import predict_file


@dataclasses.dataclass(frozen=True)
class Predict:
    """Imagine how a portrait moves on: a motion that nobody filmed, another for each seed."""

    portrait: tyro.conf.Positional[Path]
    """The picture to animate. Use it only with the consent of the person it shows."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """What to write: .mp4 .mov .mkv .webm .gif .webp, or a folder of PNGs."""
    future: Annotated[FutureConfig, tyro.conf.arg(name="")]
    film: Annotated[OutputOptions, tyro.conf.arg(name="")]
    draw: Annotated[RendererConfig, tyro.conf.arg(name="")]
    motion_out: Path | None = None
    """Also write the motion, as X.motion.safetensors."""
    count: int = 1
    """How many futures: of this seed, the next one, and so on; their numbers go into the files' names."""
    predictor: Path | None = None
    """Predictor weights of `faceanime train dynamics`, instead of the bundled ones. The LSTM of its preset paper knows
    one future: it refuses loop and any other seed, style or energy than the default, and
    has no use for temperature and steps."""

    def run(self) -> None:
        if not 1 <= self.count <= MOST_FUTURES:
            raise ConfigError(f"count is {self.count}, expected 1 to {MOST_FUTURES}")
        animator = Animator(AnimatorConfig(self.draw, predictor=self.predictor))
        with TerminalProgress() as progress:
            for number in range(self.count):
                seed = self.future.seed + number
                future = dataclasses.replace(self.future, seed=seed)
                out, motion_out = self._named(self.out, seed), self._named(self.motion_out, seed)
                preview = self._named(self.film.preview, seed)
                film = dataclasses.replace(self.film, preview=preview)
                assert out is not None
                print(predict_file(animator, self.portrait, None, out, future, film, motion_out, progress))

    def _named(self, path: Path | None, seed: int) -> Path | None:
        """a.mp4 becomes a-7.mp4 for one of several."""
        if path is None or self.count == 1:
            return path
        stem, dot, suffixes = path.name.partition(".")
        return path.with_name(f"{stem}-{seed}{dot}{suffixes}")


MOST_FUTURES = 1000
