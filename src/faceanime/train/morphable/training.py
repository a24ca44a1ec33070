"""Train the morphable model from folders of clips and portraits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from faceanime.core.config import save_config
from faceanime.core.errors import ConfigError, MediaError, NoFaceError
from faceanime.core.files import make_folder
from faceanime.core.progress import Progress, watched
from faceanime.face.anchor import FaceView
from faceanime.face.detect import LandmarkDetector
from faceanime.face.track import LandmarkTracker
from faceanime.media.image import is_image_file, read_image
from faceanime.media.video import read_frames
from faceanime.morphable.model import MorphableModel, save_model
from faceanime.train.data.clip_table import CLIPS, PORTRAITS, read_split
from faceanime.train.morphable.config import LearnConfig
from faceanime.train.morphable.learn import Person, learn_model

MORPHABLE_FILE = "morphable.safetensors"


@dataclass(frozen=True, eq=False)
class LandmarkReader:
    """Reads landmarks: of pictures with a detector, of videos with a tracker."""

    detector: LandmarkDetector
    tracker: LandmarkTracker

    def read(self, path: Path) -> FaceLandmarks:
        """The landmarks of the largest face of a picture, or of the tracked face of a video. Raises MediaError."""
        if not path.is_file():
            raise MediaError(
                f"cannot read {path}: it is listed in {CLIPS} or {PORTRAITS} but does not exist; correct the table"
            )
        if is_image_file(path):
            faces = [face.points_image for face in self.detector.detect(read_image(path))[:1]]
            return FaceLandmarks(faces, faces)
        frames = self.tracker.read(read_frames(path))
        schema = self.detector.schema
        views = [FaceView.of(frame.pixels, face, schema) for frame, face in frames if face is not None]
        pinned = self.tracker.pin(views)
        return FaceLandmarks(
            [view.landmarks.points_image for view in views],
            [face.points_image for face in pinned if face is not None and face.pinned],
        )


@dataclass(frozen=True)
class FaceLandmarks:
    """The landmarks of one file in px: as read by the detector, and pinned to an anchor frame's skin.

    The landmarks of a picture count as pinned.
    """

    as_read: list[Float32[np.ndarray, "L 3"]]
    pinned: list[Float32[np.ndarray, "L 3"]]


def train_morphable(
    data: Path, out: Path, config: LearnConfig, reader: LandmarkReader, progress: Progress
) -> MorphableModel:
    """Learn a model from the `train` rows of `data`/clips.csv and `data`/portraits.csv, and write it to `out`.

    Each table has the columns file, split and person; clips are videos, portraits are pictures. The model is written
    to `out`/morphable.safetensors, the settings to `out`/config.json. Raises OutputError before any work if `out`
    cannot be written; ConfigError, MediaError, NoFaceError, MorphableModelError.
    """
    make_folder(out)
    people = landmarks_of_people(data, "train", reader, progress)
    progress.stage("learning the model", None)
    model = learn_model(people, config)
    save_model(model, out / MORPHABLE_FILE, provenance=f"faceanime train morphable, {len(people)} people")
    save_config(config, out / "config.json")
    return model


def landmarks_of_people(data: Path, split: str, reader: LandmarkReader, progress: Progress) -> list[Person]:
    """The landmarks of all people of a split. Pictures and frames without a face are left out.

    Raises ConfigError, MediaError, NoFaceError.
    """
    files = list(_listed_files(data, split))
    if not files:
        raise ConfigError(f"no row of split {split} in {data}, expected some in its {CLIPS} or {PORTRAITS}")
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
