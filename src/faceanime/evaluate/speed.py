"""Frames a second of each renderer, measured in turns, so that a busy machine is unfair to all alike."""

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
from faceanime.evaluate.reenactment_pairs import Pair
from faceanime.evaluate.report import Better, Table
from faceanime.evaluate.run import EvaluateConfig, animators_of, hash_of_files
from faceanime.generator.renderers import weights_of
from faceanime.geometry.resize import resized
from faceanime.morphable.model import load_model
from faceanime.pipeline import Animator

SIZES_PX = (256, 512, 1024)
ROUNDS, FRAMES = 5, 50


def speed_tables(pair: Pair, out: Path, config: EvaluateConfig, progress: Progress) -> list[Table]:
    """Median frames a second, for portraits of several sizes; without decoding, tracking and encoding.

    What was measured stays in OUT/measured/speed.json: the same command again tells the same, unless a network or the
    clip has changed.
    """
    path, animators = out / "measured" / "speed.json", animators_of(config, load_model())
    inputs = hash_of_files(weights_of(animator.config.draw) for animator in animators.values()) + pair.name
    if not path.exists() or json.loads(path.read_text(encoding="utf-8")).get("inputs") != inputs:
        rates = _measured(pair, animators, progress)
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        with atomic_output(path) as draft:
            draft.write_text(json.dumps({"inputs": inputs, "cores": cores, "rates": rates}), encoding="utf-8")
    told = json.loads(path.read_text(encoding="utf-8"))
    rows = tuple(
        (name, tuple(float(np.median(told["rates"][name][str(size)])) for size in SIZES_PX))
        for name in animators
    )
    note = (
        f"Portraits of so many px, median of {ROUNDS} rounds of up to {FRAMES} frames, {told['cores']} cores; "
        "without decoding, tracking and encoding."
    )
    columns = tuple(f"{size} px" for size in SIZES_PX)
    better: tuple[Better, ...] = tuple("higher" for _ in SIZES_PX)
    return [Table("Frames a second", columns, rows, note, better, digits=1)]


def _measured(
    pair: Pair, animators: Mapping[str, Animator], progress: Progress
) -> dict[str, dict[str, list[float]]]:
    source, motion = pair.source.pictures()[pair.source_frame], pair.driver.motion()
    rates: dict[str, dict[str, list[float]]] = {
        name: {str(size): [] for size in SIZES_PX} for name in animators
    }
    some = next(iter(animators.values()))
    portraits = {size: some.portrait(resized(source, size)) for size in SIZES_PX}
    turns = [(r, size, name) for r in range(ROUNDS + 1) for size in SIZES_PX for name in animators]
    progress.stage("measuring speed", len(turns))
    for turn, size, name in watched(turns, progress):
        animator = animators[name]
        retargeting = replace(animator.config.retarget, reference=pair.reference)
        dynamics = animator.retarget(portraits[size], motion, retargeting)
        frames = animator.render(portraits[size], dynamics)
        next(frames)  # what is prepared once for a portrait does not count
        started = time.perf_counter()
        count = sum(1 for _ in islice(frames, FRAMES))
        if turn:  # the first round warms up
            rates[name][str(size)].append(count / (time.perf_counter() - started))
    return rates
