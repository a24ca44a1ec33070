"""The names that the package offers are there."""

import pytest

import faceanime


@pytest.mark.parametrize("name", faceanime.__all__)
def test_public_names_load(name: str) -> None:
    assert getattr(faceanime, name).__module__.startswith("faceanime.")
