"""Albums: all portraits of one person, as training data for generators.

Clips are small and compressed; portraits show teeth and lashes as sharply as users' pictures do. Two pictures of one
person give a pair with a true target. A single picture is driven by clips, which only critics can judge.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from faceanime.core.errors import ConfigError, MediaError, NoFaceError
from faceanime.dataset.shards import read_samples
from faceanime.face.config import SmoothConfig
from faceanime.face.crop import CropConfig, crop_around, crop_pixels, moved_landmarks
from faceanime.face.sequence import fit_sequence
from faceanime.media.image import read_image
from faceanime.pipeline import Animator
from faceanime.structures.coefficients import Dynamics
from faceanime.structures.frames import Pixels
from faceanime.structures.landmarks import Landmarks
from faceanime.train.data.clip_table import PORTRAITS, read_split
from faceanime.train.generator.face_clips import FaceClip

_LARGEST_PX = 512
"""Largest side of the crops, px; chosen by eye."""


@dataclass(frozen=True, eq=False)
class Album:
    """The pictures of one person, cropped to the face and to one size; a `FaceClip`.

    All methods raise MediaError for a picture that cannot be read, and NoFaceError where none shows a face.
    """

    key: str
    person: str
    note: Mapping[str, Any]
    files: tuple[Path, ...]
    animator: Animator
    filmed: ClassVar[bool] = False

    def motion(self) -> Dynamics:
        """The faces of the pictures, fitted with one identity as if they were the frames of a clip."""
        _, landmarks = self._crops
        side, animator = self._side, self.animator
        as_fitted = SmoothConfig(method="none")
        fitted = fit_sequence(
            landmarks, Fraction(1), side, animator.model, animator.config.read.fit, as_fitted, self.person
        )
        return replace(fitted, pose=fitted.pose.resized(side / fitted.picture_side_px), picture_side_px=side)

    def landmarks(self) -> tuple[Float32[np.ndarray, "T L 3"], Bool[np.ndarray, " T"]]:
        """The landmarks in px of the crops; all of them were found."""
        points = np.stack([found.points_image for found in self._crops[1]])
        return points, np.ones(len(points), bool)

    def pinned(self) -> Bool[np.ndarray, " T"]:
        """False everywhere, since pictures have no anchor frame."""
        return np.zeros(len(self._crops[0]), bool)

    def pictures(self) -> UInt8[np.ndarray, "T S S 3"]:
        """The crops, uint8 sRGB."""
        return np.stack(self._crops[0])

    @property
    def _side(self) -> int:
        return len(self._crops[0][0])

    @cached_property
    def _crops(self) -> tuple[list[Pixels], list[Landmarks]]:
        """The pictures that show a face, and their landmarks, at the size of the largest face."""
        found: list[tuple[Pixels, Landmarks]] = []
        for path in self.files:
            pixels = read_image(path)
            try:
                faces = self.animator.reader.find(pixels, str(path))
            except NoFaceError:
                continue
            found.append((faces.pixels, faces.landmarks))
        if not found:
            raise NoFaceError(f"any picture of {self.person}")
        crops = [crop_around(landmarks, CropConfig()) for _, landmarks in found]
        side = max(crop.size_px / crop.crop_from_image[0, 0] for crop in crops)
        config = CropConfig(size_px=min(round(side), _LARGEST_PX))
        crops = [crop_around(landmarks, config) for _, landmarks in found]
        pictures = [crop_pixels(pixels, crop) for (pixels, _), crop in zip(found, crops, strict=True)]
        moved = [moved_landmarks(m, c.crop_from_image) for (_, m), c in zip(found, crops, strict=True)]
        return pictures, moved


def albums_with_drivers(
    portraits: Path, data: Path, split: str, animator: Animator
) -> Iterator[tuple[FaceClip, FaceClip | None]]:
    """The albums of a split, each with a driving clip of the same split of `data` (shards of `faceanime prepare`).

    `portraits` holds the pictures and portraits.csv with the columns file, split and person. Raises ConfigError,
    MediaError.
    """
    drivers = _endless_clips(data, split)
    for album in read_albums(portraits, split, animator):
        driver = next(drivers)
        if driver.person == album.person:
            driver = next(drivers)
        yield album, None if driver.person == album.person else driver


def _endless_clips(data: Path, split: str) -> Iterator[FaceClip]:
    while True:
        found = False
        for sample in read_samples(data, split):
            found = True
            yield sample
        if not found:
            raise ConfigError(
                f"{data} holds no clip of split {split} that could drive portraits; prepare some"
            )


def read_albums(portraits: Path, split: str, animator: Animator) -> Iterator[Album]:
    """The albums of a split, ordered by person. Raises ConfigError, MediaError."""
    rows = defaultdict(list)
    for row in read_split(portraits / PORTRAITS, split):
        rows[row["person"]].append(row)
    for person, pictures in sorted(rows.items()):
        files = tuple(portraits / row["file"] for row in pictures)
        for file in files:
            if not file.is_file():
                raise MediaError(f"{file} is listed in {portraits / PORTRAITS} but does not exist")
        rights = {key: pictures[0][key] for key in ("licence", "rights_tier") if key in pictures[0]}
        key = "portraits-" + re.sub(r"[^\w-]", "_", person)
        yield Album(key, person, {"rights": rights}, files, animator)
