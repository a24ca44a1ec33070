"""Landmarks pinned to the skin they were first read on.

A detector reads the same spot of skin a little elsewhere as the head turns, the mouth opens or noise changes, and the
fit takes that for motion. So one calm frame is the *anchor*: its skin is drawn onto the landmarks of every other frame,
and dense optical flow (Kroeger et al., arXiv 1603.03590) tells how far from there the frame shows it. Landmarks are
moved by that, as far as flow there and back agree (analysis by synthesis: Blanz and Vetter, SIGGRAPH 1999). Lids and
irises are left to the detector, since a closing lid hides what the anchor shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from faceanime.face.fit import initial_pose
from faceanime.face.mesh import look, place_of, points_through
from faceanime.geometry.camera import unproject
from faceanime.geometry.flow import flow_from_mesh, identity_flow, sample
from faceanime.morphable import topology
from faceanime.morphable.axes import measure
from faceanime.morphable.model import MorphableModel, Region
from faceanime.streaming import in_order
from faceanime.structures.faces import CropTransform, Landmarks
from faceanime.structures.frames import Pixels

SEARCHED_FRAMES = 50
"""The anchor is the calmest of so many frames."""
_VIEW_PX = 192
_PASSES = 2
_FARTHEST = 0.04
"""Moves of more than so much of the view's side are believed to be mistakes."""
_DISAGREEMENT_PX = 0.75
"""Flow there and back that ends so far from where it began is believed by 1 / e."""
_SPREAD_PX = 4.0
"""What flow is averaged with over the skin around a landmark, standard deviation."""
_UNLIKE, _ALIKE = 0.6, 0.8
"""Skin whose pattern correlates less than the one with what is found there is hidden; more than the other, seen."""
_PATTERN_PX, _PLAIN = 3.0, 4.0
"""Over how much of the view it is compared, standard deviation; levels squared below which skin has no pattern."""
_RIM_PX = 25
"""So far beyond the mesh its motion goes on, that flow near its edge sees no seam."""
_CORNERS = topology.point_mask((33, 133, 362, 263))
_NOT_PINNED = (topology.LIDS & ~_CORNERS) | topology.IRISES


@dataclass(frozen=True, eq=False)
class FaceView:
    """A face as the anchor sees it: grey, upright, of one size; `points` (478,3) in its px."""

    grey: UInt8[np.ndarray, "S S"]
    points: Float32[np.ndarray, "478 3"]
    transform: CropTransform
    score: float

    @classmethod
    def of(cls, pixels: Pixels, landmarks: Landmarks) -> FaceView:
        """The view of the face of a frame (H,W,3) uint8."""
        transform = place_of(landmarks.points_image).view(_VIEW_PX)
        grey = cv2.cvtColor(look(pixels, transform), cv2.COLOR_RGB2GRAY)
        points = points_through(transform.crop_from_image, landmarks.points_image)
        return cls(np.asarray(grey), points, transform, landmarks.score)


def anchored(views: Iterable[FaceView | None], model: MorphableModel) -> Iterator[Landmarks | None]:
    """The landmarks of each frame, pinned to the calmest of the first `SEARCHED_FRAMES` from where the face is seen.

    Where a frame does not look like it, they stay the detector's. Reads that many frames ahead.
    """
    stream, first = iter(views), list[FaceView | None]()
    for view in stream:
        if view is None and not first:
            yield None
            continue
        first.append(view)
        if len(first) == SEARCHED_FRAMES:
            break
    found = [view for view in first if view is not None]
    if found:
        anchor = Anchor(calmest(found, model), model)
        yield from in_order(lambda view: None if view is None else anchor.pinned(view), chain(first, stream))


def calmest(views: Sequence[FaceView], model: MorphableModel) -> FaceView:
    """The view with the mouth closed, the eyes open, and the head turned to the viewer."""
    points = np.stack([view.points for view in views]).astype(np.float64)
    shape = np.broadcast_to(model.mean[: points.shape[1]].astype(np.float64), points.shape)
    pose = initial_pose(points, shape, model)
    faces = unproject(points, pose)
    lids = np.minimum(measure("lids_apart_right", faces), measure("lids_apart_left", faces))
    turned = np.arccos(np.clip(pose.rotation[:, 2, 2], -1.0, 1.0))
    shut = np.maximum(0.8 * np.median(lids) - lids, 0.0)
    return views[int(np.argmin(measure("lips_apart", faces) + 0.3 * turned + 2.0 * shut))]


class Anchor:
    """The frame whose skin others are compared with."""

    def __init__(self, view: FaceView, model: MorphableModel) -> None:
        self._view = view
        inside = (model.triangles < model.landmark_count).all(axis=1)
        self._triangles = model.triangles[inside]
        self._is_skin = np.append(model.region[inside] == Region.SKIN, False)  # the last for triangle -1

    def pinned(self, view: FaceView) -> Landmarks:
        """The landmarks of the view's frame, where it shows the anchor's skin; as they were, where it does not."""
        points = view.points.astype(np.float64)
        if view is not self._view:
            for _ in range(_PASSES):
                points[:, :2] += self._off(view.grey, points)
        return Landmarks(points_through(view.transform.image_from_crop, points), view.score)

    def _off(
        self, grey: UInt8[np.ndarray, "S S"], points: Float[np.ndarray, "478 3"]
    ) -> Float32[np.ndarray, "478 2"]:
        """How far from the points the view shows the anchor's skin, px; 0 where nobody knows."""
        drawn, skin = self._drawn(grey, points)
        there, back = _flow(drawn, grey), _flow(grey, drawn)
        here = identity_flow(*grey.shape)
        away = np.linalg.norm(there + sample(back, here + there), axis=-1)
        belief = np.exp(-np.square(away / _DISAGREEMENT_PX)) * skin
        belief *= np.linalg.norm(there, axis=-1) < _FARTHEST * len(grey)
        alike = _correlation(drawn, sample(grey[..., None], here + there)[..., 0])
        belief *= np.clip((alike - _UNLIKE) / (_ALIKE - _UNLIKE), 0.0, 1.0)
        weighted = np.concatenate([there * belief[..., None], belief[..., None]], axis=-1).astype(np.float32)
        around = sample(
            cv2.GaussianBlur(weighted, (0, 0), _SPREAD_PX), points[None, :, :2].astype(np.float32)
        )[0]
        moves = around[:, :2] / np.maximum(around[:, 2:], 1e-3)
        return np.asarray(moves * _believed(around[:, 2:]) * ~_NOT_PINNED[:, None])

    def _drawn(
        self, grey: UInt8[np.ndarray, "S S"], points: Float[np.ndarray, "478 3"]
    ) -> tuple[UInt8[np.ndarray, "S S"], Bool[np.ndarray, "S S"]]:
        """The anchor's face drawn at the points, the view itself far from it; and where its skin is."""
        side = len(grey)
        flow, triangle = flow_from_mesh(
            self._view.points[:, :2].astype(np.float64), points, self._triangles, side, side
        )
        here, mesh = identity_flow(side, side), (triangle >= 0).astype(np.float32)[..., None]
        near = cv2.blur(np.concatenate([(flow - here) * mesh, mesh], axis=-1), (_RIM_PX, _RIM_PX))
        beyond = here + near[..., :2] / np.maximum(near[..., 2:], 1e-3)
        drawn = sample(self._view.grey[..., None], np.where(mesh > 0, flow, beyond))[..., 0]
        return np.where(near[..., 2] > 0, drawn, grey), self._is_skin[triangle]


def _flow(a: UInt8[np.ndarray, "S S"], b: UInt8[np.ndarray, "S S"]) -> Float32[np.ndarray, "S S 2"]:
    """Where b shows what a shows at each pixel, px away.

    At half the view's size: finer and longer searches found nothing more, rougher ones lost the lips.
    """
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    finder.setPatchStride(4)
    finder.setGradientDescentIterations(12)
    finder.setVariationalRefinementIterations(2)
    return np.asarray(finder.calc(a, b, None))  # type: ignore[call-overload]


def _correlation(a: UInt8[np.ndarray, "S S"], b: UInt8[np.ndarray, "S S"]) -> Float32[np.ndarray, "S S"]:
    """Of what two pictures show around each pixel, -1 to 1; 1 where neither shows a pattern."""
    x, y = a.astype(np.float32), b.astype(np.float32)
    means = cv2.GaussianBlur(np.stack([x, y, x * x, y * y, x * y], axis=-1), (0, 0), _PATTERN_PX)
    x, y, xx, yy, xy = np.moveaxis(means, -1, 0)
    of_x, of_y = np.maximum(xx - x * x, 0.0) + _PLAIN, np.maximum(yy - y * y, 0.0) + _PLAIN
    return np.asarray((xy - x * y + _PLAIN) / np.sqrt(of_x * of_y))


def _believed(share: Float32[np.ndarray, "N 1"]) -> Float32[np.ndarray, "N 1"]:
    """How far a move is believed, by how much of the skin around tells the same."""
    return np.clip((share - 0.2) / 0.4, 0.0, 1.0)
