"""Tables of training pictures and clips: CSV files with the columns file, split and person."""

from __future__ import annotations

import csv
from pathlib import Path

from faceanime.core.errors import ConfigError

CLIPS, PORTRAITS = "clips.csv", "portraits.csv"


def read_rows(table: Path) -> list[dict[str, str]]:
    """The rows of a table with all their columns. Raises ConfigError."""
    if not table.exists():
        raise ConfigError(
            f"no {table}: write a table with the columns file (its path in that folder), split (train, val or test) "
            "and person, a row for each file"
        )
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            return list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"cannot read {table}: {error}") from error


def read_split(table: Path, split: str) -> list[dict[str, str]]:
    """The rows of a split with all their columns. Raises ConfigError."""
    rows = read_rows(table)
    if rows and not {"file", "split", "person"} <= rows[0].keys():
        raise ConfigError(f"{table} lacks a column; expected file, split and person")
    return [row for row in rows if row["split"] == split]
