"""Find training videos, the person in each, and the split of that person."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from faceanime.core.errors import ConfigError, MediaError
from faceanime.train.data.clip_table import CLIPS, read_rows

SPLITS = ("train", "val", "test")
READABLE_SUFFIXES = {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"}
RIGHTS_COLUMNS = (
    "licence",
    "license",
    "rights",
    "rights_tier",
    "source_repository",
    "source_path",
    "source_url",
)
"""Columns of a table with the terms of use of a video; they are copied to every clip of it."""

_VAL_FROM, _TEST_FROM = 0.90, 0.95
"""Hashes in [0, 1) from which a person belongs to the val and to the test split."""
_STEM_LETTERS = 60
"""Letters of a file's name that a sample's name keeps; a ustar header has room for 100."""


@dataclass(frozen=True)
class Source:
    """A video; `name` is its path relative to the parent of the given folder."""

    path: Path
    name: str
    person: str
    split: str
    rights: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> str:
        """A file name without dots, unique among sources and the same on every machine."""
        stem = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(self.name).stem)[:_STEM_LETTERS]
        return f"{stem}-{hashlib.sha256(self.name.encode()).hexdigest()[:8]}"


def find_sources(videos: Sequence[Path]) -> list[Source]:
    """Find the videos among files and folders, sorted by name.

    A folder with clips.csv (columns file, split, person) consists of the videos that it lists. Any other folder is
    searched; there, a person is the first sub-folder on the way to a video, or the name of a video in the folder
    itself, and each of the splits train and val gets somebody where there are two people or more. Raises ConfigError
    where there is no video, where a table is broken, where two videos have one name, or where a person would be in two
    splits; MediaError for a path that does not exist.
    """
    found: dict[Path, Source] = {}
    for path in videos:
        for source in _sources_of(path):
            found.setdefault(source.path.resolve(), source)
    sources = sorted(found.values(), key=lambda source: source.name)
    if not any((path / CLIPS).is_file() for path in videos):
        sources = _with_val(sources)
    if not sources:
        raise ConfigError(
            f"no video in {', '.join(map(str, videos)) or 'no folder'}; expected {CLIPS} or files that end in "
            + ", ".join(sorted(READABLE_SUFFIXES))
        )
    for a, b in zip(sources, sources[1:], strict=False):
        if a.name == b.name:
            raise ConfigError(f"{a.path} and {b.path} have the same name; give the folder that holds both")
    _check_splits(sources)
    return sources


def split_of(person: str) -> str:
    """The split of a person by a hash of the name: 90 % train, 5 % val, 5 % test."""
    place = _place(person)
    return "train" if place < _VAL_FROM else "val" if place < _TEST_FROM else "test"


def _place(person: str) -> float:
    """A hash of the name, in [0, 1)."""
    return int.from_bytes(hashlib.sha256(person.encode()).digest()[:8], "big") / 2**64


def _with_val(sources: list[Source]) -> list[Source]:
    """The sources with somebody in train and somebody in val, where there are two people or more.

    Of few people, none may be there by the hashes of their names. Then the one with the highest hash in train goes to
    val, or in test if only one is in train; and the one with the lowest hash goes to train. Training needs both.
    """
    people = sorted({source.person for source in sources}, key=_place)
    if len(people) < 2:
        return sources
    train, val, test = ([each for each in people if split_of(each) == split] for split in SPLITS)
    if not val:
        val.append((train if len(train) > 1 else test).pop())
    if not train:
        train.append((test or val).pop(0))
    splits = {
        person: split for split, part in zip(SPLITS, (train, val, test), strict=True) for person in part
    }
    return [replace(source, split=splits[source.person]) for source in sources]


def _sources_of(path: Path) -> Iterator[Source]:
    if path.is_file():
        yield Source(path, path.name, path.stem, split_of(path.stem))
    elif not path.is_dir():
        raise MediaError(f"cannot read {path}: it does not exist")
    elif (path / CLIPS).is_file():
        yield from _listed(path)
    else:
        for file in path.rglob("*"):
            parts = file.relative_to(path).parts
            hidden = any(part.startswith(".") for part in parts)
            if not hidden and file.suffix.lower() in READABLE_SUFFIXES and file.is_file():
                person = parts[0] if len(parts) > 1 else file.stem
                yield Source(file, _name(path, Path(*parts)), person, split_of(person))


def _listed(folder: Path) -> Iterator[Source]:
    table = folder / CLIPS
    for number, row in enumerate(read_rows(table), start=2):
        file_name, split, person = (row.get(column) or "" for column in ("file", "split", "person"))
        if not (file_name and person):
            raise ConfigError(
                f"{table}: row {number} lacks a file or a person; its columns are file, split, person"
            )
        if split not in SPLITS:
            raise ConfigError(f"{table}: row {number} has split {split!r}, expected {', '.join(SPLITS)}")
        rights = tuple((column, row[column]) for column in RIGHTS_COLUMNS if row.get(column))
        yield Source(folder / file_name, _name(folder, Path(file_name)), person, split, rights)


def _name(folder: Path, inside: Path) -> str:
    return (Path(folder.resolve().name) / inside).as_posix()


def _check_splits(sources: Sequence[Source]) -> None:
    first: dict[str, Source] = {}
    for source in sources:
        other = first.setdefault(source.person, source)
        if other.split != source.split:
            raise ConfigError(
                f"{source.person} would be in {other.split} ({other.name}) and in {source.split} "
                f"({source.name}); a person belongs to one split: correct {CLIPS}, or rename one of two people"
            )
