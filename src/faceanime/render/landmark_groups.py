"""Groups of landmarks that the renderer's layers look up: indices into the model's first L vertices.

The layers read landmark indices from here alone. Left and right are the subject's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from faceanime.morphable import topology

OVAL = list(topology.OVAL)
"""The face's outline, in order: from the top of the forehead over the subject's left cheek to the chin and back."""


@dataclass(frozen=True)
class EyeGroup:
    """Contours of one eye, each from the corner nearer to the subject's right to the other one."""

    lower: tuple[int, ...]
    """The lower lid's edge, corners included."""
    upper: tuple[int, ...]
    """The upper lid's edge (the lash line), corners included."""
    fold: tuple[int, ...]
    """The row of points above the upper lid's fold; one for each point of `upper` between the corners."""
    iris: tuple[int, ...]
    """The iris's centre, then points of its rim."""

    @property
    def opening(self) -> list[int]:
        """The closed contour of the opening between the lids, in order."""
        return list(self.lower + self.upper[-2:0:-1])

    @property
    def corners(self) -> list[int]:
        """Both corners of the eye."""
        return [self.lower[0], self.lower[-1]]

    def width(self, points: Float[np.ndarray, "N C"]) -> float:
        """The distance between the corners of the eye, in the unit of `points`."""
        first, last = points[self.corners]
        return float(np.linalg.norm(last - first))

    def iris_radius(self, points: Float[np.ndarray, "N C"]) -> float:
        """The mean distance of the iris's rim from its centre, in the unit of `points`."""
        return float(np.linalg.norm(points[list(self.iris[1:])] - points[self.iris[0]], axis=1).mean())


RIGHT_EYE = EyeGroup(
    topology.RIGHT_EYE_LOWER,
    topology.RIGHT_EYE_UPPER,
    (247, 30, 29, 27, 28, 56, 190),
    topology.RIGHT_IRIS,
)
LEFT_EYE = EyeGroup(
    topology.LEFT_EYE_LOWER,
    topology.LEFT_EYE_UPPER,
    (414, 286, 258, 257, 259, 260, 467),
    topology.LEFT_IRIS,
)
EYES = (RIGHT_EYE, LEFT_EYE)

UPPER_LIP = list(topology.INNER_LIPS_UPPER)
"""The upper lip's inner edge, from the subject's right corner of the mouth to the left one."""
LOWER_LIP = list(topology.INNER_LIPS_LOWER)
"""The lower lip's inner edge, from the same corner to the same corner."""
MOUTH_OPENING = UPPER_LIP + LOWER_LIP[-2:0:-1]
"""The closed contour of the opening between the lips, in order."""
CHIN = [148, 152, 377]
"""Points of the chin, which moves with the jaw."""

CHEEKS = [50, 280, 205, 425, 101, 330, 36, 266]
"""Points of both cheeks, whose colour is the skin's."""
LIPS = [0, 17, 37, 267, 84, 314]
"""Points on the red of both lips."""
SKIN = [
    *(9, 151, 108, 337, 69, 299, 4, 195, 50, 280, 101),
    *(330, 117, 346, 205, 425, 187, 411, 207, 427, 199, 200),
]
"""Points on bare skin: forehead, nose, cheeks, chin."""
LOWER_LIDS = [145, 374]
"""The middles of both lower lids."""
MOUTH_CORNERS = [61, 291]
"""The outer corners of the mouth."""
