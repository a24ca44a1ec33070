"""The shards of a split, found by their names; loads nothing heavy."""

from __future__ import annotations

from pathlib import Path

from faceanime.core.errors import ConfigError, Remedy


def find_shards(data: Path, split: str) -> list[Path]:
    """The shards of a split, in order."""
    return sorted(data.glob(f"{split}-[0-9]*.tar"))


def check_split(data: Path, split: str) -> None:
    """Raise ConfigError unless `data` holds a shard of the split."""
    shards = find_shards(data, split)
    others = sorted({path.name.rsplit("-", 1)[0] for path in data.glob("*-[0-9]*.tar")})
    if not shards and others:
        raise ConfigError(
            f"{data} holds no split {split}, only {', '.join(others)}",
            Remedy("split", "one of those with {}"),
            "videos of two people or more, or prepared with a clips.csv that says whose they are and in which split "
            "(docs/reference/data.md)",
        )
    if not shards:
        raise ConfigError(
            f"no shard of split {split} in {data} ({split}-000000.tar); name a folder that "
            "`faceanime prepare VIDEOS -o DIR` wrote"
        )
