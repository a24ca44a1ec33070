"""The geometric renderer: the portrait's own pixels moved by its 3D face, without a network.

It prepares layers for a portrait once; then each target face gives a picture of the moving region. Layers, back to
front: a still background plate (`head/background.py`); the person, warped by a mesh (`head/sheet.py`), whose parts
that the portrait does not show are invented (`head/outpaint.py` beyond the picture's edge, `head/cheek.py` on a far
cheek); upper lids, eyeballs (`eyes/`) and the inside of the mouth (`mouth/`).
"""

from __future__ import annotations

import json
from functools import cache

import numpy as np
from jaxtyping import Float32

from faceanime.core.weights import bundled
from faceanime.geometry.camera import project
from faceanime.geometry.flow import sample
from faceanime.morphable.model import MorphableModel
from faceanime.render.config import GeometricConfig
from faceanime.render.eyes.eyeball import EyeLayer
from faceanime.render.eyes.lids import LidLayer
from faceanime.render.head.background import BackgroundLayer
from faceanime.render.head.blending import soften_folds
from faceanime.render.head.cheek import CheekLayer
from faceanime.render.head.matte import person_mattes
from faceanime.render.head.outpaint import Outpainter
from faceanime.render.head.sheet import WarpSheet, source_shape
from faceanime.render.mouth.layer import MouthLayer
from faceanime.structures.coefficients import FaceCoefficients, FittedFace, HeadPose
from faceanime.structures.frames import Pixels
from faceanime.structures.raster import Box

DRAWINGS = "geometric_drawings.json"
"""The bundled record of the renderer's golden pictures, and the version of what is drawn."""


@cache
def drawing_version() -> str:
    """The version of this renderer's pictures; a generator's training refuses pictures of another version.

    It follows from the golden pictures (`tests/golden`): `--update-golden` replaces it when one of them changes.
    """
    return str(json.loads(bundled(DRAWINGS).read_text(encoding="utf-8"))["version"])


class PortraitLayers:
    """The layers of one portrait, prepared once, and the picture of any target."""

    def __init__(
        self,
        source: Pixels,
        face: FittedFace,
        matte: Float32[np.ndarray, "H W"] | None,
        model: MorphableModel,
        config: GeometricConfig,
    ) -> None:
        """`source` (H,W,3) and its fitted `face`; `matte` (H,W) in [0,1], the probability that a pixel is the person's.

        Without a matte the whole region moves with the sheet.
        """
        height, width = source.shape[:2]
        oval = project(model.landmarks_of(source_shape(face, model)), face.coefficients.pose)[
            model.schema.oval, :2
        ]
        mattes = None
        if matte is not None and config.still_background:
            mattes = person_mattes(source, matte, oval)
        moving = None if mattes is None else mattes.moving
        self._sheet = WarpSheet(face, model, width, height, moving, config.warp)
        self._unit_px = float(face.coefficients.pose.scale)
        region, points = self.region, self._sheet.source_landmarks
        self._pixels = np.ascontiguousarray(source[region.slices])
        person, self._background, self._cheek = None, None, None
        if mattes is not None and matte is not None:
            person = mattes.visible[region.slices]
            face_px, at_top = float(np.ptp(oval[:, 0])), region.top == 0
            self._background = BackgroundLayer.separate(self._pixels, person, face_px, at_top=at_top)
            self._cheek = CheekLayer(self._pixels, matte[region.slices], oval - (region.left, region.top))
        self._outpainter = Outpainter(self._pixels, person, oval, region)
        self._lids = LidLayer(source, points, model.schema)
        self._eyes = EyeLayer(source, face, model, points)
        self.mouth = MouthLayer(source, face, model, points)

    @property
    def region(self) -> Box:
        """The part of the picture that moves; all else stays as it is."""
        return self._sheet.region

    def render(self, target: FaceCoefficients, hair: HeadPose | None = None) -> Pixels:
        """The region's pixels (h,w,3) uint8 with the face of `target`, its pose in px of the picture.

        `hair` is the pose of hair and neck (see `hair_pose`), by default the face's own.
        """
        warp = self._sheet.field(target, hair)
        outpainted = self._outpainter.fold(warp.flow)
        canvas = sample(self._pixels, outpainted.flow, "cubic")
        self._outpainter.fade_detail(canvas, outpainted)
        cheek = (
            np.zeros(warp.region.shape, np.float32)
            if self._cheek is None
            else self._cheek.paint(canvas, warp)
        )
        if self._background is not None:
            self._background.paint(canvas, warp.flow, outpainted, cheek)
        soften_folds(canvas, warp.flow, self._unit_px, cheek)
        self._lids.paint(canvas, warp)
        self._eyes.paint(canvas, warp, target)
        self.mouth.paint(canvas, warp, target)
        return canvas
