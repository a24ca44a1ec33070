"""Weights on disk: a safetensors file with a JSON header that says what it holds.

The header is an object with `format` ("faceanime"), `kind` (what the numbers are), `version` (of that kind's
layout, from 1 on) and whatever else its writer wants to keep. The same content gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from faceanime.core.errors import WeightsError
from faceanime.core.files import atomic_output, reason_of

Header: TypeAlias = dict[str, Any]  # of JSON values
Tensors: TypeAlias = dict[str, np.ndarray]

FORMAT = "faceanime"
_KEY = "faceanime"  # a single metadata entry: safetensors keeps several in no fixed order


def save_weights(
    path: Path,
    tensors: Mapping[str, np.ndarray],
    kind: str,
    header: Mapping[str, Any],
    version: int = 1,
) -> None:
    """Write tensors and header, whole or not at all; `format`, `kind` and `version` are put into the header.

    Raises: WeightsError for numbers that are not finite, OutputError for a path that cannot be written.
    """
    full = {**header, "format": FORMAT, "kind": kind, "version": version}
    # Row-major copies: a transposed view would be written in the order of its memory.
    ordered = {name: np.array(tensors[name], order="C") for name in sorted(tensors)}
    for name, tensor in ordered.items():
        _check_finite(path, name, tensor)
    text = json.dumps(full, sort_keys=True, ensure_ascii=False, allow_nan=False)
    with atomic_output(path) as draft:
        draft.write_bytes(save(ordered, metadata={_KEY: text}))


def load_weights(path: Path, kind: str, newest: int = 1) -> tuple[Tensors, Header]:
    """Read the tensors and the header of a file of this `kind`, of version `newest` at most.

    Raises: WeightsError when it is missing, damaged, of another kind, newer, or holds NaN or infinity.
    """
    header = read_header(path)
    if header["kind"] != kind:
        raise WeightsError(f"{path} holds {header['kind']}, expected {kind}")
    if header["version"] > newest:
        found = f"{path} has version {header['version']} of {kind}"
        raise WeightsError(f"{found}, this faceanime reads up to {newest}; update faceanime")
    tensors = _read(path)[0]
    for name, tensor in tensors.items():
        _check_finite(path, name, tensor)
    return tensors, header


def read_header(path: Path) -> Header:
    """What a file says it holds, without reading its tensors. Raises: WeightsError."""
    text = _read(path, tensors=False)[1].get(_KEY)
    if text is None:
        raise WeightsError(f"{path} is no faceanime file: its header is missing")
    try:
        header = json.loads(text)
    except ValueError as error:
        raise WeightsError(f"{path} is damaged: its header is not valid JSON ({error})") from error
    _check_header(path, header)
    return dict(header)


def bundled(name: str) -> Path:
    """The file `name` that comes with the package. Raises: WeightsError when there is none."""
    path = Path(str(files("faceanime"))) / "assets" / name
    if not path.is_file():
        raise WeightsError(f"the bundled file {name} is missing from {path.parent}; reinstall faceanime")
    return path


def _read(path: Path, tensors: bool = True) -> tuple[Tensors, dict[str, str]]:
    try:
        if not path.is_file():
            raise WeightsError(f"{path} {'is not a file' if path.exists() else 'does not exist'}")
        path.open("rb").close()  # safetensors says "no such file" of one that may not be read
        with safe_open(path, framework="numpy") as file:
            names = sorted(file.keys()) if tensors else []
            return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
    except (SafetensorError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path} is damaged or no safetensors file: {error}") from error
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {reason_of(error)}") from error


def _check_header(path: Path, header: object) -> None:
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise WeightsError(f"{path} is no faceanime file: its header lacks format {FORMAT!r}")
    if not isinstance(header.get("kind"), str):
        raise WeightsError(f"{path}: the header's kind is {header.get('kind')!r}, expected a name")
    version = header.get("version")
    if type(version) is not int or version < 1:
        raise WeightsError(f"{path}: the header's version is {version!r}, expected a whole number from 1 on")


def _check_finite(path: Path, name: str, tensor: np.ndarray) -> None:
    if np.issubdtype(tensor.dtype, np.inexact) and not np.isfinite(tensor).all():
        raise WeightsError(f"{path}: tensor {name} holds NaN or infinity")
