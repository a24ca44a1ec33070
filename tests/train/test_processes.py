"""Several processes that learn together: real ones."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from clay import SMALL
from faceanime.core.config import save_config
from faceanime.core.errors import ConfigError
from faceanime.core.weights import load_weights
from faceanime.morphable.model import MorphableModel
from faceanime.train.processes import ALONE, Processes

PROGRAM = """
import json, sys
import torch
from pathlib import Path
from faceanime.train.processes import Processes

own = Processes.start("cpu", 2)
network = torch.nn.Linear(2, 1)
network.weight.grad = torch.full((1, 2), float(own.rank))  # the bias was not used
own.average_gradients(network)
told = {"seeds": own.seeds(5, 6), "weight": network.weight.grad.tolist(), "bias": network.bias.grad.tolist()}
Path(sys.argv[1], f"{own.rank}.json").write_text(json.dumps({"first": own.first, "count": own.count, **told}))
own.wait()
"""


def test_gradients_are_the_mean_of_all_processes(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    subprocess.run([sys.executable, program, tmp_path], check=True, timeout=200, capture_output=True)
    told = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)]
    for rank, one in enumerate(told):
        assert one == {
            "first": rank == 0,
            "count": 2,
            "seeds": [[5, 6], [5, 6, 1]][rank],
            "weight": [[0.5, 0.5]],
            "bias": [0.0],
        }


def test_two_processes_train_a_generator(
    tmp_path: Path, data: Path, rendered: Path, model: MorphableModel
) -> None:
    """A training by the command line that is stopped and resumed gives the same result as an unbroken one."""
    config = tmp_path / "config.json"
    save_config(replace(SMALL, steps=12, validate_every=4), config)

    def command(out: Path, *more: str) -> list[str]:
        run = [
            sys.executable,
            "-m",
            "faceanime",
            "train",
            "generator",
            "--data",
            str(data),
            "--out",
            str(out),
        ]
        return [*run, "--config", str(config), "--rendered", str(rendered), "--processes", "2", *more]

    whole, parts = tmp_path / "whole", tmp_path / "parts"
    done = subprocess.run(command(whole), check=True, timeout=280, capture_output=True, text=True)
    assert done.stdout.count("generator.safetensors") == 1, "the first process alone prints the file"
    assert str(whole / "generator.safetensors") in done.stdout.splitlines()
    with subprocess.Popen(
        command(parts), stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        while running.poll() is None and not (parts / "checkpoint.safetensors").exists():
            time.sleep(0.05)
        os.killpg(running.pid, signal.SIGTERM)
        assert "the same command with --resume to go on" in running.communicate(timeout=100)[1]
    stopped = int(load_weights(parts / "checkpoint.safetensors", "checkpoint")[1]["step"])
    assert 4 <= stopped < 12
    again = subprocess.run(command(parts), timeout=280, capture_output=True, text=True)
    assert again.returncode != 0
    assert "--resume" in again.stderr
    subprocess.run(command(parts, "--resume"), check=True, timeout=280, capture_output=True)
    for name in ("generator.safetensors", "checkpoint.safetensors"):
        assert (parts / name).read_bytes() == (whole / name).read_bytes()


def test_one_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = Processes.start("cpu", 1)
    network = torch.nn.Linear(1, 1)
    alone.average_gradients(network)
    alone.wait()
    assert (alone.rank, alone.count, alone.first, alone.seeds(3)) == (0, 1, True, [3])
    assert network.weight.grad is None
    assert ALONE.first
    with pytest.raises(ConfigError, match="processes is 0, expected 1 or more"):
        Processes.start("cpu", 0)
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    with pytest.raises(ConfigError, match=r"faceanime\[train\]"):
        Processes.start("cpu", 2)
