"""Progress on a terminal and on a pipe, and the signals, such as Ctrl-C, that stop work."""

from __future__ import annotations

import io
import signal
from collections.abc import Iterator

import pytest
from rich.console import Console

from faceanime.commands.terminal_progress import TerminalProgress
from faceanime.core.progress import watched

STOPS = {signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}


@pytest.fixture(autouse=True)
def signals_are_as_a_shell_leaves_them() -> Iterator[None]:
    before = {each: signal.signal(each, signal.SIG_DFL) for each in STOPS}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


def console(terminal: bool) -> tuple[Console, io.StringIO]:
    page = io.StringIO()
    return Console(file=page, force_terminal=terminal, width=100, legacy_windows=False), page


def test_a_terminal_sees_the_stage_its_count_and_its_speed() -> None:
    screen, page = console(terminal=True)
    with TerminalProgress(screen) as progress:
        progress.stage("render", 40)
        list(watched(range(40), progress))
        progress.stage("write", None)
        progress.advance(7)
    shown = page.getvalue()
    for text in ("render", "40/40", "frames/s", "write", "7/7"):
        assert text in shown


def test_a_log_gets_a_line_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faceanime.commands.terminal_progress._LINE_EVERY_S", 0.0)
    screen, page = console(terminal=False)
    with TerminalProgress(screen) as progress:
        progress.stage("training the generator", 3)
        progress.advance(2)
        progress.stage("reading", None)
        progress.advance()
    assert page.getvalue().splitlines() == ["training the generator: 2 of 3", "reading: 1 of ?"]


def test_a_pipe_gets_nothing_of_short_work() -> None:
    screen, page = console(terminal=False)
    with TerminalProgress(screen) as progress:
        progress.stage("track", 3)
        list(watched(range(3), progress))
        progress.stage("render", None)
        progress.advance()
    assert page.getvalue() == ""


@pytest.mark.parametrize("number", sorted(STOPS))
@pytest.mark.parametrize("terminal", [True, False])
def test_the_first_ctrl_c_asks_and_the_second_insists(terminal: bool, number: signal.Signals) -> None:
    with TerminalProgress(console(terminal)[0]) as progress:
        progress.stage("render", 2)
        assert not progress.cancelled
        signal.raise_signal(number)
        assert progress.cancelled
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)


@pytest.mark.parametrize("terminal", [True, False])
def test_ctrl_c_is_answered_at_once(terminal: bool) -> None:
    screen, page = console(terminal)
    with TerminalProgress(screen) as progress:
        if terminal:
            progress.stage("render", 2)
        signal.raise_signal(signal.SIGINT)
        if not terminal:  # a terminal's bars are drawn by a thread
            assert page.getvalue() == "stopping... (once more stops at once)\n"
    assert "stopping" in page.getvalue()


def test_ctrl_c_is_as_before_outside() -> None:
    with TerminalProgress(console(terminal=False)[0]):
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no hangups on this system")
def test_an_ignored_hangup_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    with TerminalProgress(console(terminal=False)[0]) as progress:
        signal.raise_signal(signal.SIGHUP)
        assert not progress.cancelled
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
