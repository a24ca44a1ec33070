"""Laws of the openings along the lips, and of the expressions that open them."""

from __future__ import annotations

import numpy as np
import pytest

from faceanime.morphable.axes import measure_expressions
from faceanime.morphable.lips import lips_opened_by, openings_along_lips
from faceanime.morphable.model import MorphableModel

YAWN = np.array([0.15, 0.26, 0.34, 0.40, 0.42, 0.40, 0.34, 0.26, 0.15])
"""The openings of a yawning mouth, from corner to corner, in distances of the outer eye corners."""


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_lips_open_as_far_as_they_are_told(model: MorphableModel, share: float) -> None:
    opened = openings_along_lips(model, np.zeros(model.identity_count), lips_opened_by(share * YAWN, model))
    np.testing.assert_allclose(opened, share * YAWN, atol=0.03)


def test_the_jaw_opens_a_yawn_and_the_lips_a_word(model: MorphableModel) -> None:
    """The chin falls by more than half of a yawn's opening: else the lower lip would be drawn out over it."""
    rest = measure_expressions(
        "chin_down", model, np.zeros(model.identity_count), np.zeros(model.expression_count)
    )
    falls = [
        float(
            measure_expressions(
                "chin_down", model, np.zeros(model.identity_count), lips_opened_by(share * YAWN, model)
            )
            - rest
        )
        / (share * YAWN.max())
        for share in (0.2, 1.0)
    ]
    assert falls[0] < 0.4
    assert falls[1] > 0.5
