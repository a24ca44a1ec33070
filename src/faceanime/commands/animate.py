"""`faceanime animate`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from faceanime.commands.terminal_progress import TerminalProgress
from faceanime.dynamics.motions import motion_path
from faceanime.dynamics.retarget import RetargetConfig
from faceanime.face.detect import DetectConfig
from faceanime.face.fit import FitConfig
from faceanime.face.reader import ReadConfig
from faceanime.face.smooth import SmoothConfig
from faceanime.face.track import TrackConfig
from faceanime.output_options import OutputOptions
from faceanime.pipeline import Animator, AnimatorConfig
from faceanime.render.geometric import GeometricConfig
from faceanime.render.renderer import RendererConfig
from faceanime.workflows import animate_file


@dataclasses.dataclass(frozen=True)
class Animate:
    """Bring a portrait to life with the motion of a video, a picture or a motion file."""

    portrait: tyro.conf.Positional[Path]
    """The picture to animate. Use it only with the consent of the person it shows."""
    driving: Path
    """Where the motion comes from: a video, a picture, a .motion.safetensors file, or the name of a bundled
    motion: look-around, nod, shake, smile, surprise, talk, wink."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """What to write: .mp4 .mov .mkv .webm .gif .webp, a folder of PNGs (no suffix) or one picture (.png .jpg)."""
    film: Annotated[OutputOptions, tyro.conf.arg(name="")]
    draw: Annotated[RendererConfig, tyro.conf.arg(name="")]
    retarget: Annotated[RetargetConfig, tyro.conf.arg(name="")]
    detect: DetectConfig = dataclasses.field(default_factory=DetectConfig)
    fit: FitConfig = dataclasses.field(default_factory=FitConfig)
    track: TrackConfig = dataclasses.field(default_factory=TrackConfig)
    smooth: SmoothConfig = dataclasses.field(default_factory=SmoothConfig)
    geometric: GeometricConfig = dataclasses.field(default_factory=GeometricConfig)

    def run(self) -> None:
        config = AnimatorConfig(
            draw=self.draw,
            read=ReadConfig(self.detect, self.fit, self.track, self.smooth),
            retarget=self.retarget,
            geometric=self.geometric,
        )
        driving = motion_path(self.driving)
        with TerminalProgress() as progress:
            animator = Animator(config)
            written = animate_file(animator, self.portrait, driving, self.out, self.film, progress)
        print(written)
