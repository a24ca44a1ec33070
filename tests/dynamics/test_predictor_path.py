"""Predictors by name, and by file."""

from pathlib import Path

import pytest

from faceanime.core.errors import ConfigError
from faceanime.core.weights import bundled
from faceanime.dynamics.predictor_path import BUNDLED_PREDICTORS, predictor_path


def test_a_name_is_a_bundled_predictor_unless_a_file_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert predictor_path(None) == predictor_path(Path("flow")) == bundled("dynamics.safetensors")
    assert predictor_path(Path("paper")) == bundled("dynamics_paper.safetensors")
    assert all(predictor_path(Path(name)).is_file() for name in BUNDLED_PREDICTORS)
    for other in (Path("run/paper"), Path("paper.safetensors"), tmp_path / "paper"):
        assert predictor_path(other) == other
    monkeypatch.chdir(tmp_path)
    Path("paper").touch()
    assert predictor_path(Path("paper")) == Path("paper")


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(
        ConfigError, match=r"papr is neither a file nor a bundled predictor .*flow, paper.*paper"
    ):
        predictor_path(Path("papr"))
