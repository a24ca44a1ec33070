"""`faceanime reconstruct`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from faceanime.face.detect import FaceChoice
from faceanime.film import reconstruct_file
from faceanime.pipeline import Animator, AnimatorConfig
from faceanime.terminal import TerminalProgress


@dataclasses.dataclass(frozen=True)
class Reconstruct:
    """Write the 3D face of a picture or video, or its motion, as a file."""

    source: tyro.conf.Positional[Path]
    """A picture or a video."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """X.motion.safetensors for the motion, X.glb or X.obj for the neutral, textured face."""
    face: FaceChoice = "largest"
    """Which face: the largest, or an index in order of size, from 0."""
    config: AnimatorConfig = dataclasses.field(default_factory=AnimatorConfig)
    """Everything else."""

    def run(self) -> None:
        track = dataclasses.replace(self.config.track, face=self.face)
        with TerminalProgress() as progress:
            animator = Animator(dataclasses.replace(self.config, track=track))
            reconstruct_file(animator, self.source, self.out, self.face, progress)
        print(self.out)
