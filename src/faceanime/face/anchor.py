"""Pin landmarks to the skin on which they lie in an anchor frame.

A detector places the same landmark on slightly different spots of skin as the head turns, the mouth opens or the noise
changes, and the fit takes that for motion. So one frame is the *anchor*: its skin is drawn onto the landmarks of every
other frame, and dense optical flow (Kroeger et al., arXiv 1603.03590) from the drawing to the frame gives offsets.
Landmarks are moved by these where forward and backward flow agree (analysis by synthesis: Blanz and Vetter, SIGGRAPH
1999). Landmarks of lids and irises stay as detected, since a closing lid hides the anchor's skin.
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
from faceanime.face.landmark_view import crop_view, place_of
from faceanime.geometry.camera import unproject
from faceanime.geometry.flow import flow_from_mesh, identity_flow, sample
from faceanime.geometry.interpolation import Ramp, linear_step
from faceanime.geometry.similarity import apply_affine_with_depth
from faceanime.morphable.axes import measure_landmarks
from faceanime.morphable.landmark_schema import LandmarkSchema
from faceanime.morphable.model import MorphableModel, Region
from faceanime.morphable.reference_frame import PORTRAIT_WEIGHTS, reference_costs
from faceanime.structures.frames import Pixels
from faceanime.structures.landmarks import CropTransform, Landmarks

ANCHOR_CHUNK_FRAMES = 50
"""Frames among which an anchor is chosen; chosen by eye."""


@dataclass(frozen=True)
class _ViewRule:
    """How an anchor is viewed and chosen.

    The size of the view is a compromise of error and time (docs/log/training.md, "Speed"); the rest is chosen by eye.
    """

    side_px: int = 154
    """Side of a view."""
    fraction: float = 0.8
    """Side of what a view shows, in sides of the landmark network's view, which has a margin around the face."""
    least_sharpness: float = 0.5
    """Least sharpness of an anchor, as a fraction of the views' median."""
    least_pinned: float = 0.25
    """Mean confidence of the rigid landmarks above which a frame is pinned: a head turned far hides half of them."""
    least_pinned_frames: float = 0.5
    """Fraction of a chunk's frames that must be pinned for the anchor to be kept."""


@dataclass(frozen=True)
class _FlowRule:
    """How offsets are measured, and how confidence in them falls.

    Two passes had less error on validation clips than one (docs/log/training.md, "Place"); the rest is chosen by eye.
    """

    passes: int = 2
    """Number of times that offsets are measured and applied."""
    farthest: float = 0.05
    """Largest offset in sides of the view; larger ones count as errors."""
    disagreement_px: float = 0.75
    """Distance between a point and its place after forward and backward flow at which the confidence is 1 / e, px."""
    blur_px: float = 4.0
    """Standard deviation of the Gaussian by which flow is averaged around a landmark."""
    correlation: Ramp = (0.6, 0.8)
    """Ramp of the correlation of drawn and found skin: 0 means occluded, 1 means visible."""
    pattern_px: int = 11
    """Side of the squares over which drawn and found skin are correlated."""
    plain_variance: float = 4.0
    """Variance, in levels squared, below which skin has no pattern to compare."""
    rim_px: int = 25
    """Side of the box filter that extends the mesh's motion beyond its edge, so that flow meets no seam there."""
    confidence: Ramp = (0.2, 0.6)
    """Ramp of the mean confidence around a landmark: the fraction of the offset by which the landmark moves."""


_VIEW, _FLOW = _ViewRule(), _FlowRule()


@dataclass(frozen=True, eq=False)
class FaceView:
    """A grey view of a face, upright and of a fixed size, for comparison with the anchor's.

    `grey` (S,S) uint8; `points` (L,3), the landmarks in its px; `transform` from the frame to it; `landmarks` in px of
    the frame.
    """

    grey: UInt8[np.ndarray, "S S"]
    points: Float32[np.ndarray, "L 3"]
    transform: CropTransform
    landmarks: Landmarks

    @classmethod
    def of(cls, pixels: Pixels, landmarks: Landmarks, schema: LandmarkSchema) -> FaceView:
        """The view of the face of a frame (H,W,3) uint8; `schema` is that of its landmarks."""
        place = place_of(landmarks.points_image, schema)
        transform = replace(place, side_px=_VIEW.fraction * place.side_px).view(_VIEW.side_px)
        grey = cv2.cvtColor(crop_view(pixels, transform), cv2.COLOR_RGB2GRAY)
        points = apply_affine_with_depth(transform.crop_from_image, landmarks.points_image)
        return cls(np.asarray(grey), points.astype(np.float32), transform, landmarks)

    @property
    def sharpness(self) -> float:
        """Variance of the Laplacian over the face's box."""
        (left, top), (right, bottom) = np.clip(
            [self.points[:, :2].min(axis=0), self.points[:, :2].max(axis=0)], 0, _VIEW.side_px
        ).astype(int)
        face = self.grey[top:bottom, left:right]
        return float(cv2.Laplacian(face, cv2.CV_64F).var()) if face.size else 0.0


def pin_to_anchor(views: Iterable[FaceView | None], model: MorphableModel) -> Iterator[Landmarks | None]:
    """Pin the landmarks of each frame to the skin of an anchor from the first `ANCHOR_CHUNK_FRAMES` frames with a face.

    Reads as many frames ahead. Where most frames of a chunk cannot be pinned, it shows another face or other light, and
    a frame of that chunk becomes the anchor. A face that is seen in one frame alone stays as detected.
    """
    stream, anchor = iter(views), None
    while chunk := list(islice(stream, ANCHOR_CHUNK_FRAMES)):
        found = [view for view in chunk if view is not None]
        pinned = _pin_all(chunk, anchor)
        held = sum(landmarks is not None and landmarks.pinned for landmarks in pinned)
        if len(found) > 1 and held < _VIEW.least_pinned_frames * len(found):
            anchor = Anchor(choose_anchor(found, model), model)
            pinned = _pin_all(chunk, anchor)
        yield from pinned


def _pin_all(views: Sequence[FaceView | None], anchor: Anchor | None) -> list[Landmarks | None]:
    if anchor is None:
        return [None if view is None else view.landmarks for view in views]
    return list(map_ordered(lambda view: None if view is None else anchor.pin(view), views))


def choose_anchor(views: Sequence[FaceView], model: MorphableModel) -> FaceView:
    """The view that is nearest to a neutral, frontal face, among the sharp ones."""
    sharpness = np.array([view.sharpness for view in views])
    is_sharp = sharpness >= _VIEW.least_sharpness * np.median(sharpness)
    sharp = [views[i] for i in np.flatnonzero(is_sharp)]
    points = np.stack([view.points for view in sharp]).astype(np.float64)
    shape = np.broadcast_to(model.landmark_mean.astype(np.float64), points.shape)
    pose = initial_pose(points, shape, model)
    faces = unproject(points, pose)
    lids = np.minimum(
        *(measure_landmarks(f"lids_apart_{side}", faces, model.schema) for side in ("right", "left"))
    )
    lips = measure_landmarks("lips_apart", faces, model.schema)
    return sharp[int(np.argmin(reference_costs(lips, lids, pose.rotation, PORTRAIT_WEIGHTS)))]


class Anchor:
    """The frame with whose skin other frames are compared."""

    def __init__(self, view: FaceView, model: MorphableModel) -> None:
        self._view = view
        self._model = model
        self._mesh = mesh_at(view.points.astype(np.float64), model)
        self._is_skin = np.append(model.region == Region.SKIN, False)  # the last for triangle -1
        self._rigid = model.rigid_weight > 0
        schema = model.schema
        self._follows_skin = ~((schema.lids & ~schema.mask(schema.eye_corners)) | schema.irises)

    def pin(self, view: FaceView) -> Landmarks:
        """Move the landmarks of the view's frame onto the anchor's skin where the frame shows it.

        They count as pinned if the confidence in the rigid landmarks, from which the pose is fitted, is high enough.
        """
        if view is self._view:
            return replace(view.landmarks, pinned=True)
        points, confidence = view.points.astype(np.float64), np.zeros(len(view.points))
        for _ in range(_FLOW.passes):
            offsets, confidence = self._landmark_offsets(view.grey, points)
            points[:, :2] += offsets
        moved = apply_affine_with_depth(view.transform.image_from_crop, points)
        is_pinned = bool(confidence[self._rigid].mean() > _VIEW.least_pinned)
        return Landmarks(moved.astype(np.float32), view.landmarks.score, is_pinned)

    def _landmark_offsets(
        self, grey: UInt8[np.ndarray, "S S"], points: Float[np.ndarray, "L 3"]
    ) -> tuple[Float32[np.ndarray, "L 2"], Float32[np.ndarray, " L"]]:
        """Offsets in px from the points to the anchor's skin, 0 where it is occluded or plain; and their confidence."""
        drawn, is_skin = self._draw(grey, points)
        forward, backward = _optical_flow(drawn, grey), _optical_flow(grey, drawn)
        found_at = identity_flow(*grey.shape) + forward
        cycle = forward + sample(backward, found_at)
        weight = np.exp(-_squared_length(cycle) / _FLOW.disagreement_px**2) * is_skin
        weight *= _squared_length(forward) < (_FLOW.farthest * len(grey)) ** 2
        correlation = _correlation(drawn, sample(grey[..., None], found_at)[..., 0])
        weight *= linear_step(correlation, *_FLOW.correlation)
        weighted = np.concatenate([forward * weight[..., None], weight[..., None]], axis=-1).astype(
            np.float32
        )
        around = sample(
            cv2.GaussianBlur(weighted, (0, 0), _FLOW.blur_px), points[None, :, :2].astype(np.float32)
        )[0]
        offsets = around[:, :2] / np.maximum(around[:, 2:], 1e-3)
        confidence = linear_step(around[:, 2], *_FLOW.confidence)
        return offsets * (confidence * self._follows_skin)[:, None], confidence

    def _draw(
        self, grey: UInt8[np.ndarray, "S S"], points: Float[np.ndarray, "L 3"]
    ) -> tuple[UInt8[np.ndarray, "S S"], Bool[np.ndarray, "S S"]]:
        """The anchor's face drawn at the points, with `grey` far from it; and where its skin is."""
        side = len(grey)
        flow, triangle = flow_from_mesh(
            self._mesh[:, :2], mesh_at(points, self._model), self._model.triangles, side, side
        )
        identity, is_mesh = identity_flow(side, side), triangle >= 0
        kernel = (_FLOW.rim_px, _FLOW.rim_px)
        motion, coverage = (cv2.blur(each, kernel) for each in (flow - identity, is_mesh.astype(np.float32)))
        rim = identity + motion / np.maximum(coverage, 1e-3)[..., None]
        drawn = sample(self._view.grey[..., None], np.where(is_mesh[..., None], flow, rim))[..., 0]
        return np.where(coverage > 0, drawn, grey), self._is_skin[triangle]


def _optical_flow(a: UInt8[np.ndarray, "S S"], b: UInt8[np.ndarray, "S S"]) -> Float32[np.ndarray, "S S 2"]:
    """The flow from a to b, in px, at half the view's size.

    With fewer patches and iterations than the preset: more found nothing more, rougher flow lost the lips.
    """
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    finder.setPatchStride(4)
    finder.setGradientDescentIterations(12)
    finder.setVariationalRefinementIterations(2)
    return np.asarray(finder.calc(a, b, None))  # type: ignore[call-overload]


def _squared_length(vectors: Float32[np.ndarray, "S S 2"]) -> Float32[np.ndarray, "S S"]:
    return np.asarray(np.square(vectors[..., 0]) + np.square(vectors[..., 1]))


def _correlation(a: UInt8[np.ndarray, "S S"], b: UInt8[np.ndarray, "S S"]) -> Float32[np.ndarray, "S S"]:
    """Correlation of two pictures in a square around each pixel, -1 to 1; 1 where neither has a pattern."""
    u, v, kernel = a.astype(np.float32), b.astype(np.float32), (_FLOW.pattern_px, _FLOW.pattern_px)
    x, y, xx, yy, xy = (cv2.blur(each, kernel) for each in (u, v, u * u, v * v, u * v))
    variance_u = np.maximum(xx - x * x, 0.0) + _FLOW.plain_variance
    variance_v = np.maximum(yy - y * y, 0.0) + _FLOW.plain_variance
    return np.asarray((xy - x * y + _FLOW.plain_variance) / np.sqrt(variance_u * variance_v))
