"""How long a wrong path takes to be noticed, and how long a first frame takes, from the start of the program.

Run: python benchmarks/startup.py [--rounds N]

Quote the medians of a quiet machine. A first frame is seen when its file appears in the output folder.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import skimage.data

from faceanime.geometry.resize import resized
from faceanime.media.image import write_image

MISTAKES = {
    "animate, missing portrait": "animate none.png --driving talk -o out.mp4",
    "animate, missing driver": "animate portrait.png --driving none.mp4 -o out.mp4",
    "animate, unknown motion": "animate portrait.png --driving tolk -o out.mp4",
    "animate, unknown suffix": "animate portrait.png --driving talk -o out.avi",
    "animate, missing folder": "animate portrait.png --driving talk -o none/out.mp4",
    "animate, unknown renderer": "animate portrait.png --driving talk -o out.mp4 --renderer none",
    "animate, missing weights": "animate portrait.png --driving talk -o out.mp4 --generator none.safetensors",
    "animate, unknown option": "animate portrait.png --driving talk -o out.mp4 --sise 512",
    "predict, missing portrait": "predict none.png -o out.mp4",
    "morph, missing target": "morph portrait.png --target none.png -o out.mp4",
    "reconstruct, missing source": "reconstruct none.mp4 -o out.glb",
    "edit, missing motion": "edit none.motion.safetensors -o out.motion.safetensors",
    "prepare, missing video": "prepare none.mp4 -o out",
    "train generator, missing data": "train generator --data none --out out",
    "evaluate, missing data": "evaluate --data none -o out",
}
SIDE_PX = 512


def seconds_of(command: list[str], folder: Path, expected: int) -> float:
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    elapsed = time.perf_counter() - started
    if done.returncode != expected:
        sys.exit(f"{' '.join(command)} ended with status {done.returncode}: {done.stderr}")
    return elapsed


def first_frame_s(program: list[str], folder: Path, renderer: str) -> float:
    """Seconds from the start of the program to the first frame of a folder of PNGs."""
    command = [*program, *f"animate portrait.png --driving talk -o frames --renderer {renderer}".split()]
    started = time.perf_counter()
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as running:
        while not any(folder.glob(".faceanime-*/*.png")):
            if running.poll() is not None:
                sys.exit(f"{' '.join(command)} ended with status {running.returncode} before its first frame")
            time.sleep(0.002)
        elapsed = time.perf_counter() - started
        running.terminate()
    return elapsed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="Runs of each command.")
    rounds = parser.parse_args().rounds
    program = [sys.executable, "-m", "faceanime"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_image(folder / "portrait.png", resized(skimage.data.astronaut(), SIDE_PX))
        print("| command | median s | of these the least |\n| --- | ---: | ---: |")
        for title, line in MISTAKES.items():
            times = [seconds_of([*program, *line.split()], folder, expected=2) for _ in range(rounds)]
            print(f"| {title} | {statistics.median(times):.2f} | {min(times):.2f} |")
        for renderer in ("geometric", "flow"):
            times = [first_frame_s(program, folder, renderer) for _ in range(rounds)]
            print(f"| first frame, {renderer} | {statistics.median(times):.2f} | {min(times):.2f} |")


if __name__ == "__main__":
    main()
