"""Pictures of one person with the 3D face in each, from which the generators learn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from faceanime.dataset.shards import read_samples
from faceanime.structures.coefficients import Dynamics


@runtime_checkable
class FaceClip(Protocol):
    """T pictures of one person: a prepared clip (`shards.Sample`) or an album of portraits (`albums.Album`)."""

    @property
    def key(self) -> str:
        """The name of the files that are made from it."""

    @property
    def person(self) -> str:
        """The name of the person."""

    @property
    def note(self) -> Mapping[str, Any]:
        """Further JSON values; "rights" holds the terms of use."""

    @property
    def filmed(self) -> bool:
        """Whether the pictures follow one another in time."""

    def motion(self) -> Dynamics:
        """The faces, in px of the pictures."""

    def landmarks(self) -> tuple[Float32[np.ndarray, "T L 3"], Bool[np.ndarray, " T"]]:
        """The landmarks in px of the pictures, and whether they were found."""

    def pinned(self) -> Bool[np.ndarray, " T"]:
        """Whether the landmarks lie on the skin of an anchor frame."""

    def pictures(self) -> UInt8[np.ndarray, "T S S 3"]:
        """The pictures, sRGB."""


def clips_with_drivers(data: Path, split: str) -> Iterator[tuple[FaceClip, FaceClip | None]]:
    """The clips of a split of `data` (shards of `faceanime prepare`), each with the last clip of another person.

    Raises ConfigError, MediaError.
    """
    last: list[FaceClip] = []  # of the previous person and of the present one
    for sample in read_samples(data, split):
        last = [*[other for other in last if other.person != sample.person][-1:], sample]
        yield sample, last[0] if len(last) > 1 else None
