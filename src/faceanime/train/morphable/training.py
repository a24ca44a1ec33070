"""Train the morphable model from folders of clips and portraits."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from faceanime.core.config import save_config
from faceanime.core.errors import Cancelled, ConfigError, NoFaceError
from faceanime.core.files import make_folder
from faceanime.core.progress import Progress, watched
from faceanime.morphable.model import MorphableModel, save_model
from faceanime.train.data.clip_table import CLIPS, PORTRAITS, read_split
from faceanime.train.morphable.config import LearnConfig
from faceanime.train.morphable.landmark_reader import FaceLandmarks, KeptLandmarks, ReadsLandmarks
from faceanime.train.morphable.learn import Person, learn_model

MORPHABLE_FILE = "morphable.safetensors"
WORK_FOLDER = ".work"
"""Folder, in that of the model, of what a stopped training has read."""


def train_morphable(
    data: Path, out: Path, config: LearnConfig, reader: ReadsLandmarks, progress: Progress
) -> MorphableModel:
    """Learn a model from the `train` rows of `data`/clips.csv and `data`/portraits.csv, and write it to `out`.

    Each table has the columns file, split and person; clips are videos, portraits are pictures. The model is written
    to `out`/morphable.safetensors, the settings to `out`/config.json. After Cancelled or a kill, the same call goes on:
    `out`/.work keeps the landmarks until the model is written. Raises OutputError before any work if `out` cannot be
    written; ConfigError, MediaError, NoFaceError, MorphableModelError, Cancelled.
    """
    make_folder(out)
    work = out / WORK_FOLDER
    try:
        people = landmarks_of_people(data, "train", KeptLandmarks(work, reader), progress)
    except (Cancelled, KeyboardInterrupt) as stopped:
        raise Cancelled(
            f"stopped; {out} keeps the landmarks that were read, and the same command goes on"
        ) from stopped
    progress.stage("learning the model", None)
    model = learn_model(people, config)
    save_model(model, out / MORPHABLE_FILE, provenance=f"faceanime train morphable, {len(people)} people")
    save_config(config, out / "config.json")
    shutil.rmtree(work, ignore_errors=True)
    return model


def landmarks_of_people(data: Path, split: str, reader: ReadsLandmarks, progress: Progress) -> list[Person]:
    """The landmarks of all people of a split. Pictures and frames without a face are left out.

    Raises ConfigError, MediaError, NoFaceError.
    """
    files = list(_listed_files(data, split))
    if not files:
        raise ConfigError(
            f"no row of split {split} in {data}: expected a {CLIPS} or a {PORTRAITS} with the columns file (its path "
            "there), split and person"
        )
    progress.stage("reading landmarks", len(files))
    found: dict[str, list[FaceLandmarks]] = defaultdict(list)
    for person, path in watched(files, progress):
        found[person].append(reader.read(path))
    people = [one for name, parts in found.items() if (one := _person(name, parts)) is not None]
    if not people:
        raise NoFaceError(f"any picture or clip of split {split} in {data}")
    return people


def _listed_files(data: Path, split: str) -> Iterator[tuple[str, Path]]:
    """Person and path of every file that the tables list for a split."""
    for table in (data / name for name in (CLIPS, PORTRAITS)):
        if table.is_file():
            for row in read_split(table, split):
                yield row["person"], data / row["file"]


def _person(name: str, parts: list[FaceLandmarks]) -> Person | None:
    """A person's landmarks from all files; None without any pinned landmarks."""
    pinned = [points for part in parts for points in part.pinned]
    as_read = [points for part in parts for points in part.as_read]
    return Person(name, np.stack(pinned), np.stack(as_read)) if pinned else None
