"""`faceanime train generator`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

from faceanime.config import load_config
from faceanime.terminal import TerminalProgress


@dataclasses.dataclass(frozen=True)
class TrainGenerator:
    """Learn to repair what geometry cannot carry, from the clips that `faceanime prepare` has made."""

    data: Path
    """The folder that `faceanime prepare` wrote."""
    out: Path
    """The folder that receives generator.safetensors, config.json, a checkpoint and TensorBoard's log."""
    config: Path | None = None
    """Settings as JSON, as in config.json; what it does not name keeps its default."""
    preset: Literal["flow-fast", "flow-quality"] = "flow-fast"
    """flow-fast: real time on a few CPU cores; flow-quality: larger windows and networks. Not together with
    --config."""
    rendered: Path | None = None
    """Where the geometric renderer's pictures of the clips are kept, so that several runs share them; else in `out`."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the networks learn."""
    resume: bool = False
    """Go on from the checkpoint in `out`."""

    def run(self) -> None:
        from faceanime.generator.flow_guided import FAST, QUALITY
        from faceanime.train.generator import train_generator_on
        from faceanime.train.generator_trainer import GeneratorConfig

        config = GeneratorConfig(network=QUALITY if self.preset == "flow-quality" else FAST)
        if self.config is not None:
            config = load_config(GeneratorConfig, self.config)
        with TerminalProgress() as progress:
            path = train_generator_on(
                self.data, config, self.out, progress, self.resume, self.device, self.rendered
            )
        print(path)
