"""What the pipeline calls: a picture of the geometric renderer in, the same picture with its windows repaired out."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from faceanime.core.errors import check_shape
from faceanime.generator.conditions import Conditions, WindowMaker
from faceanime.generator.flow_guided import FlowGuided
from faceanime.generator.windows import PART_OF, PARTS, Part, Window, WindowName
from faceanime.morphable.model import MorphableModel
from faceanime.prior.sparse_texture import model_points, sample_texture
from faceanime.render.mouth.layer import MouthLayer
from faceanime.structures.coefficients import FaceCoefficients, FittedFace
from faceanime.structures.frames import Pixels
from faceanime.structures.raster import Box


class Repairer:
    """Repairs the pictures of one portrait; safe to call from several threads at once."""

    def __init__(
        self,
        portrait: Pixels,
        face: FittedFace,
        region: Box,
        mouth: MouthLayer,
        model: MorphableModel,
        network: FlowGuided,
    ) -> None:
        """`portrait` (H,W,3) and its fitted `face`; the `region` that the geometric renderer draws, its `mouth`."""
        self._model, self._face, self._region, self._mouth = model, face, region, mouth
        self._network = network.folded()
        self._maker = WindowMaker(model, network.config.windows)
        self._points = model_points(face.coefficients, face.residual, model)
        self._windows = self._maker.windows(self._points, face.coefficients.pose)
        self._texture = sample_texture(portrait, face, model, network.config.texture)
        self._priors = {
            name: _planes(window.texture(self._texture, self._points))
            for name, window in self._windows.items()
        }

    def repair(self, canvas: Pixels, target: FaceCoefficients) -> Pixels:
        """The region's picture (h,w,3) of `target`, repaired; the gates shut, it comes back as it is.

        Raises ShapeError.
        """
        check_shape("canvas", canvas, self._region.height, self._region.width, 3)
        points = model_points(target, self._face.residual, self._model)
        windows = self._maker.windows(points, target.pose)
        own = {"mouth": self._mouth.own.seen(target, windows["mouth"].places)}
        shown = {
            name: self._maker.conditions(
                name, (self._windows[name], self._points), (window, points), own.get(name)
            )
            for name, window in windows.items()
        }
        repaired = canvas.copy()
        for part in PARTS:
            names = [name for name in windows if PART_OF[name] == part and shown[name].is_open]
            if names:
                self._paint(repaired, part, {name: (windows[name], shown[name]) for name in names}, points)
        return repaired

    def _paint(
        self,
        canvas: Pixels,
        part: Part,
        windows: dict[WindowName, tuple[Window, Conditions]],
        points: Float[np.ndarray, "V 3"],
    ) -> None:
        """Do to the picture what one network says, in place."""
        near = {name: window.within(self._region) for name, (window, _) in windows.items()}
        cuts = torch.stack(
            [_planes(window.cut(canvas) / np.float32(127.5) - 1.0) for window in near.values()]
        )
        told = [conditions for _, conditions in windows.values()]
        given = (
            cuts,
            torch.stack([_planes(conditions.maps) for conditions in told]),
            torch.stack([torch.from_numpy(conditions.gate)[None] for conditions in told]),
            torch.stack([_planes(window.texture(self._texture, points)) for window, _ in windows.values()]),
            torch.stack([self._priors[name] for name in windows]),
        )
        with torch.inference_mode():
            if part == "light":
                gains = self._network.gain(*given)
                for window, gain in zip(near.values(), gains, strict=True):
                    window.shine(canvas, gain[0].numpy())
                return
            image = self._network(part, *given).image.clamp(-1.0, 1.0)
            changes = 127.5 * (image - cuts)
            grey = changes.mean(dim=1, keepdim=True)
            changes = grey + self._mouth.chroma * (changes - grey)  # in a grey picture all is grey
        for window, change in zip(near.values(), changes, strict=True):
            window.paste(canvas, change.permute(1, 2, 0).contiguous().numpy())


def _planes(picture: Float32[np.ndarray, "S S C"]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32))
