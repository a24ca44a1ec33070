"""The package's public names."""

import subprocess
import sys

import pytest

import faceanime


@pytest.mark.parametrize("name", faceanime.__all__)
def test_a_public_name_can_be_imported(name: str) -> None:
    public = getattr(faceanime, name)
    assert public.__name__ == name
    assert public.__module__.startswith("faceanime.")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Animatr'"):
        _ = faceanime.Animatr


def test_importing_the_package_imports_nothing_else_of_it() -> None:
    code = "import sys, faceanime; print([name for name in sys.modules if name.startswith('faceanime.')])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
