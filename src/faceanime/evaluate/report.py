"""The contents of an evaluation report: tables, plots, pictures and videos. `report_writer.py` writes it to files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Real

from faceanime.core.errors import ShapeError, check_shape
from faceanime.evaluate.statistics import Estimate
from faceanime.structures.frames import Pixels

JSON: TypeAlias = "None | bool | int | float | str | Sequence[JSON] | Mapping[str, JSON]"
Cell: TypeAlias = float | int | str | Estimate
Better: TypeAlias = Literal["lower", "higher", ""]
LOWER: Better = "lower"
HIGHER: Better = "higher"
Curves: TypeAlias = Mapping[str, tuple[Real[np.ndarray, " _"], Real[np.ndarray, " _"]]]
"""The x and y values of each curve, by the curve's name."""

_MISSING_VALUE = "–"


@dataclass(frozen=True)
class Heading:
    """The heading of a chapter, which holds all sections up to the next heading."""

    title: str
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A table with named rows. `columns` does not include the first column, which holds the names of the rows.

    `better` gives the good direction of each column; if it is empty, no column has one. The best cells of a directed
    column are bold, including cells that print the same, unless all cells are alike. Rows named in `references` are
    not compared. Numbers are printed with `digits` decimals, integers without decimals, NaN as a dash. Raises
    ShapeError for rows or directions that do not fit the columns.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    note: str = ""
    better: tuple[Better, ...] = ()
    digits: int = 3
    references: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.columns)
        if len(set(self.columns)) < count:
            raise ShapeError(f'table "{self.title}": two columns have the same name')
        if self.better and len(self.better) != count:
            raise ShapeError(f'table "{self.title}": {len(self.better)} directions for {count} columns')
        for name, cells in self.rows:
            if len(cells) != count:
                raise ShapeError(
                    f'table "{self.title}": row "{name}" has {len(cells)} cells, expected {count}'
                )

    @property
    def directions(self) -> tuple[Better, ...]:
        """The good direction of each column."""
        undirected: Better = ""
        return self.better or (undirected,) * len(self.columns)

    @property
    def text_columns(self) -> tuple[bool, ...]:
        """Whether each column holds text only."""
        columns = [[cells[i] for _, cells in self.rows] for i in range(len(self.columns))]
        return tuple(bool(column) and all(isinstance(cell, str) for cell in column) for column in columns)


@dataclass(frozen=True, eq=False)
class Plot:
    """Curves over one pair of axes.

    A value that is not finite (or, with `log_y`, not positive) leaves a gap in its curve. Raises ShapeError for x and
    y of different lengths.
    """

    title: str
    x_label: str
    y_label: str
    series: Curves
    note: str = ""
    log_y: bool = False

    def __post_init__(self) -> None:
        for name, (x, y) in self.series.items():
            check_shape(f'y of "{name}" in plot "{self.title}"', y, len(x))


@dataclass(frozen=True, eq=False)
class Sheet:
    """A picture, such as a contact sheet. Raises ShapeError unless it is (H,W,3)."""

    title: str
    picture: Pixels
    note: str = ""

    def __post_init__(self) -> None:
        check_shape("Sheet.picture", self.picture, None, None, 3)


@dataclass(frozen=True)
class Video:
    """An .mp4 file, which must exist when the report is written; the page holds a copy of it."""

    title: str
    path: Path
    note: str = ""


Section: TypeAlias = Heading | Table | Plot | Sheet | Video


@dataclass(frozen=True, eq=False)
class Report:
    """Sections in reading order; `command` reproduces the report, `settings` holds everything that it depends on.

    All texts are plain text: markup in them is shown as it is. Line breaks in notes are kept.
    """

    title: str
    command: str
    settings: Mapping[str, JSON]
    sections: tuple[Section, ...]

    @property
    def has_directed_columns(self) -> bool:
        """Whether any column of a table has a better direction, so that the report explains its arrows."""
        return any(isinstance(section, Table) and any(section.better) for section in self.sections)


class PrintedCell(NamedTuple):
    """A table cell as it is printed; `interval` is empty for a cell without one."""

    value: str
    interval: str
    is_best: bool


def printed_rows(table: Table) -> list[tuple[str, list[PrintedCell]]]:
    """The rows of a table as they are printed, in the page and in the Markdown file alike."""
    compared = [cells for name, cells in table.rows if name not in table.references]
    best = [
        _best_number([cells[i] for cells in compared], direction, table.digits)
        for i, direction in enumerate(table.directions)
    ]
    never_best = [math.nan] * len(best)
    return [
        (name, [_printed(cell, aim, table.digits) for cell, aim in zip(cells, aims, strict=True)])
        for name, cells in table.rows
        for aims in [never_best if name in table.references else best]
    ]


def _best_number(column: Sequence[Cell], direction: Better, digits: int) -> float:
    """The best number of a column after rounding; NaN if there is none or if all numbers are alike."""
    numbers = {number for number in (_rounded(cell, digits) for cell in column) if not math.isnan(number)}
    if not direction or len(numbers) < 2:
        return math.nan
    return min(numbers) if direction == "lower" else max(numbers)


def _rounded(cell: Cell, digits: int) -> float:
    match cell:
        case Estimate():
            return round(cell.mean, digits)
        case str():
            return math.nan
    return round(float(cell), digits)


def _printed(cell: Cell, best: float, digits: int) -> PrintedCell:
    is_best = _rounded(cell, digits) == best
    match cell:
        case str():
            return PrintedCell(cell, "", False)
        case int():
            return PrintedCell(_with_minus_sign(f"{cell:,}"), "", is_best)
        case float():
            return PrintedCell(_decimal(cell, digits), "", is_best)
    return PrintedCell(_decimal(cell.mean, digits), _interval(cell, digits), is_best)


def _interval(estimate: Estimate, digits: int) -> str:
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return ""
    until = "–" if estimate.low >= 0.0 else " to "  # a dash beside a minus sign would be hard to read
    return f"{_decimal(estimate.low, digits)}{until}{_decimal(estimate.high, digits)}"


def _decimal(number: float, digits: int) -> str:
    if math.isnan(number):
        return _MISSING_VALUE
    return _with_minus_sign(f"{number:z,.{digits}f}".replace("inf", "∞"))


def _with_minus_sign(number: str) -> str:
    return number.replace("-", "\N{MINUS SIGN}")
