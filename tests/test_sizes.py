"""Files and functions stay short enough to be read at one go."""

from __future__ import annotations

import ast
from pathlib import Path

import faceanime

PACKAGE = Path(faceanime.__file__).parent
LONGEST_FILE, LONGEST_FUNCTION = 400, 60
"""Lines."""


def test_no_file_and_no_function_is_too_long() -> None:
    too_long = []
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if len(text.splitlines()) > LONGEST_FILE:
            too_long.append(path.name)
        functions = (
            node
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        )
        too_long += [
            f"{path.name}: {node.name}"
            for node in functions
            if (node.end_lineno or node.lineno) - node.lineno + 1 > LONGEST_FUNCTION
        ]
    assert too_long == []
