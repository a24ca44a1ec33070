"""Windows of rendered pairs with their conditioning maps, as the flow-guided generator sees them, in batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from jaxtyping import Float32

from faceanime.generator.conditions import Conditions, mirrored_maps
from faceanime.generator.windows import PART_OF, WINDOWS, Window, WindowName, WindowPart
from faceanime.structures.frames import Pixels
from faceanime.train.generator.augment import PLAIN, Appearance, AugmentConfig
from faceanime.train.generator.pairs import PairIndex, RenderedPairs
from faceanime.train.generator.registration import register


@dataclass(frozen=True, eq=False)
class WindowSample:
    """One window of one pair, of side S: pictures and priors float32 in [-1, 1], the rest as in `Conditions`.

    `truth` is the canvas where no true frame is known, which `paired` tells. `window` is that of the target.
    """

    canvas: Float32[np.ndarray, "S S 3"]
    truth: Float32[np.ndarray, "S S 3"]
    maps: Float32[np.ndarray, "S S C"]
    gate: Float32[np.ndarray, "S S"]
    target_prior: Float32[np.ndarray, "S S 3"]
    source_prior: Float32[np.ndarray, "S S 3"]
    paired: bool
    window: Window

    def mirrored(self) -> WindowSample:
        """The sample as a mirror shows it."""

        def flip(picture: np.ndarray) -> np.ndarray:
            return np.ascontiguousarray(picture[:, ::-1])

        return replace(
            self,
            canvas=flip(self.canvas),
            truth=flip(self.truth),
            maps=mirrored_maps(self.maps),
            gate=flip(self.gate),
            target_prior=flip(self.target_prior),
            source_prior=flip(self.source_prior),
        )


def open_windows(
    pairs: RenderedPairs,
    pair: PairIndex,
    names: Sequence[WindowName] = WINDOWS,
    appearance: Appearance = PLAIN,
) -> Iterator[tuple[WindowName, WindowSample]]:
    """Those of the named windows of a pair whose gates are open, in one light and by one camera."""
    source, face, points = pairs.source_geometry(pair), pairs.target_face(pair), pairs.target_points(pair)
    windows = pairs.maker.windows(points, face.pose)
    canvas = pairs.canvas(pair)
    truth = pairs.truth(pair) if pairs.has_truth(pair) else canvas
    for name in names:
        window, source_window = appearance.place(windows[name]), appearance.place(source.windows[name])
        own = source.own_teeth.opacity(face, window.pixel_positions) if name == "mouth" else None
        conditions = pairs.maker.conditions(name, (source_window, source.points), (window, points), own)
        if not conditions.is_open:
            continue
        priors = window.texture(source.texture, points), source_window.texture(source.texture, source.points)
        cuts = window.cut(canvas), window.cut(truth)
        if pairs.options.registration and name == "mouth":
            cuts = cuts[0], register(cuts[1], cuts[0], conditions.maps)
        sample = _sample(cuts, priors, conditions, window, appearance, pairs.has_truth(pair))
        yield name, sample.mirrored() if appearance.mirrored and PART_OF[name] != "eye" else sample


def _sample(
    cuts: tuple[Pixels, Pixels],
    priors: tuple[Float32[np.ndarray, "S S 3"], Float32[np.ndarray, "S S 3"]],
    conditions: Conditions,
    window: Window,
    appearance: Appearance,
    paired: bool,
) -> WindowSample:
    """A sample from its cuts (canvas, truth) and priors (target, source)."""
    canvas, truth = (appearance.photograph(cut) / np.float32(127.5) - 1.0 for cut in cuts)
    target_prior, source_prior = (2.0 * appearance.relight((prior + 1.0) / 2.0) - 1.0 for prior in priors)
    return WindowSample(
        canvas, truth, conditions.maps, conditions.gate, target_prior, source_prior, paired, window
    )


Batch: TypeAlias = dict[str, Float32[np.ndarray, "_ _ _ ..."]]
"""The fields of `WindowSample` over many windows: (B,S,S,C); `paired` is (B,1,1,1), 0 or 1."""


def batched(samples: Sequence[WindowSample]) -> Batch:
    """Windows of one size as a batch."""
    fields = ("canvas", "truth", "maps", "gate", "target_prior", "source_prior")
    stacked = {name: np.stack([getattr(sample, name) for sample in samples]) for name in fields}
    paired = np.array([sample.paired for sample in samples], np.float32)
    return stacked | {"gate": stacked["gate"][..., None], "paired": paired[:, None, None, None]}


def draw_batches(
    pairs: RenderedPairs,
    count: int,
    fractions: Mapping[WindowPart, float],
    augment: AugmentConfig,
    rng: np.random.Generator,
    foreign: float = 0.0,
) -> dict[WindowPart, Batch]:
    """The open windows of `count` random pairs, by the network that repairs them.

    Of each part's windows a fraction is taken. A fraction `foreign` of the pairs is driven by another person.
    """
    found: dict[WindowPart, list[WindowSample]] = {}
    for _ in range(count):
        other = pairs.draw_foreign(rng) if rng.random() < foreign else None
        pair, appearance = other or pairs.draw(rng), Appearance.random(augment, rng)
        names = [name for name in WINDOWS if rng.random() < fractions[PART_OF[name]]]
        for name, sample in open_windows(pairs, pair, names, appearance):
            found.setdefault(PART_OF[name], []).append(sample)
    return {part: batched(samples) for part, samples in found.items()}
