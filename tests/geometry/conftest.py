"""Meshes to draw."""

import numpy as np
import pytest

Mesh = tuple[np.ndarray, np.ndarray]


def grid_triangles(rows: int, columns: int) -> np.ndarray:
    """Two triangles for each cell of a grid of points, (M,3) int32, counter-clockwise as seen."""
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    below, right = corner + columns, corner + 1
    upper, lower = np.stack([corner, below, right], -1), np.stack([right, below, below + 1], -1)
    return np.concatenate([upper, lower]).astype(np.int32)


@pytest.fixture
def sphere() -> Mesh:
    """A closed ball of radius 40 px about (50, 50): its far half hides behind the near one."""
    latitude, longitude = np.meshgrid(np.linspace(0, np.pi, 13), np.linspace(0, 2 * np.pi, 25), indexing="ij")
    x, y = np.sin(latitude) * np.sin(longitude), -np.cos(latitude)
    unit = np.stack([x, y, np.sin(latitude) * np.cos(longitude)], -1).reshape(-1, 3)
    return (unit * 40 + [50, 50, 0]).astype(np.float32), grid_triangles(13, 25)


@pytest.fixture
def sheet() -> Mesh:
    """A wavy sheet of 9x9 points over the square 8..56."""
    y, x = np.meshgrid(np.linspace(8, 56, 9), np.linspace(8, 56, 9), indexing="ij")
    points = np.stack([x + np.sin(y), y + np.sin(x), 5 * np.cos(x / 9)], -1).reshape(-1, 3)
    return points.astype(np.float32), grid_triangles(9, 9)
