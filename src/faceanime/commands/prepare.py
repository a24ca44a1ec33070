"""`faceanime prepare`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import tyro

from faceanime.train.data.config import PrepareConfig
from faceanime.train.data.videos import find_sources


@dataclasses.dataclass(frozen=True)
class Prepare:
    """Turn videos into clips for training, with their 3D faces. Faces are tracked, cropped, checked and fitted."""

    videos: Annotated[
        tyro.conf.Positional[tuple[Path, ...]],
        tyro.conf.arg(metavar="PATH ...", help_behavior_hint="(required)"),
    ]
    """Videos, and folders of videos. Use them only with the consent of the people they show."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Folder for the shards (.tar), clips.csv and contact sheets.
    The same command continues a stopped preparation."""
    config: Annotated[PrepareConfig, tyro.conf.arg(name="")] = dataclasses.field(
        default_factory=PrepareConfig
    )

    def run(self) -> None:
        """Run the command; see `cli.Command.run`. Raises FaceAnimeError."""
        find_sources(self.videos)  # a wrong path fails before the detector is loaded
        # heavy to load, so after the checks
        from faceanime.commands.terminal_progress import TerminalProgress
        from faceanime.face.detect import MediapipeDetector
        from faceanime.morphable.model import load_model
        from faceanime.train.data.preparation import prepare

        detector = MediapipeDetector()
        with TerminalProgress() as progress:
            done = prepare(self.videos, self.out, self.config, detector, load_model(), progress)
        print(f"{self.out}: kept {_counts(done.kept)}; dropped {_counts(done.dropped)}")


def _counts(counts: Mapping[str, int]) -> str:
    """The total, and in brackets what it consists of."""
    total = sum(counts.values())
    parts = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    return f"{total} ({parts})" if parts else "0"
