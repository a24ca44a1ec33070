"""CITATION.cff names this version and the paper; its form is that of Citation File Format 1.2.0."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_citation_is_of_this_version_and_licence() -> None:
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    top = dict(re.findall(r"^([a-z-]+): *(.*)$", text, flags=re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {"cff-version", "message", "title", "authors"} <= top.keys()  # those that the format requires
    assert top["cff-version"] == "1.2.0"
    for ours, theirs in {"title": "name", "version": "version", "license": "license"}.items():
        assert top[ours] == project[theirs]
    assert [author["name"] for author in project["authors"]] == re.findall(
        r"^  - name: (.+)$", text, re.MULTILINE
    )
    assert "arXiv:2105.14678" in text
