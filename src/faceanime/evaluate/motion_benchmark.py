"""Filmed motions and predictors that are compared with each other, and the errors that are measured between motions.

A motion is an array of states (T,D), see `dynamics.state`, relative to its own first frame.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float

from faceanime.core.errors import ConfigError, WeightsError
from faceanime.core.progress import Progress, watched
from faceanime.dataset.shards import read_samples
from faceanime.dynamics.flow_predictor import FlowPredictor
from faceanime.dynamics.lstm_predictor import LstmPredictor
from faceanime.dynamics.posed_vertices import PosedVertices
from faceanime.dynamics.predictor_file import load_predictor
from faceanime.dynamics.state import re_anchored, states_of
from faceanime.evaluate.report import JSON
from faceanime.morphable.model import MorphableModel, load_model
from faceanime.structures.coefficients import Dynamics

States: TypeAlias = Float[np.ndarray, "_ D"]

OBSERVED = 10
"""Frames that a prediction starts from."""
HORIZONS = (5, 10, 25, 50)
"""Frames after the observed ones at which predictions are measured."""
SHORTEST_CLIP = OBSERVED + HORIZONS[-1]
"""Frames of a clip that predictions can be measured on."""
DRAWS = 10
"""Samples that are drawn from a predictor where several are compared."""
_LEAST_PEOPLE, _LEAST_TRAINING_PEOPLE = 2, 4
"""Least numbers of people of the measured split, and of the training set."""


@dataclass(frozen=True, eq=False)
class FilmedMotion:
    """The motion of one filmed clip."""

    key: str
    person: str
    motion: Dynamics

    @cached_property
    def states(self) -> States:
        """The states of the motion, relative to its first frame."""
        return states_of_motion(self.motion)


@dataclass(frozen=True, eq=False)
class MotionBenchmark:
    """Filmed motions to predict, filmed motions of the training set, and predictors.

    `weights` holds the SHA-256 hashes of the predictors' files.
    """

    model: MorphableModel
    filmed: list[FilmedMotion]
    train: list[FilmedMotion]
    flow: FlowPredictor
    paper: LstmPredictor | None
    weights: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def deviation(self) -> Float[np.ndarray, " D"]:
        """The standard deviation of each number of a state over the training set; 1 for numbers that never change."""
        deviation = np.concatenate([clip.states for clip in self.train]).std(axis=0)
        return np.where(deviation > 0.0, deviation, 1.0)

    @cached_property
    def _vertices(self) -> PosedVertices:
        return PosedVertices(self.model, torch.float64)

    @property
    def settings(self) -> dict[str, JSON]:
        """Everything that the tables depend on."""
        return {
            "clips": [clip.key for clip in self.filmed],
            "train": [clip.key for clip in self.train],
            "predictors, sha256": dict(self.weights),
            "seeds of draws": list(range(DRAWS)),
        }

    def errors(self, result: States, truth: States) -> Float[np.ndarray, "2 T"]:
        """The errors of coefficients and of vertices in each frame.

        Coefficients: root mean square over a state's numbers, in standard deviations of the training set. Vertices:
        mean distance in percent of the distance between the outer eye corners, head motion included.
        """
        coefficients = np.sqrt((((result - truth) / self.deviation) ** 2).mean(axis=-1))
        made, true = (
            self._vertices(torch.from_numpy(np.ascontiguousarray(states, np.float64))).numpy()
            for states in (result, truth)
        )
        return np.stack([coefficients, 100.0 * np.linalg.norm(made - true, axis=-1).mean(axis=-1)])


def load_benchmark(
    data: Path, split: str, weights: Path, paper_weights: Path | None, progress: Progress
) -> MotionBenchmark:
    """Read clips and predictors. Raises ConfigError for too few people, WeightsError."""
    model = load_model()
    flow = load_predictor(weights, model)[0]
    paper = None if paper_weights is None else load_predictor(paper_weights, model)[0]
    if not isinstance(flow, FlowPredictor):
        raise WeightsError(f"{weights} holds another predictor, expected a flow predictor")
    if paper is not None and not isinstance(paper, LstmPredictor):
        raise WeightsError(
            f"{paper_weights} holds another predictor, expected the paper's (faceanime train dynamics, preset paper)"
        )
    progress.stage("reading clips", None)
    filmed, train = (
        [FilmedMotion(s.key, s.person, s.motion()) for s in watched(read_samples(data, part), progress)]
        for part in (split, "train")
    )
    for name, clips, least in (
        (split, filmed, _LEAST_PEOPLE),
        ("train", train, _LEAST_TRAINING_PEOPLE),
    ):
        if len({clip.person for clip in clips if len(clip.motion) >= SHORTEST_CLIP}) < least:
            raise ConfigError(
                f"{data} has less than {least} people with a clip of {SHORTEST_CLIP} frames in split {name}, which "
                "prediction needs"
            )
    files = {"flow": weights} if paper_weights is None else {"flow": weights, "paper": paper_weights}
    hashes = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    return MotionBenchmark(model, filmed, train, flow, paper, hashes)


def states_of_motion(motion: Dynamics) -> States:
    """The states of a motion, relative to its first frame."""
    return states_of(motion.expression, motion.pose, motion.pose[0]).astype(np.float64)


def windows_of(clip: States, frames: int, stride: int = 25) -> list[States]:
    """Windows of a clip, each relative to its own first frame."""
    starts = range(0, len(clip) - frames + 1, stride)
    return [re_anchored(clip[start : start + frames], clip[start]) for start in starts]
