"""The examples in docstrings are true."""

import doctest
import importlib

import numpy as np
import pytest


@pytest.mark.parametrize(
    "module",
    [
        "faceanime.dynamics.blinks",
        "faceanime.evaluate.geometry",
        "faceanime.evaluate.image",
        "faceanime.evaluate.perceptual",
        "faceanime.evaluate.statistics",
        "faceanime.evaluate.video",
        "faceanime.face.identity",
    ],
)
def test_examples(module: str) -> None:
    result = doctest.testmod(importlib.import_module(module), extraglobs={"np": np})
    assert result.attempted > 0
    assert result.failed == 0
