"""Imagined beside filmed motion: the tables and plots, and how people are grouped."""

import numpy as np
import pytest

from faceanime.evaluate import realism
from faceanime.evaluate.motion_benchmark import FilmedMotion, MotionBenchmark
from faceanime.evaluate.realism import by_person, realism_sections, split_people
from faceanime.morphable.model import MorphableModel
from waves import waving


def test_the_halves_have_no_person_in_common(benchmark: MotionBenchmark, model: MorphableModel) -> None:
    """People with long clips are dealt out first."""
    short = [FilmedMotion(f"short {k}", f"short {k}", waving(model, 50 + k, 20)) for k in range(3)]
    first_half, second_half = split_people([*short, *benchmark.train])
    assert [len(people) for people in (first_half, second_half)] == [6, 5]
    for people in (first_half, second_half):
        assert all(len(states) == 120 for motions in people[:4] for states in motions)
    first = {motions[0].tobytes() for motions in first_half}
    assert not first & {motions[0].tobytes() for motions in second_half}
    assert len(by_person(benchmark.train)) == 8
    assert all(len(motions) == 2 for motions in by_person(benchmark.train))


def test_the_sections_hold_what_was_measured(
    benchmark: MotionBenchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(realism, "CLASSIFIER_SPLITS", 1)
    sections = {section.title: section for section in realism_sections(benchmark)}
    rows = dict(sections["Realism"].rows)
    assert list(rows) == [
        "filmed, these people", "filmed, other half of training people", "flow", "flow, after 50 s"
    ]  # fmt: skip
    # as many windows of each row as the smallest has: here two people, two clips each, three windows per clip
    assert "Fréchet distance of windows of 2 s, 12 of each row" in sections["Realism"].note
    speeds = rows["filmed, other half of training people"][2:5]
    np.testing.assert_allclose(speeds, 1.0, atol=0.35)  # sines with random frequencies of the same range
    distributions = dict(sections["Distributions"].rows)
    assert distributions["filmed, other half of training people"][0] < distributions["flow"][0]
    variety = dict(sections["Variety"].rows)
    assert variety["filmed clips"][1] == pytest.approx(1.0)
    assert len(sections["Power spectrum, head"].series) == 5
