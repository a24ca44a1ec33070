"""`faceanime train morphable`."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from faceanime.commands.terminal_progress import TerminalProgress
from faceanime.train.morphable.learn import LearnConfig
from faceanime.train.morphable.training import train_morphable


@dataclasses.dataclass(frozen=True)
class TrainMorphable:
    """Learn a morphable model from clips and portraits of many people."""

    data: Path
    """A folder with clips.csv and portraits.csv (columns file, split, person)."""
    out: Path
    """The folder that receives morphable.safetensors and config.json."""
    config: LearnConfig = dataclasses.field(default_factory=LearnConfig)
    """How it is learned."""

    def run(self) -> None:
        with TerminalProgress() as progress:
            model = train_morphable(self.data, self.out, self.config, progress)
        print(f"{self.out / 'morphable.safetensors'} (model {model.id})")
