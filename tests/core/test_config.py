"""Settings come back as they went, and mistakes in them are named."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceanime.core.config import from_json, load_config, save_config, to_json
from faceanime.core.errors import ConfigError, OutputError


@dataclass(frozen=True)
class Fit:
    iterations: int = 6
    ridge: float = 0.5


@dataclass(frozen=True)
class Config:
    name: str
    fit: Fit = field(default_factory=Fit)
    motion: Literal["relative", "absolute"] = "relative"
    frame_rate: Fraction = Fraction(30000, 1001)
    output: Path | None = None
    seed: int | None = None
    weights: tuple[float, ...] = (1.0, 2.0)
    size: tuple[int, int] = (512, 512)
    fits: tuple[Fit, ...] = ()
    crop: bool = False


configs = st.builds(
    Config,
    name=st.text(),
    fit=st.builds(Fit, st.integers(), st.floats(allow_nan=False, allow_infinity=False)),
    motion=st.sampled_from(["relative", "absolute"]),
    frame_rate=st.fractions(),
    output=st.none() | st.just(Path("out/a.mp4")),
    seed=st.none() | st.integers(),
    weights=st.lists(st.floats(allow_nan=False, allow_infinity=False)).map(tuple),
    size=st.tuples(st.integers(), st.integers()),
    fits=st.lists(st.builds(Fit)).map(tuple),
    crop=st.booleans(),
)


@given(configs)
def test_json_and_back_is_the_identity(config: Config) -> None:
    assert from_json(Config, to_json(config), "here") == config


def test_file_and_back_is_the_identity(tmp_path: Path) -> None:
    config = Config("café", output=Path("a b.mp4"))
    save_config(config, tmp_path / "config.json")
    assert load_config(Config, tmp_path / "config.json") == config
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_fields_not_given_keep_their_defaults() -> None:
    assert from_json(Config, '{"name": "a"}', "here") == Config("a")


def test_a_whole_number_serves_as_a_float() -> None:
    ridge = from_json(Fit, '{"ridge": 2}', "here").ridge
    assert ridge == 2.0
    assert isinstance(ridge, float)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"nme": "a"}', "run.json: unknown key nme; did you mean name?"),
        ('{"name": "a", "fit": {"rigde": 1}}', "run.json: unknown key fit.rigde; did you mean ridge?"),
        ('{"name": "a", "xyzzy": 1}', "run.json: unknown key xyzzy"),
        ("{}", "run.json: key name is missing"),
        ('{"name": 3}', "run.json: name is 3 (int), expected str"),
        ('{"name": "a", "fit": {"iterations": "six"}}', 'fit.iterations is "six" (str), expected int'),
        ('{"name": "a", "fit": {"iterations": 6.0}}', "fit.iterations is 6.0 (float), expected int"),
        ('{"name": "a", "fit": {"iterations": true}}', "fit.iterations is true (bool), expected int"),
        ('{"name": "a", "fit": {"ridge": false}}', "fit.ridge is false (bool), expected float"),
        ('{"name": "a", "fit": 1}', "fit is 1 (int), expected an object"),
        ('{"name": "a", "crop": 1}', "crop is 1 (int), expected bool"),
        ('{"name": "a", "motion": "up"}', 'motion is "up" (str), expected one of "relative", "absolute"'),
        ('{"name": "a", "size": [1, 2, 3]}', "size is [1, 2, 3] (list), expected a list of 2"),
        ('{"name": "a", "size": [1, "2"]}', 'size[1] is "2" (str), expected int'),
        ('{"name": "a", "weights": 1}', "weights is 1 (int), expected a list"),
        ('{"name": "a", "fits": [{"x": 1}]}', "unknown key fits[0].x"),
        ('{"name": "a", "output": 1}', "output is 1 (int), expected Path"),
        ('{"name": "a", "seed": "1"}', 'seed is "1" (str), expected int'),
        ('{"name": "a", "frame_rate": "1/0"}', 'frame_rate is "1/0" (str), expected a fraction'),
        ('{"name": "a", "frame_rate": 29.97}', "frame_rate is 29.97 (float), expected Fraction"),
        ("[1]", "run.json is [1] (list), expected an object"),
        ('{"name": "a", "name": "b"}', "run.json is not valid JSON: key name occurs twice"),
        ('{"name": NaN}', "run.json is not valid JSON: NaN"),
        ("{", "run.json is not valid JSON"),
    ],
)
def test_a_mistake_is_named_in_one_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_json(Config, text, "run.json")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_infinity_is_not_written() -> None:
    with pytest.raises(ConfigError, match="Fit cannot be written"):
        to_json(Fit(ridge=math.inf))


def test_files_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.json: no such file"):
        load_config(Config, tmp_path / "absent.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"binary\.json"):
        load_config(Config, tmp_path / "binary.json")
    with pytest.raises(OutputError, match="cannot write"):
        save_config(Config("a"), tmp_path / "no" / "folder.json")
