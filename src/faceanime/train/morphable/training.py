"""Train the morphable model from folders of clips and portraits."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np

from faceanime.core.config import save_config
from faceanime.core.errors import ConfigError, MediaError, NoFaceError
from faceanime.core.files import make_folder
from faceanime.core.progress import Progress, watched
from faceanime.face.anchor import FaceView
from faceanime.face.detect import MediapipeDetector
from faceanime.face.track import LandmarkTracker, TrackConfig
from faceanime.media.image import is_image_file, read_image
from faceanime.media.video import read_frames
from faceanime.morphable.model import MorphableModel, load_model, save_model
from faceanime.train.data.clip_table import CLIPS, PORTRAITS, read_table
from faceanime.train.morphable.learn import LearnConfig, Person, learn_model


def train_morphable(data: Path, out: Path, config: LearnConfig, progress: Progress) -> MorphableModel:
    """Learn a model from the `train` rows of `data`/clips.csv and `data`/portraits.csv and write it to `out`.

    Each table has the columns file, split and person; clips are videos, portraits pictures. `out` receives
    morphable.safetensors and config.json. Raises OutputError at once when it cannot; ConfigError, MediaError,
    MorphableModelError.
    """
    make_folder(out)
    people = landmarks_of_people(data, "train", progress)
    progress.stage("learning the model", None)
    model = learn_model(people, config)
    provenance = f"faceanime train morphable, {len(people)} people"
    save_model(model, out / "morphable.safetensors", provenance=provenance)
    save_config(config, out / "config.json")
    return model


def landmarks_of_people(data: Path, split: str, progress: Progress) -> list[Person]:
    """All landmarks of a split, by person. Pictures and frames without a face are left out.

    Films are pinned to anchors, which are chosen by the bundled model.
    """
    tables = [data / name for name in (CLIPS, PORTRAITS) if (data / name).is_file()]
    rows = [row for table in tables for row in read_table(table, split)]
    if not rows:
        raise ConfigError(f"no row of split {split} in {data}; expected {CLIPS} or {PORTRAITS} there")
    detector = MediapipeDetector()
    tracker = LandmarkTracker(TrackConfig(), detector, load_model())
    found: dict[str, list[np.ndarray]] = defaultdict(list)
    read: dict[str, list[np.ndarray]] = defaultdict(list)
    progress.stage("reading landmarks", len(rows))
    for row in watched(rows, progress):
        path = data / row["file"]
        if not path.is_file():
            raise MediaError(f"{path} is listed in {data} but does not exist")
        if is_image_file(path):
            faces = pinned = [face.points_image for face in detector.detect(read_image(path))[:1]]
        else:
            seen = tracker.read(read_frames(path))
            views = [FaceView.of(frame.pixels, face) for frame, face in seen if face is not None]
            faces = [view.landmarks.points_image for view in views]
            pinned = [face.points_image for face in tracker.pinned(views) if face is not None and face.pinned]
        read[row["person"]] += faces
        found[row["person"]] += pinned
    people = [
        Person(name, np.stack(points), np.stack(read[name])) for name, points in found.items() if points
    ]
    if not people:
        raise NoFaceError(f"any picture or clip of split {split} in {data}")
    return people
