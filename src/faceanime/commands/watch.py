"""Who watches a command at work."""

from __future__ import annotations

from rich.console import Console

from faceanime.terminal import TerminalProgress


def watching_terminal() -> TerminalProgress:
    """Bars where a person watches; nothing into a pipe, where stderr is for warnings and errors alone."""
    console = Console(stderr=True)
    console.quiet = not console.is_terminal
    return TerminalProgress(console)
