"""The paper's generator as a renderer: the face of a portrait drawn by PGFG in one square window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from faceanime.core.errors import ConfigError, Remedy
from faceanime.generator.config import RendererConfig
from faceanime.generator.face_window import PriorConfig, draw_prior, face_window
from faceanime.generator.renderer_kind import RendererKind
from faceanime.generator.windows import channels_first
from faceanime.morphable.model import MorphableModel
from faceanime.prior.sparse_texture import SparseSkin, model_points, sample_texture, sparse_skin
from faceanime.render.config import GeometricConfig
from faceanime.runtime.network import Network
from faceanime.structures.coefficients import FaceCoefficients, HeadPose
from faceanime.structures.frames import Pixels
from faceanime.structures.portrait import Portrait

_FEATHER_PX = 4.0
"""Width over which the window blends into the portrait at its edges, px of the window; chosen by eye."""


class PgfgRenderer:
    """Prepares portraits for drawing by the paper's generator."""

    def __init__(
        self, network: Network, size_px: int, prior_px: int, prior: PriorConfig, model: MorphableModel
    ) -> None:
        """`network` takes `source`, `source_prior` and `target_prior` and returns `out` and `mask`, as `Pgfg` does;
        `size_px`, `prior_px` and `prior` are those it was trained with.
        """
        self._network, self._sides_px, self._prior, self._model = network, (size_px, prior_px), prior, model
        self._skin = sparse_skin(model, prior.interval)

    def prepare(self, portrait: Portrait) -> PgfgDrawer:
        """Compute the window of a portrait and its prior."""
        return PgfgDrawer(portrait, self._network, self._sides_px, self._prior, self._skin, self._model)


class PgfgDrawer:
    """Draws one portrait, at the network's own resolution; may be called from several threads at once."""

    def __init__(
        self,
        portrait: Portrait,
        network: Network,
        sides_px: tuple[int, int],
        prior: PriorConfig,
        skin: SparseSkin,
        model: MorphableModel,
    ) -> None:
        """`sides_px` are those of the network's pictures and of its priors; the others as in `PgfgRenderer`."""
        self._pixels, self._face, self._model = portrait.pixels, portrait.face, model
        self._network, self._prior = network, prior
        self._texture = sample_texture(portrait.pixels, self._face, model, skin)
        points = model_points(self._face.coefficients, self._face.residual, model)
        self._window, self._prior_window = (
            face_window(points, self._face.coefficients.pose, side, model) for side in sides_px
        )
        self._source = channels_first(self._window.cut(portrait.pixels) / np.float32(127.5) - 1.0)[None]
        self._source_prior = self._prior_at(points)
        line = np.arange(self._window.size_px, dtype=np.float32)
        edge = (np.minimum(line, line[::-1]) / _FEATHER_PX).clip(0.0, 1.0)
        self._inner = np.minimum(edge[:, None], edge[None])

    def draw(self, face: FaceCoefficients, hair: HeadPose) -> Pixels:
        """Return the image (H,W,3); where the network's mask is 0, the portrait's own pixels. `hair` is not used."""
        made = self._network(
            source=self._source,
            source_prior=self._source_prior,
            target_prior=self._prior_at(model_points(face, self._face.residual, self._model)),
        )
        levels = np.rint((made["out"][0].clip(-1.0, 1.0) + np.float32(1.0)) * np.float32(127.5))
        canvas = self._pixels.copy()
        image = np.ascontiguousarray(levels.astype(np.uint8).transpose(1, 2, 0))
        self._window.blend(canvas, image, self._inner * made["mask"][0, 0])
        return canvas

    def _prior_at(self, points: Float[np.ndarray, "V 3"]) -> Float32[np.ndarray, "1 P S S"]:
        window, texture = self._prior_window, self._texture
        return channels_first(draw_prior(self._prior, window, texture, points, self._model))[None]


def _weights(config: RendererConfig) -> Path:
    if config.quality != "fast":
        raise ConfigError(
            "quality selects networks of renderer flow and has no effect on renderer pgfg; leave it out"
        )
    if config.generator is None:
        raise ConfigError(
            "no weights of renderer pgfg are bundled",
            Remedy(
                "generator",
                "{} with weights that you have trained (faceanime train generator, preset paper-small)",
            ),
        )
    return config.generator


def _open(config: RendererConfig, geometric: GeometricConfig, model: MorphableModel) -> PgfgRenderer:
    from faceanime.generator.generator_file import load_generator_of  # torch is slow to import
    from faceanime.generator.pgfg import Pgfg
    from faceanime.runtime.engine import networks_of

    generator = load_generator_of(Pgfg, _weights(config), model)
    network, size = networks_of(generator.functions())["face"], generator.config
    return PgfgRenderer(network, size.size_px, size.prior_px, size.prior, model)


KIND = RendererKind("pgfg", "pgfg", _weights, _open)
