"""A `repr` that fits on a line for dataclasses that hold arrays."""

from __future__ import annotations

import dataclasses

_LONGEST_TUPLE = 4
"""Items of the longest tuple whose items are shown; chosen by eye."""


def short_repr(value: object) -> str:
    """A dataclass with its fields, of arrays the type and shape alone; to be used as `__repr__ = short_repr`.

    >>> import numpy as np
    >>> @dataclasses.dataclass(eq=False)
    ... class Points:
    ...     place: object
    ...     score: float
    ...     __repr__ = short_repr
    >>> Points(np.zeros((478, 3), np.float32), 0.5)
    Points(place=float32(478, 3), score=0.5)
    """
    assert dataclasses.is_dataclass(value)
    fields = (f"{field.name}={_short(getattr(value, field.name))}" for field in dataclasses.fields(value))
    return f"{type(value).__name__}({', '.join(fields)})"


def _short(value: object) -> str:
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is not None and dtype is not None:
        return f"{dtype}({', '.join(map(str, shape))})"
    if isinstance(value, tuple) and len(value) > _LONGEST_TUPLE:
        return f"<{len(value)} items>"
    return repr(value)
