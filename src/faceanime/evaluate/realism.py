"""Imagined motion against filmed motion, without pairs: blinks, pace, spread, and what tells the two apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.stats import wasserstein_distance

from faceanime.dynamics.blinks import blinks_of
from faceanime.dynamics.rollout import imagine
from faceanime.dynamics.rollout_config import FutureConfig
from faceanime.dynamics.state import FRAME_RATE, HEAD_NUMBERS, ROTATION
from faceanime.evaluate.futures import (
    DRAWS,
    LONG,
    LOWER,
    Filmed,
    Judge,
    States,
    drawn,
    given,
    states_of_motion,
    windows_of,
)
from faceanime.evaluate.perceptual_metrics import frechet_distance
from faceanime.evaluate.report import Cell, Plot, Table
from faceanime.evaluate.statistics import mean_over_clips
from faceanime.evaluate.video_metrics import motion_spectrum
from faceanime.morphable.axes import measured
from faceanime.morphable.model import EYES, MorphableModel

_SPLITS = 5
WINDOW = 50
"""Frames of the windows that are compared as wholes."""


People = list[list[States]]
"""Motions, those of one person together: a network that has seen one of them knows the others a little."""


def realism_sections(judge: Judge) -> list[Table | Plot]:
    """Imagined motion against filmed motion, without pairs."""
    usual, others = halves(judge.train)
    motions = {
        "filmed, these people": by_person(judge.filmed),
        "filmed, other half of training people": others,
        **_imagined(judge),
    }
    return [
        _realism(motions, usual, judge),
        _variety(judge),
        *_distributions({name: _all(some) for name, some in motions.items()}, _all(usual), judge),
    ]


def by_person(clips: Sequence[Filmed]) -> People:
    """Clips' motions; people with long clips first, else in the order in which they came."""
    people: dict[str, list[States]] = {}
    for clip in sorted(clips, key=lambda clip: len(clip.motion) < LONG):
        people.setdefault(clip.person, []).append(clip.states)
    return list(people.values())


def halves(clips: Sequence[Filmed]) -> tuple[People, People]:
    """Two sets of people, nobody in both."""
    people = by_person(clips)
    return people[::2], people[1::2]


def _imagined(judge: Judge) -> dict[str, People]:
    def drawn_for(clip: Filmed, seconds: float, seed: int) -> States:
        future, motion = FutureConfig(seconds=seconds, seed=seed), clip.motion
        return states_of_motion(imagine(judge.flow, motion[0], motion.picture_side_px, future, judge.model))

    count = len(judge.filmed)
    motions = {
        "flow": [[drawn_for(c, 10.0, k), drawn_for(c, 10.0, k + count)] for k, c in enumerate(judge.filmed)],
        "flow, after 50 s": [[drawn_for(c, 60.0, 100 + k)[1250:]] for k, c in enumerate(judge.filmed)],
    }
    paper = judge.paper
    if paper is not None:
        motions["LSTM (paper)"] = [
            [paper.future(given(c.states[:1], 249), FutureConfig())] for c in judge.filmed
        ]
    return motions


def _all(people: People) -> list[States]:
    return [states for motions in people for states in motions]


def _realism(motions: Mapping[str, People], usual: People, judge: Judge) -> Table:
    pace, reference = _speeds(_all(usual), judge.model), _features(_all(usual), judge)
    features = {name: _features(_all(some), judge) for name, some in motions.items()}
    count = min(map(len, features.values()))
    rows = []
    for name, people in motions.items():
        some = _all(people)
        per_minute, length_s = _blinks(some, judge.model)
        spread = features[name][np.linspace(0, len(features[name]) - 1, count).astype(int)]
        speeds = tuple((_speeds(some, judge.model) / pace).tolist())
        told = float(np.mean([_told_apart(people, usual, judge, seed) for seed in range(_SPLITS)]))
        cells = (per_minute, length_s, *speeds, _jerkiness(some), _frechet(spread, reference), told)
        rows.append((name, tuple(map(float, cells))))
    columns = ("blinks/min", "s", "mouth", "eyes", "head", "jerkiness", "Frechet", "classifier")
    note = (
        f"Against one half of the people of the training set ({len(usual)}). Blinks and their mean length; mean speed "
        "of mouth, eyes and brows, head (theirs: 1); acceleration over speed; Frechet distance of windows of 2 s, "
        f"{count} of each row, in the first 32 principal directions of their means, deviations and speeds; accuracy of "
        f"a small network that tells them apart (0.5: cannot) for people it has not seen, mean of {_SPLITS} splits."
    )
    return Table("Realism", columns, tuple(rows), note, digits=2)


def _variety(judge: Judge) -> Table:
    """How far apart the seeds of one face are, beside clips of different people."""
    faces = [clip.states[:1] for clip in judge.filmed][:_FACES]
    ours = np.array(
        [_spread([drawn(judge.flow, given(f, 100), s) for s in range(DRAWS)], judge) for f in faces]
    )
    parts = [clip.states[:101] for clip in judge.train if len(clip.motion) > 100]
    face = np.arange(judge.flow.numbers) < judge.model.expression_count
    rivals = {
        "filmed clips": _spread(parts, judge),
        "filmed clips, each from its own first expression": _spread([p - p[0] * face for p in parts], judge),
    }
    rows: list[tuple[str, tuple[Cell, ...]]] = [
        ("seeds of one face", (mean_over_clips(ours), *(mean_over_clips(ours / r) for r in rivals.values())))
    ]
    rows += [(name, (far, *(far / r for r in rivals.values()))) for name, far in rivals.items()]
    return Table(
        "Variety",
        ("distance", *(f"share of {name}" for name in rivals)),
        tuple(rows),
        "Mean over pairs of the root mean square over 100 frames and all numbers, in deviations of the training set; "
        f"{DRAWS} seeds each of {len(faces)} faces.",
        digits=2,
    )


_FACES = 12


def _distributions(
    motions: Mapping[str, Sequence[States]], usual: Sequence[States], judge: Judge
) -> list[Table | Plot]:
    """How speeds, accelerations and frequencies are distributed, beside one half of the training clips."""
    groups = _groups(judge.model)
    rows = []
    for name, some in motions.items():
        cells = [
            _strayed(_sizes(some, mine, order), _sizes(usual, mine, order))
            for order in (1, 2)
            for mine in groups.values()
        ]
        rows.append((name, (*cells, *(_decibels(some, usual, mine, judge) for mine in groups.values()))))
    columns = tuple(f"{what}, {name}" for what in ("speed", "acceleration", "spectrum dB") for name in groups)
    note = (
        "How far distributions are from those of one half of the training clips. Speed and acceleration: Wasserstein "
        "distance over their mean. Spectrum: mean size of the difference in dB, 1 to 12 Hz."
    )
    return [
        Table("Distributions", columns, tuple(rows), note, (LOWER,) * len(columns), digits=2),
        *(
            Plot(
                f"Power spectrum, {name}",
                "Hz",
                "power density, deviations of the training set squared per Hz",
                {
                    row: _spectrum(some, mine, judge)
                    for row, some in {"filmed, half of training people": usual, **motions}.items()
                },
                "2 s windows, mean over numbers.",
                log_y=True,
            )
            for name, mine in groups.items()
        ),
    ]


def _groups(model: MorphableModel) -> dict[str, Bool[np.ndarray, " D"]]:
    """Which numbers of a state move what."""
    eyes = np.pad(np.isin(model.part, EYES), (0, HEAD_NUMBERS))
    face = np.arange(len(eyes)) < model.expression_count
    head = np.zeros_like(eyes)
    head[ROTATION] = True
    return {"mouth": face & ~eyes, "eyes": eyes, "head": head}


def _sizes(motions: Sequence[States], mine: Bool[np.ndarray, " D"], order: int) -> Float[np.ndarray, " N"]:
    """Of the change from frame to frame (order 1), or of its change (2)."""
    return np.concatenate([np.linalg.norm(np.diff(s[:, mine], order, axis=0), axis=1) for s in motions])


def _strayed(some: Float[np.ndarray, " N"], usual: Float[np.ndarray, " M"]) -> float:
    return float(wasserstein_distance(some, usual) / usual.mean())


def _spectrum(
    motions: Sequence[States], mine: Bool[np.ndarray, " D"], judge: Judge
) -> tuple[Float[np.ndarray, " F"], Float[np.ndarray, " F"]]:
    wholes = _wholes(motions, judge)[:, :, mine]
    return motion_spectrum(np.moveaxis(wholes, 1, 0).reshape(WINDOW, -1, 1), FRAME_RATE)


def _decibels(
    motions: Sequence[States], usual: Sequence[States], mine: Bool[np.ndarray, " D"], judge: Judge
) -> float:
    (hertz, power), (_, its) = (_spectrum(some, mine, judge) for some in (motions, usual))
    heard = (hertz >= 1.0) & (hertz <= 12.0)
    return float(np.abs(10.0 * np.log10(np.maximum(power, _SILENT) / its))[heard].mean())


_SILENT = 1e-12


def _blinks(motions: Sequence[States], model: MorphableModel) -> tuple[float, float]:
    """Blinks a minute, and how long the lids are below half of their usual gap."""
    blinks, frames, mean_face, rate = [], 0, np.zeros(model.identity_count), float(FRAME_RATE)
    for states in motions:
        expression = states[:, :-HEAD_NUMBERS]
        gaps = [measured(f"lids_apart_{side}", model, mean_face, expression) for side in ("right", "left")]
        blinks += blinks_of(np.mean(gaps, axis=0), rate)
        frames += len(states)
    closed = sum(end - start for start, end in blinks)
    return 60.0 * rate * len(blinks) / frames, closed / max(len(blinks), 1) / rate


def _speeds(motions: Sequence[States], model: MorphableModel) -> Float[np.ndarray, "3"]:
    moved = np.concatenate([np.abs(np.diff(s, axis=0)) for s in motions])
    return np.array([moved[:, mine].mean() for mine in _groups(model).values()])


def _jerkiness(motions: Sequence[States]) -> float:
    first = np.concatenate([np.abs(np.diff(s, axis=0)) for s in motions]).mean(axis=0)
    second = np.concatenate([np.abs(np.diff(s, 2, axis=0)) for s in motions]).mean(axis=0)
    return float((second[first > 0.0] / first[first > 0.0]).mean())


def _wholes(motions: Sequence[States], judge: Judge) -> Float[np.ndarray, "N T D"]:
    return np.stack([window for clip in motions for window in windows_of(clip, WINDOW)]) / judge.deviation


def _features(motions: Sequence[States], judge: Judge) -> Float[np.ndarray, "N F"]:
    """Windows as numbers: means, deviations and speeds of each channel."""
    wholes = _wholes(motions, judge)
    speed = np.log(np.abs(np.diff(wholes, axis=1)).mean(axis=1) + 1e-3)
    return np.concatenate([wholes.mean(axis=1), wholes.std(axis=1), speed], axis=1)


def _frechet(a: Float[np.ndarray, "N F"], b: Float[np.ndarray, "M F"]) -> float:
    """In the first 32 principal directions of `b`."""
    centre = b.mean(axis=0)
    _, _, directions = np.linalg.svd(b - centre, full_matrices=False)
    return frechet_distance((a - centre) @ directions[:32].T, (b - centre) @ directions[:32].T)


def _told_apart(people: People, usual: People, judge: Judge, seed: int) -> float:
    """Accuracy, on people that it has not seen, of a small network trained to tell the two kinds."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)

    def parted(people: People) -> list[torch.Tensor]:
        """The windows of one half of the people, and of the other."""
        long = [some for motions in people if (some := [m for m in motions if len(m) >= WINDOW])]
        parts = np.array_split(rng.permutation(len(long)), 2)
        wholes = [_wholes([motion for i in part for motion in long[i]], judge) for part in parts]
        return [torch.tensor(w, dtype=torch.float32).transpose(1, 2) for w in wholes]

    (real, real_left), (other, other_left) = parted(usual), parted(people)
    network = torch.nn.Sequential(
        torch.nn.Conv1d(2 * real.shape[1], 48, 5, stride=2), torch.nn.ReLU(),
        torch.nn.Conv1d(48, 48, 5, stride=2), torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool1d(1), torch.nn.Flatten(), torch.nn.Dropout(0.3), torch.nn.Linear(48, 1),
    )  # fmt: skip

    def told(x: torch.Tensor) -> torch.Tensor:
        change = torch.nn.functional.pad(x[..., 1:] - x[..., :-1], (1, 0))
        scores: torch.Tensor = network(torch.cat([x - x.mean(dim=-1, keepdim=True), 5.0 * change], dim=1))
        return scores[:, 0]

    optimiser = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=0.05)
    for _ in range(250):
        some = [kind[torch.randint(len(kind), (48,))] for kind in (real, other)]
        loss = torch.nn.functional.softplus(torch.cat([-told(some[0]), told(some[1])])).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    network.eval()
    with torch.no_grad():
        right = [(told(real_left) > 0).float().mean(), (told(other_left) < 0).float().mean()]
    return float(sum(right) / 2)


def _spread(motions: Sequence[States], judge: Judge) -> float:
    """Mean distance of two motions, root mean square over frames and numbers; NaN of less than two."""
    pairs = [
        np.sqrt((((a - b) / judge.deviation) ** 2).mean()) for i, a in enumerate(motions) for b in motions[:i]
    ]
    return float(np.mean(pairs)) if pairs else float("nan")
