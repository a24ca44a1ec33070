"""The pages: every link, picture, file name and command in them exists."""

import io
import re
import runpy
import shlex
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from PIL import Image

from faceanime.cli import COMMANDS, main

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("src/faceanime/assets/*.md")],
    key=lambda page: page.relative_to(ROOT).as_posix(),
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
OPTION = re.compile(r"(?<![\w-])--?[a-z][\w.-]*")
FILE_NAME = re.compile(r"`((?:[\w-]+/)*[\w-]+\.py)`")
CODE_FOLDERS = ("", "src/faceanime")
"""Prefixes of file names in pages."""


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", without_code(page.read_text(encoding="utf-8")), flags=re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in kept}


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def commands_of(text: str) -> list[str]:
    """The commands in code blocks and between backticks, lines that were broken joined."""
    blocks = re.findall(r"(?:^    .*\n)+|^```.*?^```", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    spans = re.findall(r"`([^`]+)`", without_code(text))
    parts = [part for code in [*lines, *spans] for part in re.split(r"  +#|;", " ".join(code.split("\n")))]
    return [part.strip() for part in parts if part.strip().startswith("faceanime ")]


def verb_and_options(command: str) -> tuple[str, set[str]]:
    words = shlex.split(command.replace("[", "").replace("]", ""))[1:]
    verb = " ".join(words[:2]) if " ".join(words[:2]) in COMMANDS else words[0] if words else ""
    return verb, {word for word in words if re.match(r"--?[a-z]", word)}


@pytest.fixture(scope="module")
def options_of() -> dict[str, set[str]]:
    """The options of every verb, as its help lists them."""
    found = {}
    for verb in COMMANDS:
        with redirect_stdout(io.StringIO()) as page:
            assert main([*verb.split(), "--help"]) == 0
        found[verb] = set(OPTION.findall(page.getvalue()))
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(without_code(page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name_of(page)} links to {link}"
        if anchor:
            assert anchor in anchors_of(target), f"{name_of(page)} links to {link}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_named_in_pages_exist(page: Path) -> None:
    for name in FILE_NAME.findall(without_code(page.read_text(encoding="utf-8"))):
        assert any((ROOT / folder / name).exists() for folder in CODE_FOLDERS), f"{name_of(page)}: {name}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_have_the_options_they_are_shown_with(page: Path, options_of: dict[str, set[str]]) -> None:
    for command in commands_of(page.read_text(encoding="utf-8")):
        verb, options = verb_and_options(command)
        if verb in options_of:
            assert options <= options_of[verb], f"{name_of(page)}: {command}"
        else:
            assert verb.startswith("-") or verb in {v.split()[0] for v in COMMANDS}, (
                f"{name_of(page)}: {command}"
            )


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_options_named_alone_are_those_of_a_verb_or_script(
    page: Path, options_of: dict[str, set[str]]
) -> None:
    scripts = [*ROOT.glob("benchmarks/*.py"), *ROOT.glob("tests/conftest.py")]
    known = set().union(*options_of.values(), *(OPTION.findall(script.read_text()) for script in scripts))
    for span in re.findall(r"`(--[^`]+)`", without_code(page.read_text(encoding="utf-8"))):
        for option in OPTION.findall(span):
            assert option in known, f"{name_of(page)}: {option}"


def test_pages_named_in_code_exist() -> None:
    for folder in ("src", "benchmarks", "tests"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for name in re.findall(r"\bdocs/[\w/-]+\.md\b", path.read_text(encoding="utf-8")):
                assert (ROOT / name).exists(), f"{name_of(path)} names {name}"


def test_words_that_are_not_used_occur_nowhere() -> None:
    """Those in bold in the right column of the vocabulary's tables."""
    vocabulary = ROOT / "docs/vocabulary.md"
    cells = [
        line.rstrip(" |").rpartition("|")[2] for line in vocabulary.read_text(encoding="utf-8").splitlines()
    ]
    banned = {word for cell in cells for word in re.findall(r"\*\*(.+?)\*\*", cell)}
    assert banned
    pattern = re.compile(rf"\b(?:{'|'.join(sorted(banned))})\b".replace(" ", r"\s+"), flags=re.IGNORECASE)
    code = [path for folder in ("src", "benchmarks", "docs") for path in (ROOT / folder).rglob("*.py")]
    for path in sorted({*PAGES, *code} - {vocabulary}):
        found = pattern.search(path.read_text(encoding="utf-8"))
        assert found is None, f"{name_of(path)} says {found.group()}"


def test_the_script_of_the_pictures_finds_its_parts() -> None:
    assert runpy.run_path(str(ROOT / "docs/make_figures.py"), run_name="figures")["MAKERS"]


def test_pictures_open_and_are_shown() -> None:
    shown = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in PAGES
        for link in LINK.findall(page.read_text(encoding="utf-8"))
    }
    pictures = [p for p in (ROOT / "docs/figures").rglob("*") if p.suffix in {".jpg", ".png", ".webp"}]
    assert pictures
    for picture in pictures:
        assert picture in shown, f"no page shows {name_of(picture)}"
        with Image.open(picture) as image:
            image.load()
    assert sum(picture.stat().st_size for picture in pictures) < 3_000_000
