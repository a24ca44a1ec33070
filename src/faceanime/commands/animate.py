"""`faceanime animate`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro

from faceanime.dynamics.retarget import Parts
from faceanime.face.detect import FaceChoice
from faceanime.film import FilmOptions, animate_file
from faceanime.pipeline import Animator, AnimatorConfig, RendererName
from faceanime.terminal import TerminalProgress

Omitted = tyro.conf.OmitArgPrefixes


@dataclasses.dataclass(frozen=True)
class Animate:
    """Bring a portrait to life with the motion of a video, a picture or a motion file."""

    portrait: tyro.conf.Positional[Path]
    """The picture to animate. Use it only with the consent of the person it shows."""
    driving: Path
    """Where the motion comes from: a video, a picture, or a .motion.safetensors file."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """What to write: .mp4 .mov .mkv .webm .gif .webp, a folder of PNGs, or one picture."""
    renderer: RendererName = "geometric"
    """What draws the pictures."""
    motion: Literal["relative", "absolute"] = "relative"
    """relative: the driver's departure from its reference frame; absolute: its expression and angles."""
    reference: Literal["auto"] | int = "auto"
    """The driver's frame that corresponds to the portrait; auto picks a calm, frontal one."""
    parts: Parts = "all"
    """What moves."""
    crop: bool = False
    """Write the square head crop alone."""
    size: int | None = None
    """Longer side of the output, px; by default the portrait's own, 3840 at most."""
    side_by_side: bool = False
    """Write source, driver, prior and result in one video."""
    preview: Path | None = None
    """Also write a contact sheet (PNG): source, driver and result at five times."""
    face: FaceChoice = "largest"
    """Which face of the portrait: the largest, or an index in order of size, from 0."""
    config: tyro.conf.OmitSubcommandPrefixes[AnimatorConfig] = dataclasses.field(
        default_factory=AnimatorConfig
    )
    """Everything else."""

    def run(self) -> None:
        retarget = dataclasses.replace(
            self.config.retarget, motion=self.motion, reference=self.reference, parts=self.parts
        )
        config = dataclasses.replace(self.config, renderer=self.renderer, retarget=retarget)
        options = FilmOptions(self.crop, self.size, self.face, self.side_by_side, self.preview)
        with TerminalProgress() as progress:
            animate_file(Animator(config), self.portrait, self.driving, self.out, options, progress)
        print(self.out)
