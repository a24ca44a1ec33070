"""The first training of docs/train.md works as it stands there, with shorter videos and fewer steps."""

from __future__ import annotations

import re
import shlex
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from program import Program, pictures

from faceanime.dataset.shards import read_samples
from faceanime.geometry.similarity import warp_image
from faceanime.media.video_writer import VideoWriter

PAGE = Path(__file__).parents[2] / "docs" / "train.md"
SHORTER = {
    "prepare": ["--size", "128", "--min-s", "0.4"],
    "train": ["--config", "small.json"],
    "predict": ["--seconds", "0.4", "--size", "128", "--renderer", "geometric"],
}
"""Options that replace those of the page, or are added to them, so that a test has the time."""
SMALL = '{"flow": {"window": 24, "width": 32, "layers": 1, "heads": 2}, "batch": 4, "validate_every": 2}'


def film(path: Path, picture: np.ndarray, zoom: float) -> None:
    """Three quarters of a second of a picture that slides."""
    with VideoWriter(path, Fraction(25), 320, 320) as writer:
        for t in range(18):
            place = np.array([[zoom, 0.0, -30 * (zoom - 1) + t], [0.0, zoom, 0.0]])
            writer.write(warp_image(np.ascontiguousarray(picture), place, 320, 320))


@pytest.fixture
def folder(
    tmp_path: Path, astronaut: np.ndarray, portrait_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A folder with the page's table, its three videos and a portrait."""
    table = re.search(r"```csv\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert table is not None
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "clips.csv").write_text(table[1])
    names = [line.split(",")[0] for line in table[1].splitlines()[1:]]
    for name, picture, zoom in zip(
        names, (astronaut, astronaut[:, ::-1], astronaut), (1.0, 1.1, 1.2), strict=True
    ):
        film(tmp_path / "videos" / name, picture, zoom)
    (tmp_path / "me.jpg").write_bytes(portrait_path.read_bytes())
    (tmp_path / "small.json").write_text(SMALL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shortened(command: str) -> list[str]:
    words = shlex.split(re.sub(r"--steps \d+", "--steps 4", command))[1:]
    extra = SHORTER[words[0]]
    for option in extra[::2]:
        if option in words:
            del words[words.index(option) : words.index(option) + 2]
    return [*words, *extra]


@pytest.mark.timeout(600)  # three programs, of which each loads its libraries
def test_the_first_training_works(program: Program, folder: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    commands = re.findall(
        r"^(faceanime .*)$", re.findall(r"```sh\n(.*?)```", page, flags=re.DOTALL)[0], re.MULTILINE
    )
    assert [command.split()[1] for command in commands] == ["prepare", "train", "predict"]
    for command in commands:
        outcome = program(*shortened(command))
        assert outcome.status == 0, outcome.err
    people = {
        split: {s.person for s in read_samples(folder / "prepared", split)} for split in ("train", "val")
    }
    assert people == {"train": {"Ann", "Ben"}, "val": {"Cleo"}}
    assert (folder / "run" / "curve.csv").read_text().splitlines()[-1].startswith("4,")
    assert len(pictures(folder / "first.mp4")) == 10
