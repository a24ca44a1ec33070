"""Weights on disk: a safetensors file with a JSON header that describes its content.

The header is an object with `format` ("faceanime"), `kind` (the kind of content), `version` (of that kind's layout,
from 1 on) and any further entries of its writer. The same content always gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar, runtime_checkable

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from faceanime.core.errors import WeightsError
from faceanime.core.files import atomic_output, reason_of

Header: TypeAlias = dict[str, Any]
"""Names and JSON values."""
Tensors: TypeAlias = dict[str, np.ndarray]

FORMAT = "faceanime"
_KEY = "faceanime"
"""The only entry of the file's metadata: safetensors does not keep several in a fixed order."""


@runtime_checkable
class NetworkFamily(Protocol):
    """A kind of network that weights files hold."""

    @property
    def name(self) -> str:
        """The entry `network` of the file's header."""


Family = TypeVar("Family", bound=NetworkFamily)


def save_weights(
    path: Path,
    tensors: Mapping[str, np.ndarray],
    kind: str,
    header: Mapping[str, Any],
    version: int = 1,
) -> None:
    """Write tensors and header, completely or not at all; adds `format`, `kind` and `version` to the header.

    Raises: WeightsError for numbers that are not finite, OutputError for a path that cannot be written.
    """
    full = {**header, "format": FORMAT, "kind": kind, "version": version}
    # Row-major copies: safetensors would write a transposed view in the order of its memory.
    ordered = {name: np.array(tensors[name], order="C") for name in sorted(tensors)}
    _check_tensors(path, ordered)
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
    _check_tensors(path, tensors)
    return tensors, header


def read_header(path: Path) -> Header:
    """The header of a file, without reading its tensors. Raises: WeightsError."""
    text = _read(path, tensors=False)[1].get(_KEY)
    if text is None:
        raise WeightsError(f"{path} is not a faceanime file: its header is missing")
    try:
        header = json.loads(text)
    except ValueError as error:
        raise WeightsError(f"{path} is damaged: its header is not valid JSON ({error})") from error
    _check_header(path, header)
    return dict(header)


def shapes_of(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of a file's tensors, without reading them. Raises: WeightsError."""
    read_header(path)
    with safe_open(path, framework="numpy") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118


def bundled(name: str) -> Path:
    """The path of the bundled file `name`. Raises: WeightsError when it is missing."""
    path = Path(str(files("faceanime"))) / "assets" / name
    if not path.is_file():
        raise WeightsError(f"the bundled file {name} is missing from {path.parent}; reinstall faceanime")
    return path


def _read(path: Path, tensors: bool = True) -> tuple[Tensors, dict[str, str]]:
    try:
        if not path.is_file():
            raise WeightsError(f"{path} {'is not a file' if path.exists() else 'does not exist'}")
        path.open("rb").close()  # safetensors reports "no such file" for an unreadable one
        with safe_open(path, framework="numpy") as file:
            names = sorted(file.keys()) if tensors else []
            return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
    except (SafetensorError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path} is damaged or not a safetensors file: {error}") from error
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {reason_of(error)}") from error


def _check_header(path: Path, header: object) -> None:
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise WeightsError(f"{path} is not a faceanime file: its header lacks format {FORMAT!r}")
    if not isinstance(header.get("kind"), str):
        raise WeightsError(f"{path}: the header's kind is {header.get('kind')!r}, expected a name")
    version = header.get("version")
    if type(version) is not int or version < 1:
        raise WeightsError(f"{path}: the header's version is {version!r}, expected a whole number from 1 on")


def _check_tensors(path: Path, tensors: Tensors) -> None:
    for name, tensor in tensors.items():
        if np.issubdtype(tensor.dtype, np.inexact) and not np.isfinite(tensor).all():
            raise WeightsError(f"{path}: tensor {name} holds NaN or infinity")


def family_of(header: Header, families: Sequence[Family], path: Path) -> Family:
    """Return the family of the network that a file with this header holds. Raises WeightsError for another one."""
    found = header.get("network")
    for family in families:
        if family.name == found:
            return family
    expected = " or ".join(family.name for family in families)
    raise WeightsError(f"{path} holds a network '{found}', expected {expected}")
