"""Reading the landmarks of all files that a model is learned from; what was read is kept until the model is there."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from faceanime.core.errors import MediaError, WeightsError
from faceanime.core.files import make_folder
from faceanime.core.weights import load_weights, save_weights
from faceanime.face.anchor import FaceView
from faceanime.face.detect import LandmarkDetector
from faceanime.face.track import LandmarkTracker
from faceanime.media.image import is_image_file, read_image
from faceanime.media.video import read_frames
from faceanime.train.data.clip_table import CLIPS, PORTRAITS

_KIND = "training landmarks"


@dataclass(frozen=True)
class FaceLandmarks:
    """The landmarks of one file in px: as read by the detector, and pinned to an anchor frame's skin.

    The landmarks of a picture count as pinned.
    """

    as_read: list[Float32[np.ndarray, "L 3"]]
    pinned: list[Float32[np.ndarray, "L 3"]]


@runtime_checkable
class ReadsLandmarks(Protocol):
    """Something that reads the landmarks of a file."""

    def read(self, path: Path) -> FaceLandmarks:
        """The landmarks of the face in a picture or a video. Raises MediaError."""


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
class KeptLandmarks:
    """Reads each file once: its landmarks are kept in `folder`, for a training that was stopped and goes on."""

    folder: Path
    reader: ReadsLandmarks

    def read(self, path: Path) -> FaceLandmarks:
        """The landmarks of a file, from the folder if it has not changed since. Raises MediaError, OutputError."""
        kept = self.folder / f"{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]}.safetensors"
        state = _state(path)
        try:
            tensors, header = load_weights(kept, _KIND)
            if header["file"] == state:
                return FaceLandmarks(list(tensors["as_read"]), list(tensors["pinned"]))
        except WeightsError:
            pass  # not read yet
        found = self.reader.read(path)
        make_folder(self.folder)
        arrays = {"as_read": _stacked(found.as_read), "pinned": _stacked(found.pinned)}
        save_weights(kept, arrays, _KIND, {"file": state})
        return found


def _state(path: Path) -> list[int]:
    """Size and time of the last change of a file; empty where there is none."""
    try:
        status = path.stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]


def _stacked(points: Sequence[np.ndarray]) -> np.ndarray:
    return np.stack(points) if points else np.zeros((0, 0, 3), np.float32)
