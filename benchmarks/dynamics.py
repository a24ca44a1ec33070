"""How well and how fast motion is imagined.

    python benchmarks/dynamics.py --data DIR [--paper FILE] [--weights FILE] [--split test]
    python benchmarks/dynamics.py --data DIR --ablations FOLDER...

DIR is what `faceanime prepare` wrote; FILE are weights of `faceanime train dynamics`, --paper those of the preset
`paper`. Prints what `faceanime evaluate --protocol predict` and `--protocol target` tell, and the time of 1,000 frames;
or one row for each FOLDER, a run of the paper's predictor, and for fewer frames that the first of them observes.
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
from faceanime.core.weights import bundled
from faceanime.dynamics.lstm_predictor import LstmPredictor
from faceanime.dynamics.predictor_file import load_predictor
from faceanime.dynamics.rollout import imagine
from faceanime.dynamics.rollout_config import FutureConfig
from faceanime.evaluate.futures import (
    AHEAD,
    ALONG,
    Judge,
    States,
    errors_ahead,
    errors_along,
    given,
    load_judge,
    prediction_tables,
    rows_of,
    seeing,
    target_tables,
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
    parser.add_argument("--weights", type=Path, default=bundled("dynamics.safetensors"))
    parser.add_argument("--paper", type=Path)
    parser.add_argument("--ablations", type=Path, nargs="+", default=[])
    args = parser.parse_args()
    torch.set_num_threads(1)
    judge = load_judge(args.data, args.split, args.weights, args.paper, SilentProgress())
    if args.ablations:
        show(ablations(judge, args.ablations))
        return
    speed(judge)
    for sections in (prediction_tables, target_tables, realism_sections):
        show(sections(judge))


def show(sections: Sequence[Section]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_report(Report("Imagined motion", "", {}, tuple(sections)), Path(folder))
        print((Path(folder) / "report.md").read_text(encoding="utf-8"), flush=True)


def ablations(judge: Judge, runs: Sequence[Path]) -> list[Table]:
    """Each of these runs of the paper's predictor, and the first of them with fewer frames observed."""
    ahead, along, ends = {}, {}, {}
    for run in runs:
        paper = load_predictor(run / "dynamics.safetensors", judge.model)[0]
        if not isinstance(paper, LstmPredictor):
            raise SystemExit(f"{run} is not a run of the paper's predictor")
        future = partial(future_of, paper)
        ahead[run.name] = errors_ahead(judge, future)
        along[run.name], ends[run.name] = errors_along(judge, partial(way_of, paper))
        if run == runs[0]:
            for count in (1, 2, 5):
                ahead[f"{run.name}, {count} observed"] = errors_ahead(judge, seeing(count, future))
    rows = tuple((name, (*cells, ends[name])) for name, cells in rows_of(along))
    return [
        Table("Prediction", AHEAD, rows_of(ahead)),
        Table("Toward a target", (*ALONG, "at the end %"), rows),
    ]


def future_of(paper: LstmPredictor, observed: States, frames: int) -> States:
    return paper.future(given(observed, frames), FutureConfig())


def way_of(paper: LstmPredictor, ends: States, frames: int) -> list[States]:
    return [paper.future(given(ends[:1], frames, ends[1]), FutureConfig())]


def speed(judge: Judge) -> None:
    """All that `faceanime predict` does for a motion, but for drawing it."""
    face, side_px = judge.filmed[0].motion[0], judge.filmed[0].motion.picture_side_px
    took = []
    for seed in range(6):
        started = time.perf_counter()
        imagine(judge.flow, face, side_px, FutureConfig(seconds=40.0, seed=seed), judge.model)
        took.append(time.perf_counter() - started)
    print(
        f"1000 frames in {np.median(took[1:]):.2f} s, one core, median of 5, {FutureConfig().steps} steps\n"
    )


if __name__ == "__main__":
    main()
