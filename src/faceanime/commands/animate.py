"""`faceanime animate`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from faceanime.drivers.span_config import DriverSpan
from faceanime.dynamics.motion_path import motion_path
from faceanime.dynamics.retarget_config import MotionLimits, MotionTransfer, RetargetConfig
from faceanime.face.config import DetectConfig, FitConfig, ReadConfig, SmoothConfig, TrackConfig
from faceanime.generator.config import RendererConfig
from faceanime.output_options import OutputOptions, check_early
from faceanime.render.config import GeometricConfig


@dataclasses.dataclass(frozen=True)
class Animate:
    """Animate a portrait with the motion of a video, a picture or a motion file.

    Groups of options that begin with Expert are rarely needed.
    """

    portrait: tyro.conf.Positional[Path]
    """Picture to animate. Use it only with the consent of the person it shows."""
    driving: Path
    """Driver: a video, a picture, a .motion.safetensors file, or the name of a bundled motion.
    Bundled motions are look-around, nod, shake, smile, surprise, talk and wink."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """File to write: .mp4 .mov .mkv .webm .gif .webp, a folder of PNGs (no suffix), or a picture (.png .jpg)."""
    span: Annotated[DriverSpan, tyro.conf.OmitArgPrefixes]
    """Part of the driver that is used."""
    motion: Annotated[MotionTransfer, tyro.conf.OmitArgPrefixes]
    """Choice and strength of the driver's motion."""
    output: Annotated[OutputOptions, tyro.conf.OmitArgPrefixes]
    """Size and kind of the result."""
    renderer: Annotated[RendererConfig, tyro.conf.OmitArgPrefixes]
    """Renderer of the frames, and its networks."""
    limits: Annotated[MotionLimits, tyro.conf.OmitArgPrefixes]
    """Expert: how far the head may go from its pose in the portrait."""
    detect: DetectConfig = dataclasses.field(default_factory=DetectConfig)
    """Expert: detection of faces."""
    track: TrackConfig = dataclasses.field(default_factory=TrackConfig)
    """Expert: tracking of a face through a video."""
    fit: FitConfig = dataclasses.field(default_factory=FitConfig)
    """Expert: fitting of the 3D face model to landmarks."""
    smooth: SmoothConfig = dataclasses.field(default_factory=SmoothConfig)
    """Expert: smoothing of tracked motion."""
    geometric: GeometricConfig = dataclasses.field(default_factory=GeometricConfig)
    """Expert: the geometric renderer, on which the others build, and its warp."""

    def run(self) -> None:
        """Run the command; see `cli.Command.run`. Raises FaceAnimeError."""
        driving = motion_path(self.driving)
        check_early(
            self.out, self.output, (self.portrait, driving), (self.renderer.generator,), may_be_still=True
        )
        # heavy to load, so after the checks
        from faceanime.commands.terminal_progress import TerminalProgress
        from faceanime.pipeline import Animator, AnimatorConfig
        from faceanime.workflows import animate_file

        config = AnimatorConfig(
            draw=self.renderer,
            read=ReadConfig(self.detect, self.fit, self.track, self.smooth),
            retarget=RetargetConfig(**vars(self.motion), **vars(self.limits)),
            geometric=self.geometric,
        )
        with TerminalProgress() as progress:
            written = animate_file(
                Animator(config), self.portrait, driving, self.out, self.output, progress, self.span
            )
        print(written)
