"""Which videos there are to learn from, whom each shows, and on which side of the split that person is."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from faceanime.core.errors import ConfigError, MediaError

SPLITS = ("train", "val", "test")
VIDEO_SUFFIXES = {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"}
TABLE = "clips.csv"
RIGHTS_COLUMNS = (
    "licence",
    "license",
    "rights",
    "rights_tier",
    "source_repository",
    "source_path",
    "source_url",
)
"""Columns of a table that say under which terms a video may be used; they travel with every clip of it."""

_VAL_FROM, _TEST_FROM = 0.90, 0.95
_STEM_LETTERS = 60  # of a file's name in a sample's: a tar's old header has room for 100


@dataclass(frozen=True)
class Source:
    """A video: `name` is its path from the given folder on, that folder's own name included."""

    path: Path
    name: str
    person: str
    split: str
    rights: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> str:
        """A name for files: unique among sources, free of dots, the same on every machine."""
        stem = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(self.name).stem)[:_STEM_LETTERS]
        return f"{stem}-{hashlib.sha256(self.name.encode()).hexdigest()[:8]}"


def find_sources(videos: Sequence[Path]) -> list[Source]:
    """The videos among files and folders, by name.

    A folder's clips.csv (columns file, split, person) says all about it. Without one it is searched, and a
    person is the sub-folder that a video lies in, or the name of a video that lies in the folder itself.
    Raises ConfigError when there is none, when a table is broken, when two videos have one name, or when a
    person would be on two sides; MediaError for a path that does not exist.
    """
    found: dict[Path, Source] = {}
    for path in videos:
        for source in _sources_of(path):
            found.setdefault(source.path.resolve(), source)
    sources = sorted(found.values(), key=lambda source: source.name)
    if not sources:
        raise ConfigError(
            f"no video in {', '.join(map(str, videos)) or 'no folder'}; expected {TABLE} or files that end in "
            + ", ".join(sorted(VIDEO_SUFFIXES))
        )
    for a, b in zip(sources, sources[1:], strict=False):
        if a.name == b.name:
            raise ConfigError(f"{a.path} and {b.path} have one name; give the folder that holds both")
    _check_sides(sources)
    return sources


def side_of(person: str) -> str:
    """The split of a person, by a hash of the name: of 100 people 90 train, 5 val, 5 test."""
    place = int.from_bytes(hashlib.sha256(person.encode()).digest()[:8], "big") / 2**64
    return "train" if place < _VAL_FROM else "val" if place < _TEST_FROM else "test"


def _sources_of(path: Path) -> Iterator[Source]:
    if path.is_file():
        yield Source(path, path.name, path.stem, side_of(path.stem))
    elif not path.is_dir():
        raise MediaError(f"cannot read {path}: it does not exist")
    elif (path / TABLE).is_file():
        yield from _listed(path)
    else:
        for file in path.rglob("*"):
            parts = file.relative_to(path).parts
            hidden = any(part.startswith(".") for part in parts)
            if not hidden and file.suffix.lower() in VIDEO_SUFFIXES and file.is_file():
                person = parts[0] if len(parts) > 1 else file.stem
                yield Source(file, _name(path, Path(*parts)), person, side_of(person))


def _listed(folder: Path) -> Iterator[Source]:
    table = folder / TABLE
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"cannot read {table}: {error}") from error
    for number, row in enumerate(rows, start=2):
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


def _check_sides(sources: Sequence[Source]) -> None:
    sides: dict[str, Source] = {}
    for source in sources:
        other = sides.setdefault(source.person, source)
        if other.split != source.split:
            raise ConfigError(
                f"{source.person} would be in {other.split} ({other.name}) and in {source.split} "
                f"({source.name}); a person belongs to one split: mend {TABLE}, or rename one of two people"
            )
