"""The seam for renderers, which draw a portrait with a moving face.

A `Renderer` holds what all portraits share (model, networks); its `Drawer` holds what is prepared once for a portrait.
Users choose one by name through its `generator.renderer_kind.RendererKind`.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

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
