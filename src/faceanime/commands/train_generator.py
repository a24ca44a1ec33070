"""`faceanime train generator`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

from faceanime.commands.terminal_progress import TerminalProgress
from faceanime.core.errors import ConfigError

Preset = Literal["flow-fast", "flow-quality", "paper", "paper-small", "paper-heat-maps"]


@dataclasses.dataclass(frozen=True)
class TrainGenerator:
    """Learn to draw what geometry cannot carry, from the clips that `faceanime prepare` has made."""

    data: Path
    """The folder that `faceanime prepare` wrote."""
    out: Path
    """The folder that receives generator.safetensors, config.json, a checkpoint and TensorBoard's log."""
    portraits: Path | None = None
    """A folder with portraits.csv (columns file, split, person) and its pictures, to learn from too: people who are
    there twice show true teeth and lids, the others are driven by the clips."""
    config: Path | None = None
    """Settings as JSON, as in config.json; what it does not name keeps its default."""
    preset: Preset | None = None
    """flow-fast (the default): small enough for a CPU; flow-quality: the same, closer to mouth and eyes; paper: the
    paper's generator as released, which wants a GPU; paper-small: an eighth as wide; paper-heat-maps: that, told
    by landmarks instead of the texture. Not with --config."""
    start: Path | None = None
    """Weights to begin with, of the same network: a run with small windows, say, before one with large ones. The
    folder of such a run: its critics too go on with what they have learned."""
    rendered: Path | None = None
    """Where the geometric renderer's pictures of the clips are kept, so that several runs share them; else in `out`."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the networks learn."""
    processes: int = 1
    """So many processes learn together, one on each GPU (cuda) or sharing the cores (cpu); torchrun's, under it."""
    resume: bool = False
    """Go on from the checkpoint in `out`."""

    def run(self) -> None:
        from faceanime.train.generator.training import CONFIG_FILE, PRESETS, load_training, train_generator_on

        if self.config is not None and self.preset is not None:
            raise ConfigError(
                "--preset and --config exclude each other; put the preset's settings into the file"
            )
        begun = self.out / CONFIG_FILE
        if self.config is not None:
            config = load_training(self.config)
        elif self.preset is None and self.resume and begun.exists():
            config = load_training(begun)
        else:
            config = PRESETS[self.preset or "flow-fast"]
        with TerminalProgress() as progress:
            path = train_generator_on(
                self.data,
                config,
                self.out,
                progress,
                self.resume,
                self.device,
                self.rendered,
                self.processes,
                self.start,
                self.portraits,
            )
        print(path)
