"""Train what docs/log compares: without one loss at a time; several intervals of the prior; forms of the LSTM's timer.

Run: python benchmarks/ablations.py losses|intervals --data PREPARED --rendered DIR --out RUNS [--only NAME...]
     python benchmarks/ablations.py timers --data PREPARED --out RUNS [--only NAME...]
(as `faceanime train`; finished runs are left as they are, stopped ones continue)

Then measure them, each row named after its folder in RUNS:

    python benchmarks/repair.py --data PREPARED --rendered DIR --split val --against whole RUNS/losses/*/g*.safetensors
    python benchmarks/paint.py DIR/test RUNS/intervals/*/g*.safetensors
    python benchmarks/dynamics.py --data PREPARED --ablations RUNS/timers/*

All runs of `losses` but "plain" begin with the weights of "plain", which has no critic. "whole-again" and
"whole-once-more" are "whole" with other seeds: the differences between those three are chance.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import get_args

from faceanime.commands.terminal_progress import TerminalProgress
from faceanime.dynamics.lstm_predictor import LstmConfig, Timer
from faceanime.generator.face_window import PriorConfig
from faceanime.generator.flow_guided import FAST
from faceanime.generator.pgfg import PAPER_SMALL
from faceanime.generator.windows import WindowSizes
from faceanime.morphable.model import load_model
from faceanime.train.dynamics.config import PAPER_DYNAMICS, DynamicsConfig
from faceanime.train.dynamics.training import train_dynamics_on
from faceanime.train.generator.flow_training import FlowTraining
from faceanime.train.generator.generator_trainer import GENERATOR_FILE, GeneratorConfig
from faceanime.train.generator.pgfg_trainer import PGFG
from faceanime.train.generator.training import GeneratorRun, train_generator_on
from faceanime.train.loop import CHECKPOINT_FILE, Run

START = "plain"
_PLAIN_STEPS, _STEPS, _INTERVAL_STEPS, _TIMER_STEPS = 400, 300, 500, 400

PLAIN = FlowTraining(
    network=replace(FAST, windows=WindowSizes(mouth_px=64, eye_px=48, face_px=64)),
    steps=_PLAIN_STEPS,
    batch=16,
    light_share=0.0,  # the light network has a single loss
    adversarial=0.5,
    critic_learning_rate=4e-4,
    matching=10.0,
    detail=0.0,
    adversarial_from=_PLAIN_STEPS,
    validate_every=_PLAIN_STEPS,
)
WHOLE = replace(PLAIN, steps=_STEPS, adversarial_from=0, ema=0.98, warm_up=30, validate_every=_STEPS)
LOSSES: dict[str, GeneratorConfig] = {
    START: PLAIN,
    "whole": WHOLE,
    "whole-again": replace(WHOLE, seed=1),
    "whole-once-more": replace(WHOLE, seed=2),
    "without-registration": replace(WHOLE, registration=False),
    "without-critics": replace(WHOLE, adversarial_from=_STEPS),
    "without-matching": replace(WHOLE, matching=0.0),
    "without-cross-person": replace(WHOLE, foreign=0.0),
    "without-laplacian": replace(WHOLE, laplacian=0.0),
    "without-synthesis": replace(WHOLE, synthesis=0.0),
    "without-mask": replace(WHOLE, mask=0.0),
    "without-region-weights": replace(WHOLE, inside=1.0, inside_adversarial=1.0),
    "with-detail": replace(WHOLE, detail=4.0),
}
INTERVALS: dict[str, GeneratorConfig] = {
    f"interval-{interval:02}": replace(
        PGFG.presets["paper-small"],
        network=replace(PAPER_SMALL, size_px=128, width=24, prior=PriorConfig(interval=interval)),
        steps=_INTERVAL_STEPS,
        validate_every=_INTERVAL_STEPS,
    )
    for interval in (1, 2, 4, 8, 16)
}
TIMERS: dict[str, DynamicsConfig] = {
    f"timer-{timer}": replace(
        PAPER_DYNAMICS, lstm=LstmConfig(timer=timer), steps=_TIMER_STEPS, validate_every=_TIMER_STEPS // 4
    )
    for timer in get_args(Timer)
}
SETS = {"losses": LOSSES, "intervals": INTERVALS, "timers": TIMERS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", choices=list(SETS))
    parser.add_argument("--data", type=Path, required=True, help="shards of `faceanime prepare`")
    parser.add_argument("--rendered", type=Path, help="folder of the renderer's pictures; timers need none")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="+", help="names of runs; all by default")
    given = parser.parse_args()
    out, runs = given.out / given.runs, SETS[given.runs]
    if given.runs != "timers" and given.rendered is None:
        parser.error(f"{given.runs} need --rendered")
    if unknown := set(given.only or ()).difference(runs):
        parser.error(f"--only names {', '.join(sorted(unknown))}, expected some of {', '.join(runs)}")
    for name in given.only or runs:
        begun, config = (out / name / CHECKPOINT_FILE).exists(), runs[name]
        if isinstance(config, DynamicsConfig):
            with TerminalProgress() as progress:
                train_dynamics_on(given.data, config, load_model(), Run(out / name, begun), progress)
            continue
        start = None if begun or given.runs == "intervals" or name == START else out / START / GENERATOR_FILE
        run = GeneratorRun(given.data, out / name, rendered=given.rendered, start=start, resume=begun)
        with TerminalProgress() as progress:
            train_generator_on(run, config, progress)


if __name__ == "__main__":
    main()
