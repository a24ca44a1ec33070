"""Configurations as JSON: any frozen dataclass, written and read back strictly.

Fields may be int, float, bool, str, Path, Fraction, Literal, tuples, Optional, and dataclasses of those.
A `Fraction` is written as "30000/1001", a `Path` as a string, a tuple as a list.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

from faceanime.core.errors import ConfigError
from faceanime.core.files import atomic_output, reason_of

Config = TypeVar("Config")
Arguments = ParamSpec("Arguments")
Returned = TypeVar("Returned")

_LEAST_SIMILARITY = 0.7
"""Least ratio of matching characters (difflib's, in [0, 1]) of a name that is suggested. Chosen by eye: of options that
people got wrong, 0.6 still answers --device with --preview."""
_RATE_NAMES = {"fps", "frame_rate", "framerate", "rate"}
"""Names for frames a second, of which a function has one."""


def to_json(config: object) -> str:
    """The configuration as indented JSON, its fields in the order of their definition.

    Raises: ConfigError for a value that JSON cannot hold.
    """
    try:
        return json.dumps(_plain(config), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{type(config).__name__} cannot be written as JSON: {error}") from error


def from_json(cls: type[Config], text: str, where: str) -> Config:
    """Read a configuration of type `cls`; `where` names the text in messages. Absent fields keep their defaults.

    Raises: ConfigError for broken JSON, an unknown or missing key, or a value of the wrong type.
    """
    try:
        value = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
    except ValueError as error:
        raise ConfigError(f"{where} is not valid JSON: {error}") from error
    reader = _Reader(where)
    if not isinstance(value, dict):
        raise reader.wrong_type("", value, "an object")
    return reader.dataclass_of(cls, value, "")


def load_config(cls: type[Config], path: Path) -> Config:
    """Read a configuration of type `cls` from a JSON file. Raises: ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read the settings in {path}: {reason_of(error)}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"cannot read the settings in {path}: {error}") from error
    return from_json(cls, text, str(path))


def save_config(config: object, path: Path) -> None:
    """Write a configuration to a JSON file, completely or not at all. Raises: OutputError."""
    with atomic_output(path) as draft:
        draft.write_text(to_json(config), encoding="utf-8")


def from_options(options: Mapping[str, object], where: str, *classes: type[Any]) -> list[Any]:
    """One configuration of each class, from options of Python: each goes to the class that has a field of its name.

    Numbers may be of any type, such as NumPy's. `where` names the options in messages. Absent fields keep their
    defaults. Raises: ConfigError for an option that no class has, or a value of the wrong type.
    """
    names = {cls: [field.name for field in dataclasses.fields(cls) if field.init] for cls in classes}
    _check_names(options, [name for fields in names.values() for name in fields], where)
    reader = _Reader(where)
    return [
        reader.dataclass_of(cls, {name: options[name] for name in fields if name in options}, "")
        for cls, fields in names.items()
    ]


def checks_options(function: Callable[Arguments, Returned]) -> Callable[Arguments, Returned]:
    """Decorate a function so that it raises ConfigError, with what was meant, for an option that it does not have.

    Python's own TypeError does not say which options there are.
    """
    return checks_options_of(function.__name__)(function)


def checks_options_of(
    where: str,
) -> Callable[[Callable[Arguments, Returned]], Callable[Arguments, Returned]]:
    """As `checks_options`; messages begin with `where` instead of the function's name."""

    def decorate(function: Callable[Arguments, Returned]) -> Callable[Arguments, Returned]:
        known = [name for name in inspect.signature(function).parameters if name != "self"]

        @functools.wraps(function)
        def checked(*args: Arguments.args, **options: Arguments.kwargs) -> Returned:
            _check_names(options, known, where)
            return function(*args, **options)

        return checked

    return decorate


def _check_names(given: Iterable[str], known: Sequence[str], where: str) -> None:
    """Raise ConfigError for the first given name that is not known."""
    for name in given:
        if name not in known:
            rate = next((each for each in known if {name, each} <= _RATE_NAMES), None)
            near = nearest(name, known) if rate is None else f"; did you mean {rate}?"
            hint = near or f"; there are {', '.join(known)}"
            raise ConfigError(f"{where}: unknown option {name}{hint}")


def nearest(name: str, known: Sequence[str]) -> str:
    """`; did you mean X?` for the known name that is most similar to `name`, or an empty string."""
    found = nearest_of(name, known)
    return "" if found is None else f"; did you mean {found}?"


def nearest_of(name: str, known: Sequence[str]) -> str | None:
    """The known name that is spelled most like `name`, or the only one that has it as a word; None without any."""
    spelled = difflib.get_close_matches(name, known, n=1, cutoff=_LEAST_SIMILARITY)
    worded = [each for each in known if len(name) > 1 and name in re.split(r"[._-]", each)]
    return spelled[0] if spelled else worded[0] if len(worded) == 1 else None


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Fraction | Path) else value


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    keys = [key for key, _ in pairs]
    repeated = sorted({key for key in keys if keys.count(key) > 1})
    if repeated:
        raise ValueError(f"key {repeated[0]} occurs twice")
    return dict(pairs)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


@dataclasses.dataclass(frozen=True)
class _Reader:
    """Checks values, of JSON or of Python, against type annotations; `key` is the dotted path to a value."""

    where: str

    def wrong_type(self, key: str, value: object, expected: str) -> ConfigError:
        found = f"{json.dumps(value, ensure_ascii=False, default=str)} ({type(value).__name__})"
        place = f"{self.where}: {key}" if key else self.where
        return ConfigError(f"{place} is {found}, expected {expected}")

    def dataclass_of(self, cls: type[Config], value: Mapping[str, object], key: str) -> Config:
        assert dataclasses.is_dataclass(cls)
        fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
        prefix = f"{key}." if key else ""
        for name in value:
            if name not in fields:
                near = nearest(name, list(fields))
                raise ConfigError(f"{self.where}: unknown key {prefix}{name}{near}")
        for name, field in fields.items():
            if name not in value and field.default is field.default_factory is dataclasses.MISSING:
                raise ConfigError(f"{self.where}: key {prefix}{name} is missing")
        hints = get_type_hints(cls)
        return cls(**{name: self.value_of(hints[name], item, prefix + name) for name, item in value.items()})

    def value_of(self, hint: object, value: object, key: str) -> object:
        """`value` converted to the annotated type `hint`."""
        origin = get_origin(hint)
        if origin in (Union, UnionType):
            return self.union_of(get_args(hint), value, key)
        if origin is Literal:
            return self.literal_of(get_args(hint), value, key)
        if origin is tuple:
            return self.tuple_of(get_args(hint), value, key)
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            if not isinstance(value, dict):
                raise self.wrong_type(key, value, "an object")
            return self.dataclass_of(hint, value, key)
        return self.scalar_of(hint, value, key)

    def union_of(self, arms: tuple[object, ...], value: object, key: str) -> object:
        if value is None and NoneType in arms:
            return None
        present = [arm for arm in arms if arm is not NoneType]
        for arm in present[:-1]:
            try:
                return self.value_of(arm, value, key)
            except ConfigError:
                continue
        return self.value_of(present[-1], value, key)

    def literal_of(self, choices: tuple[object, ...], value: object, key: str) -> object:
        for choice in choices:
            if choice == value and type(choice) is type(value):
                return choice
        raise self.wrong_type(key, value, "one of " + ", ".join(json.dumps(choice) for choice in choices))

    def tuple_of(self, items: tuple[object, ...], value: object, key: str) -> object:
        if not isinstance(value, list | tuple):
            raise self.wrong_type(key, value, "a list")
        if items[-1:] == (Ellipsis,):
            items = items[:1] * len(value)
        if len(items) != len(value):
            raise self.wrong_type(key, value, f"a list of {len(items)}")
        return tuple(
            self.value_of(hint, item, f"{key}[{index}]")
            for index, (hint, item) in enumerate(zip(items, value, strict=True))
        )

    def scalar_of(self, hint: object, value: object, key: str) -> object:
        if hint is float and isinstance(value, Real) and not isinstance(value, bool):
            return float(value)
        if hint is int and isinstance(value, Integral) and not isinstance(value, bool):
            return int(value)
        if hint in (bool, str) and type(value) is hint:
            return value
        if hint is bool and type(value).__name__ == "bool_":  # NumPy's, which is not imported here
            return bool(value)
        if hint is Path and isinstance(value, str | Path):
            return Path(value)
        if hint is Fraction and isinstance(value, str | int | Fraction) and not isinstance(value, bool):
            try:
                return Fraction(value)
            except (ValueError, ZeroDivisionError):
                raise self.wrong_type(key, value, 'a fraction such as "30000/1001"') from None
        if hint not in (float, bool, int, str, Path, Fraction):
            raise TypeError(f"{key}: settings of type {hint} cannot be read from JSON")
        raise self.wrong_type(key, value, getattr(hint, "__name__", str(hint)))
