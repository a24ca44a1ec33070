"""The package's public names."""

import dataclasses
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

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


def test_the_version_is_that_of_the_installation() -> None:
    assert faceanime.__version__ == version("faceanime")


def test_all_names_are_listed() -> None:
    assert set(faceanime.__all__) < set(dir(faceanime))


DATACLASSES = sorted(
    (
        thing
        for name in ("structures", "morphable")
        for module in pkgutil.iter_modules(
            [str(Path(faceanime.__file__).parent / name)], f"faceanime.{name}."
        )
        for thing in vars(importlib.import_module(module.name)).values()
        if isinstance(thing, type)
        and dataclasses.is_dataclass(thing)
        and getattr(thing, "__module__", "") == module.name
    ),
    key=str,
)


@pytest.mark.parametrize("kind", DATACLASSES)
def test_no_value_that_holds_arrays_prints_them(kind: type) -> None:
    """What a dataclass prints by itself would be thousands of characters."""
    source = inspect.getsource(kind)
    if any("ndarray" in str(field.type) or "Pixels" in str(field.type) for field in dataclasses.fields(kind)):
        assert re.search(r"__repr__ = short_repr|def __repr__", source)


def test_importing_the_package_imports_nothing_else_of_it() -> None:
    code = "import sys, faceanime; print([name for name in sys.modules if name.startswith('faceanime.')])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
