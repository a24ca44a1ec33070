"""Streams that overlap: work ahead in threads, results in order, memory bounded."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class _End:
    """Closes a queue, with the error that ended the stream, if any."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def ahead(items: Iterable[Item], depth: int = 8) -> Iterator[Item]:
    """Yield `items`, made up to `depth` ahead by a thread of their own. Their errors appear here.

    Closing the generator early stops the thread at its next item.
    """
    line: queue.Queue[Item | _End] = queue.Queue(depth)
    stopped = threading.Event()

    def put(entry: Item | _End) -> None:
        while not stopped.is_set():
            with suppress(queue.Full):
                line.put(entry, timeout=0.1)
                return

    def work() -> None:
        try:
            for item in items:
                put(item)
                if stopped.is_set():
                    break
        except BaseException as error:  # noqa: BLE001 - handed over, not swallowed
            put(_End(error))
        else:
            put(_End())
        finally:
            if isinstance(items, Generator):
                items.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    entry: Item | _End | None = None
    try:
        while not isinstance(entry := line.get(), _End):
            yield entry
        if entry.error is not None:
            raise entry.error
    finally:
        stopped.set()
        thread.join()
        entry = None  # its error knows this frame: together they would keep alive what the thread has read


def in_order(function: Callable[[Item], Result], items: Iterable[Item], workers: int = 2) -> Iterator[Result]:
    """Yield `function(item)` for each item, in order, several at once."""
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
