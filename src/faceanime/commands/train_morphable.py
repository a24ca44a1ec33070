"""`faceanime train morphable`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from faceanime.core.files import make_folder
from faceanime.train.morphable.config import LearnConfig


@dataclasses.dataclass(frozen=True)
class TrainMorphable:
    """Learn a morphable model from clips and portraits of many people."""

    data: Path
    """Folder with clips.csv and portraits.csv (columns file, split, person)."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Folder for morphable.safetensors and config.json; the same command continues a stopped training."""
    config: LearnConfig = dataclasses.field(default_factory=LearnConfig)
    """Settings of the learning."""

    def run(self) -> None:
        """Run the command; see `cli.Command.run`. Raises FaceAnimeError."""
        make_folder(self.out)  # a wrong folder fails before the detector is loaded

        # heavy to load, so after the checks
        from faceanime.commands.terminal_progress import TerminalProgress
        from faceanime.face.config import TrackConfig
        from faceanime.face.detect import MediapipeDetector
        from faceanime.face.track import LandmarkTracker
        from faceanime.morphable.model import load_model
        from faceanime.train.morphable.landmark_reader import LandmarkReader
        from faceanime.train.morphable.training import MORPHABLE_FILE, train_morphable

        detector = MediapipeDetector()
        reader = LandmarkReader(detector, LandmarkTracker(TrackConfig(), detector, load_model()))
        with TerminalProgress() as progress:
            model = train_morphable(self.data, self.out, self.config, reader, progress)
        print(f"{self.out / MORPHABLE_FILE} (model {model.id})")
