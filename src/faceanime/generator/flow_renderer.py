"""The flow renderer: the geometric renderer's images, repaired by networks in windows at mouth, lids and far cheek."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from faceanime.core.errors import ConfigError, check_shape
from faceanime.core.weights import bundled
from faceanime.generator.conditions import Conditions, WindowMaker
from faceanime.generator.config import RendererConfig
from faceanime.generator.renderer_kind import RendererKind
from faceanime.generator.windows import (
    PART_OF,
    PARTS,
    Window,
    WindowName,
    WindowPart,
    WindowSizes,
    channels_first,
)
from faceanime.morphable.model import MorphableModel
from faceanime.prior.sparse_texture import (
    SparseSkin,
    model_points,
    sample_texture,
    sparse_skin,
)
from faceanime.render.composite import Paster
from faceanime.render.config import GeometricConfig
from faceanime.render.geometric import PortraitLayers
from faceanime.render.geometric_renderer import GeometricRenderer
from faceanime.render.mouth.layer import MouthLayer
from faceanime.runtime.network import Network
from faceanime.structures.coefficients import FaceCoefficients, FittedFace, HeadPose
from faceanime.structures.frames import Pixels
from faceanime.structures.portrait import Portrait
from faceanime.structures.raster import Box, SparseTexture

_LIT = 80.0
"""Median level of a portrait's skin, 0 to 255, below which the networks see it brightened to that level: one in twenty
people of the training data is darker, and a portrait at a quarter of its light (level 45) blinked with white lids.
Chosen by eye."""


@dataclass(frozen=True, eq=False)
class WindowNetworks:
    """The networks that repair windows, and what they were trained with."""

    by_part: Mapping[WindowPart, Network]
    """The network of each part, which takes `window`, `maps`, `gate`, `target_prior` and `source_prior` and returns
    `image` (that of light: `gain`), as those of `FlowGuided.functions` do."""
    sizes: WindowSizes
    skin: SparseSkin


class FlowRenderer:
    """Prepares portraits for drawing by geometry and repair."""

    def __init__(self, geometric: GeometricRenderer, networks: WindowNetworks, model: MorphableModel) -> None:
        self._geometric, self._networks, self._model = geometric, networks, model

    def prepare(self, portrait: Portrait) -> FlowDrawer:
        """Compute the layers of a portrait and the priors of its windows."""
        layers, pixels = self._geometric.layers(portrait), portrait.pixels
        repairer = Repairer(pixels, portrait.face, layers.region, layers.mouth, self._networks, self._model)
        return FlowDrawer(layers, repairer, Paster(pixels, layers.region))


class FlowDrawer:
    """Draws one portrait by geometry and repair."""

    def __init__(self, layers: PortraitLayers, repairer: Repairer, paster: Paster) -> None:
        self._layers, self._repairer, self._paster = layers, repairer, paster

    def draw(self, face: FaceCoefficients, hair: HeadPose) -> Pixels:
        """Return the image (H,W,3); see `render.renderer.Drawer`."""
        return self._paster.paste(self._repairer.repair(self._layers.render(face, hair), face))


class Repairer:
    """Repairs the geometric renderer's images of one portrait; may be called from several threads at once."""

    def __init__(
        self,
        pixels: Pixels,
        face: FittedFace,
        region: Box,
        mouth: MouthLayer,
        networks: WindowNetworks,
        model: MorphableModel,
    ) -> None:
        """`pixels` (H,W,3) and `face` of the portrait; `region` and `mouth` of the geometric renderer's layers."""
        self._model, self._face, self._region, self._mouth = model, face, region, mouth
        self._networks = networks.by_part
        self._maker = WindowMaker(model, networks.sizes)
        self._points = model_points(face.coefficients, face.residual, model)
        self._windows = self._maker.windows(self._points, face.coefficients.pose)
        texture = sample_texture(pixels, face, model, networks.skin)
        self._gain = _gain_of(texture)
        self._texture = replace(texture, color=_brightened(texture.color, self._gain))
        self._priors = {
            name: channels_first(window.texture(self._texture, self._points))
            for name, window in self._windows.items()
        }

    def repair(self, canvas: Pixels, target: FaceCoefficients) -> Pixels:
        """Return the region's image (h,w,3) of `target`, repaired; where all gates are shut, it is returned as it is.

        Raises ShapeError.
        """
        check_shape("canvas", canvas, self._region.height, self._region.width, 3)
        points = model_points(target, self._face.residual, self._model)
        windows = self._maker.windows(points, target.pose)
        own = {"mouth": self._mouth.own_teeth.opacity(target, windows["mouth"].pixel_positions)}
        conditions = {
            name: self._maker.conditions(
                name, (self._windows[name], self._points), (window, points), own.get(name)
            )
            for name, window in windows.items()
        }
        repaired = canvas.copy()
        for part in PARTS:
            names = [name for name in windows if PART_OF[name] == part and conditions[name].is_open]
            if names:
                opened = {name: (windows[name], conditions[name]) for name in names}
                self._repair_part(repaired, part, opened, points)
        return repaired

    def _repair_part(
        self,
        canvas: Pixels,
        part: WindowPart,
        windows: dict[WindowName, tuple[Window, Conditions]],
        points: Float[np.ndarray, "V 3"],
    ) -> None:
        """Apply the network of one part to its windows of the canvas, in place."""
        near = {name: window.relative_to(self._region) for name, (window, _) in windows.items()}
        cuts = _brightened(
            np.stack(
                [channels_first(window.cut(canvas) / np.float32(127.5) - 1.0) for window in near.values()]
            ),
            self._gain,
        )
        outputs = self._networks[part](
            window=cuts,
            maps=np.stack([channels_first(conditions.maps) for _, conditions in windows.values()]),
            gate=np.stack([conditions.gate[None] for _, conditions in windows.values()]),
            target_prior=np.stack(
                [channels_first(window.texture(self._texture, points)) for window, _ in windows.values()]
            ),
            source_prior=np.stack([self._priors[name] for name in windows]),
        )
        if part == "light":
            for window, gain in zip(near.values(), outputs["gain"], strict=True):
                window.apply_gain(canvas, gain[0])
            return
        changes = np.float32(127.5) / self._gain * (outputs["image"].clip(-1.0, 1.0) - cuts)
        grey = changes.mean(axis=1, keepdims=True)
        changes = grey + np.float32(self._mouth.chroma) * (changes - grey)  # none in a grey picture
        for window, change in zip(near.values(), changes, strict=True):
            window.paste(canvas, np.ascontiguousarray(change.transpose(1, 2, 0)))


def _gain_of(texture: SparseTexture) -> np.float32:
    """By how much a portrait is brightened for the networks: 1 for all but dark ones."""
    skin = texture.color[texture.visible]
    level = 127.5 * (1.0 + float(np.median(skin.mean(axis=1)))) if len(skin) else _LIT
    return np.float32(_LIT / np.clip(level, 1.0, _LIT))


def _brightened(values: Float32[np.ndarray, "..."], gain: np.float32) -> Float32[np.ndarray, "..."]:
    """Colors in [-1, 1] of a picture times `gain`."""
    return np.asarray(np.minimum((values + 1.0) * gain - 1.0, 1.0), np.float32)


def _weights(config: RendererConfig) -> Path:
    if config.generator is None:
        return bundled(f"generator_{config.quality}.safetensors")
    if config.quality != "fast":
        raise ConfigError(
            "quality selects bundled networks and cannot be given together with generator; leave one of them out"
        )
    return config.generator


def _open(config: RendererConfig, geometric: GeometricConfig, model: MorphableModel) -> FlowRenderer:
    from faceanime.generator.flow_guided import FlowGuided  # torch is slow to import
    from faceanime.generator.generator_file import load_generator_of
    from faceanime.runtime.engine import networks_of

    generator = load_generator_of(FlowGuided, _weights(config), model)
    skin = sparse_skin(model, generator.config.texture.interval)
    networks = WindowNetworks(networks_of(generator.functions()), generator.config.windows, skin)
    return FlowRenderer(GeometricRenderer(model, geometric), networks, model)


KIND = RendererKind("flow", "flow-guided", _weights, _open)
