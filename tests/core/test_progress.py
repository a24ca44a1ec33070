"""Work reports its progress and stops when it is cancelled."""

from __future__ import annotations

import pytest

from faceanime.core.errors import Cancelled
from faceanime.core.progress import CallbackProgress, Progress, SilentProgress, watched

Report = tuple[str, float | None, float | None]


def test_watched_yields_everything_and_counts_it() -> None:
    reports: list[Report] = []
    progress = CallbackProgress(lambda *report: reports.append(report))
    progress.stage("render", 4)
    assert list(watched("abcd", progress)) == list("abcd")
    assert [fraction for _, fraction, _ in reports] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert {name for name, _, _ in reports} == {"render"}


def test_a_step_counts_when_it_is_done_not_when_it_begins() -> None:
    reports: list[Report] = []
    progress = CallbackProgress(lambda *report: reports.append(report))
    progress.stage("render", 2)
    steps = watched("ab", progress)
    next(steps)
    assert len(reports) == 1
    next(steps)
    assert len(reports) == 2


def test_cancelled_work_stops_at_its_next_step() -> None:
    progress = SilentProgress()
    done = []

    def work() -> None:
        for number in watched(range(10), progress):
            done.append(number)
            if number == 3:
                progress.cancel()

    with pytest.raises(Cancelled, match="stopped by the user"):
        work()
    assert done == [0, 1, 2, 3]


def test_cancelled_work_does_not_begin() -> None:
    progress = SilentProgress()
    progress.cancel()
    with pytest.raises(Cancelled):
        next(watched(range(10), progress))


def test_the_time_left_shrinks_to_nothing() -> None:
    reports: list[Report] = []
    progress = CallbackProgress(lambda *report: reports.append(report))
    progress.stage("render", 10)
    progress.advance(5)
    progress.advance(5)
    left = [seconds for _, _, seconds in reports]
    assert left[0] is None  # before the first step nobody knows
    assert left[1] is not None
    assert left[1] >= 0.0
    assert left[2] == 0.0


def test_more_steps_than_announced_are_still_all() -> None:
    reports: list[Report] = []
    progress = CallbackProgress(lambda *report: reports.append(report))
    progress.stage("track", 2)
    progress.advance(5)
    assert reports[-1][1:] == (1.0, 0.0)


def test_without_a_total_there_is_no_fraction() -> None:
    reports: list[Report] = []
    progress = CallbackProgress(lambda *report: reports.append(report))
    progress.stage("track", None)
    progress.advance()
    assert reports == [("track", None, None)] * 2


def test_each_stage_starts_afresh() -> None:
    reports: list[Report] = []
    progress = CallbackProgress(lambda *report: reports.append(report))
    progress.stage("track", 2)
    progress.advance(2)
    progress.stage("render", 2)
    assert reports[-1] == ("render", 0.0, None)


def test_both_are_what_long_tasks_need() -> None:
    assert isinstance(SilentProgress(), Progress)
    assert isinstance(CallbackProgress(lambda *_: None), Progress)
