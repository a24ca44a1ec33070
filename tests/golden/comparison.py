"""Golden files: pictures and numbers that are compared with what is stored, within stated tolerances.

Nothing here knows the package. Other CPUs round differently (fused multiplications, widths of vectors, another order of
sums), so nothing is compared bit for bit. The bounds on pictures are chosen by eye, with room above what was measured
with AVX, AVX2 and FMA switched off in NumPy, OpenCV, numba, torch and OpenBLAS: differences of 1 level.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

EDGE_STEP = 64
"""Levels (of 255) between the darkest and the brightest of 3x3 pixels from which on they and their neighbors lie at an
edge (of the person, of a fold, of the moving region): there a shift by a hundredth of a pixel changes a level."""
INNER_LEVELS = 1
"""Difference of nearly all other pixels, levels: what lies half way between two is rounded up or down."""
INNER_SHARE = 0.995
"""Least share of inner pixels within `INNER_LEVELS`."""
INNER_WORST = 6
"""Largest difference of any inner pixel, levels."""
EDGE_LEVELS = 3
"""Difference of nearly all pixels at edges, levels."""
EDGE_SHARE = 0.99
"""Least share of pixels at edges within `EDGE_LEVELS`."""
EDGE_WORST = 24
"""Largest difference of any pixel at an edge, levels: a fold, or the end of a matte, falls on the next pixel."""
MEAN_LEVELS = 0.1
"""Bound on the mean absolute difference, levels: no whole picture may become a little brighter, or move a little."""
AMPLIFIED = 16
"""Factor on differences in the picture that is written on failure."""
SHOWN = 5
"""Worst pixels named in the message."""

Picture = np.ndarray
Numbers = Mapping[str, np.ndarray]


class GoldenMismatchError(AssertionError):
    """A drawn or computed result differs from the stored one."""


def edges_of(picture: Picture) -> np.ndarray:
    """Mask (H,W) of the pixels of a picture (H,W,3) that lie at an edge."""
    around = np.ones((3, 3), np.uint8)
    step = cv2.dilate(picture, around).astype(np.int16) - cv2.erode(picture, around)
    return cv2.dilate((step.max(axis=-1) > EDGE_STEP).astype(np.uint8), around).astype(bool)


def differences_of(actual: Picture, expected: Picture) -> np.ndarray:
    """The largest difference of a pixel's channels (H,W), levels."""
    return np.abs(actual.astype(np.int16) - expected).max(axis=-1)


def faults_of(actual: Picture, expected: Picture) -> list[str]:
    """Differences of a picture (H,W,3) from the stored one, in words; none if it agrees within the tolerances."""
    if actual.dtype != np.uint8 or actual.shape != expected.shape:
        return [f"is {actual.dtype} of shape {actual.shape}, expected uint8 of {expected.shape}"]
    difference, edges = differences_of(actual, expected), edges_of(expected)
    faults = []
    kinds = [
        ("inner", ~edges, INNER_LEVELS, INNER_SHARE, INNER_WORST),
        ("edge", edges, EDGE_LEVELS, EDGE_SHARE, EDGE_WORST),
    ]
    for kind, where, levels, share, worst in kinds:
        found = difference[where]
        if not len(found):
            continue
        beyond = int((found > levels).sum())
        if beyond > (1.0 - share) * len(found):
            faults.append(
                f"{beyond} of {len(found)} {kind} pixels differ by more than {levels} levels, allowed {1 - share:.1%}"
            )
        if found.max() > worst:
            faults.append(f"{(found > worst).sum()} {kind} pixels differ by more than {worst} levels")
    mean = float(np.abs(actual.astype(np.int16) - expected).mean())
    if mean > MEAN_LEVELS:
        faults.append(f"the mean difference is {mean:.2f} levels, allowed {MEAN_LEVELS}")
    if faults:
        order = np.argsort(difference, axis=None)[::-1][:SHOWN]
        rows, columns = np.unravel_index(order, difference.shape)
        named = (
            f"({x}, {y}) {actual[y, x].tolist()} for {expected[y, x].tolist()}"
            for y, x in zip(rows.tolist(), columns.tolist(), strict=True)
        )
        faults.append(f"worst at (x, y): {', '.join(named)}")
    return faults


def difference_sheet(actual: Picture, expected: Picture) -> Picture:
    """Actual picture, expected picture and amplified difference, side by side."""
    parts = [actual, expected]
    if actual.shape == expected.shape:
        difference = np.abs(actual.astype(np.int16) - expected)
        parts.append(np.minimum(AMPLIFIED * difference, 255).astype(np.uint8))
    height = max(len(part) for part in parts)
    gap = np.full((height, 4, 3), 255, np.uint8)
    padded = [np.pad(part, ((0, height - len(part)), (0, 0), (0, 0))) for part in parts]
    return np.concatenate([tile for part in padded for tile in (part, gap)][:-1], axis=1)


def wrong_numbers(actual: Numbers, expected: Numbers, tolerance: Mapping[str, float]) -> list[str]:
    """Differences of named arrays from the stored ones, in words; `tolerance` bounds the difference of each."""
    if actual.keys() != expected.keys():
        return [f"holds {sorted(actual)}, expected {sorted(expected)}"]
    faults = []
    for name in sorted(expected):
        found, known = np.asarray(actual[name], np.float64), expected[name].astype(np.float64)
        if found.shape != known.shape:
            faults.append(f"{name} has shape {found.shape}, expected {known.shape}")
            continue
        difference = np.abs(found - known)
        if not (difference <= tolerance[name]).all():  # NaN is wrong, too
            at = np.unravel_index(np.argmax(np.nan_to_num(difference, nan=np.inf)), difference.shape)
            place = tuple(int(i) for i in at)
            faults.append(
                f"{name}: {(~(difference <= tolerance[name])).sum()} of {difference.size} numbers differ by more than "
                f"{tolerance[name]:g}, worst at {place}: {found[at]:.6g}, expected {known[at]:.6g}"
            )
    return faults


@dataclass(frozen=True)
class Golden:
    """The stored files below `folder`. With `update`, those that are missing or no longer agree are written anew.

    What agrees within the tolerances stays as it is: another machine's rounding does not change the files.
    `failures` is the folder that receives a picture of each difference.
    """

    folder: Path
    failures: Path
    update: bool = False

    def pictures(self, actual: Mapping[str, Picture]) -> None:
        """Compare pictures (H,W,3), each with that of its name. Raises GoldenMismatchError that tells of all."""
        told = [fault for name, picture in actual.items() for fault in self._picture(name, picture)]
        if told:
            raise GoldenMismatchError("\n".join(told))

    def numbers(self, name: str, actual: Numbers, tolerance: Mapping[str, float]) -> None:
        """Compare named arrays with those stored under a name. Raises GoldenMismatchError."""
        path = self.folder / f"{name}.npz"
        faults = ["is not there"]
        if path.exists():
            with np.load(path) as stored:
                faults = wrong_numbers(actual, dict(stored), tolerance)
        if faults and self.update:
            path.parent.mkdir(parents=True, exist_ok=True)
            kept = {key: np.asarray(value, np.float32) for key, value in sorted(actual.items())}
            np.savez_compressed(path, **kept)
        elif faults:
            raise GoldenMismatchError(_message(f"{name}.npz", faults))

    def _picture(self, name: str, actual: Picture) -> list[str]:
        path = self.folder / f"{name}.png"
        if not path.exists():
            faults, expected = ["is not there"], None
        else:
            expected = np.asarray(Image.open(path).convert("RGB"))
            faults = faults_of(actual, expected)
        if not faults:
            return []
        if self.update:
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(actual).save(path, optimize=True)
            return []
        shown = self.failures / f"{name.replace('/', '_')}.png"
        shown.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(actual if expected is None else difference_sheet(actual, expected)).save(shown)
        where = f"actual, expected, {AMPLIFIED} times their difference: {shown}"
        return [_message(f"{name}.png", [*faults, where])]


def _message(name: str, faults: list[str]) -> str:
    lines = "".join(f"\n  {fault}" for fault in faults)
    return f"golden {name}:{lines}\n  (if this change is meant: pytest tests/golden --update-golden)"
