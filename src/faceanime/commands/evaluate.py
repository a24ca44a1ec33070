"""`faceanime evaluate` and `faceanime evaluate pairs`."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import Annotated, Literal

import tyro

from faceanime.commands.terminal_progress import TerminalProgress
from faceanime.core.progress import Progress
from faceanime.core.weights import bundled
from faceanime.evaluate.reenactment_pairs import export_pairs
from faceanime.evaluate.report import Report
from faceanime.evaluate.report_tables import report_of, report_of_sections
from faceanime.evaluate.report_writer import write_report
from faceanime.evaluate.run import EvaluateConfig, claim, measure_all, pairs_of
from faceanime.evaluate.speed import speed_tables
from faceanime.morphable.model import load_model


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """Measure what the renderers draw, and others' results, against filmed faces."""

    data: Path
    """The folder that `faceanime prepare` wrote."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """The folder that receives report.html, report.md and report.json; the same command again goes on where it was
    stopped."""
    config: Annotated[EvaluateConfig, tyro.conf.arg(name="")] = dataclasses.field(
        default_factory=EvaluateConfig
    )

    def run(self) -> None:
        with TerminalProgress() as progress:
            write_report(self._report(progress), self.out)
        print(self.out / "report.html")

    def _report(self, progress: Progress) -> Report:
        config, command = self.config, _command(self.config)
        if config.protocol in ("self", "cross"):
            return report_of(self.out, measure_all(self.data, self.out, config, progress), config, command)
        if config.protocol == "speed":
            pair = pairs_of(self.data, config, load_model())[0]
            claim(self.out, config)
            tables = speed_tables(pair, self.out, config, progress)
            return report_of_sections(tables, config, command, {"pair": pair.name})
        import torch

        from faceanime.evaluate.futures import load_judge, prediction_tables, target_tables
        from faceanime.evaluate.realism import realism_sections

        weights = config.predictor or bundled("dynamics.safetensors")
        torch.set_num_threads(1)  # many steps of small networks: a second thread makes them slower
        judge = load_judge(self.data, config.split, weights, config.paper_predictor, progress)
        claim(self.out, config)
        progress.stage("imagining motion", None)
        if config.protocol == "target":
            return report_of_sections(target_tables(judge), config, command, judge.settings)
        sections = [*prediction_tables(judge), *realism_sections(judge)]
        return report_of_sections(sections, config, command, judge.settings)


def _command(config: EvaluateConfig) -> str:
    """The command that measures this again."""
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
    """Write the sources and drivers of an evaluation, for other methods to be run on."""

    data: Path
    """The folder that `faceanime prepare` wrote."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """The folder that receives sources/NAME.png, drivers/NAME.mp4 and pairs.json."""
    protocol: Literal["self", "cross"] = "self"
    """self: every clip animates its own first calm frame; cross: another person's."""
    split: str = "test"
    """Which people: those of train, val or test."""
    seed: int = 0
    """Which people are paired in protocol cross."""

    def run(self) -> None:
        config = EvaluateConfig(protocol=self.protocol, split=self.split, seed=self.seed)
        with TerminalProgress() as progress:
            export_pairs(pairs_of(self.data, config, load_model()), self.out, progress)
        print(self.out)
