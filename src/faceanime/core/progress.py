"""How long work reports itself and is stopped: one seam for terminal, web page and tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar, runtime_checkable

from faceanime.core.errors import Cancelled

Item = TypeVar("Item")


@runtime_checkable
class Progress(Protocol):
    """What a long task needs of whoever watches it."""

    def stage(self, name: str, total: int | None) -> None:
        """Begin a stage of `total` steps (`None` when unknown); the one before it is over."""

    def advance(self, steps: int = 1) -> None:
        """Say that `steps` more steps of this stage are done."""

    @property
    def cancelled(self) -> bool:
        """Whether the user wants the work to stop."""


class SilentProgress:
    """Watches nothing; `cancel` stops the work at its next step."""

    def __init__(self) -> None:
        self._cancelled = False

    def stage(self, name: str, total: int | None) -> None:
        pass

    def advance(self, steps: int = 1) -> None:
        pass

    def cancel(self) -> None:
        self._cancelled = True

    @property
    def cancelled(self) -> bool:
        return self._cancelled


class CallbackProgress(SilentProgress):
    """Hands (stage, fraction done or None, seconds left or None) to a function: for pages and notebooks."""

    def __init__(self, report: Callable[[str, float | None, float | None], None]) -> None:
        super().__init__()
        self._report = report
        self._name, self._total, self._done, self._started_s = "", None, 0, 0.0  # type: tuple[str, int | None, int, float]

    def stage(self, name: str, total: int | None) -> None:
        self._name, self._total, self._done = name, total, 0
        self._started_s = time.monotonic()
        self._report(name, 0.0 if total else None, None)

    def advance(self, steps: int = 1) -> None:
        self._done += steps
        if not self._total:
            self._report(self._name, None, None)
            return
        fraction = min(self._done / self._total, 1.0)
        elapsed_s = time.monotonic() - self._started_s
        self._report(self._name, fraction, elapsed_s * (1.0 - fraction) / max(fraction, 1e-9))


def watched(items: Iterable[Item], progress: Progress) -> Iterator[Item]:
    """Yield `items`, advancing `progress` after each; raise `Cancelled` when the user stopped."""
    for item in items:
        if progress.cancelled:
            raise Cancelled("stopped by the user; nothing was written")
        yield item
        progress.advance()
