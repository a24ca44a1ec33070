"""`faceanime train generator`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro

from faceanime.core.errors import ConfigError
from faceanime.dataset.splits import check_split
from faceanime.train.data.clip_table import PORTRAITS, read_rows


@dataclasses.dataclass(frozen=True)
class TrainGenerator:
    """Train the networks of a renderer."""

    data: Path
    """Folder that `faceanime prepare` wrote."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Folder for generator.safetensors, config.json, a checkpoint and a TensorBoard log."""
    portraits: Path | None = None
    """Folder with portraits.csv (columns file, split, person) and its pictures, to train on as well.
    Two pictures of one person show true teeth and lids; a single picture is driven by the clips."""
    config: Path | None = None
    """JSON file of settings, in the form of config.json; missing settings keep their defaults."""
    preset: str | None = None
    """Named settings, instead of --config.
    flow-fast is small enough for a CPU; flow-quality sees mouth and eyes at a higher resolution.
    paper is the paper's generator as released and needs a GPU; paper-small is an eighth as wide.
    paper-heat-maps is paper-small conditioned on landmarks instead of the texture."""
    start: Path | None = None
    """Weights to start from, of the same network with windows of any size.
    The folder of a run gives its critics as well."""
    rendered: Path | None = None
    """Folder for the geometric renderer's pictures of the clips, which several runs may share.
    By default it is `pairs` in --out."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Device on which the networks are trained."""
    processes: int = 1
    """Number of processes that train together, 1 or more, each on its own GPU (cuda) or sharing the cores (cpu).
    torchrun overrides it."""
    steps: int | None = None
    """Number of training steps, 1 or more, instead of that of the settings."""
    resume: bool = False
    """Continue from the checkpoint in --out."""

    def run(self) -> None:
        """Run the command; see `cli.Command.run`. Raises FaceAnimeError; ConfigError for two sets of settings."""
        if self.config is not None and self.preset is not None:
            raise ConfigError(
                "--preset and --config cannot be given together; put the preset's settings into the file"
            )
        for split in ("train", "val"):
            check_split(self.data, split)
        if self.portraits is not None:
            read_rows(self.portraits / PORTRAITS)
        # heavy to load, so after the checks
        from faceanime.commands.terminal_progress import TerminalProgress
        from faceanime.train.generator.training import GeneratorRun, train_generator_on
        from faceanime.train.generator.trainings import load_training, preset
        from faceanime.train.loop import CONFIG_FILE
        from faceanime.train.processes import Processes

        earlier = self.out / CONFIG_FILE
        if self.config is not None:
            config = load_training(self.config)
        elif self.preset is None and self.resume and earlier.exists():
            config = load_training(earlier)
        else:
            config = preset(self.preset)
        if self.steps is not None:
            config = dataclasses.replace(config, steps=self.steps)  # type: ignore[type-var]  # a dataclass of a family
        processes = Processes.start(self.device, self.processes)
        run = GeneratorRun(
            data=self.data,
            out=self.out,
            portraits=self.portraits,
            rendered=self.rendered,
            start=self.start,
            resume=self.resume,
            processes=processes,
        )
        with TerminalProgress() as progress:
            path = train_generator_on(run, config, progress)
        if processes.first:  # the others run this command as well
            print(path)
