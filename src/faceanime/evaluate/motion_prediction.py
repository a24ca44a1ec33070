"""How well motion is imagined: prediction, target-driven prediction, realism, variety.

Errors are those of a frame so far ahead: of the coefficients, root mean square over a state's numbers in deviations
of the training set; of the vertices, mean distance in percent of the distance of the outer eye corners, head motion
included. Means over clips with their intervals.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from faceanime.core.errors import ConfigError, WeightsError
from faceanime.core.progress import Progress, watched
from faceanime.dataset.shards import read_samples
from faceanime.dynamics.flow_predictor import FlowPredictor
from faceanime.dynamics.lstm_predictor import LstmPredictor
from faceanime.dynamics.predictor import KnownStates
from faceanime.dynamics.predictor_file import load_predictor
from faceanime.dynamics.rollout_config import FutureConfig
from faceanime.dynamics.state import HEAD_NUMBERS, LOG_SCALE, PLACE, ROTATION, states_of
from faceanime.evaluate.report import JSON, Better, Cell, Table
from faceanime.evaluate.statistics import Estimate, mean_over_clips, paired_difference
from faceanime.geometry.rotation import rotation_from_vector, vector_from_rotation
from faceanime.morphable.model import MorphableModel, load_model
from faceanime.structures.coefficients import Dynamics

OBSERVED = 10
HORIZONS = (5, 10, 25, 50)
LONG = OBSERVED + HORIZONS[-1]
"""Frames of a clip that can be judged at all."""
WAYS = (10, 25, 50)
DRAWS = 10
SURE = 0.25
"""Temperature of the draws that are to be near the truth, not as lively as it."""

States = Float[np.ndarray, "_ D"]
Future = Callable[[States, int], States]
"""Observed states and a number of frames in; all states out, the observed ones included."""
LOWER: Better = "lower"


@dataclass(frozen=True, eq=False)
class Filmed:
    """The motion of one clip."""

    key: str
    person: str
    motion: Dynamics

    @cached_property
    def states(self) -> States:
        """Counted from its first frame."""
        return states_of_motion(self.motion)


@dataclass(frozen=True, eq=False)
class Judge:
    """What is compared, and in which units."""

    model: MorphableModel
    filmed: list[Filmed]
    train: list[Filmed]
    flow: FlowPredictor
    paper: LstmPredictor | None
    weights: Mapping[str, str] = field(default_factory=dict)
    """Hashes of the predictors' files."""

    @cached_property
    def deviation(self) -> Float[np.ndarray, " D"]:
        """Of each number over the training set."""
        spread = np.concatenate([clip.states for clip in self.train]).std(axis=0)
        return np.where(spread > 0.0, spread, 1.0)  # what nobody ever moved counts as it is

    @property
    def settings(self) -> dict[str, JSON]:
        """All that the tables depend on."""
        return {
            "clips": [clip.key for clip in self.filmed],
            "train": [clip.key for clip in self.train],
            "predictors, sha256": dict(self.weights),
            "seeds of draws": list(range(DRAWS)),
        }

    def errors(self, guess: States, truth: States) -> Float[np.ndarray, "2 T"]:
        """Of coefficients and of vertices, frame by frame."""
        coefficients = np.sqrt((((guess - truth) / self.deviation) ** 2).mean(axis=-1))
        apart = vertices_of(guess, self.model) - vertices_of(truth, self.model)
        return np.stack([coefficients, 100.0 * np.linalg.norm(apart, axis=-1).mean(axis=-1)])


def load_judge(data: Path, split: str, weights: Path, paper: Path | None, progress: Progress) -> Judge:
    """Clips and predictors. Raises ConfigError, WeightsError."""
    model = load_model()
    flow, rival = (
        load_predictor(weights, model)[0],
        None if paper is None else load_predictor(paper, model)[0],
    )
    if not isinstance(flow, FlowPredictor):
        raise WeightsError(f"{weights} is not of a flow predictor, the kind that is measured here")
    if rival is not None and not isinstance(rival, LstmPredictor):
        raise WeightsError(
            f"{paper} is not of the paper's predictor (faceanime train dynamics --preset paper)"
        )
    progress.stage("reading clips", None)
    filmed, train = (
        [Filmed(s.key, s.person, s.motion()) for s in watched(read_samples(data, part), progress)]
        for part in (split, "train")
    )
    for name, clips, least in ((split, filmed, 2), ("train", train, 4)):
        if len({clip.person for clip in clips if len(clip.motion) >= LONG}) < least:
            raise ConfigError(
                f"{data} has less than {least} people with a clip of {LONG} frames in split {name}, which prediction "
                "needs"
            )
    files = {"flow": weights} if paper is None else {"flow": weights, "paper": paper}
    hashes = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    return Judge(model, filmed, train, flow, rival, hashes)


def states_of_motion(motion: Dynamics) -> States:
    """The states of a motion, counted from its first frame."""
    return states_of(motion.expression, motion.pose, motion.pose[0]).astype(np.float64)


def vertices_of(states: States, model: MorphableModel) -> Float[np.ndarray, "T V 3"]:
    """Every sixteenth landmark of the mean person where it stands, in distances of the outer eye corners."""
    some = np.arange(0, model.landmark_count, 16)
    shape = model.mean[some] + np.einsum(
        "tk,vck->tvc", states[:, :-HEAD_NUMBERS], model.expression_basis[some]
    )
    turned = np.einsum("tij,tvj->tvi", rotation_from_vector(states[:, ROTATION]), shape)
    turned *= np.exp(states[:, LOG_SCALE])[:, None, None]
    place = np.pad(states[:, PLACE], ((0, 0), (0, 1)))
    return turned * [1.0, -1.0, 1.0] + place[:, None]


def re_anchored(states: States, at: int = 0) -> States:
    """Scale and place counted from another frame."""
    moved = states.copy()
    moved[:, LOG_SCALE] -= states[at, LOG_SCALE]
    moved[:, PLACE] = (states[:, PLACE] - states[at, PLACE]) * np.exp(-states[at, LOG_SCALE])
    return moved


def windows_of(clip: States, frames: int, step: int = 25) -> list[States]:
    """Parts of a clip, each counted from its own first frame."""
    return [re_anchored(clip[start : start + frames]) for start in range(0, len(clip) - frames + 1, step)]


def given(observed: States, frames: int, target: Float[np.ndarray, " D"] | None = None) -> KnownStates:
    """So many frames are to follow the observed ones; the last is `target`, if it is told."""
    states = np.zeros((len(observed) + frames, observed.shape[1]))
    known = np.arange(len(states)) < len(observed)
    states[: len(observed)] = observed
    if target is not None:
        states[-1], known[-1] = target, True
    return KnownStates(states, known)


def drawn(flow: FlowPredictor, task: KnownStates, seed: int, temperature: float = 1.0) -> States:
    """One of many futures."""
    return flow.draw(task, FutureConfig(temperature=temperature), torch.Generator().manual_seed(seed))


Errors = Float[np.ndarray, "2 H"]
"""Of coefficients and of vertices, at each horizon or of ways of each length."""


def errors_ahead(judge: Judge, future: Future) -> list[Errors]:
    """Of each clip: how far a method's future is from the truth at `HORIZONS`, mean over the clip's windows."""

    def errors(window: States) -> Errors:
        guess = future(window[:OBSERVED], HORIZONS[-1])
        return judge.errors(guess[OBSERVED:], window[OBSERVED:])[:, _AT]

    return [np.mean([errors(window) for window in some], axis=0) for some in _judged(judge)]


def best_errors_ahead(judge: Judge, flow: FlowPredictor, temperature: float) -> list[Errors]:
    """As `errors_ahead`: for each metric of the one draw that is nearest on the whole, the same at all horizons."""

    def best(window: States) -> Errors:
        task = given(window[:OBSERVED], HORIZONS[-1])
        draws = [drawn(flow, task, seed, temperature) for seed in range(DRAWS)]
        tries = np.stack([judge.errors(d[OBSERVED:], window[OBSERVED:])[:, _AT] for d in draws])
        nearest = tries.mean(axis=2).argmin(axis=0)
        return tries[nearest, [0, 1]]

    return [np.mean([best(window) for window in some], axis=0) for some in _judged(judge)]


_AT = np.array(HORIZONS) - 1


def _judged(judge: Judge) -> list[list[States]]:
    return [some for clip in judge.filmed if (some := windows_of(clip.states, LONG))]


def prediction_tables(judge: Judge) -> list[Table]:
    """Errors of the frames ahead, for each method; and of the mean with fewer frames observed."""
    flow, prior, paper = judge.flow, without_network(judge.flow), judge.paper

    def flow_mean(seen: States, frames: int) -> States:
        return flow.mean_future(given(seen, frames))

    found = {
        "frozen": errors_ahead(judge, frozen),
        "linear extrapolation": errors_ahead(judge, extrapolated),
        "nearest neighbour": errors_ahead(judge, Nearest(judge)),
        "Gaussian process, mean": errors_ahead(judge, lambda seen, n: prior.mean_future(given(seen, n))),
        f"Gaussian process, best of {DRAWS} at temperature {SURE:g}": best_errors_ahead(judge, prior, SURE),
        "flow, mean": errors_ahead(judge, flow_mean),
        "flow, one draw": errors_ahead(judge, lambda seen, n: drawn(flow, given(seen, n), 0)),
        f"flow, best of {DRAWS}": best_errors_ahead(judge, flow, 1.0),
        f"flow, best of {DRAWS} at temperature {SURE:g}": best_errors_ahead(judge, flow, SURE),
    }
    if paper is not None:
        found["LSTM (paper)"] = errors_ahead(
            judge, lambda seen, n: paper.future(given(seen, n), FutureConfig())
        )
    judged = _judged(judge)
    note = (
        f"{OBSERVED} frames observed; errors 5, 10, 25 and 50 frames ahead; {sum(map(len, judged))} windows of "
        f"{len(judged)} clips. Draws are judged without the blinks that `imagine` adds."
    )
    tables = [Table("Prediction", AHEAD, rows_of(found), note, (LOWER,) * 8)]
    if paper is not None:
        ours = (f"flow, best of {DRAWS}", f"flow, best of {DRAWS} at temperature {SURE:g}", "flow, mean")
        rows = tuple((f"{name} - LSTM", _differences(found[name], found["LSTM (paper)"])) for name in ours)
        tables.append(Table("Differences", AHEAD, rows, "Paired over clips; below 0 ours is nearer."))
    fewer = {
        f"{count} observed": errors_ahead(judge, seeing(count, flow_mean)) for count in (1, 2, 5, OBSERVED)
    }
    tables.append(Table("Mean of the flow, fewer frames observed", AHEAD, rows_of(fewer), "", (LOWER,) * 8))
    return tables


AHEAD = tuple(f"{what}, {h}" for what in ("coefficients", "vertices %") for h in HORIZONS)
ALONG = tuple(f"{what}, {n}" for what in ("coefficients", "vertices %") for n in WAYS)


def without_network(flow: FlowPredictor) -> FlowPredictor:
    """The Gaussian process that it starts from, alone, and equally lively for every seed."""
    prior = copy.deepcopy(flow)
    prior.style_factor.copy_(1e-6 * torch.eye(len(prior.style_factor)))
    with torch.no_grad():
        for parameter in (*prior.head.parameters(), *prior.skip_gain.parameters()):
            parameter.zero_()
    return prior


def seeing(count: int, future: Future) -> Future:
    """The same method, shown only the last `count` of the observed frames, counted from the first of those."""

    def of_last(observed: States, frames: int) -> States:
        last = re_anchored(observed, len(observed) - count)[-count:]
        told, origin = future(last, frames)[count:], observed[-count]
        told[:, PLACE] = origin[PLACE] + told[:, PLACE] * np.exp(origin[LOG_SCALE])
        told[:, LOG_SCALE] += origin[LOG_SCALE]
        return np.concatenate([observed, told])

    return of_last


Way = Callable[[States, int], list[States]]
"""The first state and the last, and a number of frames in; one try or more out, each with both ends."""


def errors_along(judge: Judge, way: Way) -> tuple[list[Errors], float]:
    """Of each clip: how far the best try is from the truth on ways as long as `WAYS`, mean over the frames between.

    And the largest error of vertices at the end of a way.
    """
    clips, worst = [], 0.0
    for clip in judge.filmed:
        if len(clip.motion) <= WAYS[-1]:
            continue
        lengths = []
        for frames in WAYS:
            errors = []
            for window in windows_of(clip.states, frames + 1):
                tries = way(window[[0, -1]], frames)
                apart = [judge.errors(one[1:-1], window[1:-1]).mean(axis=1) for one in tries]
                errors.append(np.min(apart, axis=0))
                worst = max(worst, float(judge.errors(tries[0][-1:], window[-1:])[1, 0]))
            lengths.append(np.mean(errors, axis=0))
        clips.append(np.stack(lengths, axis=1))
    return clips, worst


def target_tables(judge: Judge) -> list[Table]:
    """Errors along the way when the first frame and the last are given, and how far the end is off."""
    flow, prior, paper = judge.flow, without_network(judge.flow), judge.paper
    best = f"flow, best of {DRAWS} at temperature {SURE:g}"

    def of(flow: FlowPredictor, seeds: Sequence[int], temperature: float) -> Way:
        return lambda ends, n: [drawn(flow, given(ends[:1], n, ends[1]), seed, temperature) for seed in seeds]

    ways: dict[str, Way] = {
        "linear": lambda ends, n: [linear(ends, n)],
        "slerp": lambda ends, n: [slerp(ends, n)],
        "Gaussian process, mean": lambda ends, n: [prior.mean_future(given(ends[:1], n, ends[1]))],
        "flow, mean": lambda ends, n: [flow.mean_future(given(ends[:1], n, ends[1]))],
        "flow, one draw": of(flow, [0], 1.0),
        best: of(flow, range(DRAWS), SURE),
    }
    if paper is not None:
        ways["LSTM with timer (paper)"] = lambda ends, n: [
            paper.future(given(ends[:1], n, ends[1]), FutureConfig())
        ]
    both = {name: errors_along(judge, way) for name, way in ways.items()}
    found = {name: clips for name, (clips, _) in both.items()}
    rows = tuple((name, (*cells, both[name][1])) for name, cells in rows_of(found))
    clips = len(found["linear"])
    note = (
        f"{clips} clips; mean over the frames between. At the end: the largest error of vertices of all ways."
    )
    compared = tuple(
        (f"flow, mean - {rival}", _differences(found["flow, mean"], found[rival]))
        for rival in ("linear", "slerp")
    )
    return [
        Table("Toward a target", (*ALONG, "at the end %"), rows, note, (LOWER,) * 7),
        Table("Differences", ALONG, compared, "Paired over clips; below 0 ours is nearer."),
    ]


def rows_of(found: Mapping[str, Sequence[Errors]]) -> tuple[tuple[str, tuple[Cell, ...]], ...]:
    """Rows of a table: means over clips."""
    return tuple(
        (name, tuple(mean_over_clips(values) for values in np.stack(clips).reshape(len(clips), -1).T))
        for name, clips in found.items()
    )


def _differences(ours: Sequence[Errors], theirs: Sequence[Errors]) -> tuple[Estimate, ...]:
    pairs = zip(*(np.stack(clips).reshape(len(clips), -1).T for clips in (ours, theirs)), strict=True)
    return tuple(paired_difference(mine, other) for mine, other in pairs)


def frozen(seen: States, frames: int) -> States:
    """It stays as it is."""
    return np.concatenate([seen, np.repeat(seen[-1:], frames, axis=0)])


def extrapolated(seen: States, frames: int) -> States:
    """It moves on as it did over the last three frames."""
    pace = (seen[-1] - seen[-4]) / 3.0
    return np.concatenate([seen, seen[-1] + pace * np.arange(1, frames + 1)[:, None]])


def linear(ends: States, frames: int) -> States:
    """A straight line."""
    share = np.linspace(0.0, 1.0, frames + 1)[:, None]
    return np.asarray(ends[0] + share * (ends[1] - ends[0]))


def slerp(ends: States, frames: int) -> States:
    """Rotations on the great circle, all else straight; softly away and softly in."""
    phase = np.linspace(0.0, 1.0, frames + 1)[:, None]
    share = phase**2 * (3.0 - 2.0 * phase)
    way = ends[0] + share * (ends[1] - ends[0])
    first, last = rotation_from_vector(ends[:, ROTATION])
    turn = rotation_from_vector(share * vector_from_rotation(first.T @ last))
    way[:, ROTATION] = vector_from_rotation(first @ turn)
    return np.asarray(way)


class Nearest:
    """The future of the most similar moment of the training set, told as departures from it."""

    def __init__(self, judge: Judge) -> None:
        self._deviation = judge.deviation
        self._clips = [clip.states for clip in judge.train if len(clip.motion) >= LONG]
        self._moments = [(i, t) for i, c in enumerate(self._clips) for t in range(3, len(c) - 50, 2)]
        self._keys = np.stack([self._key(self._clips[i][: t + 1]) for i, t in self._moments])

    def _key(self, seen: States) -> Float[np.ndarray, " K"]:
        now = seen[-1] / self._deviation
        change = (seen[-1] - seen[max(len(seen) - 4, 0)]) / self._deviation
        return np.concatenate([now[: ROTATION.stop], 2.0 * change])

    def __call__(self, seen: States, frames: int) -> States:
        index, t = self._moments[int(np.argmin(np.linalg.norm(self._keys - self._key(seen), axis=1)))]
        clip = self._clips[index]
        return np.concatenate([seen, seen[-1] + clip[t + 1 : t + 1 + frames] - clip[t]])
