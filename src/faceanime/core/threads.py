"""Thread limits of numerical libraries, which are settings of the whole process."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from functools import partial

from threadpoolctl import threadpool_limits


class _SingleThreadedMath:
    """Gives BLAS and torch one thread each while several threads compute at once: more would get in each other's way.

    The limits are the whole process's. Where uses overlap, the last one to end lifts them.
    """

    def __init__(self) -> None:
        self._lock, self._users = threading.Lock(), 0
        self._restore: list[Callable[[], object]] = []

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._restore = [threadpool_limits(1, user_api="blas").restore_original_limits]
                torch = sys.modules.get("torch")  # the geometric renderer does without
                if torch is not None:
                    self._restore.append(partial(torch.set_num_threads, torch.get_num_threads()))
                    torch.set_num_threads(1)
            self._users += 1  # last: a Ctrl-C above must not leave a user without limits behind

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                for restore in self._restore:
                    restore()


single_threaded_math = _SingleThreadedMath()
"""`with single_threaded_math:` around code that computes in threads of its own or in many small steps."""
