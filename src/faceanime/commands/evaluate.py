"""`faceanime evaluate` and `faceanime evaluate pairs`."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import Annotated, Literal

import tyro

from faceanime.dataset.splits import check_split
from faceanime.evaluate.evaluation_config import EvaluateConfig
from faceanime.evaluate.report_libraries import check_report_libraries


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """Measure renderers, predictors and other methods against filmed faces."""

    data: Path
    """Folder that `faceanime prepare` wrote."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Folder for report.html, report.md and report.json; the same command continues a stopped evaluation."""
    config: Annotated[EvaluateConfig, tyro.conf.arg(name="")] = dataclasses.field(
        default_factory=EvaluateConfig
    )

    def run(self) -> None:
        """Run the command; see `cli.Command.run`. Raises FaceAnimeError."""
        check_report_libraries()
        check_split(self.data, self.config.split)
        # heavy to load, so after the checks
        from faceanime.commands.terminal_progress import TerminalProgress
        from faceanime.evaluate.protocols import evaluate
        from faceanime.evaluate.report_writer import write_report

        with TerminalProgress() as progress:
            report = evaluate(self.data, self.out, self.config, _command(self.config), progress)
            write_report(report, self.out)
        print(self.out / "report.html")


def _command(config: EvaluateConfig) -> str:
    """The command line that repeats this evaluation."""
    words = ["faceanime evaluate --data DIR -o OUT"]
    for field in dataclasses.fields(config):
        value, default = getattr(config, field.name), field.default
        if value != default:
            values = value if isinstance(value, tuple) else (value,)
            words.append(
                " ".join([f"--{field.name.replace('_', '-')}", *(shlex.quote(str(v)) for v in values)])
            )
    return " ".join(words)


@dataclasses.dataclass(frozen=True)
class EvaluatePairs:
    """Write the sources and drivers of an evaluation as input for other methods."""

    data: Path
    """Folder that `faceanime prepare` wrote."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Folder for sources/NAME.png, drivers/NAME.mp4 and pairs.json."""
    protocol: Literal["self", "cross"] = "self"
    """self pairs every clip with one of its own frames, cross with a frame of another person's clip."""
    split: str = "test"
    """Split whose people are paired: train, val or test."""
    seed: int = 0
    """Random seed of the pairs of protocol cross."""

    def run(self) -> None:
        """Run the command; see `cli.Command.run`. Raises FaceAnimeError."""
        check_split(self.data, self.split)
        # heavy to load, so after the checks
        from faceanime.commands.terminal_progress import TerminalProgress
        from faceanime.evaluate.reenactment import pairs_of
        from faceanime.evaluate.reenactment_pairs import export_pairs
        from faceanime.morphable.model import load_model

        config = EvaluateConfig(protocol=self.protocol, split=self.split, seed=self.seed)
        with TerminalProgress() as progress:
            export_pairs(pairs_of(self.data, config, load_model()), self.out, progress)
        print(self.out)
