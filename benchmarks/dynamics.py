"""How well and how fast motion is imagined.

    python benchmarks/dynamics.py --data DIR [--paper FILE] [--weights FILE] [--split test]

DIR is what `faceanime prepare` wrote; FILE are weights of `faceanime train dynamics`, --paper those of the preset
`paper`. Prints what `faceanime evaluate --protocol predict` and `--protocol target` tell, and the time of 1,000 frames.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from faceanime.dynamics.future import FutureConfig
from faceanime.dynamics.predictor import FlowPredictor
from faceanime.evaluate.futures import (
    drawn,
    given,
    load_judge,
    prediction_tables,
    target_tables,
)
from faceanime.evaluate.realism import realism_tables
from faceanime.evaluate.report import Report, write_report
from faceanime.progress import SilentProgress
from faceanime.weights import bundled


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--weights", type=Path, default=bundled("dynamics.safetensors"))
    parser.add_argument("--paper", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    judge = load_judge(args.data, args.split, args.weights, args.paper, SilentProgress())
    speed(judge.flow)
    for tables in (prediction_tables, target_tables, realism_tables):
        with tempfile.TemporaryDirectory() as folder:
            write_report(Report("Imagined motion", "", {}, tuple(tables(judge))), Path(folder))
            print((Path(folder) / "report.md").read_text(encoding="utf-8"), flush=True)


def speed(flow: FlowPredictor) -> None:
    task = given(np.zeros((1, flow.numbers)), 999)
    drawn(flow, task, 0)
    took = []
    for seed in range(5):
        started = time.perf_counter()
        drawn(flow, task, seed)
        took.append(time.perf_counter() - started)
    print(f"1000 frames in {np.median(took):.2f} s, one core, median of 5, {FutureConfig().steps} steps\n")


if __name__ == "__main__":
    main()
