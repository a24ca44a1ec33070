"""Compare imagined with filmed motion without pairs: blinks, speed, distributions, variety, and a classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from faceanime.dynamics.rollout import imagine
from faceanime.dynamics.rollout_config import FutureConfig
from faceanime.evaluate.classifier_test import People, classifier_accuracy
from faceanime.evaluate.motion_benchmark import (
    DRAWS,
    SHORTEST_CLIP,
    FilmedMotion,
    MotionBenchmark,
    States,
    states_of_motion,
)
from faceanime.evaluate.motion_prediction import known_states, sampled_future
from faceanime.evaluate.motion_statistics import (
    FRECHET_DIRECTIONS,
    blink_rate_and_length,
    change_sizes,
    feature_distance,
    jerkiness,
    mean_distance,
    mean_speeds,
    relative_wasserstein_distance,
    spectrum,
    spectrum_difference_db,
    state_masks,
    window_features,
)
from faceanime.evaluate.report import LOWER, Cell, Plot, Table
from faceanime.evaluate.statistics import mean_over_clips

CLASSIFIER_SPLITS = 5
"""Random splits of people that the classifier's accuracy is averaged over."""
_VARIETY_FACES, _VARIETY_FRAMES = 12, 100
"""Faces whose samples are compared with each other, and frames of each sample."""
_LATE_S, _LATE_FRAMES = 60.0, 1250
"""Length in seconds of the motions whose end is measured, and the frames left out at their start (50 s)."""


def realism_sections(benchmark: MotionBenchmark) -> list[Table | Plot]:
    """Tables and plots of imagined beside filmed motion."""
    usual, others = split_people(benchmark.train)
    motions = {
        "filmed, these people": by_person(benchmark.filmed),
        "filmed, other half of training people": others,
        **_imagined(benchmark),
    }
    flat = {name: _flat(people) for name, people in motions.items()}
    return [
        _realism_table(motions, usual, benchmark),
        _variety_table(benchmark),
        _distribution_table(flat, _flat(usual), benchmark),
        *_spectrum_plots(flat, _flat(usual), benchmark),
    ]


def by_person(clips: Sequence[FilmedMotion]) -> People:
    """The motions of each person; people with a long clip first, otherwise in the order of the clips."""
    people: dict[str, list[States]] = {}
    for clip in sorted(clips, key=lambda clip: len(clip.motion) < SHORTEST_CLIP):
        people.setdefault(clip.person, []).append(clip.states)
    return list(people.values())


def split_people(clips: Sequence[FilmedMotion]) -> tuple[People, People]:
    """Two sets of people without a person in common."""
    people = by_person(clips)
    return people[::2], people[1::2]


def _imagined(benchmark: MotionBenchmark) -> dict[str, People]:
    """Motions imagined from the first frame of each clip, by predictor."""

    def sample(clip: FilmedMotion, seconds: float, seed: int) -> States:
        config, motion = FutureConfig(seconds=seconds, seed=seed), clip.motion
        side_px = motion.picture_side_px
        return states_of_motion(imagine(benchmark.flow, motion[0], side_px, config, benchmark.model))

    clips = list(enumerate(benchmark.filmed))
    motions = {
        "flow": [[sample(clip, 10.0, k), sample(clip, 10.0, k + len(clips))] for k, clip in clips],
        "flow, after 50 s": [[sample(clip, _LATE_S, 100 + k)[_LATE_FRAMES:]] for k, clip in clips],
    }
    paper = benchmark.paper
    if paper is not None:
        for name, temperature in (("LSTM (paper)", 0.0), ("LSTM (paper), with noise", 1.0)):
            motions[name] = [
                [
                    paper.future(
                        known_states(clip.states[:1], 249), FutureConfig(seed=k, temperature=temperature)
                    )
                ]
                for k, clip in clips
            ]
    return motions


def _flat(people: People) -> list[States]:
    return [states for motions in people for states in motions]


def _realism_table(motions: Mapping[str, People], usual: People, benchmark: MotionBenchmark) -> Table:
    usual_speeds = mean_speeds(_flat(usual), benchmark.model)
    usual_features = window_features(_flat(usual), benchmark)
    features = {name: window_features(_flat(people), benchmark) for name, people in motions.items()}
    count = min(map(len, features.values()))
    rows = []
    for name, people in motions.items():
        flat = _flat(people)
        speeds = mean_speeds(flat, benchmark.model) / usual_speeds
        chosen = features[name][np.linspace(0, len(features[name]) - 1, count).astype(int)]
        accuracies = [
            classifier_accuracy(people, usual, benchmark, seed) for seed in range(CLASSIFIER_SPLITS)
        ]
        cells = (
            *blink_rate_and_length(flat, benchmark.model),
            *speeds.tolist(),
            jerkiness(flat),
            feature_distance(chosen, usual_features),
            float(np.mean(accuracies)),
        )
        rows.append((name, tuple(map(float, cells))))
    columns = ("blinks/min", "s", "mouth", "eyes", "head", "jerkiness", "Fréchet", "classifier")
    note = (
        f"Relative to one half of the people of the training set ({len(usual)}). Blinks and their mean length; mean "
        "speed of mouth, eyes and brows, head (theirs: 1); acceleration divided by speed; Fréchet distance of windows "
        f"of 2 s, {count} of each row, in the first {FRECHET_DIRECTIONS} principal directions of their means, "
        "deviations and speeds; accuracy of a small network that tells the motions apart (0.5: cannot) for people it "
        f"has not seen, mean of {CLASSIFIER_SPLITS} splits (Lopez-Paz and Oquab 2017)."
    )
    return Table("Realism", columns, tuple(rows), note, digits=2)


def _variety_table(benchmark: MotionBenchmark) -> Table:
    """Differences between samples of one face, compared with those between clips of different people."""
    faces = [clip.states[:1] for clip in benchmark.filmed][:_VARIETY_FACES]
    by_face = np.array([mean_distance(_samples_of(face, benchmark), benchmark) for face in faces])
    clips = [
        clip.states[: _VARIETY_FRAMES + 1] for clip in benchmark.train if len(clip.motion) > _VARIETY_FRAMES
    ]
    is_expression = np.arange(benchmark.flow.numbers) < benchmark.model.expression_count
    rivals = {
        "filmed clips": mean_distance(clips, benchmark),
        "filmed clips, each from its own first expression": mean_distance(
            [states - states[0] * is_expression for states in clips], benchmark
        ),
    }
    own: tuple[Cell, ...] = (
        mean_over_clips(by_face),
        *(mean_over_clips(by_face / distance) for distance in rivals.values()),
    )
    rows: list[tuple[str, tuple[Cell, ...]]] = [("seeds of one face", own)]
    rows += [
        (name, (distance, *(distance / rival for rival in rivals.values())))
        for name, distance in rivals.items()
    ]
    note = (
        f"Mean over pairs of the root mean square distance over {_VARIETY_FRAMES} frames and all numbers of a state, "
        f"in standard deviations of the training set; {DRAWS} seeds for each of {len(faces)} faces."
    )
    columns = ("distance", *(f"relative to {name}" for name in rivals))
    return Table("Variety", columns, tuple(rows), note, digits=2)


def _samples_of(face: States, benchmark: MotionBenchmark) -> list[States]:
    known = known_states(face, _VARIETY_FRAMES)
    return [sampled_future(benchmark.flow, known, seed) for seed in range(DRAWS)]


def _distribution_table(
    motions: Mapping[str, Sequence[States]], usual: Sequence[States], benchmark: MotionBenchmark
) -> Table:
    """Distances of the distributions of speeds, accelerations and frequencies from those of filmed motion."""
    parts = state_masks(benchmark.model)
    rows = []
    for name, some in motions.items():
        changes = [
            relative_wasserstein_distance(change_sizes(some, mask, order), change_sizes(usual, mask, order))
            for order in (1, 2)
            for mask in parts.values()
        ]
        spectra = [spectrum_difference_db(some, usual, mask, benchmark) for mask in parts.values()]
        rows.append((name, (*changes, *spectra)))
    columns = tuple(f"{what}, {part}" for what in ("speed", "acceleration", "spectrum dB") for part in parts)
    better = (LOWER,) * len(columns)
    note = (
        "Distance from the distributions of one half of the training clips. Speed and acceleration: Wasserstein "
        "distance divided by their mean. Spectrum: mean absolute difference in dB, 1 to 12 Hz."
    )
    return Table("Distributions", columns, tuple(rows), note, better, digits=2)


def _spectrum_plots(
    motions: Mapping[str, Sequence[States]], usual: Sequence[States], benchmark: MotionBenchmark
) -> list[Plot]:
    rows = {"filmed, half of training people": usual, **motions}
    return [
        Plot(
            f"Power spectrum, {part}",
            "Hz",
            "power density, standard deviations of the training set squared per Hz",
            {name: spectrum(some, mask, benchmark) for name, some in rows.items()},
            "Windows of 2 s, mean over the numbers of a state.",
            log_y=True,
        )
        for part, mask in state_masks(benchmark.model).items()
    ]
