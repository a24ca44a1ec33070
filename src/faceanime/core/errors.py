"""Everything that can go wrong for a user, as one family of exceptions.

Each message is one line: what was wrong, where, what was found against what was expected, what to do.
The command line prints that line and exits with status 2; anything else is a bug and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable


class FaceAnimeError(Exception):
    """The root of all errors that a user can cause or mend."""


class MediaError(FaceAnimeError):
    """A picture, video or sound cannot be read."""


class OutputError(FaceAnimeError):
    """A file cannot be written where it should go."""


class NoFaceError(FaceAnimeError):
    """No usable face where one is needed."""


class MorphableModelError(FaceAnimeError):
    """A morphable model, or data that belongs to another one, does not fit."""


class WeightsError(FaceAnimeError):
    """A weights file is missing, damaged or of another kind."""


class ConfigError(FaceAnimeError):
    """A setting is unknown or out of its range."""


class ShapeError(FaceAnimeError):
    """An array has the wrong shape or holds values that are not finite."""


class Cancelled(FaceAnimeError):
    """The user stopped the work."""


@runtime_checkable
class HasShape(Protocol):
    """An array or a tensor."""

    @property
    def shape(self) -> Sequence[int]: ...


def check_shape(name: str, array: HasShape, *expected: int | None | str) -> None:
    """Raise `ShapeError` unless `array.shape` ends in `expected`.

    `None` matches any length; a leading `"*"` allows any batch dimensions before the rest.

    >>> import numpy as np
    >>> check_shape("points", np.zeros((5, 478, 3)), "*", None, 3)
    """
    shape = tuple(array.shape)
    batched = bool(expected) and expected[0] == "*"
    tail = expected[1:] if batched else expected
    rank_ok = len(shape) >= len(tail) if batched else len(shape) == len(tail)
    actual = shape[len(shape) - len(tail) :] if rank_ok else ()
    if not rank_ok or any(e is not None and e != a for e, a in zip(tail, actual, strict=True)):
        wanted = ", ".join("any" if e is None else str(e) for e in expected)
        raise ShapeError(f"{name} has shape {shape}, expected ({wanted})")
