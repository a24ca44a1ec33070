"""Frames per second and memory of `faceanime animate`, decode to encode, as whole processes.

The driver is made from a clip of DIR, repeated and scaled; the portrait from its first frame, 512x512.

    python benchmarks/speed.py --data DIR [--renderer geometric flow] [--memory]

Without --memory: the time that 10 s more of driver take at 512 px (300 frames against 50), so that start-up and
the portrait do not count; the median of several runs, the renderers in turn. With it: peak memory for 10 s and for
2 minutes of 1080p driver.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path

import cv2
import numpy as np

from faceanime.media.image import write_image
from faceanime.media.video import read_frames
from faceanime.media.video_writer import VideoWriter


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--renderer", nargs="+", choices=("geometric", "flow"), default=["geometric", "flow"])
    args = parser.parse_args()
    with (args.data / "clips.csv").open() as table:
        clip = args.data / next(r["file"] for r in csv.DictReader(table) if r["split"] == "test")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        first = next(read_frames(clip)).pixels
        write_image(work / "portrait.png", cv2.resize(first, (512, 512), interpolation=cv2.INTER_CUBIC))
        if args.memory:
            memory(clip, work, args.renderer)
        else:
            speed(clip, work, args.renderer, args.runs)


def speed(clip: Path, work: Path, renderers: list[str], runs: int) -> None:
    few, many = 50, 300
    made(clip, work / "few.mp4", 512, 512, few)
    made(clip, work / "many.mp4", 512, 512, many)
    rates: dict[str, list[float]] = defaultdict(list)
    for _ in range(runs):
        for renderer in renderers:
            few_s, _ = run(work, "few.mp4", renderer)
            many_s, _ = run(work, "many.mp4", renderer)
            rates[renderer].append((many - few) / (many_s - few_s))
            times = f"{few} frames {few_s:.1f} s, {many} frames {many_s:.1f} s"
            print(f"{renderer}, {times}: {rates[renderer][-1]:.1f} frames/s", flush=True)
    for renderer, found in rates.items():
        cores = len(os.sched_getaffinity(0))
        print(f"{renderer}: median {statistics.median(found):.1f} frames/s on {cores} cores")


def memory(clip: Path, work: Path, renderers: list[str]) -> None:
    for renderer in renderers:
        peaks = []
        for name, frames in (("10 s", 250), ("2 min", 3000)):
            made(clip, work / "driver.mp4", 1920, 1080, frames)
            took_s, peak_mib = run(work, "driver.mp4", renderer)
            peaks.append(peak_mib)
            print(f"{renderer}, {name} of 1080p: {took_s:.0f} s, peak {peak_mib:.0f} MiB", flush=True)
        print(f"{renderer}: difference {peaks[1] - peaks[0]:+.0f} MiB")


def made(clip: Path, path: Path, width: int, height: int, frames: int) -> None:
    """A driver of so many frames: the clip to and fro, centered in a picture of the given size."""
    shown = [frame.pixels for frame in read_frames(clip)]
    to_and_fro = cycle(shown + shown[-2:0:-1])
    side = min(width, height)
    left = (width - side) // 2
    with VideoWriter(path, Fraction(25), width, height) as writer:
        for pixels in islice(to_and_fro, frames):
            picture = np.zeros((height, width, 3), np.uint8)
            picture[:, left : left + side] = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_CUBIC)
            writer.write(picture)


def run(work: Path, driver: str, renderer: str) -> tuple[float, float]:
    """Seconds and peak MiB of one run in a process of its own."""
    command = [sys.executable, "-m", "faceanime", "animate", work / "portrait.png"]
    command += ["--driving", work / driver, "-o", work / "out.mp4", "--reference", "0"]
    command += ["--renderer", renderer]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(map(str, command))} failed with status {status}")
    return time.perf_counter() - started, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
