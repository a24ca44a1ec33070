"""The examples in docstrings are true."""

import doctest
import importlib
from pathlib import Path

import numpy as np
import pytest

import faceanime

PACKAGE = Path(faceanime.__file__).parent
EXAMPLES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("module", EXAMPLES)
def test_examples(module: str) -> None:
    result = doctest.testmod(importlib.import_module(module), extraglobs={"np": np})
    assert result.attempted > 0
    assert result.failed == 0
