"""The formats of face models that can be imported, by name; their code is loaded when one is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from faceanime.core.config import nearest
from faceanime.core.errors import ConfigError
from faceanime.core.files import is_there
from faceanime.morphable.formats.raw_model import RawModel, broken


@dataclass(frozen=True)
class FormatKind:
    """A format: the module and function that read it, and what its owner's files are, in words."""

    module: str
    function: str
    files: str


FORMATS: Mapping[str, FormatKind] = {
    "ict": FormatKind("ict_facekit", "read_ict_facekit", "ICT-FaceKit's folder FaceXModel"),
    "bfm2009": FormatKind("basel", "read_bfm_2009", "01_MorphableModel.mat"),
    "bfm2017": FormatKind("basel", "read_bfm_2017", "model2017-1_bfm_nomouth.h5"),
    "3ddfa": FormatKind(
        "basel", "read_3ddfa", "bfm_noneck_v3.pkl, with tri.pkl and param_mean_std_62d_120x120.pkl"
    ),
    "flame": FormatKind("flame", "read_flame", "generic_model.pkl, or the same as .npz"),
    "surrey": FormatKind("surrey", "read_surrey", "sfm_shape_3448.bin, with expression_blendshapes_3448.bin"),
}
"""A new format is one module beside this one and one entry here."""


def check_format(kind: str) -> None:
    """Raise ConfigError for an unknown format."""
    if kind not in FORMATS:
        known = list(FORMATS)
        raise ConfigError(
            f"unknown kind of face model {kind}, expected one of {', '.join(known)}{nearest(kind, known)}"
        )


def read_raw_model(kind: str, path: Path) -> RawModel:
    """Read a face model of a format. Raises ConfigError for an unknown one, MorphableModelError for a bad file."""
    check_format(kind)
    if not is_there(path):
        raise broken(path, "no such file or folder", f"give {FORMATS[kind].files}")
    entry = FORMATS[kind]
    raw: RawModel = getattr(import_module(f"faceanime.morphable.formats.{entry.module}"), entry.function)(
        path
    )
    return raw
