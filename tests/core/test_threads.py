"""The limit of threads holds from the first of overlapping blocks to the last, and then goes."""

from __future__ import annotations

import pytest
import torch
from threadpoolctl import threadpool_info

from faceanime.core.threads import single_threaded_math


def thread_counts() -> list[int]:
    """Those of torch and of every BLAS that is loaded."""
    blas = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
    return [torch.get_num_threads(), *blas]


@pytest.fixture(autouse=True)
def _several_threads() -> object:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_overlapping_blocks_share_one_limit() -> None:
    before = thread_counts()
    with single_threaded_math:
        single_threaded_math.__enter__()
        assert set(thread_counts()) == {1}
    assert set(thread_counts()) == {1}, "the second block still runs"
    single_threaded_math.__exit__(None, None, None)
    assert thread_counts() == before


def test_an_error_in_the_block_ends_the_limit() -> None:
    before = thread_counts()
    with pytest.raises(ZeroDivisionError), single_threaded_math:
        _ = 1 / 0
    assert thread_counts() == before
