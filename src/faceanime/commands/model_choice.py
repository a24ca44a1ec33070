"""The option --model of commands that read faces."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from faceanime.core.errors import ConfigError
from faceanime.core.weights import bundled, read_header
from faceanime.generator.config import RENDERERS, RendererConfig
from faceanime.morphable.model_kind import BUNDLED
from faceanime.morphable.model_path import model_path

if TYPE_CHECKING:
    from faceanime.morphable.model import MorphableModel


def check_model_choice(model: Path | None, draw: RendererConfig | None = None) -> None:
    """Raise ConfigError for an unknown model, and for a renderer whose bundled networks know another one."""
    if model is None:
        return
    model_id, known = (read_header(path).get("id") for path in (model_path(model), bundled(BUNDLED)))
    if (
        model_id != known
        and draw is not None
        and draw.generator is None
        and RENDERERS[draw.renderer].qualities
    ):
        raise ConfigError(
            f"the networks of renderer {draw.renderer} were trained with face model {known} and cannot draw {model} "
            f"({model_id}); use --renderer geometric"
        )


def chosen_model(model: Path | None) -> MorphableModel | None:
    """The model that was chosen, None for the bundled one. Raises ConfigError, WeightsError, MorphableModelError."""
    from faceanime.morphable.model import load_model  # slow to import

    return None if model is None else load_model(model_path(model))
