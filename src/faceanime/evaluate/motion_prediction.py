"""The protocols predict and target: errors of predicted motion, and of motion between two given frames.

Errors are those of `MotionBenchmark.errors`, means over clips with their confidence intervals.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float

from faceanime.dynamics.flow_predictor import FlowPredictor
from faceanime.dynamics.predictor import KnownStates
from faceanime.dynamics.rollout_config import FutureConfig
from faceanime.dynamics.state import LOG_SCALE, PLACE, re_anchored
from faceanime.evaluate.motion_baselines import NearestNeighbour, extrapolated, frozen, linear, slerp
from faceanime.evaluate.motion_benchmark import (
    DRAWS,
    HORIZONS,
    OBSERVED,
    SHORTEST_CLIP,
    MotionBenchmark,
    States,
    windows_of,
)
from faceanime.evaluate.report import LOWER, Cell, Table
from faceanime.evaluate.statistics import Estimate, mean_over_clips, paired_difference

PATH_FRAMES = (10, 25, 50)
"""Frames from the first given frame to the last in protocol target."""
LOW_TEMPERATURE = 0.25
"""Temperature of samples that should be close to the truth rather than as lively as it; chosen by eye."""
HORIZON_COLUMNS = tuple(f"{what}, {h}" for what in ("coefficients", "vertices %") for h in HORIZONS)
PATH_COLUMNS = tuple(f"{what}, {n}" for what in ("coefficients", "vertices %") for n in PATH_FRAMES)
_BEST_OF_DRAWS = f"best of {DRAWS}"
_BEST_AT_LOW_TEMPERATURE = f"{_BEST_OF_DRAWS} at temperature {LOW_TEMPERATURE:g}"
_AT_HORIZONS = np.array(HORIZONS) - 1
"""Indices of the predicted frames at `HORIZONS`."""

PredictionMethod: TypeAlias = Callable[[States, int], States]
"""A function of observed states and a number of frames; it returns the observed states, then as many predicted ones."""
PathMethod: TypeAlias = Callable[[States, int], list[States]]
"""A function of the first and the last state and a number of frames; it returns one or more paths with both ends."""
Errors: TypeAlias = Float[np.ndarray, "2 H"]
"""Errors of coefficients and of vertices, at each horizon or for each length of a path."""


MEAN_FUTURE = FutureConfig(temperature=0.0)
"""The paper's prediction: its LSTM without noise."""


def known_states(observed: States, frames: int, target: Float[np.ndarray, " D"] | None = None) -> KnownStates:
    """The input of a predictor that adds frames to observed ones; `target`, if given, is the last of them."""
    states = np.zeros((len(observed) + frames, observed.shape[1]))
    known = np.arange(len(states)) < len(observed)
    states[: len(observed)] = observed
    if target is not None:
        states[-1], known[-1] = target, True
    return KnownStates(states, known)


def sampled_future(flow: FlowPredictor, known: KnownStates, seed: int, temperature: float = 1.0) -> States:
    """One sample of the predictor, which does not slow down before a target as those of `faceanime morph` do."""
    return flow.draw(known, FutureConfig(temperature=temperature), torch.Generator().manual_seed(seed))


def prediction_errors(benchmark: MotionBenchmark, method: PredictionMethod) -> list[Errors]:
    """For each clip the errors of a method at the horizons, means over the clip's windows."""

    def errors(window: States) -> Errors:
        result = method(window[:OBSERVED], HORIZONS[-1])
        return benchmark.errors(result[OBSERVED:], window[OBSERVED:])[:, _AT_HORIZONS]

    return [np.mean([errors(window) for window in windows], axis=0) for windows in _windows(benchmark)]


def best_prediction_errors(
    benchmark: MotionBenchmark, flow: FlowPredictor, temperature: float
) -> list[Errors]:
    """As `prediction_errors`, of the best of several samples.

    For each kind of error this is the sample with the smallest mean over all horizons.
    """

    def errors(window: States) -> Errors:
        known = known_states(window[:OBSERVED], HORIZONS[-1])
        samples = [sampled_future(flow, known, seed, temperature) for seed in range(DRAWS)]
        by_sample = np.stack(
            [benchmark.errors(s[OBSERVED:], window[OBSERVED:])[:, _AT_HORIZONS] for s in samples]
        )
        best = by_sample.mean(axis=2).argmin(axis=0)
        return by_sample[best, [0, 1]]

    return [np.mean([errors(window) for window in windows], axis=0) for windows in _windows(benchmark)]


def _windows(benchmark: MotionBenchmark) -> list[list[States]]:
    """The windows of each clip that is long enough for one."""
    return [windows for clip in benchmark.filmed if (windows := windows_of(clip.states, SHORTEST_CLIP))]


def prediction_tables(benchmark: MotionBenchmark) -> list[Table]:
    """Errors of predicted frames by method, differences from the paper's, and errors with fewer observed frames."""
    errors = _errors_by_method(benchmark)
    windows = _windows(benchmark)
    note = (
        f"{OBSERVED} frames observed; errors 5, 10, 25 and 50 frames ahead; {sum(map(len, windows))} windows of "
        f"{len(windows)} clips. Samples are measured without the blinks that `imagine` adds."
    )
    better = (LOWER,) * len(HORIZON_COLUMNS)
    tables = [Table("Prediction", HORIZON_COLUMNS, rows_of(errors), note, better)]
    if benchmark.paper is not None:
        methods = (f"flow, {_BEST_OF_DRAWS}", f"flow, {_BEST_AT_LOW_TEMPERATURE}", "flow, mean")
        rows = tuple(
            (f"{name} - LSTM", _differences(errors[name], errors["LSTM (paper)"])) for name in methods
        )
        note = "Paired over clips; below 0 the flow is closer to the truth."
        tables.append(Table("Differences", HORIZON_COLUMNS, rows, note))
    fewer = {
        f"{count} observed": prediction_errors(
            benchmark, with_fewer_observed(count, _mean_method(benchmark.flow))
        )
        for count in (1, 2, 5, OBSERVED)
    }
    title = "Mean of the flow, fewer frames observed"
    return [*tables, Table(title, HORIZON_COLUMNS, rows_of(fewer), "", better)]


def _errors_by_method(benchmark: MotionBenchmark) -> dict[str, list[Errors]]:
    flow, prior, paper = benchmark.flow, without_network(benchmark.flow), benchmark.paper
    errors = {
        "frozen": prediction_errors(benchmark, frozen),
        "linear extrapolation": prediction_errors(benchmark, extrapolated),
        "nearest neighbor": prediction_errors(benchmark, NearestNeighbour(benchmark)),
        "Gaussian process, mean": prediction_errors(benchmark, _mean_method(prior)),
        f"Gaussian process, {_BEST_AT_LOW_TEMPERATURE}": best_prediction_errors(
            benchmark, prior, LOW_TEMPERATURE
        ),
        "flow, mean": prediction_errors(benchmark, _mean_method(flow)),
        "flow, one draw": prediction_errors(
            benchmark, lambda observed, n: sampled_future(flow, known_states(observed, n), 0)
        ),
        f"flow, {_BEST_OF_DRAWS}": best_prediction_errors(benchmark, flow, 1.0),
        f"flow, {_BEST_AT_LOW_TEMPERATURE}": best_prediction_errors(benchmark, flow, LOW_TEMPERATURE),
    }
    if paper is not None:
        errors["LSTM (paper)"] = prediction_errors(
            benchmark, lambda observed, n: paper.future(known_states(observed, n), MEAN_FUTURE)
        )
    return errors


def _mean_method(flow: FlowPredictor) -> PredictionMethod:
    return lambda observed, frames: flow.mean_future(known_states(observed, frames))


def without_network(flow: FlowPredictor) -> FlowPredictor:
    """A copy that is only the Gaussian process that the flow starts from, equally lively for every seed."""
    prior = copy.deepcopy(flow)
    prior.style_factor.copy_(1e-6 * torch.eye(len(prior.style_factor)))
    with torch.no_grad():
        for parameter in (*prior.head.parameters(), *prior.skip_gain.parameters()):
            parameter.zero_()
    return prior


def with_fewer_observed(count: int, method: PredictionMethod) -> PredictionMethod:
    """The same method, given only the last `count` observed frames, relative to the first of those."""

    def predict(observed: States, frames: int) -> States:
        last = re_anchored(observed[-count:], observed[-count])
        future, anchor = method(last, frames)[count:], observed[-count]
        future[:, PLACE] = anchor[PLACE] + future[:, PLACE] * np.exp(anchor[LOG_SCALE])
        future[:, LOG_SCALE] += anchor[LOG_SCALE]
        return np.concatenate([observed, future])

    return predict


def path_errors(benchmark: MotionBenchmark, method: PathMethod) -> tuple[list[Errors], float]:
    """For each clip the errors of the best path for each length of path, means over the frames between its ends.

    Also returns the largest vertex error at the end of a path, in percent.
    """
    clips, largest_end_error = [], 0.0
    for clip in benchmark.filmed:
        if len(clip.motion) <= PATH_FRAMES[-1]:
            continue
        by_length = []
        for frames in PATH_FRAMES:
            errors = []
            for window in windows_of(clip.states, frames + 1):
                paths = method(window[[0, -1]], frames)
                by_path = [benchmark.errors(path[1:-1], window[1:-1]).mean(axis=1) for path in paths]
                errors.append(np.min(by_path, axis=0))
                end_error = float(benchmark.errors(paths[0][-1:], window[-1:])[1, 0])
                largest_end_error = max(largest_end_error, end_error)
            by_length.append(np.mean(errors, axis=0))
        clips.append(np.stack(by_length, axis=1))
    return clips, largest_end_error


def target_tables(benchmark: MotionBenchmark) -> list[Table]:
    """Errors between two given frames by method, and differences from simple interpolation."""
    results = {name: path_errors(benchmark, method) for name, method in _path_methods(benchmark).items()}
    errors = {name: clips for name, (clips, _) in results.items()}
    rows = tuple((name, (*cells, results[name][1])) for name, cells in rows_of(errors))
    note = (
        f"{len(errors['linear'])} clips; means over the frames between the ends. At the end: the largest vertex error "
        "of all paths."
    )
    differences = tuple(
        (f"flow, mean - {rival}", _differences(errors["flow, mean"], errors[rival]))
        for rival in ("linear", "slerp")
    )
    columns = (*PATH_COLUMNS, "at the end %")
    better = (LOWER,) * len(columns)
    difference_note = "Paired over clips; below 0 the flow is closer to the truth."
    return [
        Table("Toward a target", columns, rows, note, better),
        Table("Differences", PATH_COLUMNS, differences, difference_note),
    ]


def _path_methods(benchmark: MotionBenchmark) -> dict[str, PathMethod]:
    flow, prior, paper = benchmark.flow, without_network(benchmark.flow), benchmark.paper

    def known(ends: States, frames: int) -> KnownStates:
        return known_states(ends[:1], frames, ends[1])

    def samples(seeds: Sequence[int], temperature: float) -> PathMethod:
        return lambda ends, n: [sampled_future(flow, known(ends, n), seed, temperature) for seed in seeds]

    methods: dict[str, PathMethod] = {
        "linear": lambda ends, n: [linear(ends, n)],
        "slerp": lambda ends, n: [slerp(ends, n)],
        "Gaussian process, mean": lambda ends, n: [prior.mean_future(known(ends, n))],
        "flow, mean": lambda ends, n: [flow.mean_future(known(ends, n))],
        "flow, one draw": samples([0], 1.0),
        f"flow, {_BEST_AT_LOW_TEMPERATURE}": samples(range(DRAWS), LOW_TEMPERATURE),
    }
    if paper is not None:
        methods["LSTM with timer (paper)"] = lambda ends, n: [paper.future(known(ends, n), MEAN_FUTURE)]
    return methods


def rows_of(errors: Mapping[str, Sequence[Errors]]) -> tuple[tuple[str, tuple[Cell, ...]], ...]:
    """The rows of a table: for each method the means over clips of all errors."""
    return tuple(
        (name, tuple(mean_over_clips(values) for values in _columns(clips))) for name, clips in errors.items()
    )


def _differences(errors: Sequence[Errors], rival_errors: Sequence[Errors]) -> tuple[Estimate, ...]:
    pairs = zip(_columns(errors), _columns(rival_errors), strict=True)
    return tuple(paired_difference(values, rival_values) for values, rival_values in pairs)


def _columns(clips: Sequence[Errors]) -> Float[np.ndarray, "E C"]:
    """The errors as rows, with one number per clip."""
    return np.stack(clips).reshape(len(clips), -1).T
