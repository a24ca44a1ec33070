"""Streams keep their order, hand errors over, look ahead no further than allowed, and end with their reader."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator

import pytest

from faceanime.core.concurrency import ahead, in_order


class Item:
    """Something whose life can be watched."""


def counted(limit: int, made: list[int]) -> Iterator[int]:
    for number in range(limit):
        made.append(number)
        yield number


def threads() -> set[threading.Thread]:
    return set(threading.enumerate())


@pytest.mark.parametrize("depth", [1, 3, 50])
@pytest.mark.parametrize("count", [0, 1, 20])
def test_ahead_yields_everything_in_order(depth: int, count: int) -> None:
    assert list(ahead(range(count), depth)) == list(range(count))


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_ahead_hands_an_error_over_in_its_place(error: type[BaseException]) -> None:
    def broken() -> Iterator[int]:
        yield from range(3)
        raise error("at the fourth")

    stream = ahead(broken())
    assert [next(stream) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(error, match="at the fourth"):
        next(stream)


def test_ahead_works_in_a_thread_of_its_own_that_ends_with_the_stream() -> None:
    before = threads()
    makers: set[threading.Thread] = set()

    def watched() -> Iterator[int]:
        for number in range(3):
            makers.add(threading.current_thread())
            yield number

    list(ahead(watched()))
    assert len(makers) == 1
    assert not makers & before
    assert not makers & threads()


def test_ahead_looks_no_further_than_its_depth() -> None:
    made: list[int] = []
    stream = ahead(counted(100, made), depth=4)
    for taken in range(1, 6):
        next(stream)
        time.sleep(0.05)  # time enough to run too far
        assert len(made) <= taken + 4 + 1  # one more waits to enter the line
    stream.close()


def test_a_reader_that_leaves_stops_the_thread_and_closes_the_source() -> None:
    before = threads()
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.set()

    stream = ahead(endless(), depth=2)
    next(stream)
    stream.close()
    assert closed.is_set()
    assert threads() == before


def test_a_stream_nobody_reads_starts_nothing() -> None:
    before, made = threads(), list[int]()
    ahead(counted(5, made)).close()
    assert made == []
    assert threads() == before


def test_streams_do_not_keep_what_was_read() -> None:
    alive: weakref.WeakSet[Item] = weakref.WeakSet()
    most = 0

    def items() -> Iterator[Item]:
        for _ in range(200):
            alive.add(item := Item())
            yield item

    for _ in in_order(lambda item: item, ahead(items(), depth=4), workers=2):
        gc.collect(0)
        most = max(most, len(alive))
    assert most <= 16  # of 200: the line, the workers, and what is in hand


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("count", [0, 1, 9])
def test_results_come_in_order_however_long_each_takes(workers: int, count: int) -> None:
    def slow_first(number: int) -> int:
        time.sleep(0.02 if number % 3 == 0 else 0.0)
        return number * number

    assert list(in_order(slow_first, range(count), workers)) == [n * n for n in range(count)]


def test_two_workers_work_at_once() -> None:
    meeting = threading.Barrier(2, timeout=10)
    assert len(list(in_order(lambda _: meeting.wait(), range(4), workers=2))) == 4


def test_a_worker_s_error_appears_in_its_place() -> None:
    stream = in_order(lambda number: 12 // (3 - number), range(9))
    assert [next(stream) for _ in range(3)] == [4, 6, 12]
    with pytest.raises(ZeroDivisionError):
        next(stream)


def test_workers_are_no_further_ahead_than_they_are_many() -> None:
    made: list[int] = []
    stream = in_order(lambda number: number, counted(100, made), workers=3)
    for taken in range(1, 6):
        next(stream)
        assert len(made) <= taken + 3
    stream.close()


def test_workers_end_with_their_reader() -> None:
    before = threads()
    stream = in_order(lambda number: number, range(100), workers=3)
    next(stream)
    stream.close()
    assert threads() == before


INTERRUPTED = """
import _thread, signal, threading, time
from faceanime.core.concurrency import ahead

def slow():
    time.sleep(1.0)
    yield 1

signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background ignore it
threading.Timer(0.2, _thread.interrupt_main).start()
next(ahead(slow()))
"""


def test_who_is_interrupted_before_the_first_item_is_told_so() -> None:
    """In a process of its own: test runners keep interrupts to themselves."""
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stderr.strip().splitlines()[-1] == "KeyboardInterrupt"
