"""Shards: tar files of clips in the layout of WebDataset (https://github.com/webdataset/webdataset).

The members of a sample are adjacent and share the part of their names before the first dot, which is the sample's key.
The same samples always give the same bytes. Reading needs neither mediapipe nor, except for the pictures, PyAV.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from faceanime.core.errors import MediaError, WeightsError
from faceanime.core.files import atomic_output
from faceanime.core.weights import load_weights
from faceanime.dataset.splits import check_split, find_shards
from faceanime.dynamics.motion_file import load_motion
from faceanime.structures.coefficients import Dynamics

VIDEO, MOTION, LANDMARKS, NOTE = "mp4", "motion.safetensors", "landmarks.safetensors", "json"
"""Member names of a sample, after its key."""
LANDMARKS_KIND = "landmarks"
"""Kind of the weights file that holds the landmarks."""
_MEMBER_MODE = 0o644
"""Permissions of the members, as every user may read them."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One clip: `members` maps the member names after the key ("mp4", "json", ...) to the files' bytes.

    `note` is the content of KEY.json: source, start, quality, rights.
    """

    key: str
    person: str
    split: str
    note: Mapping[str, Any]
    members: Mapping[str, bytes]
    filmed: ClassVar[bool] = True
    """Whether the frames are consecutive frames of a video."""

    def motion(self) -> Dynamics:
        """The motion, in px of the clip. Raises WeightsError."""
        with self._on_disk(MOTION) as path:
            return load_motion(path)

    def landmarks(self) -> tuple[Float32[np.ndarray, "T L 3"], Bool[np.ndarray, " T"]]:
        """The tracked landmarks in px of the clip, and whether the face was found in each frame.

        A frame in which it was not found repeats the landmarks of the previous one. Raises WeightsError.
        """
        tensors = self._landmarks()
        return tensors["points"], tensors["tracked"].astype(bool)

    def pinned(self) -> Bool[np.ndarray, " T"]:
        """Whether each frame's landmarks are pinned to the anchor frame; False in older shards. Raises WeightsError."""
        tensors = self._landmarks()
        return tensors.get("pinned", np.zeros(len(tensors["points"]))).astype(bool)

    def _landmarks(self) -> dict[str, np.ndarray]:
        with self._on_disk(LANDMARKS) as path:
            tensors, _ = load_weights(path, LANDMARKS_KIND)
        if not {"points", "tracked"} <= tensors.keys():
            raise WeightsError(f"sample {self.key}: its landmarks lack points or tracked; prepare it again")
        return tensors

    def pictures(self) -> UInt8[np.ndarray, "T S S 3"]:
        """All frames as uint8 sRGB. Raises MediaError."""
        from faceanime.media.video import read_frames  # PyAV is not needed for training

        with self._on_disk(VIDEO) as path:
            return np.stack([frame.pixels for frame in read_frames(path)])

    @contextmanager
    def _on_disk(self, member: str) -> Iterator[Path]:
        """A member as a temporary file, for readers that need a path."""
        if member not in self.members:
            raise WeightsError(f"sample {self.key} has no {member}; it has {', '.join(sorted(self.members))}")
        with TemporaryDirectory(prefix="faceanime-") as folder:
            path = Path(folder) / f"{self.key}.{member}"
            path.write_bytes(self.members[member])
            yield path


def write_shards(folder: Path, split: str, files: Sequence[Path], samples_each: int) -> list[Path]:
    """Pack files named KEY.MEMBER into `folder`/SPLIT-000000.tar and so on; return the shards' paths.

    Samples are sorted by key, members by name; times and owners are left out. Raises OutputError.
    """
    ordered = sorted(files, key=lambda file: (_key(file.name), file.name))
    samples = [list(group) for _, group in groupby(ordered, key=lambda file: _key(file.name))]
    shards: list[Path] = []
    for first in range(0, len(samples), samples_each):
        shard = folder / f"{split}-{len(shards):06d}.tar"
        with (
            atomic_output(shard) as draft,
            tarfile.open(draft, "w", format=tarfile.USTAR_FORMAT) as tar,
        ):
            for file in (file for sample in samples[first : first + samples_each] for file in sample):
                entry = tarfile.TarInfo(file.name)
                entry.size, entry.mode = file.stat().st_size, _MEMBER_MODE
                with file.open("rb") as content:
                    tar.addfile(entry, content)
        shards.append(shard)
    return shards


def read_samples(data: Path, split: str) -> Iterator[Sample]:
    """The samples of a split ("train", "val", "test"), one by one, in the order of the shards.

    Raises: ConfigError at once when `data` holds no shard of the split; MediaError when one is damaged.
    """
    check_split(data, split)
    return (sample for shard in find_shards(data, split) for sample in _samples_in(shard))


def _samples_in(shard: Path) -> Iterator[Sample]:
    for key, group in groupby(_members_in(shard), key=lambda member: _key(member[0])):
        members = {name[len(key) + 1 :]: content for name, content in group}
        try:
            note = json.loads(members[NOTE])
            person, split = str(note["person"]), str(note["split"])
        except (KeyError, TypeError, ValueError) as error:
            raise MediaError(f"cannot read {shard}: sample {key} has no valid {NOTE} ({error})") from error
        yield Sample(key, person, split, note, members)


def _members_in(shard: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(shard, "r:") as tar:
            for entry in tar:
                content = tar.extractfile(entry)  # None for folders and links
                if content is None:
                    continue
                if not _key(entry.name) or set(entry.name) & set("/\\:"):  # keys are used as file names
                    raise MediaError(f"cannot read {shard}: '{entry.name}' is not a plain file name")
                yield entry.name, content.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise MediaError(f"cannot read {shard}: damaged or cut short ({error}); prepare it again") from error


def _key(name: str) -> str:
    return name.split(".", 1)[0]
