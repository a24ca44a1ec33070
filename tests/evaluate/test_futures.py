"""How imagined motion is judged: known answers."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from faceanime.dynamics.flow_predictor import FlowConfig, FlowPredictor
from faceanime.dynamics.state import HEAD_NUMBERS, LOG_SCALE, PLACE, ROTATION
from faceanime.evaluate.futures import (
    HORIZONS,
    LONG,
    OBSERVED,
    Filmed,
    Judge,
    Nearest,
    States,
    best_errors_ahead,
    drawn,
    errors_ahead,
    errors_along,
    extrapolated,
    frozen,
    given,
    linear,
    prediction_tables,
    re_anchored,
    seeing,
    slerp,
    target_tables,
    vertices_of,
    windows_of,
    without_network,
)
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import Dynamics
from faceanime.train.losses import VERTEX_INTERVAL, VertexDistance
from waves import waving


@pytest.fixture(scope="module")
def flow(model: MorphableModel) -> FlowPredictor:
    """Untrained, but not silent."""
    torch.manual_seed(0)
    flow = FlowPredictor(
        model.expression_count + HEAD_NUMBERS, FlowConfig(width=32, layers=1, heads=2)
    ).eval()
    torch.nn.init.normal_(flow.head.weight, std=0.1)
    return flow


@pytest.fixture(scope="module")
def judge(model: MorphableModel, flow: FlowPredictor) -> Judge:
    clips = [filmed(waving(model, seed, LONG + 5)) for seed in range(3)]
    return Judge(model, clips, clips, flow, None)


def filmed(motion: Dynamics) -> Filmed:
    return Filmed("a clip", "somebody", motion)


def moving(judge: Judge, of: Callable[[np.ndarray], np.ndarray]) -> Judge:
    """The same people, but each frame's expression is `of` its number, the head at rest."""
    time = np.arange(LONG + 5)[:, None]
    rest = judge.filmed[0].motion
    still = rest.pose[np.zeros(len(time), int)]
    expression = of(time) * np.ones(judge.model.expression_count)
    motion = replace(rest, expression=expression, pose=still)
    return replace(judge, filmed=[filmed(motion)])


def test_the_truth_has_no_error(judge: Judge) -> None:
    for clip in (clip.states for clip in judge.filmed):
        np.testing.assert_allclose(judge.errors(clip, clip), 0.0, atol=1e-12)


def test_errors_have_their_units(judge: Judge) -> None:
    """A deviation off in every number is 1; a tenth of the eyes' distance to the side is 10 %."""
    clip = judge.filmed[0].states
    np.testing.assert_allclose(judge.errors(clip + judge.deviation, clip)[0], 1.0)
    aside = clip.copy()
    aside[:, PLACE] += [0.1, 0.0]
    np.testing.assert_allclose(judge.errors(aside, clip)[1], 10.0)


def test_the_vertices_are_those_of_the_loss(judge: Judge) -> None:
    clip = judge.filmed[1].states
    assert VERTEX_INTERVAL == 16
    theirs = VertexDistance(judge.model).posed(torch.tensor(clip, dtype=torch.float32)).numpy()
    np.testing.assert_allclose(vertices_of(clip, judge.model), theirs, atol=1e-5)


@pytest.mark.parametrize(
    ("future", "of"),
    [(frozen, lambda t: 0.3 + 0.0 * t), (extrapolated, lambda t: 0.01 * t - 0.2)],
    ids=["still", "straight"],
)
def test_baselines_know_what_they_are_made_for(
    judge: Judge, future: Callable[[States, int], States], of: Callable[[np.ndarray], np.ndarray]
) -> None:
    np.testing.assert_allclose(errors_ahead(moving(judge, of), future), 0.0, atol=1e-9)


def test_frozen_errs_by_how_far_it_went(judge: Judge) -> None:
    """0.01 a frame in every number of the expression."""
    straight = moving(judge, lambda t: 0.01 * t)
    (found,) = errors_ahead(straight, frozen)
    moved = 0.01 / judge.deviation[:-HEAD_NUMBERS]
    per_frame = np.sqrt((moved**2).sum() / len(judge.deviation))
    np.testing.assert_allclose(found[0], per_frame * np.array(HORIZONS), rtol=1e-9)


def test_the_nearest_moment_of_a_known_clip_is_itself(judge: Judge) -> None:
    np.testing.assert_allclose(errors_ahead(judge, Nearest(judge)), 0.0, atol=1e-9)
    strangers = replace(judge, filmed=[filmed(waving(judge.model, 9, LONG))])
    assert np.min(errors_ahead(strangers, Nearest(judge))) > 0.01


def test_seeing_less_changes_only_what_is_seen(judge: Judge) -> None:
    """Whoever looks at the last frame alone is as good with one; whoever looks at all of them, with all."""
    np.testing.assert_allclose(errors_ahead(judge, seeing(1, frozen)), errors_ahead(judge, frozen), atol=1e-9)
    nearest = Nearest(judge)
    np.testing.assert_allclose(errors_ahead(judge, seeing(OBSERVED, nearest)), errors_ahead(judge, nearest))
    seen: list[States] = []

    def spy(observed: States, frames: int) -> States:
        seen.append(observed)
        return frozen(observed, frames)

    errors_ahead(judge, seeing(4, spy))
    assert {len(observed) for observed in seen} == {4}
    assert max(np.abs(observed[0, LOG_SCALE]) for observed in seen) < 1e-12
    assert max(np.abs(observed[0, PLACE]).max() for observed in seen) < 1e-12


def test_the_best_draw_is_one_of_them(judge: Judge, flow: FlowPredictor) -> None:
    """All draws of the process at temperature 0 are its mean: the best is any; at 1 it is nearer than the first."""
    prior = without_network(flow)
    mean = errors_ahead(judge, lambda seen, n: prior.mean_future(given(seen, n)))
    np.testing.assert_allclose(best_errors_ahead(judge, prior, 0.0), mean, rtol=1e-4)
    best = np.mean(best_errors_ahead(judge, flow, 1.0), axis=(0, 2))
    first = np.mean(errors_ahead(judge, lambda seen, n: drawn(flow, given(seen, n), 0)), axis=(0, 2))
    assert (best < first).all()


def test_a_straight_way_is_known_by_its_ends(judge: Judge) -> None:
    straight = moving(judge, lambda t: 0.01 * t)
    clips, end = errors_along(straight, lambda ends, n: [linear(ends, n)])
    np.testing.assert_allclose(clips, 0.0, atol=1e-9)
    assert end < 1e-9
    _, missed = errors_along(
        straight, lambda ends, n: [linear(ends, n) + 0.1 * (np.arange(n + 1) == n)[:, None]]
    )
    assert missed > 1.0


def test_of_several_tries_the_best_counts(judge: Judge) -> None:
    straight = moving(judge, lambda t: 0.01 * t)
    both, _ = errors_along(straight, lambda ends, n: [slerp(ends, n), linear(ends, n)])
    np.testing.assert_allclose(both, 0.0, atol=1e-9)


def test_slerp_turns_about_one_axis(judge: Judge) -> None:
    ends = np.zeros((2, judge.flow.numbers))
    ends[1, ROTATION], ends[1, 0] = [0.0, 0.8, 0.0], 1.0
    way = slerp(ends, 10)
    np.testing.assert_allclose(way[[0, -1]], ends, atol=1e-12)
    np.testing.assert_allclose(way[:, ROTATION][:, [0, 2]], 0.0, atol=1e-12)
    np.testing.assert_allclose(way[5, ROTATION], [0.0, 0.4, 0.0], atol=1e-12)
    assert way[1, 0] < 0.1 < way[5, 0]  # softly away


def test_windows_are_counted_from_their_first_frame(judge: Judge) -> None:
    clip = judge.filmed[2].states
    for start, window in zip(range(0, len(clip), 25), windows_of(clip, 30), strict=False):
        np.testing.assert_allclose(window, re_anchored(clip, start)[start : start + 30])
        np.testing.assert_allclose([*window[0, PLACE], window[0, LOG_SCALE]], 0.0, atol=1e-12)


def test_the_process_alone_adds_nothing(flow: FlowPredictor, judge: Judge) -> None:
    task = given(judge.filmed[0].states[:3], 20)
    assert np.abs(drawn(flow, task, 0) - drawn(without_network(flow), task, 0)).max() > 1e-3
    assert flow.head.weight.abs().max() > 0.0  # the other is a copy


def test_the_tables_name_every_row_and_hold_numbers(judge: Judge) -> None:
    prediction, fewer = prediction_tables(judge)
    names = [name for name, _ in prediction.rows]
    assert names[:3] == ["frozen", "linear extrapolation", "nearest neighbour"]
    assert [name for name, _ in fewer.rows][-1] == f"{OBSERVED} observed"
    mean = dict(prediction.rows)["flow, mean"]
    assert dict(fewer.rows)[f"{OBSERVED} observed"] == mean
    target, _ = target_tables(judge)
    assert dict(target.rows)["flow, mean"][-1] == pytest.approx(0.0, abs=1e-9)
    assert all(np.isfinite(cell.mean) for _, cells in prediction.rows for cell in cells)
