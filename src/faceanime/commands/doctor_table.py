"""The report of `faceanime doctor` as a table in the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from faceanime.generator.config import RendererConfig
from faceanime.system_check import FINE, SystemReport

_EXACT_BELOW = 10.0
"""Frames a second below which a decimal is shown."""


def print_table(report: SystemReport) -> None:
    """Print the report on stdout, and the verdict below it."""
    Console().print(_table(report))
    Console().print(report.verdict, highlight=False, soft_wrap=True)


def _table(report: SystemReport) -> Table:
    table = Table(title=f"faceanime {report.version}", show_header=False)
    memory = "" if report.memory_gib is None else f", {report.memory_gib} GiB of memory"
    table.add_row("machine", f"{report.platform}, {report.cpu_count} cores{memory}")
    table.add_row("Python", report.python)
    table.add_section()
    for name, version in report.packages.items():
        table.add_row(name, version or "[red]missing[/]")
    table.add_row("OpenCV", _mark(report.opencv == FINE, report.opencv))
    table.add_section()
    table.add_row("encoders", _list(report.encoders))
    table.add_row("extras", _list(report.extras))
    for name, state in report.weights.items():
        table.add_row(name, _mark(state == FINE, state))
    table.add_section()
    default = RendererConfig().renderer
    for stage, rate in report.frames_per_s.items():
        table.add_row(
            f"{stage} 512x512{' (default)' * (stage == default)}",
            f"{rate:.1f} frames/s" if rate < _EXACT_BELOW else f"{rate:.0f} frames/s",
        )
    return table


def _mark(fine: bool, text: str) -> str:
    return f"[green]{text}[/]" if fine else f"[red]{text}[/]"


def _list(present: dict[str, bool]) -> str:
    return ", ".join(name if there else f"[dim]no {name}[/]" for name, there in present.items())
