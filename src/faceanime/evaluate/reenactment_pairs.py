"""The pairs of source and driver of a protocol, the same for every method measured on the same data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from faceanime.core.config import to_json
from faceanime.core.errors import ConfigError
from faceanime.core.files import atomic_output, make_folder
from faceanime.core.progress import Progress, watched
from faceanime.dataset.shards import Sample
from faceanime.geometry.rotation import angle_between
from faceanime.media.image import write_image
from faceanime.morphable.axes import measure_expressions
from faceanime.morphable.model import MorphableModel
from faceanime.morphable.reference_frame import ReferenceLimits, is_neutral, openings_of
from faceanime.structures.coefficients import Dynamics

PAIRS_FILE = "pairs.json"
EYE_DISTANCE = 0.7
"""Distance between the centers of the mean face's eyes, in model units; the unit of mouth openings in reports."""


@dataclass(frozen=True, eq=False)
class Pair:
    """A frame of the source clip, animated by the driver clip; `reference` is the driver's reference frame."""

    name: str
    source: Sample
    source_frame: int
    driver: Sample
    reference: int

    @property
    def has_truth(self) -> bool:
        """Whether the driver's frames are the true result."""
        return self.source.key == self.driver.key


@dataclass(frozen=True)
class PairNote:
    """A pair as it is written to files."""

    name: str
    source: str
    source_frame: int
    driver: str
    reference: int
    frames: int


def self_pairs(samples: Sequence[Sample], model: MorphableModel) -> list[Pair]:
    """Pairs of every clip with its own first neutral frame, so that results can be compared with the clip."""
    pairs = []
    for sample in samples:
        reference = first_neutral_frame(sample.motion(), model)
        pairs.append(Pair(sample.key, sample, reference, sample, reference))
    return pairs


def cross_pairs(samples: Sequence[Sample], model: MorphableModel, seed: int = 0) -> list[Pair]:
    """Pairs of every clip with the first neutral frame of another person's clip, drawn with `seed`.

    Raises ConfigError if there are fewer than two people.
    """
    rng = np.random.default_rng(seed)
    reference = {sample.key: first_neutral_frame(sample.motion(), model) for sample in samples}
    pairs = []
    for driver in samples:
        others = [sample for sample in samples if sample.person != driver.person]
        if not others:
            raise ConfigError("protocol cross needs clips of two people at least")
        source = others[int(rng.integers(len(others)))]
        name = f"{source.key}__by__{driver.key}"
        pairs.append(Pair(name, source, reference[source.key], driver, reference[driver.key]))
    return pairs


def first_neutral_frame(motion: Dynamics, model: MorphableModel) -> int:
    """The first frame with a closed mouth, open eyes, and a face not turned far for this clip."""
    lips, lids = openings_of(model, motion.identity, motion.expression)
    turned = turned_from(motion, len(motion) // 2)
    return int(np.argmax(motion.valid & is_neutral(lips, lids, turned, ReferenceLimits())))


def turned_from(motion: Dynamics, frame: int) -> Float[np.ndarray, " T"]:
    """The angle of the rotation from the head pose of a frame to that of each frame, rad."""
    rotation = motion.pose.rotation
    return angle_between(rotation, np.broadcast_to(rotation[frame], rotation.shape))


def mouth_opening(motion: Dynamics, model: MorphableModel) -> Float[np.ndarray, " T"]:
    """The distance between the inner lips, in distances between the eyes' centers (`EYE_DISTANCE`)."""
    return measure_expressions("lips_apart", model, motion.identity, motion.expression) / EYE_DISTANCE


def note_of(pair: Pair) -> PairNote:
    """The pair as it is written to files."""
    frames = int(pair.driver.note["frames"])
    return PairNote(pair.name, pair.source.key, pair.source_frame, pair.driver.key, pair.reference, frames)


def export_pairs(pairs: Sequence[Pair], out: Path, progress: Progress) -> None:
    """Write the input of other methods: OUT/sources/NAME.png, OUT/drivers/NAME.mp4 and OUT/pairs.json."""
    for folder in (out, out / "sources", out / "drivers"):
        make_folder(folder)
    progress.stage("writing pairs", len(pairs))
    for pair in watched(pairs, progress):
        write_image(out / "sources" / f"{pair.name}.png", pair.source.pictures()[pair.source_frame])
        with atomic_output(out / "drivers" / f"{pair.name}.mp4") as draft:
            draft.write_bytes(pair.driver.members["mp4"])
    with atomic_output(out / PAIRS_FILE) as draft:
        notes = ",\n".join(to_json(note_of(pair)) for pair in pairs)
        draft.write_text(f"[\n{notes}\n]\n", encoding="utf-8")
