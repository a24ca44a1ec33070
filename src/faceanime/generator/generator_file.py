"""Generators on disk: half-precision weights, and a header that says which network they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from faceanime.core.config import from_json, to_json
from faceanime.core.errors import ConfigError, WeightsError
from faceanime.core.weights import family_of, load_weights, save_weights
from faceanime.generator.families import FAMILIES
from faceanime.generator.generator import Generator
from faceanime.morphable.mediapipe_schema import MEDIAPIPE
from faceanime.morphable.model import MorphableModel

GENERATOR_KIND, GENERATOR_VERSION = "generator", 4

_RENAMED_LAYERS = {
    "enter": "input_layer",
    "leave": "output_layer",
    "tell_quarter": "prior_quarter",
    "tell_eighth": "prior_eighth",
}
"""Layers by their names in older files, such as the bundled ones."""

OfFamily = TypeVar("OfFamily", bound=Generator)


def save_generator(
    path: Path, generator: Generator, model: MorphableModel, header: Mapping[str, Any]
) -> None:
    """Write a generator whose priors are drawn with `model`; `header` (JSON values) is added to its own.

    Raises OutputError, and WeightsError for weights that are not finite.
    """
    tensors = {name: value.cpu().numpy() for name, value in generator.state_dict().items()}
    tensors |= {name: tensors[name].astype(np.float16) for name, _ in generator.named_parameters()}
    full = {**header, "network": generator.network, "config": to_json(generator.config), "model_id": model.id}
    save_weights(path, tensors, kind=GENERATOR_KIND, header=full, version=GENERATOR_VERSION)


def load_generator(path: Path, model: MorphableModel | None) -> tuple[Generator, Mapping[str, Any]]:
    """Return a generator in evaluation mode and its file's header.

    With `model` None, a generator of any morphable model is accepted: training continues from it on another one.

    Raises WeightsError when the file is missing, damaged or of another kind; MorphableModelError when it belongs to
    another morphable model.
    """
    tensors, header = load_weights(path, GENERATOR_KIND, GENERATOR_VERSION)
    family = family_of(header, FAMILIES, path)
    if header["version"] < family.oldest_version:
        raise WeightsError(
            f"{path} holds a network of version {header['version']}, which this version of faceanime cannot run; "
            "train it again (faceanime train generator), or use the bundled one"
        )
    if model is not None:
        model.require(str(header.get("model_id")), str(path))
    ready = {current_name(name): torch.tensor(value) for name, value in tensors.items()}
    ready = {name: value.float() if value.is_floating_point() else value for name, value in ready.items()}
    try:
        with torch.device("meta"):  # sizes claimed by the header take no memory before they prove true
            config = from_json(family.config, str(header.get("config")), f"the header of {path}")
            generator = family.build(config, MEDIAPIPE if model is None else model.schema)
        generator.load_state_dict(ready, assign=True)
    except (ConfigError, RuntimeError, OverflowError) as error:
        reason = str(error).splitlines()[0]
        raise WeightsError(f"{path} is damaged: its tensors do not fit its header ({reason})") from error
    return generator.eval(), header


def current_name(tensor: str) -> str:
    """The name of a tensor in the networks of today, from its name in a file of any age."""
    return ".".join(_RENAMED_LAYERS.get(layer, layer) for layer in tensor.split("."))


def load_generator_of(network: type[OfFamily], path: Path, model: MorphableModel) -> OfFamily:
    """Return a generator of one family, else as `load_generator`. Raises WeightsError for one of another family."""
    generator, _ = load_generator(path, model)
    if not isinstance(generator, network):
        raise WeightsError(f"{path} holds a network '{generator.network}', expected {network.network}")
    return generator
