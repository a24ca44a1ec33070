"""One report: as a page, as text, as JSON."""

import base64
import dataclasses
import io
import json
import os
import re
import subprocess
import sys
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faceanime.core.errors import ConfigError, MediaError, OutputError, ShapeError
from faceanime.evaluate.report import (
    Better,
    Cell,
    Heading,
    Plot,
    Report,
    Section,
    Sheet,
    Table,
    Video,
)
from faceanime.evaluate.report_plot import plot_variants
from faceanime.evaluate.report_writer import write_report
from faceanime.evaluate.statistics import Estimate
from faceanime.media.video_writer import VideoWriter

NAN = float("nan")
EVIL = '<script>alert("&")</script>'
VOID = {"meta", "link", "img", "source"}
HEADING = re.compile("h[1-6]")


class Page(HTMLParser):
    """Elements in their order, each with its attributes and the text inside; closed as they were opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], list[str]]] = []
        self._open: list[int] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs)
        self.elements.append((tag, dict(attrs), []))
        if tag not in VOID:
            self._open.append(len(self.elements) - 1)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs), []))

    def handle_endtag(self, tag: str) -> None:
        assert self.elements[self._open.pop()][0] == tag

    def handle_data(self, data: str) -> None:
        for i in self._open:
            self.elements[i][2].append(data)

    def texts(self, tag: str) -> list[str]:
        return ["".join(text) for name, _, text in self.elements if name == tag]

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes, _ in self.elements if name == tag]


def report_of(*sections: Section) -> Report:
    return Report("A report", "faceanime evaluate --data DIR", {"seed": 0}, sections)


def table_of(*cells: Cell, better: Better = "", digits: int = 3) -> Table:
    rows = tuple((f"row {i}", (cell,)) for i, cell in enumerate(cells))
    return Table("A table", ("error",), rows, better=(better,), digits=digits)


def page_of(folder: Path, *sections: Section) -> Page:
    write_report(report_of(*sections), folder)
    return Page((folder / "report.html").read_text("utf-8"))


def markdown_of(folder: Path, *sections: Section) -> str:
    write_report(report_of(*sections), folder)
    return (folder / "report.md").read_text("utf-8")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made")


@pytest.fixture(scope="module")
def full(made: Path) -> Report:
    """A report with every kind of section, and with markup in every text."""
    film = made / f"{EVIL.replace('/', '')}.mp4"
    with VideoWriter(film, Fraction(25), 32, 32) as writer:
        writer.write(np.zeros((32, 32, 3), np.uint8))
    table = Table(
        EVIL, (EVIL, "b"), ((EVIL, (Estimate(1.0, 0.5, 1.5), EVIL)), ("x", (NAN, 3))), EVIL, ("lower", "")
    )
    curves = {EVIL: (np.arange(3), np.array([0.1, NAN, 0.3])), "b": (np.arange(2.0), np.ones(2))}
    sections = (
        table,
        Heading(EVIL, EVIL),
        Plot(EVIL, EVIL, EVIL, curves, EVIL),
        Plot("log", "x", "y", curves, log_y=True),
        Sheet(EVIL, np.zeros((4, 6, 3), np.uint8), EVIL),
        Heading("b"),
        Video(EVIL, film, EVIL),
        Table("empty", (), ()),
    )
    return Report(EVIL, EVIL, {EVIL: [EVIL, NAN, None, {"a": 1.5}]}, sections)


@pytest.fixture(scope="module")
def full_out(full: Report, made: Path) -> Path:
    write_report(full, made / "out")
    return made / "out"


@pytest.fixture(scope="module")
def full_page(full_out: Path) -> Page:
    return Page((full_out / "report.html").read_text("utf-8"))


def test_text_is_shown_and_never_obeyed(full_page: Page, full_out: Path) -> None:
    assert not full_page.texts("script")
    assert full_page.texts("h1") == full_page.texts("h2")[1:2] == [EVIL]
    assert EVIL in full_page.texts("th")
    assert EVIL in full_page.texts("td")
    assert full_page.attributes("img")[2]["alt"] == full_page.attributes("video")[0]["aria-label"] == EVIL
    markdown = (full_out / "report.md").read_text("utf-8")
    prose = [line for line in markdown.splitlines() if not line.startswith("    ")]
    assert not any(re.search(r"(?<!\\)<", line) for line in prose)


def test_the_page_loads_nothing(full_page: Page) -> None:
    for _, attributes, _ in full_page.elements:
        for name in ("src", "href", "poster", "srcset", "action", "data"):
            assert (attributes.get(name) or "data:").startswith(("data:", "#"))
    assert not re.search(r"url\(|@import", "".join(full_page.texts("style")))
    policy = full_page.attributes("meta")[2]
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert (policy["content"] or "").startswith("default-src 'none';")


def test_the_page_is_in_order(full_page: Page) -> None:
    levels = [int(tag[1]) for tag, _, _ in full_page.elements if HEADING.fullmatch(tag)]
    assert levels == [1, 2, 2, 3, 3, 3, 2, 3, 3]
    names = [attributes["id"] for _, attributes, _ in full_page.elements if "id" in attributes]
    assert len(set(names)) == len(names)
    for _, attributes, _ in full_page.elements:
        reference = attributes.get("aria-labelledby") or (attributes.get("href") or "").removeprefix("#")
        assert reference in {*names, ""} or reference.startswith("data:")
    assert {attributes.get("scope") for attributes in full_page.attributes("th")} == {"row", "col"}
    assert len(full_page.texts("caption")) == len(full_page.texts("table"))


@pytest.mark.parametrize(("count", "expected"), [(0, 0), (6, 0), (7, 1)])
def test_long_reports_have_contents(tmp_path: Path, count: int, expected: int) -> None:
    page = page_of(tmp_path, *[Heading(f"{i}") for i in range(count)])
    assert len(page.texts("nav")) == expected
    assert page.texts("a") == [f"{i}" for i in range(count)] * expected


def test_same_report_same_bytes(full: Report, full_out: Path, tmp_path: Path) -> None:
    write_report(full, tmp_path)
    for path in full_out.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()


def test_json_holds_the_numbers_as_they_are(full_out: Path) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    read = json.loads((full_out / "report.json").read_text("utf-8"), parse_constant=refuse)
    assert read["title"] == read["command"] == EVIL
    assert read["settings"] == {EVIL: [EVIL, None, None, {"a": 1.5}]}
    kinds = [section["kind"] for section in read["sections"]]
    assert kinds == ["table", "heading", "plot", "plot", "sheet", "heading", "video", "table"]
    table, _, plot, _, sheet, _, video, _ = read["sections"]
    assert table["columns"] == [{"name": EVIL, "better": "lower"}, {"name": "b", "better": ""}]
    assert table["rows"] == [
        {"name": EVIL, "cells": {EVIL: {"mean": 1.0, "low": 0.5, "high": 1.5}, "b": EVIL}},
        {"name": "x", "cells": {EVIL: None, "b": 3}},
    ]
    assert plot["series"][EVIL] == {"x": [0, 1, 2], "y": [0.1, None, 0.3]}
    assert (sheet["width_px"], sheet["height_px"]) == (6, 4)
    assert (full_out.parent / video["file"]).is_file()


def test_numbers_keep_every_digit_in_json(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=20) * 10.0 ** np.arange(-10, 10)
    write_report(report_of(table_of(*values.tolist())), tmp_path)
    rows = json.loads((tmp_path / "report.json").read_text("utf-8"))["sections"][0]["rows"]
    assert [row["cells"]["error"] for row in rows] == values.tolist()


@pytest.mark.parametrize(
    ("cell", "digits", "markdown", "html"),
    [
        (0.4123, 3, "0.412", "0.412"),
        (Estimate(0.4123, 0.3801, 0.45), 2, "0.41 (0.38–0.45)", "0.410.38–0.45"),
        (Estimate(-0.5, -1.0, 0.25), 1, "−0.5 (−1.0 to 0.2)", "−0.5−1.0 to 0.2"),
        (Estimate(2.0, NAN, NAN), 1, "2.0", "2.0"),
        (Estimate(NAN, NAN, NAN), 1, "–", "–"),
        (NAN, 3, "–", "–"),
        (float("inf"), 3, "∞", "∞"),
        (-0.0001, 2, "0.00", "0.00"),
        (12345, 3, "12,345", "12,345"),
        (-7, 3, "−7", "−7"),
        ("a|b*c", 3, r"a\|b\*c", "a|b*c"),
    ],
)
def test_cells_are_printed(tmp_path: Path, cell: Cell, digits: int, markdown: str, html: str) -> None:
    table = table_of(cell, digits=digits)
    assert markdown_of(tmp_path, table).splitlines()[-1] == f"| row 0 | {markdown} |"
    assert page_of(tmp_path, table).texts("td")[-1] == html


@pytest.mark.parametrize(
    ("cells", "better", "best"),
    [
        ((3.0, 1.0, 2.0), "lower", ["1.000"]),
        ((3.0, 1.0, 2.0), "higher", ["3.000"]),
        ((3.0, 1.0, 2.0), "", []),
        ((Estimate(3.0, 0.0, 9.0), NAN, 2.0), "lower", ["2.000"]),
        ((Estimate(3.0, 0.0, 9.0), "none", 2.0), "higher", ["3.000"]),
        ((1.00001, 1.00002, 2.0), "lower", ["1.000", "1.000"]),  # alike as printed
        ((float("inf"), 30.0), "higher", ["∞"]),
        ((4, 12), "higher", ["12"]),
        ((1.0, 1.0), "lower", []),
        ((1.0, NAN), "lower", []),
        (("a", "b"), "lower", []),
    ],
)
def test_the_best_cells_are_bold(
    tmp_path: Path, cells: tuple[Cell, ...], better: Better, best: list[str]
) -> None:
    page = page_of(tmp_path, table_of(*cells, better=better))
    assert page.texts("strong") == best
    text = (tmp_path / "report.md").read_text("utf-8")
    assert re.findall(r"\*\*(.+?)\*\*", text) == best


def test_references_are_not_compared(tmp_path: Path) -> None:
    rows = (("truth", (0.0,)), ("ours", (2.0,)), ("theirs", (3.0,)))
    table = Table("t", ("error",), rows, better=("lower",), references=("truth",))
    assert page_of(tmp_path, table).texts("strong") == ["2.000"]


def test_a_column_says_which_way_is_better(tmp_path: Path) -> None:
    table = Table("t", ("a", "b", "c"), (("x", (1, 2, 3)),), better=("lower", "higher", ""))
    assert page_of(tmp_path, table).texts("th")[:3] == ["a ↓", "b ↑", "c"]
    assert "|  | a ↓ | b ↑ | c |\n| --- | ---: | ---: | ---: |" in markdown_of(tmp_path, table)
    assert "↓" not in markdown_of(tmp_path, table_of(1.0))


def test_a_plot_lies_in_the_page(full: Report, full_page: Page) -> None:
    variants = [v for section in full.sections if isinstance(section, Plot) for v in plot_variants(section)]
    images = [attributes for attributes in full_page.attributes("img") if attributes.get("class") == "plot"]
    chosen = [(a["media"], a["srcset"]) for a in full_page.attributes("source")]
    assert chosen == [(v.media, v.uri) for i, v in enumerate(variants) if i % 4 < 3]
    assert [image["src"] for image in images] == [v.uri for v in variants[3::4]]
    assert images[0]["alt"] == f"{EVIL}: {EVIL} over {EVIL}; curves: {EVIL}, b"


def test_a_report_is_the_same_in_another_process(tmp_path: Path) -> None:
    """Ids in the plots are not random, and the hash seed of Python does not matter."""
    program = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from faceanime.evaluate.report import Plot, Report\n"
        "from faceanime.evaluate.report_writer import write_report\n"
        "curves = {n: (np.arange(9), np.sin(np.arange(9.0))) for n in 'abcdefgh'}\n"
        "write_report(Report('t', 'c', {}, (Plot('p', 'x', 'y', curves),)), Path(sys.argv[1]))"
    )
    for seed in "12":
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", program, str(tmp_path / seed)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout == done.stderr == ""
    first, second = ((tmp_path / seed / "report.html").read_bytes() for seed in "12")
    assert first == second


def test_missing_libraries_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)  # what Python itself writes to forbid an import
    with pytest.raises(ConfigError, match=r'pip install "faceanime\[eval\]"'):
        write_report(report_of(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_pictures_are_kept_exactly_unless_they_are_large(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    small, large = (rng.integers(0, 256, (side, side, 3), dtype=np.uint8) for side in (20, 700))
    page = page_of(tmp_path, Sheet("a", small), Sheet("b", large))
    for attributes, pixels, kind in zip(page.attributes("img"), (small, large), ("png", "jpeg"), strict=True):
        head, _, data = (attributes["src"] or "").partition(",")
        assert head == f"data:image/{kind};base64"
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
        assert shown.shape == pixels.shape
        assert attributes["width"] == attributes["height"] == str(len(pixels))
        if kind == "png":
            np.testing.assert_array_equal(shown, pixels)


def test_a_video_lies_in_the_page(full: Report, full_page: Page) -> None:
    [attributes] = full_page.attributes("video")
    video = next(section for section in full.sections if isinstance(section, Video))
    head, _, data = (attributes["src"] or "").partition(",")
    assert head == "data:video/mp4;base64"
    assert base64.b64decode(data) == video.path.read_bytes()
    assert {"controls", "loop", "muted", "playsinline"} <= set(attributes)


def test_a_video_that_is_missing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no such file"):
        write_report(report_of(Video("a", tmp_path / "none.mp4")), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_failing_write_leaves_nothing_half_written(
    tmp_path: Path, full: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    write_report(report_of(), out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert set(before) == {"report.json", "report.md", "report.html"}

    def fail_midway(path: Path, text: str, **_: object) -> int:
        path.write_bytes(text.encode()[: len(text) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fail_midway)
    with pytest.raises(OutputError, match="no space left"):
        write_report(full, out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(OutputError, match="choose another folder"):
        write_report(report_of(), tmp_path / "out")


def test_cells_and_curves_that_do_not_fit_are_refused() -> None:
    table = table_of(1.0)
    for change in ({"columns": ("a", "b")}, {"better": ("lower", "")}, {"columns": (), "better": ()}):
        with pytest.raises(ShapeError, match="A table"):
            dataclasses.replace(table, **change)
    with pytest.raises(ShapeError, match="same name"):
        Table("t", ("a", "a"), ())
    with pytest.raises(ShapeError, match="curve"):
        Plot("p", "x", "y", {"curve": (np.zeros(2), np.zeros(3))})
