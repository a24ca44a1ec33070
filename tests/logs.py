"""Logs of training runs, for tests that look into a run or stop it."""

from __future__ import annotations

from collections.abc import Mapping

from faceanime.core.progress import SilentProgress
from faceanime.structures.frames import Pixels


class StoppingLog:
    """A log that cancels its `progress` at the first validation."""

    def __init__(self) -> None:
        self.progress = SilentProgress()

    def note(self, step: int, numbers: Mapping[str, float]) -> None:
        self.progress.cancel()

    def show(self, step: int, name: str, picture: Pixels) -> None:
        pass
