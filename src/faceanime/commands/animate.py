"""`faceanime animate`."""

from __future__ import annotations

import dataclasses
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from faceanime.commands.model_choice import check_model_choice, chosen_model
from faceanime.core.errors import ConfigError, FaceAnimeError, MediaError
from faceanime.core.files import folder_of_results
from faceanime.drivers.span_config import DriverSpan
from faceanime.dynamics.motion_path import motion_path
from faceanime.dynamics.retarget_config import MotionLimits, MotionTransfer, RetargetConfig
from faceanime.face.config import DetectConfig, FitConfig, GoalConfig, ReadConfig, SmoothConfig, TrackConfig
from faceanime.generator.config import RendererConfig
from faceanime.output_options import (
    OutputOptions,
    check_early,
    check_inputs,
    check_result,
    options_for,
    results_of,
)
from faceanime.render.config import GeometricConfig

if TYPE_CHECKING:
    from faceanime.pipeline import AnimatorConfig

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Animate:
    """Animate a portrait with the motion of a video, a picture or a motion file.

    Groups of options that begin with Expert are rarely needed.
    """

    portrait: Annotated[
        tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="PATH ...", help_behavior_hint="")
    ]
    """Picture to animate, or several. Use it only with the consent of the person it shows."""
    driving: Path
    """Driver: a video, a picture, a .motion.safetensors file, or the name of a bundled motion.
    Bundled motions are look-around, nod, shake, smile, surprise, talk and wink."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """File to write: .mp4 .mov .mkv .webm .gif .webp, a folder of PNGs (no suffix), or a picture (.png .jpg).
    Of several portraits: a folder, in which each gets an MP4 of its name (a MOV with --codec prores)."""
    span: Annotated[DriverSpan, tyro.conf.OmitArgPrefixes]
    """Part of the driver that is used."""
    motion: Annotated[MotionTransfer, tyro.conf.OmitArgPrefixes]
    """Choice and strength of the driver's motion."""
    goal: Annotated[GoalConfig, tyro.conf.OmitArgPrefixes]
    """Reading of a picture as driver."""
    output: Annotated[OutputOptions, tyro.conf.OmitArgPrefixes]
    """Size and kind of the result."""
    renderer: Annotated[RendererConfig, tyro.conf.OmitArgPrefixes]
    """Renderer of the frames, and its networks."""
    limits: Annotated[MotionLimits, tyro.conf.OmitArgPrefixes]
    """Expert: how far the head may go from its pose in the portrait."""
    model: Path | None = None
    """Face model: the name or id of an imported one (see models list), or its file; by default the bundled one.
    With another one the renderer must be geometric, and motion files must be of it (see edit --to)."""
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
        check_model_choice(self.model, self.renderer)
        if not self.portrait:
            raise ConfigError(
                "missing the portrait, as in: faceanime animate me.jpg --driving talk -o out.mp4"
            )
        if len(self.portrait) > 1:
            self._run_batch(driving)
            return
        (portrait,) = self.portrait
        _refuse_folder(portrait)
        check_early(self.out, self.output, (portrait, driving), (self.renderer.generator,), may_be_still=True)
        from faceanime.media.picture_source import check_picture  # imports Pillow
        from faceanime.media.video import check_start

        check_picture(portrait)
        check_start(driving, self.span.start)
        # heavy to load, so after the checks
        from faceanime.commands.terminal_progress import TerminalProgress
        from faceanime.pipeline import Animator
        from faceanime.workflows import animate_file

        with TerminalProgress() as progress:
            animator = Animator(self._config(), chosen_model(self.model))
            written = animate_file(animator, portrait, driving, self.out, self.output, progress, self.span)
        print(*filter(None, (written, self.output.preview)), sep="\n")

    def _run_batch(self, driving: Path) -> None:
        """Animate several portraits; print a line for each. Raises FaceAnimeError at the end if some failed."""
        portraits = self.portrait
        results = results_of(portraits, self.out, self.output.codec)
        with folder_of_results(self.out):
            for portrait, out in results.items():  # what is wrong with a portrait is told when it is its turn
                check_result(out, options_for(portrait, self.output), (portrait, driving), still=False)
            check_inputs(driving, self.renderer.generator)
            from faceanime.media.video import check_start  # imports PyAV

            check_start(driving, self.span.start)
            # heavy to load, so after the checks
            from faceanime.commands.terminal_progress import TerminalProgress
            from faceanime.pipeline import Animator
            from faceanime.workflows import animate_files

            failed = []
            with TerminalProgress() as progress:
                outcomes = animate_files(
                    Animator(self._config(), chosen_model(self.model)),
                    results,
                    driving,
                    self.output,
                    progress,
                    self.span,
                )
                for portrait, outcome in zip(portraits, outcomes, strict=True):
                    if isinstance(outcome, Path):
                        preview = options_for(portrait, self.output).preview
                        print(*filter(None, (outcome, preview)), sep="\n", flush=True)
                    else:
                        log.warning(outcome)
                        failed.append(str(portrait))
        if failed:
            raise FaceAnimeError(f"{len(failed)} of {len(portraits)} portraits failed: {', '.join(failed)}")

    def _config(self) -> AnimatorConfig:
        from faceanime.pipeline import AnimatorConfig

        return AnimatorConfig(
            draw=self.renderer,
            read=ReadConfig(self.detect, self.fit, self.track, self.smooth),
            retarget=RetargetConfig(**vars(self.motion), **vars(self.limits)),
            goal=self.goal,
            geometric=self.geometric,
        )


def _refuse_folder(portrait: Path) -> None:
    """Raise MediaError for a folder of pictures, with the pattern that stands for them."""
    if not (os.access(portrait, os.R_OK | os.X_OK) and portrait.is_dir()):
        return
    from faceanime.media.image import IMAGE_SUFFIXES  # imports Pillow

    suffixes = [path.suffix for path in sorted(portrait.iterdir()) if path.suffix.lower() in IMAGE_SUFFIXES]
    if suffixes:
        usual = max(suffixes, key=suffixes.count)
        raise MediaError(f"cannot read {portrait}: it is a folder; its pictures are {portrait / f'*{usual}'}")
