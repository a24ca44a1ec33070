"""The rasterizer and what is built on it: median ms for a head-like mesh at 256, 512 and 1024 px.

Run: python benchmarks/rasterize.py
"""

import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np

from faceanime.geometry.flow import flow_from_mesh, identity_flow, sample
from faceanime.geometry.rasterize import rasterize, rasterize_attributes

SIDE = 30  # (SIDE - 1)^2 * 2 = 1682 triangles
RUNS = 30


def hemisphere(size_px: int) -> tuple[np.ndarray, np.ndarray]:
    """A half ball toward the viewer that fills the width of the picture."""
    u, v = np.meshgrid(np.linspace(-1, 1, SIDE), np.linspace(-1, 1, SIDE))
    x, y = u * np.sqrt(1 - v**2 / 2), v * np.sqrt(1 - u**2 / 2)  # the square onto the disc
    points = (
        np.stack([x + 1, y + 1, np.sqrt(np.maximum(0, 1 - x**2 - y**2))], -1).reshape(-1, 3) * size_px / 2
    )
    corner = (np.arange(SIDE - 1)[:, None] * SIDE + np.arange(SIDE - 1)).ravel()
    upper = np.stack([corner, corner + SIDE, corner + 1], -1)
    lower = np.stack([corner + 1, corner + SIDE, corner + SIDE + 1], -1)
    return points.astype(np.float32), np.concatenate([upper, lower]).astype(np.int32)


def contenders(size_px: int) -> dict[str, Callable[[], object]]:
    points, triangles = hemisphere(size_px)
    places, textured = np.ascontiguousarray(points[:, :2]), points / size_px
    buffers = rasterize_attributes(points, triangles, places, size_px, size_px)
    picture = np.random.default_rng(0).integers(0, 256, (size_px, size_px, 3), np.uint8)
    flow = identity_flow(size_px, size_px) + np.float32([0.3, 0.2])
    return {
        "rasterize": lambda: rasterize(points, triangles, size_px, size_px),
        "2 attributes": lambda: rasterize_attributes(points, triangles, places, size_px, size_px),
        "  into buffers": lambda: rasterize_attributes(
            points, triangles, places, size_px, size_px, out=buffers
        ),
        "3 attributes": lambda: rasterize_attributes(points, triangles, textured, size_px, size_px),
        "flow_from_mesh": lambda: flow_from_mesh(places, points, triangles, size_px, size_px),
        "sample, linear": lambda: sample(picture, flow, "linear"),
        "sample, cubic": lambda: sample(picture, flow, "cubic"),
    }


def measure(runners: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median ms; taken in turns, so that a busy moment of the machine hits all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(RUNS + 1):
        for name, run in runners.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: 1e3 * statistics.median(taken[1:]) for name, taken in seconds.items()}


def main() -> None:
    cv2.setNumThreads(1)
    sizes = (256, 512, 1024)
    table = {size: measure(contenders(size)) for size in sizes}
    print(f"{'ms, median, 1 thread':22}" + "".join(f"{size:>10} px" for size in sizes))
    for name in table[sizes[0]]:
        print(f"{name:22}" + "".join(f"{table[size][name]:13.2f}" for size in sizes))


if __name__ == "__main__":
    main()
