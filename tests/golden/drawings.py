"""The record of the geometric renderer's golden pictures, and the version of its drawing that follows from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image


def hashes_of(folder: Path) -> dict[str, str]:
    """The hash of each picture's pixels in a folder, by name: files may be compressed anew."""
    hashes = {}
    for path in sorted(folder.glob("*.png")):
        pixels = np.asarray(Image.open(path).convert("RGB"))
        hashes[path.stem] = hashlib.sha256(str(pixels.shape).encode() + pixels.tobytes()).hexdigest()[:16]
    return hashes


def next_version(version: str, before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """The version after pictures with other hashes were stored.

    It is kept where pictures are added or left out alone, for then nothing is drawn otherwise than before; else it is
    the hash of all pictures.
    """
    if all(now[name] == before[name] for name in before.keys() & now.keys()):
        return version
    return hashlib.sha256(json.dumps(dict(now), sort_keys=True).encode()).hexdigest()[:16]


def read_record(path: Path) -> tuple[str, dict[str, str]]:
    """Version and hashes."""
    record = json.loads(path.read_text(encoding="utf-8"))
    return record["version"], record["pictures"]


def write_record(path: Path, version: str, hashes: Mapping[str, str]) -> None:
    record = {"version": version, "pictures": dict(hashes)}
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
