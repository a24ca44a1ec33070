"""The seam for renderers: whatever draws a portrait with a moving face.

A `Renderer` holds what all portraits share (model, networks); its `Drawer` holds what is prepared once for a portrait.
A new kind of renderer is one file with a `RendererKind`, and one entry of `generator.renderers.RENDERERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from faceanime.morphable.model import MorphableModel
from faceanime.render.geometric import GeometricConfig
from faceanime.structures.coefficients import FaceCoefficients, HeadPose
from faceanime.structures.frames import Pixels
from faceanime.structures.portrait import Portrait

Quality: TypeAlias = Literal["fast", "quality"]


@dataclass(frozen=True)
class RendererConfig:
    """Which renderer draws, and with which networks."""

    renderer: str = "flow"
    """Renderer. flow: geometry, repaired by networks; geometric: no network, more than twice as fast; pgfg: the paper's
    generator, for which you need weights of your own."""
    quality: Quality = "fast"
    """Bundled networks of the flow renderer. quality: they see mouth and eyes at a higher resolution and are slower."""
    generator: Path | None = None
    """Weights written by `faceanime train generator`, instead of the bundled ones."""


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
    """What users choose it by."""
    network: str | None
    """Name in weights files of the networks that it draws with; None without networks."""
    weights: Callable[[RendererConfig], Path | None]
    """Finds the weights file of some settings; raises ConfigError for settings that contradict each other."""
    open: Callable[[RendererConfig, GeometricConfig, MorphableModel], Renderer]
    """Makes the renderer and loads its networks; raises ConfigError, WeightsError."""
