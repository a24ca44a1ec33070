"""Errors of predicted motion, with known answers."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from faceanime.dynamics.flow_predictor import FlowConfig, FlowPredictor
from faceanime.dynamics.posed_vertices import VERTEX_INTERVAL
from faceanime.dynamics.state import HEAD_NUMBERS, LOG_SCALE, PLACE, ROTATION, re_anchored
from faceanime.evaluate.motion_baselines import NearestNeighbour, extrapolated, frozen, linear, slerp
from faceanime.evaluate.motion_benchmark import (
    HORIZONS,
    OBSERVED,
    SHORTEST_CLIP,
    FilmedMotion,
    MotionBenchmark,
    States,
    windows_of,
)
from faceanime.evaluate.motion_prediction import (
    best_prediction_errors,
    known_states,
    path_errors,
    prediction_errors,
    prediction_tables,
    sampled_future,
    target_tables,
    with_fewer_observed,
    without_network,
)
from faceanime.geometry.camera import project
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import Dynamics
from waves import waving


@pytest.fixture(scope="module")
def flow(model: MorphableModel) -> FlowPredictor:
    """An untrained predictor that does not predict zeros."""
    torch.manual_seed(0)
    flow = FlowPredictor(
        model.expression_count + HEAD_NUMBERS, FlowConfig(width=32, layers=1, heads=2)
    ).eval()
    torch.nn.init.normal_(flow.head.weight, std=0.1)
    return flow


@pytest.fixture(scope="module")
def benchmark(model: MorphableModel, flow: FlowPredictor) -> MotionBenchmark:
    clips = [filmed(waving(model, seed, SHORTEST_CLIP + 5)) for seed in range(3)]
    return MotionBenchmark(model, clips, clips, flow, None)


def filmed(motion: Dynamics) -> FilmedMotion:
    return FilmedMotion("a clip", "somebody", motion)


def moving(benchmark: MotionBenchmark, of: Callable[[np.ndarray], np.ndarray]) -> MotionBenchmark:
    """The same people with a still head, whose expression is a function of the frame's number."""
    time = np.arange(SHORTEST_CLIP + 5)[:, None]
    rest = benchmark.filmed[0].motion
    still = rest.pose[np.zeros(len(time), int)]
    expression = of(time) * np.ones(benchmark.model.expression_count)
    motion = replace(rest, expression=expression, pose=still)
    return replace(benchmark, filmed=[filmed(motion)])


def test_the_truth_has_no_error(benchmark: MotionBenchmark) -> None:
    for clip in (clip.states for clip in benchmark.filmed):
        np.testing.assert_allclose(benchmark.errors(clip, clip), 0.0, atol=1e-12)


def test_errors_have_their_units(benchmark: MotionBenchmark) -> None:
    """One standard deviation in every number is 1; a shift by a tenth of the eye distance is 10 %."""
    clip = benchmark.filmed[0].states
    np.testing.assert_allclose(benchmark.errors(clip + benchmark.deviation, clip)[0], 1.0)
    aside = clip.copy()
    aside[:, PLACE] += [0.1, 0.0]
    np.testing.assert_allclose(benchmark.errors(aside, clip)[1], 10.0)


def test_vertex_errors_are_distances_of_the_drawn_faces(benchmark: MotionBenchmark) -> None:
    """Between two frames of a motion, each with its expression and pose, in percent of the eye distance."""
    motion, model = benchmark.filmed[1].motion, benchmark.model
    states = benchmark.filmed[1].states
    some = np.arange(0, model.landmark_count, VERTEX_INTERVAL)
    here, there = (
        project(
            model.landmark_mean[some] + model.landmark_expression_basis[some] @ motion.expression[t],
            motion.pose[t],
        )
        for t in (3, 9)
    )
    expected = 100.0 * np.linalg.norm((here - there) / motion.pose.scale[0], axis=-1).mean()
    found = benchmark.errors(states[3:4], states[9:10])[1, 0]
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("future", "of"),
    [(frozen, lambda t: 0.3 + 0.0 * t), (extrapolated, lambda t: 0.01 * t - 0.2)],
    ids=["still", "straight"],
)
def test_baselines_predict_the_motion_they_are_made_for(
    benchmark: MotionBenchmark,
    future: Callable[[States, int], States],
    of: Callable[[np.ndarray], np.ndarray],
) -> None:
    np.testing.assert_allclose(prediction_errors(moving(benchmark, of), future), 0.0, atol=1e-9)


def test_the_error_of_frozen_is_the_distance_moved(benchmark: MotionBenchmark) -> None:
    """0.01 per frame in every number of the expression."""
    straight = moving(benchmark, lambda t: 0.01 * t)
    (found,) = prediction_errors(straight, frozen)
    moved = 0.01 / benchmark.deviation[:-HEAD_NUMBERS]
    per_frame = np.sqrt((moved**2).sum() / len(benchmark.deviation))
    np.testing.assert_allclose(found[0], per_frame * np.array(HORIZONS), rtol=1e-9)


def test_the_nearest_neighbor_of_a_known_clip_is_itself(benchmark: MotionBenchmark) -> None:
    np.testing.assert_allclose(prediction_errors(benchmark, NearestNeighbour(benchmark)), 0.0, atol=1e-9)
    strangers = replace(benchmark, filmed=[filmed(waving(benchmark.model, 9, SHORTEST_CLIP))])
    assert np.min(prediction_errors(strangers, NearestNeighbour(benchmark))) > 0.01


def test_observing_fewer_frames_changes_only_the_input(benchmark: MotionBenchmark) -> None:
    """A method that uses the last frame only does not need more; all observed frames are as before."""
    np.testing.assert_allclose(
        prediction_errors(benchmark, with_fewer_observed(1, frozen)),
        prediction_errors(benchmark, frozen),
        atol=1e-9,
    )
    nearest = NearestNeighbour(benchmark)
    np.testing.assert_allclose(
        prediction_errors(benchmark, with_fewer_observed(OBSERVED, nearest)),
        prediction_errors(benchmark, nearest),
    )
    seen: list[States] = []

    def spy(observed: States, frames: int) -> States:
        seen.append(observed)
        return frozen(observed, frames)

    prediction_errors(benchmark, with_fewer_observed(4, spy))
    assert {len(observed) for observed in seen} == {4}
    assert max(np.abs(observed[0, LOG_SCALE]) for observed in seen) < 1e-12
    assert max(np.abs(observed[0, PLACE]).max() for observed in seen) < 1e-12


def test_the_best_sample_is_one_of_them(benchmark: MotionBenchmark, flow: FlowPredictor) -> None:
    """At temperature 0 all samples of the process are its mean; at 1 the best is closer than the first."""
    prior = without_network(flow)
    mean = prediction_errors(benchmark, lambda seen, n: prior.mean_future(known_states(seen, n)))
    np.testing.assert_allclose(best_prediction_errors(benchmark, prior, 0.0), mean, rtol=1e-4)
    best = np.mean(best_prediction_errors(benchmark, flow, 1.0), axis=(0, 2))
    first = np.mean(
        prediction_errors(benchmark, lambda seen, n: sampled_future(flow, known_states(seen, n), 0)),
        axis=(0, 2),
    )
    assert (best < first).all()


def test_a_straight_path_follows_from_its_ends(benchmark: MotionBenchmark) -> None:
    straight = moving(benchmark, lambda t: 0.01 * t)
    clips, end = path_errors(straight, lambda ends, n: [linear(ends, n)])
    np.testing.assert_allclose(clips, 0.0, atol=1e-9)
    assert end < 1e-9
    _, missed = path_errors(
        straight, lambda ends, n: [linear(ends, n) + 0.1 * (np.arange(n + 1) == n)[:, None]]
    )
    assert missed > 1.0


def test_of_several_paths_the_best_counts(benchmark: MotionBenchmark) -> None:
    straight = moving(benchmark, lambda t: 0.01 * t)
    both, _ = path_errors(straight, lambda ends, n: [slerp(ends, n), linear(ends, n)])
    np.testing.assert_allclose(both, 0.0, atol=1e-9)


def test_slerp_turns_about_one_axis(benchmark: MotionBenchmark) -> None:
    ends = np.zeros((2, benchmark.flow.numbers))
    ends[1, ROTATION], ends[1, 0] = [0.0, 0.8, 0.0], 1.0
    way = slerp(ends, 10)
    np.testing.assert_allclose(way[[0, -1]], ends, atol=1e-12)
    np.testing.assert_allclose(way[:, ROTATION][:, [0, 2]], 0.0, atol=1e-12)
    np.testing.assert_allclose(way[5, ROTATION], [0.0, 0.4, 0.0], atol=1e-12)
    assert way[1, 0] < 0.1 < way[5, 0]  # a smooth start


def test_windows_are_relative_to_their_first_frame(benchmark: MotionBenchmark) -> None:
    clip = benchmark.filmed[2].states
    for start, window in zip(range(0, len(clip), 25), windows_of(clip, 30), strict=False):
        np.testing.assert_allclose(window, re_anchored(clip[start : start + 30], clip[start]))
        np.testing.assert_allclose([*window[0, PLACE], window[0, LOG_SCALE]], 0.0, atol=1e-12)


def test_without_its_network_the_flow_is_another(flow: FlowPredictor, benchmark: MotionBenchmark) -> None:
    task = known_states(benchmark.filmed[0].states[:3], 20)
    assert np.abs(sampled_future(flow, task, 0) - sampled_future(without_network(flow), task, 0)).max() > 1e-3
    assert flow.head.weight.abs().max() > 0.0  # the other one is a copy


def test_the_tables_name_every_row_and_hold_numbers(benchmark: MotionBenchmark) -> None:
    prediction, fewer = prediction_tables(benchmark)
    names = [name for name, _ in prediction.rows]
    assert names[:3] == ["frozen", "linear extrapolation", "nearest neighbor"]
    assert [name for name, _ in fewer.rows][-1] == f"{OBSERVED} observed"
    mean = dict(prediction.rows)["flow, mean"]
    assert dict(fewer.rows)[f"{OBSERVED} observed"] == mean
    target, _ = target_tables(benchmark)
    assert dict(target.rows)["flow, mean"][-1] == pytest.approx(0.0, abs=1e-9)
    assert all(np.isfinite(cell.mean) for _, cells in prediction.rows for cell in cells)
