"""Measurements on disk, pair by pair, so that a stopped evaluation can be continued.

OUT/settings.json holds the configuration, OUT/measured/NAME.json the numbers of one pair, with a hash of all files that
they depend on: a pair is measured again if one of those changes. Feature vectors are in OUT/measured/NAME.safetensors.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from faceanime.core.config import load_config, save_config
from faceanime.core.errors import ConfigError, Remedy
from faceanime.core.files import atomic_output, make_folder
from faceanime.core.weights import load_weights, save_weights
from faceanime.evaluate.evaluation_config import EvaluateConfig
from faceanime.evaluate.reenactment_pairs import Pair, note_of

_FEATURES_KIND = "evaluation-features"


@dataclass(frozen=True, eq=False)
class Measurement:
    """The metrics of one row on one pair.

    `frames`: a number per frame for each metric, NaN where it was not or could not be measured; `clip`: one number for
    each metric of the whole clip; `spectrum`: frequencies in Hz and power density of landmark motion; `features`:
    feature vectors (N,C) for metrics of whole sets.
    """

    frames: Mapping[str, Float[np.ndarray, " T"]]
    clip: Mapping[str, float]
    spectrum: tuple[Float[np.ndarray, " F"], Float[np.ndarray, " F"]] | None
    features: Mapping[str, Float[np.ndarray, "N C"]]


def claim_folder(out: Path, config: EvaluateConfig) -> None:
    """Make the folder and write the settings. Raises ConfigError if it holds measurements with other settings."""
    make_folder(out / "measured")
    path = out / "settings.json"
    if path.exists() and any((out / "measured").glob("*.json")):
        before = load_config(EvaluateConfig, path)
        if before != config:
            names = [field.name for field in fields(config)]
            name = next(name for name in names if getattr(before, name) != getattr(config, name))
            raise ConfigError(
                f"{out} holds an evaluation with other settings ({name} was {getattr(before, name)}, "
                f"now {getattr(config, name)})",
                Remedy("out", "another {}"),
            )
    save_config(config, path)


def is_measured(out: Path, pair: Pair, inputs: str) -> bool:
    """Whether the pair was measured with these inputs, a hash."""
    path = _path(out, pair)
    return path.exists() and json.loads(path.read_text(encoding="utf-8"))["inputs"] == inputs


def save_measurements(
    out: Path, pair: Pair, inputs: str, keys: Mapping[str, Any], rows: Mapping[str, Measurement]
) -> None:
    """Write the measurements of a pair by row; `keys` are the properties of the pair that results are binned by."""
    path = _path(out, pair)
    features = {f"{row}/{name}": v for row, m in rows.items() for name, v in m.features.items()}
    if features:
        save_weights(path.with_suffix(".safetensors"), features, kind=_FEATURES_KIND, header={})
    record = {
        "pair": asdict(note_of(pair)),
        "inputs": inputs,
        "keys": keys,
        "rows": {name: _row_record(row) for name, row in rows.items()},
    }
    with atomic_output(path) as draft:
        draft.write_text(json.dumps(record, allow_nan=False), encoding="utf-8")


def load_measurements(out: Path, pair: Pair) -> tuple[dict[str, Measurement], dict[str, Any]]:
    """The measurements of a pair by row, and its keys (see `save_measurements`)."""
    path = _path(out, pair)
    record = json.loads(path.read_text(encoding="utf-8"))
    features: Mapping[str, np.ndarray] = {}
    if path.with_suffix(".safetensors").exists():
        features, _ = load_weights(path.with_suffix(".safetensors"), _FEATURES_KIND)
    rows = {}
    for name, row in record["rows"].items():
        frames = {metric: _array(values) for metric, values in row["frames"].items()}
        clip = {metric: np.nan if value is None else float(value) for metric, value in row["clip"].items()}
        spectrum = row["spectrum"] and (_array(row["spectrum"][0]), _array(row["spectrum"][1]))
        own = {key.split("/", 1)[1]: value for key, value in features.items() if key.startswith(f"{name}/")}
        rows[name] = Measurement(frames, clip, spectrum or None, own)
    return rows, record["keys"]


def hash_of_bytes(content: bytes) -> str:
    """The SHA-256 hash, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def hash_of_files(paths: Iterable[Path | None]) -> str:
    """A hash of the files' contents, in order; None counts as an empty file."""
    hashes = [hash_of_bytes(b"" if path is None else path.read_bytes()) for path in paths]
    return hash_of_bytes("".join(hashes).encode())


def _path(out: Path, pair: Pair) -> Path:
    return out / "measured" / f"{pair.name}.json"


def _row_record(row: Measurement) -> dict[str, Any]:
    spectrum = None if row.spectrum is None else [part.tolist() for part in row.spectrum]
    return {
        "frames": {name: _with_nulls(values) for name, values in row.frames.items()},
        "clip": {name: value if np.isfinite(value) else None for name, value in row.clip.items()},
        "spectrum": spectrum,
    }


def _with_nulls(values: np.ndarray) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


def _array(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], np.float64)
