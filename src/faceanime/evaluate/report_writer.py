"""A report as a page to look at, as text to read and as JSON to compute with."""

from __future__ import annotations

import json
import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np

from faceanime.core.files import atomic_output, make_folder, open_input
from faceanime.evaluate.report import (
    JSON,
    Better,
    Cell,
    Heading,
    Plot,
    Printed,
    Report,
    Section,
    Sheet,
    Table,
    Video,
    printed_rows,
    ways_of,
)
from faceanime.evaluate.report_html import chart, film, page, picture
from faceanime.evaluate.statistics import Estimate

_ARROWS: Mapping[Better, str] = {"lower": "↓", "higher": "↑"}
_HOW_TO_READ = "↓ lower is better, ↑ higher is better; the best of such a column is bold."
_MOST_WITHOUT_CONTENTS = 6


def write_report(report: Report, out: Path) -> None:
    """Write `out`/report.json, report.md and report.html, each whole or not at all; same report, same bytes.

    The page loads nothing, pictures and videos are in it; the text names them. In the JSON, numbers that it
    cannot hold (NaN, infinity) are null. The folder is made if it is not there.

    Raises: OutputError; MediaError for a video that cannot be read, before anything is written.
    """
    files = {
        "report.json": _as_json(report),
        "report.md": _as_markdown(report),
        "report.html": _as_html(report),
    }
    make_folder(out)
    for name, text in files.items():
        with atomic_output(out / name) as draft:
            draft.write_text(text, encoding="utf-8", newline="\n")


# JSON


def _as_json(report: Report) -> str:
    return _dumped(
        {
            "title": report.title,
            "command": report.command,
            "settings": report.settings,
            "sections": [_record(section) for section in report.sections],
        }
    )


def _dumped(value: JSON) -> str:
    return json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _finite(value: JSON) -> JSON:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {key: _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
    return value


def _record(section: Section) -> JSON:
    return {
        "kind": type(section).__name__.lower(),
        "title": section.title,
        "note": section.note,
        **_content(section),
    }


def _content(section: Section) -> Mapping[str, JSON]:
    match section:
        case Heading():
            return {}
        case Table():
            return {
                "columns": [
                    {"name": name, "better": way}
                    for name, way in zip(section.columns, ways_of(section), strict=True)
                ],
                "rows": [
                    {"name": name, "cells": dict(zip(section.columns, map(_value, cells), strict=True))}
                    for name, cells in section.rows
                ],
            }
        case Plot():
            return {
                "x_label": section.x_label,
                "y_label": section.y_label,
                "series": {
                    name: {"x": x.tolist(), "y": y.tolist()} for name, (x, y) in section.series.items()
                },
            }
        case Sheet():
            height, width = section.picture.shape[:2]
            return {"width_px": width, "height_px": height}
        case Video():
            return {"file": section.path.name}


def _value(cell: Cell) -> JSON:
    if isinstance(cell, Estimate):
        return {"mean": cell.mean, "low": cell.low, "high": cell.high}
    return cell


# Cells as they are printed


def _how_to_read(report: Report) -> list[str]:
    """What needs a word once, for all tables."""
    directed = any(isinstance(section, Table) and any(section.better) for section in report.sections)
    return [_HOW_TO_READ] if directed else []


def _levels(sections: Sequence[Section]) -> list[int]:
    """The level of each section's heading: 2, or 3 within a chapter."""
    first = next((i for i, section in enumerate(sections) if isinstance(section, Heading)), len(sections))
    return [2 if i < first or isinstance(section, Heading) else 3 for i, section in enumerate(sections)]


# Markdown


def _as_markdown(report: Report) -> str:
    blocks = [f"# {_plain(report.title)}", textwrap.indent(report.command, "    "), *_how_to_read(report)]
    for section, level in zip(report.sections, _levels(report.sections), strict=True):
        blocks += [f"{'#' * level} {_plain(section.title)}", *_markdown_body(section)]
        if section.note:
            blocks.append("\n".join(map(_plain, section.note.splitlines())))
    return "\n\n".join(blocks) + "\n"


def _markdown_body(section: Section) -> list[str]:
    match section:
        case Heading():
            return []
        case Table():
            return [_markdown_table(section)]
        case Video():
            return [f"A video, in report.html: {_plain(section.path.name)}"]
        case Plot():
            return [f"{_plain(section.y_label)} over {_plain(section.x_label)}:", _markdown_plot(section)]
        case Sheet():
            return ["A picture, in report.html"]


def _markdown_table(table: Table) -> str:
    heads = [
        f"{_plain(name)} {_ARROWS.get(way, '')}".strip()
        for name, way in zip(table.columns, ways_of(table), strict=True)
    ]
    lines = [["", *heads], ["---", *["---:"] * len(heads)]]
    for name, cells in printed_rows(table):
        lines.append([_plain(name), *map(_markdown_cell, cells)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _markdown_plot(plot: Plot) -> str:
    """Some points of each curve; report.html draws them."""
    lines = []
    for name, (x, y) in plot.series.items():
        shown = np.unique(np.linspace(0, len(x) - 1, _SHOWN_POINTS).round().astype(int)) if len(x) else []
        points = (f"{x[i]:.3g}: {y[i]:.3g}" for i in shown)
        lines.append(f"- {_plain(name)}: {', '.join(points)}")
    return "\n".join(lines)


_SHOWN_POINTS = 8


def _markdown_cell(cell: Printed) -> str:
    value = f"**{cell.value}**" if cell.is_best else _plain(cell.value)
    return f"{value} ({cell.interval})" if cell.interval else value


def _plain(text: str) -> str:
    """One line of Markdown that shows as this text."""
    return re.sub(r"([\\`*<\[|])", r"\\\1", " ".join(text.splitlines()))


# HTML


def _as_html(report: Report) -> str:
    levels = _levels(report.sections)
    parts = [
        f"<h1>{escape(report.title)}</h1>",
        f"<pre><code>{escape(report.command)}</code></pre>",
        f"<details><summary>Settings</summary><pre><code>{escape(_dumped(report.settings))}</code></pre></details>",
        *[f'<p class="note">{escape(words)}</p>' for words in _how_to_read(report)],
    ]
    header = "<header>\n" + "\n".join(parts) + "\n</header>"
    sections = [
        _html_section(section, f"s{i}", level)
        for i, (section, level) in enumerate(zip(report.sections, levels, strict=True), start=1)
    ]
    contents = [_contents(report.sections, levels)] if len(sections) > _MOST_WITHOUT_CONTENTS else []
    return page(report.title, "\n".join([header, *contents, "<main>", *sections, "</main>"]))


def _contents(sections: Sequence[Section], levels: Sequence[int]) -> str:
    chapters: list[list[str]] = []
    for i, (section, level) in enumerate(zip(sections, levels, strict=True), start=1):
        if level == 2:
            chapters.append([])
        elif isinstance(section, Sheet | Video):
            continue  # there may be hundreds
        chapters[-1].append(f'<a href="#s{i}">{escape(section.title)}</a>')
    items = [first + (_list(rest) if rest else "") for first, *rest in chapters]
    return f'<nav aria-label="Contents">{_list(items)}</nav>'


def _list(items: Sequence[str]) -> str:
    return "\n".join(["<ul>", *(f"<li>{item}</li>" for item in items), "</ul>"])


def _html_section(section: Section, anchor: str, level: int) -> str:
    lines = [
        f'<section id="{anchor}"{_chapter(section)}>',
        f'<h{level} id="{anchor}-title">{escape(section.title)}</h{level}>',
        *_html_body(section, anchor),
    ]
    if section.note:
        kind = "" if isinstance(section, Heading) else ' class="note"'
        lines.append(f"<p{kind}>{escape(section.note)}</p>")
    return "\n".join([*lines, "</section>"])


def _chapter(section: Section) -> str:
    return ' class="chapter"' if isinstance(section, Heading) else ""


def _html_body(section: Section, anchor: str) -> list[str]:
    match section:
        case Heading():
            return []
        case Table():
            return [_html_table(section, anchor)]
        case Plot():
            return [chart(section.title, section.x_label, section.y_label, section.series, section.log_y)]
        case Sheet():
            return [picture(section.picture, section.title)]
        case Video():
            with open_input(section.path) as file:
                return [film(file.read(), section.title)]


def _html_table(table: Table, anchor: str) -> str:
    kinds = [
        ' class="text"' if table.rows and all(isinstance(cells[i], str) for _, cells in table.rows) else ""
        for i in range(len(table.columns))
    ]
    heads = [
        f'<th scope="col"{kind}>{escape(name)}{_html_arrow(way)}</th>'
        for name, way, kind in zip(table.columns, ways_of(table), kinds, strict=True)
    ]
    rows = [
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(f"<td{kind}>{_html_cell(cell)}</td>" for cell, kind in zip(cells, kinds, strict=True))
        + "</tr>"
        for name, cells in printed_rows(table)
    ]
    return "\n".join(
        [
            f'<div class="scroll" role="region" aria-labelledby="{anchor}-title" tabindex="0">',
            f"<table>\n<caption>{escape(table.title)}</caption>",
            f"<thead>\n<tr><td></td>{''.join(heads)}</tr>\n</thead>",
            "<tbody>",
            *rows,
            "</tbody>\n</table>\n</div>",
        ]
    )


def _html_arrow(way: Better) -> str:
    if not way:
        return ""
    return f' <span class="way" title="{way} is better">{_ARROWS[way]}</span>'


def _html_cell(cell: Printed) -> str:
    value = escape(cell.value)
    if cell.is_best:
        value = f"<strong>{value}</strong>"
    return f"{value}<small>{cell.interval}</small>" if cell.interval else value
