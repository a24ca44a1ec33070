"""The examples in docstrings are true."""

import doctest
import importlib

import numpy as np
import pytest


@pytest.mark.parametrize(
    "module",
    [
        "faceanime.dynamics.blinks",
        "faceanime.evaluate.geometry_metrics",
        "faceanime.evaluate.image_metrics",
        "faceanime.evaluate.perceptual_metrics",
        "faceanime.evaluate.statistics",
        "faceanime.evaluate.video_metrics",
        "faceanime.face.identity",
        "faceanime.geometry.interpolation",
    ],
)
def test_examples(module: str) -> None:
    result = doctest.testmod(importlib.import_module(module), extraglobs={"np": np})
    assert result.attempted > 0
    assert result.failed == 0
