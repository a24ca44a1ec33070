"""`faceanime demo`."""

from __future__ import annotations

import dataclasses
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import tyro

from faceanime.core.errors import MediaError
from faceanime.core.files import make_folder
from faceanime.dynamics.motion_path import bundled_motion_path
from faceanime.media.image import write_image
from faceanime.output_options import OutputOptions

MOTIONS = ("talk", "look-around", "smile", "surprise", "wink")


@dataclasses.dataclass(frozen=True)
class Demo:
    """Animate a public-domain portrait with the bundled motions. It shows the astronaut Eileen Collins (NASA)."""

    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("out/demo")
    """Folder that receives the videos and their contact sheets."""
    motions: tuple[str, ...] = MOTIONS
    """Names of the bundled motions to use."""
    size: int = 512
    """Side of the videos in px, 16 to 3840."""

    def run(self) -> None:
        """Run the command; see `cli.Command.run`. Raises MediaError without scikit-image, else FaceAnimeError."""
        if find_spec("skimage") is None:
            raise MediaError('the demo portrait needs scikit-image; pip install "faceanime[demo]"')
        import skimage.data

        OutputOptions(size=self.size)  # a size out of range fails before any work
        paths = {name: bundled_motion_path(name) for name in self.motions}
        make_folder(self.out)
        portrait = self.out / "astronaut.png"
        write_image(portrait, skimage.data.astronaut())  # type: ignore[no-untyped-call]
        # heavy to load, so after the checks
        from faceanime.commands.terminal_progress import TerminalProgress
        from faceanime.pipeline import Animator
        from faceanime.workflows import animate_file

        animator = Animator()
        with TerminalProgress() as progress:
            for name, path in paths.items():
                video = self.out / f"{name}.mp4"
                options = OutputOptions(crop=True, size=self.size, preview=video.with_suffix(".png"))
                animate_file(animator, portrait, path, video, options, progress)
                print(video)
