"""Prepared clips of a head of clay, and what the geometric renderer makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from clay import SMALL, add_clip, small_motion
from faceanime.core.progress import SilentProgress
from faceanime.dataset.shards import write_shards
from faceanime.morphable.model import MorphableModel
from faceanime.pipeline import Animator
from faceanime.train.generator.face_clips import clips_with_drivers
from faceanime.train.generator.rendered_pairs import render_pairs


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory, model: MorphableModel) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    for split, keys in (("train", "ab"), ("val", "c")):
        files = [
            file
            for key in keys
            for file in add_clip(folder, key, split, small_motion(model, ord(key)), model)
        ]
        write_shards(folder, split, files, 100)
    return folder


@pytest.fixture(scope="session")
def rendered(data: Path, tmp_path_factory: pytest.TempPathFactory, model: MorphableModel) -> Path:
    out, animator = tmp_path_factory.mktemp("rendered"), Animator(model=model)
    for split in ("train", "val"):
        render_pairs(clips_with_drivers(data, split), out / split, animator, SMALL.pairs, SilentProgress())
    return out
