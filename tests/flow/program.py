"""The program as its users have it: a process, or its main function where a process would tell no more."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from faceanime import cli
from faceanime.media.image import read_image
from faceanime.media.video import read_frames

PROGRAM = Path(sys.executable).with_name("faceanime")


@dataclass(frozen=True)
class Outcome:
    """The outcome of a command."""

    status: int
    out: str
    err: str


def run_process(*args: str | Path, before: Sequence[str] = ()) -> Outcome:
    """Run the installed program, by way of the command `before` it."""
    command = [*before, PROGRAM, *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return Outcome(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True)
class Program:
    """The program within this process; what libraries write to the descriptors themselves is caught too."""

    capture: pytest.CaptureFixture[str]

    def __call__(self, *args: str | Path) -> Outcome:
        self.capture.readouterr()
        status = cli.main([str(arg) for arg in args])
        said = self.capture.readouterr()
        return Outcome(status, said.out, said.err)

    def makes(self, out: Path, *args: str | Path, said: Path | None = None) -> Path:
        """Run a command that must succeed without a word of complaint, and list `out`, or `said` for it.

        After it, the motion and the contact sheet are listed if they are asked for.
        """
        outcome = self(*args, "-o", out)
        given = dict(pairwise(args))
        listed = [
            said or out,
            *(given[option] for option in ("--motion-out", "--preview") if option in given),
        ]
        assert outcome == Outcome(0, "".join(f"{path}\n" for path in listed), "")
        return said or out


def fingerprint(folder: Path) -> dict[str, str]:
    """Every file below a folder, hidden ones too, and the hash of what it holds."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in sorted(folder.rglob("*"))
    }


def pictures(path: Path) -> np.ndarray:
    """All frames (T,H,W,3) of a video, or of a folder of PNGs."""
    if path.is_dir():
        return np.stack([read_image(file) for file in sorted(path.iterdir())])
    return np.stack([frame.pixels for frame in read_frames(path)])


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """The mean absolute difference of two pictures, in levels of 255."""
    return float(np.abs(a.astype(np.int16) - b.astype(np.int16)).mean())
