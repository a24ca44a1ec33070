"""Coefficients stay as they are: what is read from pictures, carried over, changed, smoothed and imagined."""

import pytest
from comparison import Golden
from series import SERIES
from studio import Studio


@pytest.mark.parametrize("name", SERIES)
def test_numbers(name: str, studio: Studio, golden: Golden) -> None:
    compute, tolerance = SERIES[name]
    golden.numbers(f"numbers/{name}", compute(studio), tolerance)


def test_no_numbers_are_stored_that_nobody_computes(golden: Golden) -> None:
    assert {path.stem for path in golden.folder.glob("numbers/*.npz")} == set(SERIES)
