"""The measurements of all pairs of an evaluation, read back and collected by row and metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from faceanime.evaluate.evaluation_config import FROZEN, TRUTH
from faceanime.evaluate.geometry_metrics import BlinkCounts
from faceanime.evaluate.measurement_store import Measurement, load_measurements
from faceanime.evaluate.reenactment_pairs import Pair, note_of

REFERENCE_ROWS = (TRUTH, FROZEN)


class Results:
    """The measurements of all pairs in the folder `out`; a row is one method."""

    def __init__(self, out: Path, pairs: Sequence[Pair]) -> None:
        loaded = [load_measurements(out, pair) for pair in pairs]
        self.pairs, self.out = pairs, out
        self.measurements: list[Mapping[str, Measurement]] = [rows for rows, _ in loaded]
        self.keys: list[dict[str, Any]] = [keys for _, keys in loaded]
        self.rows = tuple(self.measurements[0])
        self.methods = [row for row in self.rows if row not in REFERENCE_ROWS]
        self.has_truth = pairs[0].has_truth

    @property
    def frame_count(self) -> int:
        """The number of frames of all drivers."""
        return sum(note_of(pair).frames for pair in self.pairs)

    @property
    def person_count(self) -> int:
        """The number of people who drive."""
        return len({pair.driver.person for pair in self.pairs})

    def per_clip(self, row: str, metric: str) -> Float[np.ndarray, " C"]:
        """A number per clip, for metrics of frames the mean over its frames; NaN where it was not measured."""
        return np.array([_clip_value(rows[row], metric) for rows in self.measurements])

    def is_measured(self, metric: str) -> bool:
        """Whether any row has a number of this metric."""
        return any(np.isfinite(self.per_clip(row, metric)).any() for row in self.rows)

    def per_frame(self, row: str, metric: str) -> Float[np.ndarray, " N"]:
        """A number per frame of all clips; NaN where it was not measured."""
        return np.concatenate(
            [
                rows[row].frames.get(metric, np.full(note_of(pair).frames, np.nan))
                for pair, rows in zip(self.pairs, self.measurements, strict=True)
            ]
        )

    def keys_per_frame(self, name: str) -> Float[np.ndarray, " N"]:
        """A key of all frames, such as the rotation from the source; keys of whole clips are repeated."""
        return np.concatenate(list(self._clip_keys(name)))

    def _clip_keys(self, name: str) -> Iterator[Float[np.ndarray, " T"]]:
        for pair, keys in zip(self.pairs, self.keys, strict=True):
            value = np.array(np.nan if keys[name] is None else keys[name], np.float64)
            yield np.broadcast_to(value, note_of(pair).frames)

    def blinks(self, row: str) -> BlinkCounts:
        """The blinks of all clips."""
        counts = BlinkCounts()
        for rows in self.measurements:
            clip = rows[row].clip
            counts += BlinkCounts(*(int(clip[f"blinks_{kind}"]) for kind in ("right", "spurious", "missed")))
        return counts

    def features(self, row: str, metric: str) -> Float[np.ndarray, "N C"]:
        """The feature vectors of all clips."""
        found = [rows[row].features[metric] for rows in self.measurements if metric in rows[row].features]
        return np.concatenate(found) if found else np.zeros((0, 1))


def _clip_value(measurement: Measurement, metric: str) -> float:
    if metric in measurement.clip:
        return measurement.clip[metric]
    values = finite(measurement.frames.get(metric, np.zeros(0)))
    return float(values.mean()) if len(values) else np.nan


def finite(values: Float[np.ndarray, " N"]) -> Float[np.ndarray, " M"]:
    """The values that are finite."""
    return values[np.isfinite(values)]
