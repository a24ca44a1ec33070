"""Progress as a person at a terminal sees it, and Ctrl-C (or SIGTERM, SIGHUP) as the way to stop."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from io import UnsupportedOperation
from types import FrameType, TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

_LINE_EVERY_S = 60.0
"""Seconds between two lines of progress where no terminal shows a bar; chosen by eye."""


class _RateColumn(ProgressColumn):
    """Steps a second: of the whole stage once it is over, of late while it runs."""

    def render(self, task: Task) -> Text:
        rate = task.finished_speed or task.speed
        return Text("" if rate is None else f"{rate:.1f} frames/s", style="progress.data.speed")


class TerminalProgress:
    """A `Progress` on stderr: a bar a stage with frames/s and time left; in a pipe or a log, a line a minute.

    Use it in a `with` block. There the first Ctrl-C is answered by a line and sets `cancelled`, for the work to stop at
    its next step;
    a second one raises KeyboardInterrupt at once. So do SIGTERM and, unless it is ignored (nohup), SIGHUP.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _RateColumn(),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._stage: TaskID | None = None
        self._name, self._total, self._done, self._printed_s = "", "?", 0, time.monotonic()
        self._cancelled = False
        self._handlers_before: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> TerminalProgress:
        if threading.current_thread() is threading.main_thread():  # the only one that may set handlers
            self._handlers_before = {each: signal.signal(each, self._stop) for each in _stop_signals()}
        if self._console.is_terminal:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            if error is None:
                self._finish_stage()
            self._bars.stop()
        for each, before in self._handlers_before.items():
            signal.signal(each, before)

    def stage(self, name: str, total: int | None) -> None:
        """Show a new bar; without a terminal, remember the stage for the next line."""
        if not self._console.is_terminal:
            self._name, self._total, self._done = name, "?" if total is None else str(total), 0
            return
        self._finish_stage()
        self._stage = self._bars.add_task(name, total=total)

    def advance(self, steps: int = 1) -> None:
        """Move the bar; without a terminal, print a line now and then."""
        if self._stage is not None:
            self._bars.advance(self._stage, steps)
            return
        self._done += steps
        if time.monotonic() - self._printed_s > _LINE_EVERY_S:
            self._console.print(
                f"{self._name}: {self._done} of {self._total}", soft_wrap=True, highlight=False, markup=False
            )
            self._printed_s = time.monotonic()

    @property
    def cancelled(self) -> bool:
        """Whether a signal to stop was received."""
        return self._cancelled

    def _finish_stage(self) -> None:
        if self._stage is not None:
            done = self._bars.tasks[self._stage].completed
            self._bars.update(self._stage, total=done)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self._cancelled:
            raise KeyboardInterrupt
        self._cancelled = True
        if self._stage is not None:  # drawn by the bars' own thread: a handler must not write
            self._bars.update(self._stage, description="stopping; Ctrl-C again stops at once")
        else:
            _write_at_once(self._console, "stopping... (once more stops at once)\n")


def _write_at_once(console: Console, line: str) -> None:
    """Write past the file's buffer, in which a signal handler may have interrupted other writing."""
    with suppress(OSError):
        try:
            os.write(console.file.fileno(), line.encode())
        except UnsupportedOperation:  # a file in memory
            console.file.write(line)


def _stop_signals() -> list[signal.Signals]:
    found = [signal.SIGINT, signal.SIGTERM]
    hangup: signal.Signals | None = getattr(signal, "SIGHUP", None)  # not on Windows
    if hangup is not None and signal.getsignal(hangup) != signal.SIG_IGN:
        found.append(hangup)
    return found
