"""What an evaluation found: tables, plots, pictures, in one value that `report_writer.py` writes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from faceanime.core.errors import ShapeError, check_shape
from faceanime.evaluate.report_html import Curves
from faceanime.evaluate.statistics import Estimate
from faceanime.structures.frames import Pixels

JSON: TypeAlias = "None | bool | int | float | str | Sequence[JSON] | Mapping[str, JSON]"
Cell: TypeAlias = float | int | str | Estimate
Better: TypeAlias = Literal["lower", "higher", ""]

_NOTHING = "–"


@dataclass(frozen=True)
class Heading:
    """A chapter: all sections up to the next one belong to it."""

    title: str
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Named rows of numbers. `columns` leaves out the first, which holds the names of the rows.

    `better`, one for each column or empty, says which way a column is good; its best cells are set in bold (all
    that print the same), unless there is nothing to compare; rows named in `references` do not compete. Numbers are
    printed with `digits` decimals, integers without; NaN as a dash. Raises ShapeError for rows or directions that
    do not fit the columns.
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


@dataclass(frozen=True, eq=False)
class Plot:
    """Curves: for each name x and y of the same length; a value that is not finite (or, with `log_y`, not
    positive) leaves a gap. Raises ShapeError.
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
    """A picture, such as a contact sheet. Raises ShapeError."""

    title: str
    picture: Pixels
    note: str = ""

    def __post_init__(self) -> None:
        check_shape("Sheet.picture", self.picture, None, None, 3)


@dataclass(frozen=True)
class Video:
    """An .mp4 that is there when the report is written; the page holds a copy."""

    title: str
    path: Path
    note: str = ""


Section: TypeAlias = Heading | Table | Plot | Sheet | Video


@dataclass(frozen=True, eq=False)
class Report:
    """Sections in their order; `command` makes the report again, `settings` are all that it depends on.

    Every text is plain text: markup in it is shown, not obeyed. Line breaks in notes are kept.
    """

    title: str
    command: str
    settings: Mapping[str, JSON]
    sections: tuple[Section, ...]


class Printed(NamedTuple):
    """A cell as it is written."""

    value: str
    interval: str  # empty where there is none
    is_best: bool


def ways_of(table: Table) -> tuple[Better, ...]:
    """Of each column."""
    undirected: Better = ""
    return table.better or (undirected,) * len(table.columns)


def printed_rows(table: Table) -> list[tuple[str, list[Printed]]]:
    """The rows as they are written, on the page and in the text alike."""
    competing = [cells for name, cells in table.rows if name not in table.references]
    columns = [[cells[i] for cells in competing] for i in range(len(table.columns))]
    aims = [_best(column, way, table.digits) for column, way in zip(columns, ways_of(table), strict=True)]
    out = [math.nan] * len(aims)
    return [
        (name, [_printed(cell, aim, table.digits) for cell, aim in zip(cells, of_row, strict=True)])
        for name, cells in table.rows
        for of_row in [out if name in table.references else aims]
    ]


def _best(column: Sequence[Cell], way: Better, digits: int) -> float:
    """The best number of a column, as printed; NaN where there is none, or all are alike."""
    numbers = {number for number in (_number(cell, digits) for cell in column) if not math.isnan(number)}
    if not way or len(numbers) < 2:
        return math.nan
    return min(numbers) if way == "lower" else max(numbers)


def _number(cell: Cell, digits: int) -> float:
    match cell:
        case Estimate():
            return round(cell.mean, digits)
        case str():
            return math.nan
    return round(float(cell), digits)


def _printed(cell: Cell, best: float, digits: int) -> Printed:
    match cell:
        case str():
            return Printed(cell, "", False)
        case int() | float():
            written = _signed(f"{cell:,}") if isinstance(cell, int) else _decimal(cell, digits)
            return Printed(written, "", _number(cell, digits) == best)
    known = math.isfinite(cell.low) and math.isfinite(cell.high)
    until = "–" if cell.low >= 0.0 else " to "  # no dash beside a minus sign
    interval = f"{_decimal(cell.low, digits)}{until}{_decimal(cell.high, digits)}" if known else ""
    return Printed(_decimal(cell.mean, digits), interval, _number(cell, digits) == best)


def _decimal(number: float, digits: int) -> str:
    if math.isnan(number):
        return _NOTHING
    return _signed(f"{number:z,.{digits}f}".replace("inf", "∞"))


def _signed(number: str) -> str:
    return number.replace("-", "\N{MINUS SIGN}")
