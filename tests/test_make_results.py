"""The page of results is the reports, one level down, without what only their own page can show."""

import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "docs" / "make_results.py"


def test_reports_become_one_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = runpy.run_path(str(SCRIPT))
    for protocol in script["PROTOCOLS"]:
        (tmp_path / protocol).mkdir()
        (tmp_path / protocol / "report.md").write_text(
            f"# All of {protocol}\n\n    faceanime evaluate\n\n## A table\n\n| a |\n| --- |\n| 1 |\n\n"
            "## ann-000\n\nA picture, in report.html\n\n## A curve\n\n- ann: 1: 2\n"
        )
    page = tmp_path / "results.md"
    page.write_text(f"# Results\n\n{script['BEGIN']}old\n{script['END']}\nkept\n")
    main = script["main"]
    monkeypatch.setitem(main.__globals__, "RESULTS", page)
    for _ in range(2):  # the same again
        main(tmp_path)
        text = page.read_text()
        assert text.startswith("# Results\n")
        assert text.endswith("\nkept\n")
        assert "old" not in text
        assert [line for line in text.splitlines() if line.startswith("## ")] == [
            f"## All of {protocol}" for protocol in script["PROTOCOLS"]
        ]
        assert text.count("### A table\n\n| a |") == text.count("### A curve") == len(script["PROTOCOLS"])
        assert "ann-000" not in text


def test_what_was_not_measured_anew_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = runpy.run_path(str(SCRIPT))
    page = tmp_path / "results.md"
    old = "\n".join(f"## {protocol}, old\n\n### A table\n" for protocol in script["PROTOCOLS"])
    page.write_text(f"{script['BEGIN']}{old}{script['END']}")
    monkeypatch.setitem(script["main"].__globals__, "RESULTS", page)
    script["main"](tmp_path)
    assert page.read_text() == f"{script['BEGIN']}{old}{script['END']}"
    (tmp_path / "cross").mkdir()
    (tmp_path / "cross" / "report.md").write_text("# cross, new\n")
    script["main"](tmp_path)
    heads = [line for line in page.read_text().splitlines() if line.startswith("## ")]
    assert heads == ["## self, old", "## cross, new", "## predict, old", "## target, old", "## speed, old"]
    page.write_text(f"{script['BEGIN']}{script['END']}")
    with pytest.raises(SystemExit, match="nothing of self to keep"):
        script["main"](tmp_path)


def test_the_page_has_its_marks() -> None:
    script = runpy.run_path(str(SCRIPT))
    text = script["RESULTS"].read_text(encoding="utf-8")
    assert text.count(script["BEGIN"]) == text.count(script["END"]) == 1
