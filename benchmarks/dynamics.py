"""How well motion is imagined: prediction, target-driven prediction, realism, variety, speed.

    python benchmarks/dynamics.py --data DIR [--paper FILE] [--weights FILE] [--split test]

DIR is what `faceanime prepare` wrote; FILE are weights of `faceanime train dynamics`, --paper those of the preset
`paper`. Errors are those of a frame so far ahead: of the coefficients, root mean square in deviations of the training
set; of the vertices, mean distance in percent of the distance of the outer eye corners, head motion included.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.linalg import sqrtm

from faceanime.dynamics.future import FutureConfig
from faceanime.dynamics.predictor import FlowPredictor, LstmPredictor
from faceanime.dynamics.predictor_file import load_predictor
from faceanime.dynamics.rollout import Given, draw_future, lstm_future, mean_future
from faceanime.dynamics.state import HEAD_NUMBERS, LOG_SCALE, PLACE, ROTATION, states_of
from faceanime.geometry.rotation import rotation_from_vector, vector_from_rotation
from faceanime.morphable.axes import measured
from faceanime.morphable.model import EYES, MorphableModel, load_model
from faceanime.train.losses import VertexDistance
from faceanime.train.shards import read_samples
from faceanime.weights import bundled

OBSERVED = 10
HORIZONS = (5, 10, 25, 50)
WAYS = (10, 25, 50)
SAMPLES = 10
WINDOW = 50
"""Frames of the windows that are compared as wholes."""

States = np.ndarray
Future = Callable[[States, int], States]


class Judge:
    """Errors between states."""

    def __init__(self, predictor: FlowPredictor, model: MorphableModel) -> None:
        self.deviation = predictor.normaliser.deviation.numpy().astype(np.float64)
        self.distance = VertexDistance(model)

    def coefficients(self, a: States, b: States) -> np.ndarray:
        return np.sqrt((((a - b) / self.deviation) ** 2).mean(axis=-1))

    def vertices(self, a: States, b: States) -> np.ndarray:
        posed = [self.distance.posed(torch.tensor(s, dtype=torch.float32)) for s in (a, b)]
        return 100.0 * (posed[0] - posed[1]).norm(dim=-1).mean(dim=-1).numpy()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--paper", type=Path)
    args = parser.parse_args()
    model = load_model()
    torch.set_num_threads(1)
    flow = load_predictor(args.weights or bundled("dynamics.safetensors"), model)[0]
    assert isinstance(flow, FlowPredictor)
    paper = load_predictor(args.paper, model)[0] if args.paper else None
    assert paper is None or isinstance(paper, LstmPredictor)
    clips = states_of_clips(args.data, args.split)
    train = states_of_clips(args.data, "train")
    judge = Judge(flow, model)
    print(f"{len(clips)} clips of split {args.split}, {sum(map(len, clips))} frames\n")
    prediction(clips, train, flow, paper, judge)
    targets(clips, flow, paper, judge)
    realism(clips, train, flow, paper, model)
    speed(flow)


def states_of_clips(data: Path, split: str) -> list[States]:
    motions = [sample.motion() for sample in read_samples(data, split)]
    return [states_of(m.expression, m.pose, m.pose[0]).astype(np.float64) for m in motions]


def re_anchored(states: States, at: int = 0) -> States:
    """Scale and place counted from another frame."""
    moved = states.copy()
    moved[:, LOG_SCALE] -= states[at, LOG_SCALE]
    moved[:, PLACE] = (states[:, PLACE] - states[at, PLACE]) * np.exp(-states[at, LOG_SCALE])
    return moved


def windows(clips: list[States], frames: int, step: int = 25) -> list[States]:
    return [
        re_anchored(clip[start : start + frames])
        for clip in clips
        for start in range(0, len(clip) - frames + 1, step)
    ]


def given(observed: States, frames: int, target: np.ndarray | None = None) -> Given:
    """So many frames are to follow the observed ones."""
    total = len(observed) + frames
    states, known = np.zeros((total, observed.shape[1])), np.zeros(total, bool)
    states[: len(observed)], known[: len(observed)] = observed, True
    if target is not None:
        states[-1], known[-1] = target, True
    return Given(states, known)


def drawn(flow: FlowPredictor, task: Given, seed: int) -> States:
    return draw_future(flow, task, FutureConfig(), torch.Generator().manual_seed(seed))


def prediction(
    clips: list[States], train: list[States], flow: FlowPredictor, paper: LstmPredictor | None, judge: Judge
) -> None:
    longest = HORIZONS[-1]
    truth = windows(clips, OBSERVED + longest)
    nearest = Nearest(train, judge)
    methods: dict[str, Future] = {
        "frozen": lambda seen, n: np.repeat(seen[-1:], n, axis=0),
        "linear extrapolation": lambda seen, n: (
            seen[-1] + (seen[-1] - seen[-4]) / 3 * np.arange(1, n + 1)[:, None]
        ),
        "nearest neighbour": nearest,
    }
    if paper is not None:
        methods["LSTM (paper)"] = lambda seen, n: lstm_future(paper, given(seen, n))[len(seen) :]
    methods["flow, mean"] = lambda seen, n: mean_future(flow, given(seen, n))[len(seen) :]
    methods["flow, one sample"] = lambda seen, n: drawn(flow, given(seen, n), 0)[len(seen) :]
    print(f"Prediction: {OBSERVED} frames observed, {len(truth)} windows of people never seen\n")
    head = (
        " | ".join(f"coefficients, {h}" for h in HORIZONS)
        + " | "
        + " | ".join(f"vertices, {h}" for h in HORIZONS)
    )
    print(f"| method, frames ahead | {head} |\n|---|" + "---|" * 2 * len(HORIZONS))
    at = np.array(HORIZONS) - 1
    for name, method in methods.items():
        errors = [_errors(method(w[:OBSERVED], longest), w[OBSERVED:], judge) for w in truth]
        _row(name, np.mean([e[:, at] for e in errors], axis=0))
    best = []
    for w in truth:
        tries = np.stack(
            [
                _errors(drawn(flow, given(w[:OBSERVED], longest), s)[OBSERVED:], w[OBSERVED:], judge)
                for s in range(SAMPLES)
            ]
        )
        best.append(tries.min(axis=0)[:, at])
    _row(f"flow, best of {SAMPLES}", np.mean(best, axis=0))
    print("\nMean of the flow with fewer frames observed (ablation):\n")
    for seen in (1, 2, 5, OBSERVED):
        errors = [
            _errors(mean_future(flow, given(_last(w, seen), longest))[seen:], _last_future(w, seen), judge)
            for w in truth
        ]
        _row(f"{seen} observed", np.mean([e[:, at] for e in errors], axis=0))
    print()


def _last(window: States, count: int) -> States:
    return re_anchored(window[OBSERVED - count : OBSERVED])


def _last_future(window: States, count: int) -> States:
    return re_anchored(window[OBSERVED - count :])[count:]


def _errors(guess: States, truth: States, judge: Judge) -> np.ndarray:
    return np.stack([judge.coefficients(guess, truth), judge.vertices(guess, truth)])


def _row(name: str, errors: np.ndarray) -> None:
    print(f"| {name} | " + " | ".join(f"{v:.3f}" for v in errors[0]) + " | ", end="")
    print(" | ".join(f"{v:.2f}" for v in errors[1]) + " |", flush=True)


class Nearest:
    """The future of the most similar moment of the training set, told as departures from it."""

    def __init__(self, train: list[States], judge: Judge) -> None:
        self._clips, self._deviation = [c for c in train if len(c) >= 60], judge.deviation
        self._moments = [(i, t) for i, c in enumerate(self._clips) for t in range(3, len(c) - 50, 2)]
        self._keys = np.stack([self._key(self._clips[i][: t + 1]) for i, t in self._moments])

    def _key(self, seen: States) -> np.ndarray:
        now = seen[-1] / self._deviation
        change = (seen[-1] - seen[max(len(seen) - 4, 0)]) / self._deviation
        return np.concatenate([now[: ROTATION.stop], 2.0 * change])

    def __call__(self, seen: States, frames: int) -> States:
        index, t = self._moments[int(np.argmin(np.linalg.norm(self._keys - self._key(seen), axis=1)))]
        clip = self._clips[index]
        return np.asarray(seen[-1] + clip[t + 1 : t + 1 + frames] - clip[t])


def targets(clips: list[States], flow: FlowPredictor, paper: LstmPredictor | None, judge: Judge) -> None:
    print("Toward a target: one frame and the last are given; errors along the way, and at its end\n")
    head = " | ".join(f"coefficients, {t}" for t in WAYS) + " | " + " | ".join(f"vertices, {t}" for t in WAYS)
    print(f"| method, frames | {head} | vertices at the end |\n|---|" + "---|" * (2 * len(WAYS) + 1))
    methods: dict[str, Callable[[States, int], States]] = {"linear": _linear, "slerp": _slerp}
    if paper is not None:
        methods["LSTM with timer (paper)"] = lambda ends, n: lstm_future(paper, given(ends[:1], n, ends[1]))
    methods["flow, mean"] = lambda ends, n: mean_future(flow, given(ends[:1], n, ends[1]))
    methods["flow, one sample"] = lambda ends, n: drawn(flow, given(ends[:1], n, ends[1]), 0)
    methods[f"flow, best of {SAMPLES}"] = lambda ends, n: np.zeros(0)
    for name, method in methods.items():
        along, at_end = [], []
        for frames in WAYS:
            errors, last = [], []
            for w in windows(clips, frames + 1):
                ends = w[[0, -1]]
                if name.startswith("flow, best"):
                    ways = [drawn(flow, given(ends[:1], frames, ends[1]), s) for s in range(SAMPLES)]
                    errors.append(
                        np.min([_errors(g[1:-1], w[1:-1], judge).mean(axis=1) for g in ways], axis=0)
                    )
                    way = ways[0]
                else:
                    way = method(ends, frames)
                    errors.append(_errors(way[1:-1], w[1:-1], judge).mean(axis=1))
                last.append(judge.vertices(way[-1:], w[-1:])[0])
            along.append(np.mean(errors, axis=0))
            at_end.append(np.mean(last))
        table = np.stack(along, axis=1)
        cells = " | ".join(f"{v:.3f}" for v in table[0]) + " | " + " | ".join(f"{v:.2f}" for v in table[1])
        print(f"| {name} | {cells} | {max(at_end):.2f} |", flush=True)
    print()


def _linear(ends: States, frames: int) -> States:
    share = np.linspace(0.0, 1.0, frames + 1)[:, None]
    return np.asarray(ends[0] + share * (ends[1] - ends[0]))


def _slerp(ends: States, frames: int) -> States:
    """Rotations on the great circle, all else straight; softly away and softly in."""
    phase = np.linspace(0.0, 1.0, frames + 1)[:, None]
    share = phase**2 * (3.0 - 2.0 * phase)
    way = ends[0] + share * (ends[1] - ends[0])
    first, last = rotation_from_vector(ends[:, ROTATION])
    way[:, ROTATION] = vector_from_rotation(
        first @ rotation_from_vector(share * vector_from_rotation(first.T @ last))
    )
    return np.asarray(way)


def realism(
    clips: list[States],
    train: list[States],
    flow: FlowPredictor,
    paper: LstmPredictor | None,
    model: MorphableModel,
) -> None:
    """Imagined motion against filmed motion, without pairs."""
    starts = [re_anchored(c) for c in clips]
    long = [drawn(flow, given(s[:1], 249), k) for k, s in enumerate(starts + starts)]
    others = {"filmed, test people": clips, "filmed, training people": train, "flow": long}
    if paper is not None:
        others["LSTM (paper)"] = [lstm_future(paper, given(s[:1], 249)) for s in starts]
    minute = [drawn(flow, given(s[:1], 1499), 100 + k)[1250:] for k, s in enumerate(starts[:8])]
    others["flow, after 50 s"] = minute
    reference = _features(train, flow)
    print(
        "Realism: blinks a minute and their length; mean speed of mouth, eyes and brows, head (training people: 1);"
    )
    print(
        "acceleration over speed; Frechet distance of half-overlapping 2 s windows; accuracy of a classifier that tells"
    )
    print("them from training people's (0.5: cannot)\n")
    print(
        "| motion | blinks/min | s | mouth | eyes | head | jerkiness | Frechet | classifier |\n|---|"
        + "---|" * 8
    )
    base = _speeds(train, model)
    for name, motions in others.items():
        per_minute, length_s = _blinks(motions, model)
        relative = _speeds(motions, model) / base
        features = _features(motions, flow)
        distance = _frechet(features, reference)
        accuracy = _told_apart(motions, train, flow)
        speeds = " | ".join(f"{v:.2f}" for v in relative)
        print(
            f"| {name} | {per_minute:.0f} | {length_s:.2f} | {speeds} | {_jerkiness(motions):.2f} "
            f"| {distance:.1f} | {accuracy:.2f} |",
            flush=True,
        )
    seeds = np.stack([drawn(flow, given(starts[0][:1], 100), s) for s in range(20)])
    deviation = flow.normaliser.deviation.numpy()
    real = np.stack(
        [
            re_anchored(c[:101]) - c[0] * (np.arange(c.shape[1]) < ROTATION.start)
            for c in train
            if len(c) > 100
        ]
    )
    print(
        f"\nVariety: mean distance of two seeds {_spread(seeds / deviation):.2f}, of two filmed clips ",
        end="",
    )
    print(f"(each from its own first expression) {_spread(real / deviation):.2f}\n")


def _blinks(motions: list[States], model: MorphableModel) -> tuple[float, float]:
    """How often the lids come below half of their usual gap, a minute, and for how long."""
    count, closed_frames, frames = 0, 0, 0
    mean_face = np.zeros(model.identity_count)
    for states in motions:
        sides = [
            measured(f"lids_apart_{s}", model, mean_face, states[:, :-HEAD_NUMBERS])
            for s in ("right", "left")
        ]
        gap = np.mean(sides, axis=0)
        closed = gap < 0.5 * np.percentile(gap, 80)
        count += int((np.diff(closed.astype(int)) == 1).sum())
        closed_frames += int(closed.sum())
        frames += len(states)
    return count / (frames / 25 / 60), closed_frames / max(count, 1) / 25


def _speeds(motions: list[States], model: MorphableModel) -> np.ndarray:
    moved = np.concatenate([np.abs(np.diff(s, axis=0)) for s in motions])
    eyes = np.isin(model.part, EYES)
    face = moved[:, :-HEAD_NUMBERS]
    return np.array([face[:, ~eyes].mean(), face[:, eyes].mean(), moved[:, ROTATION].mean()])


def _jerkiness(motions: list[States]) -> float:
    first = np.concatenate([np.abs(np.diff(s, axis=0)) for s in motions]).mean(axis=0)
    second = np.concatenate([np.abs(np.diff(s, 2, axis=0)) for s in motions]).mean(axis=0)
    return float((second / first).mean())


def _features(motions: list[States], flow: FlowPredictor) -> np.ndarray:
    """Windows as numbers: means, deviations and speeds of each channel."""
    deviation = flow.normaliser.deviation.numpy()
    wholes = np.stack(windows(motions, WINDOW)) / deviation
    speed = np.log(np.abs(np.diff(wholes, axis=1)).mean(axis=1) + 1e-3)
    return np.concatenate([wholes.mean(axis=1), wholes.std(axis=1), speed], axis=1)


def _frechet(a: np.ndarray, b: np.ndarray) -> float:
    """Frechet distance of two Gaussians, in the first 32 principal directions of `b`."""
    centre = b.mean(axis=0)
    _, _, directions = np.linalg.svd(b - centre, full_matrices=False)
    a, b = (a - centre) @ directions[:32].T, (b - centre) @ directions[:32].T
    covariances = np.cov(a.T), np.cov(b.T)
    root = sqrtm(covariances[0] @ covariances[1]).real
    return float(
        ((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum() + np.trace(covariances[0] + covariances[1] - 2 * root)
    )


def _told_apart(motions: list[States], train: list[States], flow: FlowPredictor) -> float:
    """Accuracy on sequences that it has not seen of a small network, trained to tell the two kinds."""
    torch.manual_seed(0)
    deviation = flow.normaliser.deviation.numpy()
    rng = np.random.default_rng(0)

    def kind(sequences: list[States]) -> tuple[torch.Tensor, torch.Tensor]:
        order = rng.permutation(len(sequences))
        half = len(order) // 2
        parts = [windows([sequences[i] for i in some], WINDOW) for some in (order[:half], order[half:])]
        first, second = (
            torch.tensor(np.stack(p) / deviation, dtype=torch.float32).transpose(1, 2) for p in parts
        )
        return first, second

    (real, real_left), (other, other_left) = kind(train), kind(motions)
    width = real.shape[1]
    network = torch.nn.Sequential(
        torch.nn.Conv1d(2 * width, 48, 5, stride=2), torch.nn.ReLU(),
        torch.nn.Conv1d(48, 48, 5, stride=2), torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool1d(1), torch.nn.Flatten(), torch.nn.Dropout(0.3), torch.nn.Linear(48, 1),
    )  # fmt: skip

    def told(x: torch.Tensor) -> torch.Tensor:
        change = torch.nn.functional.pad(x[..., 1:] - x[..., :-1], (1, 0))
        result: torch.Tensor = network(torch.cat([x - x.mean(dim=-1, keepdim=True), 5.0 * change], dim=1))[
            :, 0
        ]
        return result

    optimiser = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=0.05)
    for _ in range(250):
        some = [kind[torch.randint(len(kind), (48,))] for kind in (real, other)]
        scores = torch.cat([told(some[0]), -told(some[1])])
        loss = torch.nn.functional.softplus(-scores).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    network.eval()
    with torch.no_grad():
        right = [(told(real_left) > 0).float().mean(), (told(other_left) < 0).float().mean()]
    return float(sum(right) / 2)


def _spread(motions: np.ndarray) -> float:
    """Mean distance of two motions, root mean square over frames and numbers."""
    count = len(motions)
    pairs = [np.sqrt(((motions[i] - motions[j]) ** 2).mean()) for i in range(count) for j in range(i)]
    return float(np.mean(pairs))


def speed(flow: FlowPredictor) -> None:
    task = given(np.zeros((1, flow.numbers)), 999)
    drawn(flow, task, 0)
    took = []
    for seed in range(5):
        started = time.perf_counter()
        drawn(flow, task, seed)
        took.append(time.perf_counter() - started)
    print(
        f"Speed: 1000 frames in {np.median(took):.2f} s, one core (median of 5; {FutureConfig().steps} steps)"
    )


if __name__ == "__main__":
    main()
