"""All families of generators that can be trained. A new family is a module of its own and one entry of `TRAININGS`."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from faceanime.core.config import load_config
from faceanime.core.errors import ConfigError, RangeError
from faceanime.train.generator.flow_trainer import FLOW
from faceanime.train.generator.generator_trainer import GeneratorConfig, GeneratorTrainer, GeneratorTraining
from faceanime.train.generator.pgfg_trainer import PGFG
from faceanime.train.processes import ALONE, Processes

TRAININGS: tuple[GeneratorTraining, ...] = (FLOW, PGFG)
"""The first one is trained where nothing is said."""


def presets() -> dict[str, GeneratorConfig]:
    """The named settings of all families; the first are the default."""
    return {name: config for training in TRAININGS for name, config in training.presets.items()}


def preset(name: str | None) -> GeneratorConfig:
    """The settings of a name, the default ones where it is None. Raises ConfigError for an unknown name."""
    known = presets()
    if name is None:
        return next(iter(known.values()))
    if name not in known:
        raise RangeError("preset", name, f"one of {', '.join(known)}")
    return known[name]


def load_training(path: Path) -> GeneratorConfig:
    """Read settings as JSON; `kind` names the family, the first one where it is missing. Raises ConfigError."""
    kind: object = TRAININGS[0].family
    with suppress(OSError, ValueError, AttributeError):  # `load_config` says what is wrong
        kind = json.loads(path.read_text(encoding="utf-8")).get("kind", kind)
    known = {training.family: training for training in TRAININGS}
    if not isinstance(kind, str) or kind not in known:
        raise ConfigError(f"{path}: kind is {kind!r}, expected one of {', '.join(known)}")
    return load_config(known[kind].config, path)


def new_trainer(config: GeneratorConfig, processes: Processes = ALONE) -> GeneratorTrainer[Any]:
    """An untrained generator's trainer. Raises WeightsError where the network of a loss is missing."""
    training = next(training for training in TRAININGS if training.family == config.kind)
    return training.trainer(config, processes)
