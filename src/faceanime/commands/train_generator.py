"""`faceanime train generator`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

from faceanime.commands.terminal_progress import TerminalProgress
from faceanime.core.errors import ConfigError
from faceanime.dataset.shards import check_split


@dataclasses.dataclass(frozen=True)
class TrainGenerator:
    """Train the networks that repair what geometry cannot carry, on the clips that `faceanime prepare` has made."""

    data: Path
    """Folder that `faceanime prepare` wrote."""
    out: Path
    """Folder that receives generator.safetensors, config.json, a checkpoint and TensorBoard's log."""
    portraits: Path | None = None
    """Folder with portraits.csv (columns file, split, person) and its pictures, to train on as well. Two pictures of
    one person show true teeth and lids; a single picture is driven by the clips."""
    config: Path | None = None
    """Settings as JSON, as in config.json; missing settings keep their defaults."""
    preset: str | None = None
    """Named settings, not with --config: flow-fast, small enough for a CPU; flow-quality, which looks closer at mouth
    and eyes; paper, the paper's generator as released, which wants a GPU; paper-small, an eighth as wide;
    paper-heat-maps, paper-small conditioned on landmarks instead of the texture."""
    start: Path | None = None
    """Weights of the same network to begin with, of windows of any size; or the folder of a run, whose critics are
    taken too."""
    rendered: Path | None = None
    """Folder of the geometric renderer's pictures of the clips, to share them between runs; `pairs` in --out without
    it."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Device on which the networks learn."""
    processes: int = 1
    """Number of processes that train together, each on a GPU of its own (cuda) or sharing the cores (cpu); torchrun
    overrides it."""
    resume: bool = False
    """Continue from the checkpoint in --out."""

    def run(self) -> None:
        check_split(self.data, "train")  # before anything heavy is loaded
        from faceanime.train.generator.training import GeneratorRun, train_generator_on
        from faceanime.train.generator.trainings import load_training, preset
        from faceanime.train.loop import CONFIG_FILE

        if self.config is not None and self.preset is not None:
            raise ConfigError(
                "--preset and --config exclude each other; put the preset's settings into the file"
            )
        earlier = self.out / CONFIG_FILE
        if self.config is not None:
            config = load_training(self.config)
        elif self.preset is None and self.resume and earlier.exists():
            config = load_training(earlier)
        else:
            config = preset(self.preset)
        run = GeneratorRun(
            data=self.data,
            out=self.out,
            portraits=self.portraits,
            rendered=self.rendered,
            start=self.start,
            resume=self.resume,
            device=self.device,
            processes=self.processes,
        )
        with TerminalProgress() as progress:
            path = train_generator_on(run, config, progress)
        print(path)
