"""What the pipeline calls for the paper's generator: a face in, the portrait with that face out."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from faceanime.generator.blocks import pixels_of
from faceanime.generator.face_window import draw_prior, face_window
from faceanime.generator.pgfg import Pgfg
from faceanime.morphable.model import MorphableModel
from faceanime.prior.sparse_texture import TextureConfig, model_points, sample_texture
from faceanime.structures.coefficients import FaceCoefficients, FittedFace
from faceanime.structures.frames import Pixels

_FEATHER_PX = 4.0
"""Toward the window's edges the portrait takes over again."""


class Painter:
    """Paints one portrait's pictures, at the network's own resolution; safe to call from several threads at once."""

    def __init__(self, portrait: Pixels, face: FittedFace, model: MorphableModel, network: Pgfg) -> None:
        """`portrait` (H,W,3) and its fitted `face`."""
        self._portrait, self._model, self._face, self._network = portrait, model, face, network
        self._prior = network.config.prior
        self._texture = sample_texture(portrait, face, model, TextureConfig(self._prior.interval))
        points = model_points(face.coefficients, face.residual, model)
        self._window = face_window(points, face.coefficients.pose, network.config.size_px)
        self._source = _batch(self._window.cut(portrait) / np.float32(127.5) - 1.0)
        self._source_prior = self._drawn(points)
        line = np.arange(network.config.size_px, dtype=np.float32)
        edge = (np.minimum(line, line[::-1]) / _FEATHER_PX).clip(0.0, 1.0)
        self._inner = np.minimum(edge[:, None], edge[None])

    def draw(self, target: FaceCoefficients) -> Pixels:
        """The portrait (H,W,3) with the target's geometry; where the mask is shut, its own pixels."""
        prior = self._drawn(model_points(target, self._face.residual, self._model))
        with torch.inference_mode():
            made = self._network(self._source, self._source_prior, prior)
        canvas = self._portrait.copy()
        self._window.show(canvas, pixels_of(made.out[0]), self._inner * made.mask[0, 0].numpy())
        return canvas

    def _drawn(self, points: Float[np.ndarray, "V 3"]) -> Tensor:
        return _batch(draw_prior(self._prior, self._window, self._texture, points))


def _batch(picture: Float32[np.ndarray, "S S C"]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32))[None]
