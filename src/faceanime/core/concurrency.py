"""Iterators that overlap their work in threads: items prefetched, functions mapped, order kept, memory bounded."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_POLL_S = 0.1
"""Interval in s at which a thread waiting at a full queue checks whether its reader is gone; chosen by eye."""


class _End:
    """Closes a queue, with the error that ended the stream, if any."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def prefetch(items: Iterable[_Item], depth: int = 8) -> Iterator[_Item]:
    """Yield `items`, computed up to `depth` ahead in a thread of their own. Their errors are raised here.

    Closing the generator early stops the thread at its next item.
    """
    ready: queue.Queue[_Item | _End] = queue.Queue(depth)
    stopped = threading.Event()

    def put(entry: _Item | _End) -> None:
        while not stopped.is_set():
            with suppress(queue.Full):
                ready.put(entry, timeout=_POLL_S)
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
    entry: _Item | _End | None = None
    try:
        while not isinstance(entry := ready.get(), _End):
            yield entry
        if entry.error is not None:
            raise entry.error
    finally:
        stopped.set()
        thread.join()
        entry = (
            None  # breaks a reference cycle: its error's traceback holds this frame, which holds the error
        )


def map_ordered(
    function: Callable[[_Item], _Result], items: Iterable[_Item], workers: int = 2
) -> Iterator[_Result]:
    """Yield `function(item)` for each item, in order, computed by `workers` threads at once."""
    pending: deque[Future[_Result]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) > workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
