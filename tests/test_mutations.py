"""The list of mutations is up to date: each line to be broken stands in its file once, and each test exists."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from mutations import OWN, REVIEWED, ROOT, Mutation

MUTATIONS = [*REVIEWED, *OWN]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: f"{mutation.file}: {mutation.old[:40]}")
def test_the_line_stands_in_its_file_once(mutation: Mutation) -> None:
    text = Path(ROOT, "src/faceanime", mutation.file).read_text(encoding="utf-8")
    assert text.count(mutation.old) == 1
    assert mutation.new != mutation.old
    ast.parse(text.replace(mutation.old, mutation.new))


@pytest.mark.parametrize("name", sorted({name for each in MUTATIONS for name in each.tests.split()}))
def test_the_tests_that_should_notice_exist(name: str) -> None:
    file, _, function = name.partition("::")
    tree = ast.parse(Path(ROOT, "tests", file).read_text(encoding="utf-8"))
    assert function in {"", *(node.name for node in tree.body if isinstance(node, ast.FunctionDef))}
