"""`faceanime morph`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from faceanime.dynamics.motion_path import refuse_motion
from faceanime.dynamics.predictor_options import PredictorOptions
from faceanime.dynamics.retarget_config import MotionLimits, MotionStrength, RetargetConfig
from faceanime.dynamics.rollout_config import FutureConfig
from faceanime.face.config import GoalConfig
from faceanime.generator.config import RendererConfig
from faceanime.output_options import OutputOptions, check_early


@dataclasses.dataclass(frozen=True)
class Morph:
    """Predict a motion from a portrait to the face of another picture."""

    portrait: tyro.conf.Positional[Path]
    """Picture to animate. Use it only with the consent of the person it shows."""
    target: Path
    """Picture whose expression and head angles end the motion; it may show another person."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """File to write: .mp4 .mov .mkv .webm .gif .webp, or a folder of PNGs (no suffix)."""
    output: Annotated[OutputOptions, tyro.conf.OmitArgPrefixes]
    """Size and kind of the result."""
    renderer: Annotated[RendererConfig, tyro.conf.OmitArgPrefixes]
    """Renderer of the frames, and its networks."""
    strength: Annotated[MotionStrength, tyro.conf.OmitArgPrefixes]
    """Choice and strength of the motion."""
    goal: Annotated[GoalConfig, tyro.conf.OmitArgPrefixes]
    """Reading of the target picture."""
    limits: Annotated[MotionLimits, tyro.conf.OmitArgPrefixes]
    """Expert: how far the head may go from its pose in the portrait."""
    expert: Annotated[PredictorOptions, tyro.conf.OmitArgPrefixes]
    """Expert: the network that predicts the motion."""
    seconds: float = 2.0
    """Length of the motion in seconds, 0.2 to 600."""
    seed: int = 0
    """Random seed, 0 or more; the same seed gives the same motion."""
    energy: float = 1.0
    """Factor on the speed of mouth and head, 0.2 to 3; above 2 the head turns far."""
    temperature: float = 0.5
    """Factor on the predictor's noise, 0 to 1.5: 0 gives the mean motion, 1 one as lively as people's, even talking."""
    motion_out: Path | None = None
    """Motion file to write as well, X.motion.safetensors."""

    def run(self) -> None:
        """Run the command; see `cli.Command.run`. Raises FaceAnimeError."""
        future = FutureConfig(
            seconds=self.seconds, seed=self.seed, energy=self.energy, temperature=self.temperature
        )
        refuse_motion(
            self.target,
            "--target is a picture; faceanime animate PORTRAIT --driving {} moves a portrait by it",
        )
        check_early(
            self.out,
            self.output,
            (self.portrait, self.target),
            (self.renderer.generator, self.expert.weights),
        )
        from faceanime.media.picture_source import check_picture  # imports Pillow

        for picture in (self.portrait, self.target):
            check_picture(picture)
        # heavy to load, so after the checks
        from faceanime.commands.terminal_progress import TerminalProgress
        from faceanime.pipeline import Animator, AnimatorConfig
        from faceanime.workflows import predict_file

        config = AnimatorConfig(
            draw=self.renderer,
            retarget=RetargetConfig(**vars(self.strength), **vars(self.limits)),
            goal=self.goal,
            predictor=self.expert.weights,
        )
        animator = Animator(config)
        with TerminalProgress() as progress:
            written = predict_file(
                animator, self.portrait, self.target, self.out, future, self.output, self.motion_out, progress
            )
        print(*filter(None, (written, self.motion_out, self.output.preview)), sep="\n")
