"""Errors that a user can cause or correct, as one family of exceptions.

An error carries data: the problem in one line (what is wrong, where, what was found against what was expected) and
its remedies. A remedy is plain words, or a setting to change: a user interface gives that the name by which its users
know it, an option or a control. The command line prints one line and exits with status 2. Any other exception is a
bug and keeps its traceback.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

_LONGEST_LINE = 200
"""Characters kept of another library's message; chosen by eye."""

SettingName: TypeAlias = Callable[[str], str | None]
"""Maps a setting's dotted name to what a user interface calls it; None for a setting that it does not offer."""


@dataclass(frozen=True)
class Remedy:
    """A setting whose change may help: its dotted name, such as "detect.threshold", and how to change it.

    `{}` in `change` stands for the setting, as in "a lower {}".
    """

    setting: str
    change: str = "{}"

    def text(self, name: SettingName) -> str | None:
        """The remedy with its setting named; None when the setting has no name."""
        named = name(self.setting)
        return None if named is None else self.change.format(named)


class FaceAnimeError(Exception):
    """The root of all errors that a user can cause or correct: a problem, and what may help against it."""

    def __init__(self, problem: str = "", *remedies: str | Remedy) -> None:
        # Exception.args keeps what the subclass's constructor was given, which is what unpickling needs.
        self.problem, self.remedies = problem, remedies

    def __str__(self) -> str:
        return self.message(lambda setting: setting)

    def message(self, name: SettingName) -> str:
        """The problem and its remedies in one line, without remedies whose setting `name` does not know."""
        texts = [each if isinstance(each, str) else each.text(name) for each in self.remedies]
        helpful = " or ".join(text for text in texts if text is not None)
        return f"{self.problem}; try {helpful}" if helpful else self.problem


class MediaError(FaceAnimeError):
    """A picture, video or sound cannot be read."""


class OutputError(FaceAnimeError):
    """A file cannot be written where it should go."""


class NoFaceError(FaceAnimeError):
    """No usable face in `where`, which names a picture, a video or a set of them.

    `best_score` is that of the best candidate and `threshold` the least score asked for, both in [0, 1]; None if
    unknown.
    """

    def __init__(
        self,
        where: str,
        best_score: float | None = None,
        threshold: float | None = None,
        remedies: Sequence[str | Remedy] = (),
    ) -> None:
        scores = "" if best_score is None else f" (best score {best_score:.2f}, need {threshold:.2f})"
        super().__init__(f"no face in {where}{scores}", *remedies)
        self.where, self.best_score, self.threshold = where, best_score, threshold


class NoSuchFaceError(NoFaceError):
    """`where` shows `count` faces, at least one, and face `index` is not among them; `setting` chooses the face."""

    def __init__(self, where: str, index: int, count: int, setting: str) -> None:
        super().__init__(where)
        self.index, self.count = index, count
        plural = "" if count == 1 else "s"
        self.problem = f"no face {index} in {where} ({count} face{plural} found, counted from 0 by size)"
        self.remedies = (Remedy(setting, f"{{}} {count - 1}"), Remedy(setting, "{} largest"))


class UnfitFaceError(FaceAnimeError):
    """The face in `where`, which names a picture, is unlike any person's, such as a cartoon's."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(
            f"the face in {where} is not one that the face model fits: {reason}",
            Remedy("force", "{} to animate it all the same"),
        )
        self.where = where
        self.args = (where, reason)


class MorphableModelError(FaceAnimeError):
    """A morphable model is invalid, or does not fit data made with another one."""


class WeightsError(FaceAnimeError):
    """A weights file is missing, damaged or of another kind."""


class ConfigError(FaceAnimeError):
    """A setting is unknown or out of its range."""


class RangeError(ConfigError):
    """The setting with the dotted name `setting` has a `value` that is not one of those `expected`."""

    def __init__(self, setting: str, value: object, expected: str) -> None:
        super().__init__(f"{setting} is {value}, expected {expected}")
        self.setting, self.value, self.expected = setting, value, expected

    def message(self, name: SettingName) -> str:
        return f"{name(self.setting) or self.setting} is {self.value}, expected {self.expected}"


class ShapeError(FaceAnimeError):
    """An array has the wrong shape or holds values that are not finite."""


class Cancelled(FaceAnimeError):
    """The user stopped the work."""


def one_line(error: Exception) -> str:
    """Another library's message as one short line; the error's type where it has no message."""
    return " ".join(str(error).split())[:_LONGEST_LINE] or type(error).__name__


def check_range(
    settings: object,
    group: str,
    *names: str,
    least: int | float = -math.inf,
    above: int | float = -math.inf,
    most: int | float = math.inf,
    below: int | float = math.inf,
) -> None:
    """Raise `RangeError` unless each named attribute of `settings` is finite and within the bounds.

    `least` and `most` are allowed themselves, `above` and `below` are not. `group` stands before a setting's name and a
    dot; it is empty for a setting without a group.
    """
    for name in names:
        value = getattr(settings, name)
        if not (least <= value <= most and above < value < below):
            raise RangeError(f"{group}.{name}" if group else name, value, _bounds(least, above, most, below))


def _bounds(least: int | float, above: int | float, most: int | float, below: int | float) -> str:
    if least > -math.inf and most < math.inf:
        return f"{least:g} to {most:g}"
    lower = f"{least:g} or more" if least > -math.inf else f"above {above:g}"
    upper = (
        f" and at most {most:g}"
        if most < math.inf
        else f" and less than {below:g}"
        if below < math.inf
        else ""
    )
    return lower + upper


@runtime_checkable
class HasShape(Protocol):
    """An array or a tensor."""

    @property
    def shape(self) -> Sequence[int]:
        """The lengths of its axes."""


def check_shape(name: str, array: HasShape, *expected: int | None | str) -> None:
    """Raise `ShapeError` unless `array` is an array whose shape ends in `expected`.

    `None` matches any length; a leading `"*"` allows any batch dimensions before the rest.

    >>> import numpy as np
    >>> check_shape("points", np.zeros((5, 20, 3)), "*", None, 3)
    """
    if not isinstance(getattr(array, "shape", None), tuple):
        raise ShapeError(f"{name} is of type {type(array).__name__}, expected an array")
    shape = tuple(array.shape)
    batched = bool(expected) and expected[0] == "*"
    tail = expected[1:] if batched else expected
    rank_ok = len(shape) >= len(tail) if batched else len(shape) == len(tail)
    actual = shape[len(shape) - len(tail) :] if rank_ok else ()
    if not rank_ok or any(e is not None and e != a for e, a in zip(tail, actual, strict=True)):
        wanted = ", ".join("any" if e is None else str(e) for e in expected)
        raise ShapeError(f"{name} has shape {shape}, expected ({wanted})")
