"""Paths of predictors, and names of bundled ones; loads nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from faceanime.core.config import nearest
from faceanime.core.errors import ConfigError
from faceanime.core.files import is_there
from faceanime.core.weights import bundled

BUNDLED_PREDICTORS: Mapping[str, str] = {
    "flow": "dynamics.safetensors",
    "paper": "dynamics_paper.safetensors",
}
"""Files of the bundled predictors by name; the first is used where nothing is said."""


def bundled_predictor(name: str) -> Path:
    """The file of a bundled predictor. Raises WeightsError where it is missing."""
    return bundled(BUNDLED_PREDICTORS[name])


def predictor_path(predictor: Path | None) -> Path:
    """The file of a predictor, which is given by its path or by the name of a bundled one.

    Raises ConfigError for an unknown name.
    """
    if predictor is None:
        return bundled_predictor(next(iter(BUNDLED_PREDICTORS)))
    name = str(predictor)
    if predictor.parts != (name,) or predictor.suffix or is_there(predictor):
        return predictor
    if name not in BUNDLED_PREDICTORS:
        known = list(BUNDLED_PREDICTORS)
        raise ConfigError(
            f"{name} is neither a file nor a bundled predictor (there are {', '.join(known)}){nearest(name, known)}"
        )
    return bundled_predictor(name)
