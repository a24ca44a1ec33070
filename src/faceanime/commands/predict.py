"""`faceanime predict`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from faceanime.core.errors import Cancelled, check_range
from faceanime.dynamics.predictor_options import PredictorOptions
from faceanime.dynamics.retarget_config import MotionLimits, MotionStrength, RetargetConfig
from faceanime.dynamics.rollout_config import FutureConfig
from faceanime.generator.config import RendererConfig
from faceanime.output_options import OutputOptions, check_early

MOST_FUTURES = 1000
"""Largest number of motions that one call predicts; chosen by eye."""


@dataclasses.dataclass(frozen=True)
class Predict:
    """Predict how a portrait moves on, without a driver. Every seed gives another motion."""

    portrait: tyro.conf.Positional[Path]
    """Picture to animate. Use it only with the consent of the person it shows."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """File to write: .mp4 .mov .mkv .webm .gif .webp, or a folder of PNGs (no suffix)."""
    future: Annotated[FutureConfig, tyro.conf.OmitArgPrefixes]
    """The predicted motion."""
    output: Annotated[OutputOptions, tyro.conf.OmitArgPrefixes]
    """Size and kind of the result."""
    renderer: Annotated[RendererConfig, tyro.conf.OmitArgPrefixes]
    """Renderer of the frames, and its networks."""
    strength: Annotated[MotionStrength, tyro.conf.OmitArgPrefixes]
    """Choice and strength of the motion."""
    limits: Annotated[MotionLimits, tyro.conf.OmitArgPrefixes]
    """Expert: how far the head may go from its pose in the portrait."""
    expert: Annotated[PredictorOptions, tyro.conf.OmitArgPrefixes]
    """Expert: the network that predicts the motion."""
    motion_out: Path | None = None
    """Motion file to write as well, X.motion.safetensors."""
    count: int = 1
    """Number of motions, 1 to 1000, with this seed and the following ones, which are added to the files' names."""

    def run(self) -> None:
        """Run the command; see `cli.Command.run`. Raises FaceAnimeError, among them RangeError for a wrong `count`."""
        check_range(self, "", "count", least=1, most=MOST_FUTURES)
        check_early(self.out, self.output, (self.portrait,), (self.renderer.generator, self.expert.weights))
        from faceanime.media.picture_source import check_picture  # imports Pillow

        check_picture(self.portrait)
        # heavy to load, so after the checks
        from faceanime.commands.terminal_progress import TerminalProgress
        from faceanime.pipeline import Animator, AnimatorConfig
        from faceanime.workflows import predict_file

        config = AnimatorConfig(
            draw=self.renderer,
            retarget=RetargetConfig(**vars(self.strength), **vars(self.limits)),
            predictor=self.expert.weights,
        )
        animator = Animator(config)
        with TerminalProgress() as progress:
            for number in range(self.count):
                seed = self.future.seed + number
                future = dataclasses.replace(self.future, seed=seed)
                out, motion_out = self._named(self.out, seed), self._named(self.motion_out, seed)
                output = dataclasses.replace(self.output, preview=self._named(self.output.preview, seed))
                assert out is not None
                try:
                    written = predict_file(
                        animator, self.portrait, None, out, future, output, motion_out, progress
                    )
                except Cancelled as stop:
                    if not number:
                        raise
                    raise Cancelled(f"stopped by the user after {number} of {self.count} motions") from stop
                print(*filter(None, (written, motion_out, output.preview)), sep="\n", flush=True)

    def _named(self, path: Path | None, seed: int) -> Path | None:
        """Return a-7.mp4 for a.mp4 if there are several futures."""
        if path is None or self.count == 1:
            return path
        stem, dot, suffixes = path.name.partition(".")
        return path.with_name(f"{stem}-{seed}{dot}{suffixes}")
