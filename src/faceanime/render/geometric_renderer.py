"""The geometric renderer: no network, the fastest."""

from __future__ import annotations

from faceanime.morphable.model import MorphableModel
from faceanime.render.composite import Paster
from faceanime.render.config import GeometricConfig
from faceanime.render.geometric import PortraitLayers
from faceanime.structures.coefficients import FaceCoefficients, HeadPose
from faceanime.structures.frames import Pixels
from faceanime.structures.portrait import Portrait


class GeometricDrawer:
    """Draws one portrait from its own pixels, moved by its 3D face."""

    def __init__(self, layers: PortraitLayers, paster: Paster) -> None:
        self._layers, self._paster = layers, paster

    def draw(self, face: FaceCoefficients, hair: HeadPose) -> Pixels:
        """Return the image (H,W,3); see `render.renderer.Drawer`."""
        return self._paster.paste(self._layers.render(face, hair))


class GeometricRenderer:
    """Prepares portraits for drawing by geometry alone."""

    def __init__(self, model: MorphableModel, config: GeometricConfig) -> None:
        self._model, self._config = model, config

    def prepare(self, portrait: Portrait) -> GeometricDrawer:
        """Compute the layers of a portrait."""
        layers = self.layers(portrait)
        return GeometricDrawer(layers, Paster(portrait.pixels, layers.region))

    def layers(self, portrait: Portrait) -> PortraitLayers:
        """Compute the layers of a portrait, for renderers that change what they show."""
        return PortraitLayers(portrait.pixels, portrait.face, portrait.matte, self._model, self._config)
