"""The reference of the Python API is what the code says."""

import runpy
from pathlib import Path

import pytest

import faceanime

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def page() -> str:
    text: str = runpy.run_path(str(ROOT / "docs" / "make_reference.py"), run_name="reference")["reference"]()
    return text


def test_the_page_is_current(page: str) -> None:
    written = (ROOT / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    assert written == page, "write it anew: python docs/make_reference.py"


@pytest.mark.parametrize("name", faceanime.__all__)
def test_every_public_name_is_described(name: str, page: str) -> None:
    assert f"### {name}\n\n" in page or f"\n`{name}`: " in page
    described = page.split(f"### {name}\n\n")[-1].split(f"\n`{name}`: ")[-1]
    assert described[:3].strip()


def test_settings_are_described_field_by_field(page: str) -> None:
    row = next(line for line in page.splitlines() if line.startswith(r"| `yaw_limit_deg`: `float \| None` |"))
    assert "| `None` |" in row
    assert "either side" in row
    assert r"| `size`: `int \| None` | `None` |" in page
    assert "| `detect`: `DetectConfig` | `DetectConfig()` |" in page
