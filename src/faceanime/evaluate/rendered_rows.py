"""The rows of an evaluation that are rendered here, with their renderers."""

from __future__ import annotations

from faceanime.core.weights import read_header
from faceanime.evaluate.evaluation_config import EvaluateConfig, generator_row
from faceanime.generator.config import RendererConfig
from faceanime.generator.renderers import renderer_of, weights_of


def rendered_rows(config: EvaluateConfig) -> dict[str, RendererConfig]:
    """The renderers of all rows that are rendered here, by the names of their rows. Raises WeightsError."""
    own = {
        generator_row(path): RendererConfig(renderer_of(path), generator=path) for path in config.generator
    }
    return config.bundled_rows | own


def rows_trained_on_metric_network(config: EvaluateConfig) -> list[str]:
    """Rows whose networks were trained with the network that measures identity here, which flatters them.

    That is dlib's, unless the configuration names another one. Raises WeightsError.
    """
    if config.identity_weights is not None:
        return []
    weights = {name: weights_of(draw) for name, draw in rendered_rows(config).items()}
    return [name for name, path in weights.items() if path and read_header(path).get("recogniser") == "dlib"]
