"""Quality and speed of imagined motion.

    python benchmarks/dynamics.py --data DIR [--paper FILE] [--weights FILE] [--split test]
    python benchmarks/dynamics.py --data DIR --ablations FOLDER...

DIR is what `faceanime prepare` wrote; FILE are weights of `faceanime train dynamics`, for --paper those of the preset
`paper`. Prints the tables of `faceanime evaluate --protocol predict` and `--protocol target`, and the time for 1,000
frames; or, with --ablations, one row for each FOLDER, a training run of the paper's predictor, and rows for the first
of them with fewer observed frames.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from faceanime.core.progress import SilentProgress
from faceanime.dynamics.lstm_predictor import LstmPredictor
from faceanime.dynamics.predictor_file import load_predictor
from faceanime.dynamics.predictor_path import bundled_predictor
from faceanime.dynamics.rollout import imagine
from faceanime.dynamics.rollout_config import FutureConfig
from faceanime.evaluate.motion_benchmark import MotionBenchmark, States, load_benchmark
from faceanime.evaluate.motion_prediction import (
    HORIZON_COLUMNS,
    MEAN_FUTURE,
    PATH_COLUMNS,
    known_states,
    path_errors,
    prediction_errors,
    prediction_tables,
    rows_of,
    target_tables,
    with_fewer_observed,
)
from faceanime.evaluate.realism import realism_sections
from faceanime.evaluate.report import Report, Section, Table
from faceanime.evaluate.report_writer import write_report


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--weights", type=Path, default=bundled_predictor("flow"))
    parser.add_argument("--paper", type=Path, default=bundled_predictor("paper"))
    parser.add_argument("--ablations", type=Path, nargs="+", default=[])
    args = parser.parse_args()
    torch.set_num_threads(1)
    benchmark = load_benchmark(args.data, args.split, args.weights, args.paper, SilentProgress())
    if args.ablations:
        show(ablations(benchmark, args.ablations))
        return
    speed(benchmark)
    for sections in (prediction_tables, target_tables, realism_sections):
        show(sections(benchmark))


def show(sections: Sequence[Section]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_report(Report("Imagined motion", "", {}, tuple(sections)), Path(folder))
        print((Path(folder) / "report.md").read_text(encoding="utf-8"), flush=True)


def ablations(benchmark: MotionBenchmark, runs: Sequence[Path]) -> list[Table]:
    """Tables with a row for each training run of the paper's predictor, and the first with fewer observed frames."""
    predictions, paths, ends = {}, {}, {}
    for run in runs:
        paper = load_predictor(run / "dynamics.safetensors", benchmark.model)[0]
        if not isinstance(paper, LstmPredictor):
            raise SystemExit(f"{run} is not a run of the paper's predictor")
        future = partial(future_of, paper)
        predictions[run.name] = prediction_errors(benchmark, future)
        paths[run.name], ends[run.name] = path_errors(benchmark, partial(path_of, paper))
        if run == runs[0]:
            for count in (1, 2, 5):
                predictions[f"{run.name}, {count} observed"] = prediction_errors(
                    benchmark, with_fewer_observed(count, future)
                )
    rows = tuple((name, (*cells, ends[name])) for name, cells in rows_of(paths))
    return [
        Table("Prediction", HORIZON_COLUMNS, rows_of(predictions)),
        Table("Toward a target", (*PATH_COLUMNS, "at the end %"), rows),
    ]


def future_of(paper: LstmPredictor, observed: States, frames: int) -> States:
    return paper.future(known_states(observed, frames), MEAN_FUTURE)


def path_of(paper: LstmPredictor, ends: States, frames: int) -> list[States]:
    return [paper.future(known_states(ends[:1], frames, ends[1]), MEAN_FUTURE)]


def speed(benchmark: MotionBenchmark) -> None:
    """Print the time that `faceanime predict` needs for a motion, without drawing it."""
    face, side_px = benchmark.filmed[0].motion[0], benchmark.filmed[0].motion.picture_side_px
    took = []
    for seed in range(6):
        started = time.perf_counter()
        imagine(benchmark.flow, face, side_px, FutureConfig(seconds=40.0, seed=seed), benchmark.model)
        took.append(time.perf_counter() - started)
    print(
        f"1000 frames in {np.median(took[1:]):.2f} s, one core, median of 5, {FutureConfig().steps} steps\n"
    )


if __name__ == "__main__":
    main()
