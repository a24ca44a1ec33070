"""Points as pixels, in OpenCV's count."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int32


def pixels_of(points: Float[np.ndarray, "*B 2"]) -> Int32[np.ndarray, "*B 2"]:
    """Columns and rows of the pixels nearest to the points: our pixel centers lie at +0.5, OpenCV's at integers.

    >>> pixels_of(np.array([[0.5, 2.4], [1.9, 3.1]])).tolist()
    [[0, 2], [1, 3]]
    """
    return np.rint(points - 0.5).astype(np.int32)
