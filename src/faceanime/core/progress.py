"""Progress of long work, and its cancellation: one interface for terminal, web page, notebook and tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar, runtime_checkable

from faceanime.core.errors import Cancelled

_Item = TypeVar("_Item")

_LEAST_FRACTION = 1e-9
"""Keeps the estimate of the time left finite when no step is done."""


@runtime_checkable
class Progress(Protocol):
    """Receives the progress of a long task and can cancel it."""

    def stage(self, name: str, total: int | None) -> None:
        """Begin a stage of `total` steps (`None` when unknown); the previous stage is over."""

    def advance(self, steps: int = 1) -> None:
        """Report that `steps` more steps of this stage are done."""

    @property
    def cancelled(self) -> bool:
        """Whether the user wants the work to stop; `watched` asks before each step."""


class SilentProgress:
    """Shows nothing; `cancel` stops the work at its next step."""

    def __init__(self) -> None:
        self._cancelled = False

    def stage(self, name: str, total: int | None) -> None:
        """Show nothing."""

    def advance(self, steps: int = 1) -> None:
        """Show nothing."""

    def cancel(self) -> None:
        """Stop the work at its next step."""
        self._cancelled = True

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled


class CallbackProgress(SilentProgress):
    """Calls a function with the progress, for web pages and notebooks; `cancel` stops the work.

    `report(stage, fraction, left_s)` is called at the start of each stage and after each step, in the thread that does
    the work: the stage's name, the fraction of it that is done, in [0, 1], and an estimate of the seconds that it still
    takes. Both numbers are None for a stage of unknown length; `left_s` is None before the first step.

    >>> progress = CallbackProgress(lambda stage, fraction, left_s: print(stage, fraction))
    >>> progress.stage("render", 2)
    render 0.0
    >>> list(watched("ab", progress))
    render 0.5
    render 1.0
    ['a', 'b']
    """

    def __init__(self, report: Callable[[str, float | None, float | None], None]) -> None:
        super().__init__()
        self._report = report
        self._name = ""
        self._total: int | None = None
        self._done, self._started_s = 0, 0.0

    def stage(self, name: str, total: int | None) -> None:
        """Report the start of a stage."""
        self._name, self._total, self._done = name, total, 0
        self._started_s = time.monotonic()
        self._report(name, 0.0 if total else None, None)

    def advance(self, steps: int = 1) -> None:
        """Report the steps that are done."""
        self._done += steps
        if not self._total:
            self._report(self._name, None, None)
            return
        fraction = min(self._done / self._total, 1.0)
        elapsed_s = time.monotonic() - self._started_s
        self._report(self._name, fraction, elapsed_s * (1.0 - fraction) / max(fraction, _LEAST_FRACTION))


def watched(items: Iterable[_Item], progress: Progress) -> Iterator[_Item]:
    """Yield `items`, advancing `progress` after each; raise `Cancelled` once the user has stopped the work."""
    for item in items:
        check_cancelled(progress)
        yield item
        progress.advance()


def check_cancelled(progress: Progress) -> None:
    """Raise `Cancelled` if the user has stopped the work."""
    if progress.cancelled:
        raise Cancelled("stopped by the user; nothing was written")
