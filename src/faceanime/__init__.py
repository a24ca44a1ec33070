"""One portrait and a motion in, a video out: face animation through an editable 3D face.

`Animator` is the entry point; it takes and returns `Portrait`, `Dynamics` and pictures (H,W,3) uint8.
Names are imported on first use, so that importing the package alone is fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faceanime.core.errors import FaceAnimeError as FaceAnimeError
    from faceanime.media.image import read_image as read_image
    from faceanime.pipeline import Animator as Animator
    from faceanime.pipeline import AnimatorConfig as AnimatorConfig
    from faceanime.structures.coefficients import Dynamics as Dynamics
    from faceanime.structures.portrait import Portrait as Portrait

_HOME = {
    "Animator": "pipeline",
    "AnimatorConfig": "pipeline",
    "Dynamics": "structures.coefficients",
    "FaceAnimeError": "core.errors",
    "Portrait": "structures.portrait",
    "read_image": "media.image",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'faceanime' has no attribute '{name}'")
    return getattr(import_module(f"faceanime.{_HOME[name]}"), name)
