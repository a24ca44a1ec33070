"""Where imported face models are kept, and which of them a name means; loads nothing heavy."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from faceanime.core.config import nearest
from faceanime.core.errors import ConfigError, MorphableModelError, WeightsError
from faceanime.core.weights import bundled, read_header
from faceanime.morphable.model_kind import BUNDLED, MORPHABLE_KIND

MODEL_SUFFIX = ".safetensors"
MODELS_VARIABLE = "FACEANIME_MODELS"
"""Environment variable that names another folder of imported models."""
BUNDLED_NAME = "faceanime"
"""Name of the bundled model."""
_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,63}")


@dataclass(frozen=True)
class KnownModel:
    """A model on disk: its name, file and the entries of its header."""

    name: str
    path: Path
    id: str
    licence: str
    provenance: str


def models_folder() -> Path:
    """The folder of imported models: `FACEANIME_MODELS`, or `faceanime/models` in the user's folder of program data."""
    given = os.environ.get(MODELS_VARIABLE)
    if given:
        return Path(given)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "faceanime" / "models"


def new_model_path(name: str) -> Path:
    """The file of an imported model of this name. Raises ConfigError for a name that is no file name."""
    if not _NAME.fullmatch(name) or name == BUNDLED_NAME:
        raise ConfigError(
            f"a model cannot be called {name!r}: use letters, digits, dots and dashes, and another name than "
            f"{BUNDLED_NAME}, which is the bundled one's"
        )
    return models_folder() / f"{name}{MODEL_SUFFIX}"


def model_path(name: Path) -> Path:
    """The file of a model: a path, the name or the id of a model. Raises ConfigError for an unknown one."""
    if name.suffix == MODEL_SUFFIX or name.parts != (str(name),):
        return name
    known = list(known_models())
    found = next((model.path for model in known if str(name) in (model.name, model.id)), None)
    if found is None:
        names = [model.name for model in known]
        raise ConfigError(
            f"no face model {name}; there are {', '.join(names)}{nearest(str(name), names)} "
            "(faceanime models import adds one)"
        )
    return found


def model_path_of_id(model_id: str, where: str) -> Path:
    """The file of the model with an id, that of `where`. Raises MorphableModelError if there is none."""
    found = next((model.path for model in known_models() if model.id == model_id), None)
    if found is None:
        raise MorphableModelError(
            f"{where} belongs to face model {model_id}, which is neither the bundled one nor in {models_folder()}; "
            "import it first (faceanime models import)"
        )
    return found


def known_models() -> Iterator[KnownModel]:
    """The bundled model, then the imported ones by name; files that are no models are left out."""
    yield _known(BUNDLED_NAME, bundled(BUNDLED))
    for path in sorted(models_folder().glob(f"*{MODEL_SUFFIX}")):
        try:
            yield _known(path.name.removesuffix(MODEL_SUFFIX), path)
        except WeightsError:
            continue


def _known(name: str, path: Path) -> KnownModel:
    header = read_header(path)
    if header["kind"] != MORPHABLE_KIND:
        raise WeightsError(f"{path} holds {header['kind']}, expected {MORPHABLE_KIND}")
    return KnownModel(
        name,
        path,
        str(header.get("id", "")),
        str(header.get("licence") or "unknown"),
        str(header.get("provenance") or ""),
    )
