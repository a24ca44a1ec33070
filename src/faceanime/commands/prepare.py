"""`faceanime prepare`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import tyro

from faceanime.commands.terminal_progress import TerminalProgress
from faceanime.train.data.preparation import prepare
from faceanime.train.data.segments import PrepareConfig


@dataclasses.dataclass(frozen=True)
class Prepare:
    """Turn videos into clips to learn from: tracked, cropped, judged, with their 3D faces."""

    videos: tyro.conf.Positional[tuple[Path, ...]]
    """Videos and folders of videos. Use them only with the consent of the people they show."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """The folder that receives the shards (.tar), clips.csv and contact sheets; the same command again goes on
    where it was stopped."""
    config: Annotated[PrepareConfig, tyro.conf.arg(name="")] = dataclasses.field(
        default_factory=PrepareConfig
    )

    def run(self) -> None:
        with TerminalProgress() as progress:
            done = prepare(self.videos, self.out, self.config, progress)
        print(f"{self.out}: kept {_told(done.kept)}; dropped {_told(done.dropped)}")


def _told(counts: Mapping[str, int]) -> str:
    total = sum(counts.values())
    parts = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    return f"{total} ({parts})" if parts else "0"
