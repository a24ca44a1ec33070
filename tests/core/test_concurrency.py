"""Laws of streams: they keep their order, raise errors in their place, run ahead no further than allowed, and end with
their reader."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator

import pytest

from faceanime.core.concurrency import map_ordered, prefetch


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
def test_prefetch_yields_everything_in_order(depth: int, count: int) -> None:
    assert list(prefetch(range(count), depth)) == list(range(count))


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_prefetch_raises_an_error_in_its_place(error: type[BaseException]) -> None:
    def broken() -> Iterator[int]:
        yield from range(3)
        raise error("at the fourth")

    stream = prefetch(broken())
    assert [next(stream) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(error, match="at the fourth"):
        next(stream)


def test_prefetch_works_in_a_thread_of_its_own_that_ends_with_the_stream() -> None:
    before = threads()
    makers: set[threading.Thread] = set()

    def watched() -> Iterator[int]:
        for number in range(3):
            makers.add(threading.current_thread())
            yield number

    list(prefetch(watched()))
    assert len(makers) == 1
    assert not makers & before
    assert not makers & threads()


def test_prefetch_runs_no_further_ahead_than_its_depth() -> None:
    made: list[int] = []
    stream = prefetch(counted(100, made), depth=4)
    for taken in range(1, 6):
        next(stream)
        time.sleep(0.05)  # time enough to run too far
        assert len(made) <= taken + 4 + 1  # one more waits at the full queue
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

    stream = prefetch(endless(), depth=2)
    next(stream)
    stream.close()
    assert closed.is_set()
    assert threads() == before


def test_a_stream_that_is_never_read_starts_nothing() -> None:
    before, made = threads(), list[int]()
    prefetch(counted(5, made)).close()
    assert made == []
    assert threads() == before


def test_streams_do_not_keep_what_was_read() -> None:
    alive: weakref.WeakSet[Item] = weakref.WeakSet()
    most = 0

    def items() -> Iterator[Item]:
        for _ in range(200):
            alive.add(item := Item())
            yield item

    for _ in map_ordered(lambda item: item, prefetch(items(), depth=4), workers=2):
        gc.collect(0)
        most = max(most, len(alive))
    assert most <= 16  # of 200: in the queue, in the workers, and the one being looked at


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("count", [0, 1, 9])
def test_results_come_in_order_however_long_each_takes(workers: int, count: int) -> None:
    def slow_first(number: int) -> int:
        time.sleep(0.02 if number % 3 == 0 else 0.0)
        return number * number

    assert list(map_ordered(slow_first, range(count), workers)) == [n * n for n in range(count)]


def test_two_workers_work_at_once() -> None:
    meeting = threading.Barrier(2, timeout=10)
    assert len(list(map_ordered(lambda _: meeting.wait(), range(4), workers=2))) == 4


def test_a_worker_s_error_appears_in_its_place() -> None:
    stream = map_ordered(lambda number: 12 // (3 - number), range(9))
    assert [next(stream) for _ in range(3)] == [4, 6, 12]
    with pytest.raises(ZeroDivisionError):
        next(stream)


def test_workers_are_no_further_ahead_than_their_number() -> None:
    made: list[int] = []
    stream = map_ordered(lambda number: number, counted(100, made), workers=3)
    for taken in range(1, 6):
        next(stream)
        assert len(made) <= taken + 3
    stream.close()


def test_workers_end_with_their_reader() -> None:
    before = threads()
    stream = map_ordered(lambda number: number, range(100), workers=3)
    next(stream)
    stream.close()
    assert threads() == before


INTERRUPTED = """
import _thread, signal, threading, time
from faceanime.core.concurrency import prefetch

def slow():
    time.sleep(1.0)
    yield 1

signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background ignore it
threading.Timer(0.2, _thread.interrupt_main).start()
next(prefetch(slow()))
"""


def test_an_interrupt_before_the_first_item_is_raised() -> None:
    """In a process of its own: test runners keep interrupts to themselves."""
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stderr.strip().splitlines()[-1] == "KeyboardInterrupt"
