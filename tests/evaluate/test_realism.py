"""How alive imagined motion looks beside filmed motion: known answers."""

import numpy as np
import pytest

from faceanime.dynamics.blinks import add_blinks
from faceanime.dynamics.flow_predictor import FlowConfig, FlowPredictor
from faceanime.dynamics.state import HEAD_NUMBERS, ROTATION
from faceanime.evaluate import realism
from faceanime.evaluate.futures import Filmed, Judge, States, states_of_motion
from faceanime.evaluate.realism import (
    _blinks,
    _decibels,
    _features,
    _frechet,
    _groups,
    _jerkiness,
    _sizes,
    _speeds,
    _spread,
    _strayed,
    _told_apart,
    by_person,
    halves,
    realism_sections,
)
from faceanime.morphable.model import MorphableModel
from waves import waving


@pytest.fixture(scope="module")
def motions(model: MorphableModel) -> list[States]:
    return [states_of_motion(waving(model, seed, 120)) for seed in range(16)]


@pytest.fixture(scope="module")
def judge(model: MorphableModel, motions: list[States]) -> Judge:
    nobody = FlowPredictor(motions[0].shape[1], FlowConfig(width=8, layers=1, heads=1)).eval()
    clips = [Filmed(f"clip {k}", f"person {k // 2}", waving(model, k, 120)) for k in range(16)]
    return Judge(model, clips[:4], clips, nobody, None)


def test_the_groups_part_the_face_and_the_head(model: MorphableModel) -> None:
    groups = np.stack(list(_groups(model).values()))
    assert groups.sum(axis=0).max() == 1
    assert groups.any(axis=0).sum() == model.expression_count + 3
    assert groups[2, ROTATION].all()
    assert not groups[:, -HEAD_NUMBERS + 3 :].any()


def test_motion_is_like_itself(judge: Judge, motions: list[States]) -> None:
    features = _features(motions, judge)
    assert _frechet(features, features) == pytest.approx(0.0, abs=1e-4)
    for mine in _groups(judge.model).values():
        assert _decibels(motions, motions, mine, judge) == 0.0
        assert _strayed(_sizes(motions, mine, 1), _sizes(motions, mine, 1)) == 0.0


def test_twice_the_motion_is_twice_as_fast_and_6_decibels_louder(judge: Judge, motions: list[States]) -> None:
    twice = [2.0 * states for states in motions]
    np.testing.assert_allclose(_speeds(twice, judge.model) / _speeds(motions, judge.model), 2.0)
    assert _jerkiness(twice) == pytest.approx(_jerkiness(motions))
    for mine in _groups(judge.model).values():
        for order in (1, 2):
            assert _strayed(_sizes(twice, mine, order), _sizes(motions, mine, order)) == pytest.approx(1.0)
        if not mine[ROTATION].any():  # the windows are counted anew, and rotations are theirs as they are
            assert _decibels(twice, motions, mine, judge) == pytest.approx(20 * np.log10(2), abs=0.01)
    assert _frechet(_features(twice, judge), _features(motions, judge)) > 1.0


def test_shaking_is_jerky(motions: list[States]) -> None:
    """Of a step to and fro, the acceleration is twice the speed."""
    to_and_fro = np.where(np.arange(60) % 2, 0.1, -0.1)[:, None] * np.ones(motions[0].shape[1])
    assert _jerkiness([to_and_fro]) == pytest.approx(2.0)
    assert _jerkiness(motions) < 0.5


def test_added_blinks_are_counted(model: MorphableModel) -> None:
    resting = waving(model, 0, 500)
    resting.expression[:] = 0.0
    assert _blinks([states_of_motion(resting)], model) == (0.0, 0.0)
    per_minute, length_s = _blinks([states_of_motion(add_blinks(resting, model, 30.0, 1))], model)
    assert per_minute == pytest.approx(30.0, abs=9.0)  # ten of them, at intervals that scatter
    assert 0.05 < length_s < 0.3


def test_a_network_tells_trembling_from_calm_and_nothing_from_its_like(
    judge: Judge, model: MorphableModel, motions: list[States]
) -> None:
    rng = np.random.default_rng(0)
    trembling = [[states + 0.3 * rng.normal(size=states.shape)] for states in motions]
    people = [[states] for states in motions]
    assert _told_apart(trembling, people, judge, 0) > 0.95
    alike = [[states_of_motion(waving(model, seed, 120))] for seed in range(100, 116)]
    told = [_told_apart(alike, people, judge, seed) for seed in range(3)]
    assert np.mean(told) == pytest.approx(0.5, abs=0.2)


def test_nobody_is_in_both_halves(judge: Judge, model: MorphableModel) -> None:
    """And people with long clips are dealt out first."""
    short = [Filmed(f"short {k}", f"short {k}", waving(model, 50 + k, 20)) for k in range(3)]
    one, other = halves([*short, *judge.train])
    assert [len(people) for people in (one, other)] == [6, 5]
    assert all(len(states) == 120 for people in (one, other) for motions in people[:4] for states in motions)
    first = {motions[0].tobytes() for motions in one}
    assert not first & {motions[0].tobytes() for motions in other}
    assert len(by_person(judge.train)) == 8
    assert all(len(motions) == 2 for motions in by_person(judge.train))


def test_the_sections_tell_what_was_measured(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realism, "_SPLITS", 1)
    tables = {section.title: section for section in realism_sections(judge)}
    rows = dict(tables["Realism"].rows)
    assert list(rows) == [
        "filmed, these people", "filmed, other half of training people", "flow", "flow, after 50 s"
    ]  # fmt: skip
    # of each row as many windows as the smallest has: here two people, two clips each, three windows a clip
    assert "Frechet distance of windows of 2 s, 12 of each row" in tables["Realism"].note
    speeds = rows["filmed, other half of training people"][2:5]
    np.testing.assert_allclose(speeds, 1.0, atol=0.35)  # sines of the same make
    strayed = dict(tables["Distributions"].rows)
    assert strayed["filmed, other half of training people"][0] < strayed["flow"][0]
    variety = dict(tables["Variety"].rows)
    assert variety["filmed clips"][1] == pytest.approx(1.0)
    assert len(tables["Power spectrum, head"].series) == 5


def test_spread_is_a_root_mean_square(judge: Judge) -> None:
    """Two motions that are two deviations apart in every number; one alone has no spread."""
    still = np.zeros((30, len(judge.deviation)))
    assert _spread([still, still + 2.0 * judge.deviation], judge) == pytest.approx(2.0)
    assert np.isnan(_spread([still], judge))
