"""`faceanime reconstruct`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from faceanime.commands.model_choice import check_model_choice, chosen_model
from faceanime.core.files import check_input
from faceanime.dynamics.motion_path import check_motion_path, is_motion_file, refuse_motion
from faceanime.face.config import DetectConfig, FaceChoice, FitConfig, ReadConfig, SmoothConfig, TrackConfig


@dataclasses.dataclass(frozen=True)
class Reconstruct:
    """Write the motion or the 3D face of a video or picture."""

    source: tyro.conf.Positional[Path]
    """Picture or video to read."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """File to write: X.motion.safetensors for the motion, X.glb or X.obj for the neutral, textured face."""
    face: FaceChoice = "largest"
    """Face to read: largest, or an index from 0 in order of size."""
    model: Path | None = None
    """Face model: the name or id of an imported one (see models list), or its file; by default the bundled one."""
    detect: DetectConfig = dataclasses.field(default_factory=DetectConfig)
    """Expert: detection of faces."""
    fit: FitConfig = dataclasses.field(default_factory=FitConfig)
    """Expert: fitting of the 3D face model to landmarks."""
    smooth: SmoothConfig = dataclasses.field(default_factory=SmoothConfig)
    """Expert: smoothing of tracked motion."""

    def run(self) -> None:
        """Run the command; see `cli.Command.run`. Raises FaceAnimeError."""
        refuse_motion(self.source, "nothing is to be reconstructed; faceanime edit {} copies and changes it")
        check_input(self.source)
        check_model_choice(self.model)
        if is_motion_file(self.out):
            check_motion_path(self.out)
        read = ReadConfig(self.detect, self.fit, TrackConfig(face=self.face), self.smooth)
        # heavy to load, so after the checks
        from faceanime.commands.terminal_progress import TerminalProgress
        from faceanime.pipeline import Animator, AnimatorConfig
        from faceanime.workflows import reconstruct_file

        with TerminalProgress() as progress:
            animator = Animator(AnimatorConfig(read=read), chosen_model(self.model))
            reconstruct_file(animator, self.source, self.out, self.face, progress)
        print(self.out)
