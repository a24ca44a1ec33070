"""Measure the frames per second of each renderer, in turns, so that other load slows down all renderers alike."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from faceanime.core.files import atomic_output
from faceanime.core.progress import Progress, watched
from faceanime.evaluate.evaluation_config import EvaluateConfig
from faceanime.evaluate.measurement_store import hash_of_files
from faceanime.evaluate.reenactment import animators_of
from faceanime.evaluate.reenactment_pairs import Pair
from faceanime.evaluate.report import HIGHER, Table
from faceanime.face.detect import MediapipeDetector
from faceanime.generator.renderers import weights_of
from faceanime.geometry.resize import resized
from faceanime.morphable.model import load_model
from faceanime.pipeline import Animator

SIZES_PX = (256, 512, 1024)
"""Longer sides of the portraits."""
ROUNDS, FRAMES = 5, 50
"""Measured rounds, and the largest number of frames in each."""


def speed_tables(pair: Pair, out: Path, config: EvaluateConfig, progress: Progress) -> list[Table]:
    """Median frames per second for portraits of several sizes, without decoding, tracking and encoding.

    Measurements are kept in OUT/measured/speed.json: the same command again reports the same numbers, unless a network
    or the clip has changed.
    """
    path, animators = out / "measured" / "speed.json", animators_of(config, load_model(), MediapipeDetector())
    inputs = hash_of_files(weights_of(animator.config.draw) for animator in animators.values()) + pair.name
    if not path.exists() or json.loads(path.read_text(encoding="utf-8")).get("inputs") != inputs:
        rates = _measured_rates(pair, animators, progress)
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        with atomic_output(path) as draft:
            draft.write_text(json.dumps({"inputs": inputs, "cores": cores, "rates": rates}), encoding="utf-8")
    record = json.loads(path.read_text(encoding="utf-8"))
    rows = tuple(
        (name, tuple(float(np.median(record["rates"][name][str(size)])) for size in SIZES_PX))
        for name in animators
    )
    note = (
        f"By the longer side of the portrait; median of {ROUNDS} rounds of up to {FRAMES} frames, "
        f"{record['cores']} cores; without decoding, tracking and encoding."
    )
    columns = tuple(f"{size} px" for size in SIZES_PX)
    better = (HIGHER,) * len(SIZES_PX)
    return [Table("Frames per second", columns, rows, note, better, digits=1)]


def _measured_rates(
    pair: Pair, animators: Mapping[str, Animator], progress: Progress
) -> dict[str, dict[str, list[float]]]:
    """Frames per second of each round, by row and by size."""
    source, motion = pair.source.pictures()[pair.source_frame], pair.driver.motion()
    rates: dict[str, dict[str, list[float]]] = {
        name: {str(size): [] for size in SIZES_PX} for name in animators
    }
    first = next(iter(animators.values()))
    portraits = {size: first.portrait(resized(source, size)) for size in SIZES_PX}
    turns = [(r, size, name) for r in range(ROUNDS + 1) for size in SIZES_PX for name in animators]
    progress.stage("measuring speed", len(turns))
    for round_, size, name in watched(turns, progress):
        animator = animators[name]
        config = replace(animator.config.retarget, reference=pair.reference)
        frames = animator.animate(portraits[size], motion, config)
        next(frames)  # preparing the portrait is not measured
        started = time.perf_counter()
        count = sum(1 for _ in islice(frames, FRAMES))
        if round_:  # the first round warms up
            rates[name][str(size)].append(count / (time.perf_counter() - started))
    return rates
