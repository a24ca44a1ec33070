"""Landmarks pinned to the skin they were first read on.

A detector reads the same spot of skin a little elsewhere as the head turns, the mouth opens or noise changes, and the
fit takes that for motion. So one calm frame is the *anchor*: its skin is drawn onto the landmarks of every other frame,
and dense optical flow (Kroeger et al., arXiv 1603.03590) tells how far from there the frame shows it. Landmarks are
moved by that, as far as flow there and back agree (analysis by synthesis: Blanz and Vetter, SIGGRAPH 1999). Lids and
irises are left to the detector, since a closing lid hides what the anchor shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from faceanime.core.concurrency import map_ordered
from faceanime.face.fit import initial_pose, mesh_at
from faceanime.face.landmark_view import look, place_of
from faceanime.geometry.camera import unproject
from faceanime.geometry.flow import flow_from_mesh, identity_flow, sample
from faceanime.geometry.similarity import apply_affine_with_depth
from faceanime.morphable.axes import measure
from faceanime.morphable.landmark_schema import LandmarkSchema
from faceanime.morphable.model import MorphableModel, Region
from faceanime.structures.frames import Pixels
from faceanime.structures.landmarks import CropTransform, Landmarks

CHUNK_FRAMES = 50
"""An anchor is the calmest of so many frames."""
_SHARP = 0.5
"""It is at least so sharp, in shares of their median."""
_HELD = 0.25
"""Landmarks count as pinned when so much of the rigid ones is believed: a head turned far hides half of them."""
_VIEW_PX, _VIEW_SHARE = 154, 0.8
"""A view is so large, and shows so much of the side of a detector's (`mesh.Place`), which has room around the face."""
_PASSES = 2
_FARTHEST = 0.05
"""Moves of more than so much of the view's side are believed to be mistakes."""
_DISAGREEMENT_PX = 0.75
"""How far from where it began flow there and back may end: there its weight is 1 / e."""
_SPREAD_PX = 4.0
"""What flow is averaged with over the skin around a landmark, standard deviation."""
_UNLIKE, _ALIKE = 0.6, 0.8
"""Skin whose pattern correlates less than the one with what is found there is hidden; more than the other, seen."""
_PATTERN_PX, _PLAIN = 11, 4.0
"""Over squares of what side it is compared; levels squared below which skin has no pattern."""
_RIM_PX = 25
"""So far beyond the mesh its motion goes on, that flow near its edge sees no seam."""
_UNSURE, _SURE = 0.2, 0.6
"""Of the skin around a landmark, how much must be believed for it to move at all, and as far as is told."""


@dataclass(frozen=True, eq=False)
class FaceView:
    """A face as the anchor sees it.

    `grey` (S,S) uint8, the head upright and of one size; `points` (L,3), the landmarks in its px; `transform` leads
    from the frame to it; `landmarks` are those of the frame.
    """

    grey: UInt8[np.ndarray, "S S"]
    points: Float32[np.ndarray, "L 3"]
    transform: CropTransform
    landmarks: Landmarks

    @classmethod
    def of(cls, pixels: Pixels, landmarks: Landmarks, schema: LandmarkSchema) -> FaceView:
        """The view of the face of a frame (H,W,3) uint8; `schema` is that of its landmarks."""
        place = place_of(landmarks.points_image, schema)
        transform = replace(place, side_px=_VIEW_SHARE * place.side_px).view(_VIEW_PX)
        grey = cv2.cvtColor(look(pixels, transform), cv2.COLOR_RGB2GRAY)
        points = apply_affine_with_depth(transform.crop_from_image, landmarks.points_image)
        return cls(np.asarray(grey), points.astype(np.float32), transform, landmarks)

    @property
    def sharpness(self) -> float:
        """Variance of the Laplacian over the face's box."""
        (left, top), (right, bottom) = np.clip(
            [self.points[:, :2].min(axis=0), self.points[:, :2].max(axis=0)], 0, _VIEW_PX
        ).astype(int)
        face = self.grey[top:bottom, left:right]
        return float(cv2.Laplacian(face, cv2.CV_64F).var()) if face.size else 0.0


def anchored(views: Iterable[FaceView | None], model: MorphableModel) -> Iterator[Landmarks | None]:
    """The landmarks of each frame, pinned to the skin of the calmest of the first `CHUNK_FRAMES` that has a face.

    Reads so many frames ahead. A chunk of as many, most of which do not look like the anchor, has another face, or
    another look of it: from there on the calmest of that chunk is the anchor. A face that is seen once alone has none.
    """
    stream, anchor = iter(views), None
    while chunk := list(islice(stream, CHUNK_FRAMES)):
        found = [view for view in chunk if view is not None]
        pinned = _pinned(chunk, anchor)
        held = sum(landmarks is not None and landmarks.pinned for landmarks in pinned)
        if len(found) > 1 and held < 0.5 * len(found):
            anchor = Anchor(calmest(found, model), model)
            pinned = _pinned(chunk, anchor)
        yield from pinned


def _pinned(views: Sequence[FaceView | None], anchor: Anchor | None) -> list[Landmarks | None]:
    if anchor is None:
        return [None if view is None else view.landmarks for view in views]
    return list(map_ordered(lambda view: None if view is None else anchor.pinned(view), views))


def calmest(views: Sequence[FaceView], model: MorphableModel) -> FaceView:
    """The view with the mouth closed, the eyes open, and the head turned to the viewer, of those that are sharp.

    In model units: lips apart, and 0.3 for each radian that the head is turned, and 2 for each that the lids are closer
    than four fifths of what is usual.
    """
    sharpness = np.array([view.sharpness for view in views])
    sharp = [views[i] for i in np.flatnonzero(sharpness >= _SHARP * np.median(sharpness))]
    points = np.stack([view.points for view in sharp]).astype(np.float64)
    shape = np.broadcast_to(model.landmark_mean.astype(np.float64), points.shape)
    pose = initial_pose(points, shape, model)
    faces = unproject(points, pose)
    lids = np.minimum(*(measure(f"lids_apart_{side}", faces, model.schema) for side in ("right", "left")))
    turned = np.arccos(np.clip(pose.rotation[:, 2, 2], -1.0, 1.0))
    shut = np.maximum(0.8 * np.median(lids) - lids, 0.0)
    return sharp[int(np.argmin(measure("lips_apart", faces, model.schema) + 0.3 * turned + 2.0 * shut))]


class Anchor:
    """The frame whose skin others are compared with."""

    def __init__(self, view: FaceView, model: MorphableModel) -> None:
        self._view = view
        self._model = model
        self._mesh = mesh_at(view.points.astype(np.float64), model)
        self._is_skin = np.append(model.region == Region.SKIN, False)  # the last for triangle -1
        self._rigid = model.rigid_weight > 0
        schema = model.schema
        self._follows_skin = ~((schema.lids & ~schema.mask(schema.eye_corners)) | schema.irises)

    def pinned(self, view: FaceView) -> Landmarks:
        """The landmarks of the view's frame, where it shows the anchor's skin; as they were, where it does not.

        They count as pinned where enough is believed of those that the pose is read from.
        """
        if view is self._view:
            return replace(view.landmarks, pinned=True)
        points, believed = view.points.astype(np.float64), np.zeros(len(view.points))
        for _ in range(_PASSES):
            moves, believed = self._off(view.grey, points)
            points[:, :2] += moves
        places = apply_affine_with_depth(view.transform.image_from_crop, points)
        return Landmarks(
            places.astype(np.float32), view.landmarks.score, bool(believed[self._rigid].mean() > _HELD)
        )

    def _off(
        self, grey: UInt8[np.ndarray, "S S"], points: Float[np.ndarray, "L 3"]
    ) -> tuple[Float32[np.ndarray, "L 2"], Float32[np.ndarray, " L"]]:
        """How far from the points the view shows the anchor's skin, px, 0 where nobody knows; and how surely."""
        drawn, skin = self._drawn(grey, points)
        there, back = _flow(drawn, grey), _flow(grey, drawn)
        here = identity_flow(*grey.shape)
        places = here + there
        belief = np.exp(-_squared(there + sample(back, places)) / _DISAGREEMENT_PX**2) * skin
        belief *= _squared(there) < (_FARTHEST * len(grey)) ** 2
        alike = _correlation(drawn, sample(grey[..., None], places)[..., 0])
        belief *= np.clip((alike - _UNLIKE) / (_ALIKE - _UNLIKE), 0.0, 1.0)
        weighted = np.concatenate([there * belief[..., None], belief[..., None]], axis=-1).astype(np.float32)
        around = sample(
            cv2.GaussianBlur(weighted, (0, 0), _SPREAD_PX), points[None, :, :2].astype(np.float32)
        )[0]
        moves = around[:, :2] / np.maximum(around[:, 2:], 1e-3)
        believed = np.clip((around[:, 2] - _UNSURE) / (_SURE - _UNSURE), 0.0, 1.0)
        return moves * (believed * self._follows_skin)[:, None], believed

    def _drawn(
        self, grey: UInt8[np.ndarray, "S S"], points: Float[np.ndarray, "L 3"]
    ) -> tuple[UInt8[np.ndarray, "S S"], Bool[np.ndarray, "S S"]]:
        """The anchor's face drawn at the points, the view itself far from it; and where its skin is."""
        side = len(grey)
        flow, triangle = flow_from_mesh(
            self._mesh[:, :2], mesh_at(points, self._model), self._model.triangles, side, side
        )
        here, mesh = identity_flow(side, side), triangle >= 0
        near, share = (cv2.blur(each, (_RIM_PX, _RIM_PX)) for each in (flow - here, mesh.astype(np.float32)))
        beyond = here + near / np.maximum(share, 1e-3)[..., None]
        drawn = sample(self._view.grey[..., None], np.where(mesh[..., None], flow, beyond))[..., 0]
        return np.where(share > 0, drawn, grey), self._is_skin[triangle]


def _flow(a: UInt8[np.ndarray, "S S"], b: UInt8[np.ndarray, "S S"]) -> Float32[np.ndarray, "S S 2"]:
    """Where b shows what a shows at each pixel, px away.

    At half the view's size, with fewer patches and steps than its preset: those found nothing more, rougher flow lost
    the lips.
    """
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    finder.setPatchStride(4)
    finder.setGradientDescentIterations(12)
    finder.setVariationalRefinementIterations(2)
    return np.asarray(finder.calc(a, b, None))  # type: ignore[call-overload]


def _squared(vectors: Float32[np.ndarray, "S S 2"]) -> Float32[np.ndarray, "S S"]:
    """Their lengths, squared."""
    return np.asarray(np.square(vectors[..., 0]) + np.square(vectors[..., 1]))


def _correlation(a: UInt8[np.ndarray, "S S"], b: UInt8[np.ndarray, "S S"]) -> Float32[np.ndarray, "S S"]:
    """Of what two pictures show around each pixel, -1 to 1; 1 where neither shows a pattern."""
    u, v = a.astype(np.float32), b.astype(np.float32)
    x, y, xx, yy, xy = (cv2.blur(each, (_PATTERN_PX, _PATTERN_PX)) for each in (u, v, u * u, v * v, u * v))
    of_x, of_y = np.maximum(xx - x * x, 0.0) + _PLAIN, np.maximum(yy - y * y, 0.0) + _PLAIN
    return np.asarray((xy - x * y + _PLAIN) / np.sqrt(of_x * of_y))
