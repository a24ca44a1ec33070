"""The seam for renderers, which draw a portrait with a moving face.

A `Renderer` holds what all portraits share (model, networks); its `Drawer` holds what is prepared once for a portrait.
A new kind of renderer is one file with a `RendererKind` called `KIND`, and one entry of `render.config.RENDERERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from faceanime.morphable.model import MorphableModel
from faceanime.render.config import GeometricConfig, RendererConfig
from faceanime.structures.coefficients import FaceCoefficients, HeadPose
from faceanime.structures.frames import Pixels
from faceanime.structures.portrait import Portrait


@runtime_checkable
class Drawer(Protocol):
    """Draws one portrait; may be called from several threads at once."""

    def draw(self, face: FaceCoefficients, hair: HeadPose) -> Pixels:
        """Return the whole image (H,W,3) uint8 with the portrait's face as `face`, in px of the portrait.

        `hair` is the pose of hair and neck (`render.head.sheet.hair_pose`).
        """


@runtime_checkable
class Renderer(Protocol):
    """Prepares portraits for drawing."""

    def prepare(self, portrait: Portrait) -> Drawer:
        """Compute once what all frames of a portrait share."""


@dataclass(frozen=True)
class RendererKind:
    """One kind of renderer."""

    name: str
    """Name by which users choose the renderer."""
    network: str | None
    """Name in weights files of the networks that the renderer draws with; None without networks."""
    weights: Callable[[RendererConfig], Path | None]
    """Finds the weights file of some settings; raises ConfigError for settings that contradict each other."""
    open: Callable[[RendererConfig, GeometricConfig, MorphableModel], Renderer]
    """Makes the renderer and loads its networks; raises ConfigError, WeightsError."""
