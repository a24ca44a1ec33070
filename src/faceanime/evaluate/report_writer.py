"""Write a report as a page (HTML), as Markdown and as JSON, the first two from the templates in `templates/`."""

from __future__ import annotations

import base64
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from faceanime.core.files import atomic_output, make_folder, open_input
from faceanime.evaluate.report import (
    JSON,
    Cell,
    Heading,
    Plot,
    Report,
    Section,
    Sheet,
    Table,
    Video,
    printed_rows,
)
from faceanime.evaluate.report_libraries import check_report_libraries
from faceanime.evaluate.report_plot import plot_variants
from faceanime.evaluate.statistics import Estimate
from faceanime.structures.frames import Pixels

_ARROWS = {"lower": "↓", "higher": "↑", "": ""}
_HOW_TO_READ = "↓ lower is better, ↑ higher is better; the best of such a column is bold."
_LARGEST_PNG_BYTES = 1_000_000
"""Larger pictures are stored as JPEG, to keep the page small; chosen by eye."""
_JPEG_QUALITY = 90
"""Quality of the JPEGs of a report on Pillow's scale; chosen by eye."""
_MARKDOWN_PLOT_POINTS = 8
"""Number of points of each curve that the Markdown file lists."""


def write_report(report: Report, out: Path) -> None:
    """Write `out`/report.json, report.md and report.html, each whole or not at all; same report, same bytes.

    The page is self-contained: it holds its plots, pictures and videos and loads nothing. The Markdown file names
    them. Numbers that JSON cannot hold (NaN, infinity) are null there. The folder is made if it does not exist.

    Raises OutputError; MediaError for a video that cannot be read, before anything is written; ConfigError, see
    `check_report_libraries`.
    """
    check_report_libraries()
    files = {
        "report.json": _json_text(_report_record(report)),
        "report.md": _rendered("report.md.jinja", report),
        "report.html": _rendered("report.html.jinja", report),
    }
    make_folder(out)
    for name, text in files.items():
        with atomic_output(out / name) as draft:
            draft.write_text(text, encoding="utf-8", newline="\n")


# Templates


def _rendered(template: str, report: Report) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("faceanime.evaluate"),
        autoescape=lambda name: name is not None and name.endswith(".html.jinja"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "json": _json_text,
        "markdown": _markdown_escaped,
        "markdown_lines": lambda text: "\n".join(map(_markdown_escaped, text.splitlines())),
        "picture_uri": _picture_uri,
        "plot_points": _plot_points,
        "plot_variants": plot_variants,
        "printed_rows": printed_rows,
        "video_uri": _video_uri,
    }
    return environment.get_template(template).render(
        report=report,
        sections=_numbered_sections(report.sections),
        arrows=_ARROWS,
        how_to_read=_HOW_TO_READ,
    )


def _numbered_sections(sections: Sequence[Section]) -> list[dict[str, object]]:
    """The sections for the templates: each with its kind, its HTML id, and the level of its heading.

    The level is 2 for chapters and for sections before the first chapter, 3 for sections in a chapter.
    """
    first = next((i for i, section in enumerate(sections) if isinstance(section, Heading)), len(sections))
    return [
        {
            "content": section,
            "kind": _kind(section),
            "id": f"s{i + 1}",
            "level": 2 if i < first or isinstance(section, Heading) else 3,
        }
        for i, section in enumerate(sections)
    ]


def _kind(section: Section) -> str:
    return type(section).__name__.lower()


def _markdown_escaped(text: str) -> str:
    """The text as one line of Markdown that shows its characters as they are."""
    return re.sub(r"([\\`*<\[|])", r"\\\1", " ".join(text.splitlines()))


def _plot_points(plot: Plot) -> dict[str, list[str]]:
    """Some points of each curve as text, evenly spaced."""
    points = {}
    for name, (x, y) in plot.series.items():
        shown = np.linspace(0, len(x) - 1, _MARKDOWN_PLOT_POINTS if len(x) else 0).round().astype(int)
        points[name] = [f"{x[i]:.3g}: {y[i]:.3g}" for i in np.unique(shown)]
    return points


def _picture_uri(pixels: Pixels) -> str:
    """The picture as a data URI: PNG, or JPEG where PNG would be larger than a megabyte."""
    png = _encoded(pixels, "PNG")
    if len(png) <= _LARGEST_PNG_BYTES:
        return _data_uri("image/png", png)
    return _data_uri("image/jpeg", _encoded(pixels, "JPEG", quality=_JPEG_QUALITY, subsampling="4:4:4"))


def _encoded(pixels: Pixels, image_format: str, **options: int | str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, image_format, **options)
    return buffer.getvalue()


def _video_uri(path: Path) -> str:
    with open_input(path) as file:
        return _data_uri("video/mp4", file.read())


def _data_uri(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


# JSON


def _json_text(value: JSON) -> str:
    return json.dumps(_without_nonfinite(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _without_nonfinite(value: JSON) -> JSON:
    """The value with null in place of numbers that are not finite."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {key: _without_nonfinite(item) for key, item in value.items()}
        case list() | tuple():
            return [_without_nonfinite(item) for item in value]
    return value


def _report_record(report: Report) -> JSON:
    sections = [
        {
            "kind": _kind(section),
            "title": section.title,
            "note": section.note,
            **_content_record(section),
        }
        for section in report.sections
    ]
    return {
        "title": report.title,
        "command": report.command,
        "settings": report.settings,
        "sections": sections,
    }


def _content_record(section: Section) -> Mapping[str, JSON]:
    match section:
        case Heading():
            return {}
        case Table():
            heads = zip(section.columns, section.directions, strict=True)
            return {
                "columns": [{"name": name, "better": direction} for name, direction in heads],
                "rows": [
                    {"name": name, "cells": dict(zip(section.columns, map(_cell_value, cells), strict=True))}
                    for name, cells in section.rows
                ],
            }
        case Plot():
            series = {name: {"x": x.tolist(), "y": y.tolist()} for name, (x, y) in section.series.items()}
            return {"x_label": section.x_label, "y_label": section.y_label, "series": series}
        case Sheet():
            height, width = section.picture.shape[:2]
            return {"width_px": width, "height_px": height}
        case Video():
            return {"file": section.path.name}


def _cell_value(cell: Cell) -> JSON:
    if isinstance(cell, Estimate):
        return {"mean": cell.mean, "low": cell.low, "high": cell.high}
    return cell
