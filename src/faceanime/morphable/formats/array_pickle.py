"""Arrays out of a Python pickle, without running any of its code.

A pickle is a program that may call anything. Here it may name a dozen classes of NumPy, SciPy and chumpy, and gets for
each a stand-in of ours that only notes what it is given; nothing of those libraries is called. Arrays are made
afterward from the noted bytes, if they are as many as the noted shape needs. FLAME's files hold arrays of chumpy and
sparse matrices, 3DDFA's hold plain arrays.

Source: docs.python.org, "pickle", "Restricting Globals"; PEP 307; numpy.org, "ndarray.__reduce__".
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from faceanime.core.errors import MediaError, ShapeError, one_line
from faceanime.core.files import open_input
from faceanime.morphable.formats.raw_model import broken

LARGEST_PICKLE = 1 << 30
"""Size of the largest pickle that is read, bytes; that of FLAME has 150 million."""
_NUMBERS = re.compile(r"[<>|=]?[biuf][1248]")
"""Names of the types of numbers that are read."""
_BOUND_OPCODES = {
    "PERSID",
    "BINPERSID",
    "EXT1",
    "EXT2",
    "EXT4",
    "NEXT_BUFFER",
    "READONLY_BUFFER",
    "INST",
    "OBJ",
}
"""Operations that reach beyond the file, or call what they name by another way; no model file has them."""


class _Noted:
    """A stand-in for an object: the arguments it was made with, and its state."""

    args: tuple[object, ...] = ()
    state: Any = None

    def __init__(self, *args: object) -> None:
        self.args = args

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Array(_Noted):
    """An array: its state is (version, shape, type, is column-major, bytes)."""


class _Type(_Noted):
    """A type of numbers: made from its name; its state holds the byte order."""


class _Sparse(_Noted):
    """A matrix of compressed columns."""


class _Chumpy(_Noted):
    """An array of chumpy: its state holds the numbers as `x`."""


class _Name(_Noted):
    """A class that is only named, as an argument."""


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Bytes as protocol 2 of Python 3 writes them."""
    return text.encode("latin1") if encoding == "latin1" else b""


def _scalar(kind: object, content: object) -> _Array:
    """A number of NumPy's, as an array without axes."""
    number = _Array()
    number.state = (1, (), kind, False, content)
    return number


def _reconstructor(kind: type, *_: object) -> object:
    """An object of protocol 2 or less whose class is one of ours."""
    return kind() if isinstance(kind, type) and issubclass(kind, _Noted) else _Noted()


_KNOWN: dict[tuple[str, str], Callable[..., object]] = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Array for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    ("numpy", "ndarray"): _Name,
    ("numpy", "dtype"): _Type,
    ("chumpy.ch", "Ch"): _Chumpy,
    ("scipy.sparse.csc", "csc_matrix"): _Sparse,
    ("scipy.sparse._csc", "csc_matrix"): _Sparse,
    ("_codecs", "encode"): _encode,
    **{(module, "_reconstructor"): _reconstructor for module in ("copy_reg", "copyreg")},
    **{(module, "object"): _Name for module in ("__builtin__", "builtins")},
}
"""All names that a pickle may use, and what it gets for them."""


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(
                f"it asks for {module}.{name}, which is not opened since it may run code"
            )
        return _KNOWN[module, name]


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a pickled dictionary by their names, also those in dense and sparse wrappers; all else is left out.

    Raises MorphableModelError for a file that is no such pickle, is damaged, or asks for anything else.
    """
    content = _content(path)
    try:
        _check_operations(content)
        found = _Reader(io.BytesIO(content), encoding="latin1").load()
        if isinstance(found, dict):
            named = {
                str(key): _array_of(value) for key, value in found.items() if isinstance(key, str | bytes)
            }
            return {key: value for key, value in named.items() if value is not None}
        only = _array_of(found)
    except (
        pickle.UnpicklingError, ShapeError, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError,
        MemoryError, OverflowError, RecursionError, UnicodeError, ImportError,
    ) as error:  # fmt: skip
        raise broken(path, f"it is no pickle of arrays: {one_line(error)}") from error
    if only is None:
        raise broken(path, f"it holds a {type(found).__name__}, expected a dictionary of arrays")
    return {"": only}


def _content(path: Path) -> bytes:
    try:
        with open_input(path) as file:
            content = file.read(LARGEST_PICKLE + 1)
    except MediaError as error:
        raise broken(path, error.problem) from error
    if len(content) > LARGEST_PICKLE:
        raise broken(path, f"it is larger than {LARGEST_PICKLE >> 20} MiB")
    return content


def _check_operations(content: bytes) -> None:
    """Raise UnpicklingError for operations that no model file has, or that would claim memory without any content."""
    for operation, argument, at in pickletools.genops(content):
        if operation.name in _BOUND_OPCODES:
            raise pickle.UnpicklingError(f"it has the operation {operation.name} at byte {at}")
        if operation.name in ("PUT", "BINPUT", "LONG_BINPUT") and not 0 <= int(argument or 0) <= len(content):
            raise pickle.UnpicklingError(f"it numbers an object {argument} at byte {at}")


def _array_of(value: object) -> np.ndarray | None:
    """The array that a value of a pickle stands for; None for anything else."""
    if isinstance(value, _Chumpy) and isinstance(value.state, dict):
        return _array_of(value.state.get("x"))
    if isinstance(value, _Sparse) and isinstance(value.state, dict):
        return _dense(value.state)
    if isinstance(value, _Array) and value.state is not None:
        return _plain(value.state)
    return None


def _plain(state: object) -> np.ndarray:
    if not (isinstance(state, tuple) and len(state) == 5):
        raise ShapeError("an array has no shape, type and content")
    _, shape, kind, is_column_major, content = state
    if isinstance(content, str):
        content = content.encode("latin1")  # of Python 2
    name = _type_of(kind)
    if not (isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape)) or not isinstance(
        content, bytes
    ):
        raise ShapeError(f"an array has the shape {shape!r:.60}")
    if math.prod(shape) * np.dtype(name).itemsize != len(content):
        raise ShapeError(f"an array of shape {shape} has {len(content)} bytes")
    return np.frombuffer(content, name).reshape(shape, order="F" if is_column_major else "C")


def _type_of(kind: object) -> str:
    """The name of a noted type of numbers. Raises ShapeError for types of anything else, such as objects."""
    if not isinstance(kind, _Type) or not kind.args:
        raise ShapeError("an array is not of numbers")
    order = kind.state[1] if isinstance(kind.state, tuple) and len(kind.state) > 1 else "<"
    name = str(kind.args[0])
    name = name if name[:1] in "<>|=" else f"{order}{name}"
    if not _NUMBERS.fullmatch(name):
        raise ShapeError(f"an array is of type {name[:20]!r}, expected numbers")
    return name


def _dense(state: dict[str, object]) -> np.ndarray:
    """A matrix from its compressed columns."""
    data, row, start = (_array_of(state.get(name)) for name in ("data", "indices", "indptr"))
    shape = state.get("_shape", state.get("shape"))
    if data is None or row is None or start is None or not (isinstance(shape, tuple) and len(shape) == 2):
        raise ShapeError("a sparse matrix lacks its numbers")
    rows, columns = shape
    if (
        not (0 < rows <= 4096 and 0 < columns <= 1 << 20 and rows * columns <= 1 << 26)
        or len(start) != columns + 1
    ):
        raise ShapeError(f"a sparse matrix has the shape {shape}")
    column = np.repeat(np.arange(columns), np.diff(start))
    if (
        len(column) != len(row)
        or len(data) != len(row)
        or (len(row) and not 0 <= row.min() <= row.max() < rows)
    ):
        raise ShapeError("a sparse matrix has numbers outside of it")
    dense = np.zeros((rows, columns))
    dense[row, column] = data
    return dense
