"""Measure segments of videos, and judge whether they are fit for training."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from faceanime.face.fit import seen_basis
from faceanime.face.landmark_view import overlap
from faceanime.face.sequence import DYNAMICS_SIZE_PX
from faceanime.geometry.camera import project
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import Dynamics
from faceanime.structures.landmarks import CropTransform
from faceanime.train.data.config import PrepareConfig
from faceanime.train.data.segments import FittedSegment, Segment, longer_sides

_OTHER_SIZE = 0.25
"""Least size of another face relative to the followed one; smaller faces are background. Chosen by eye."""
_OTHER_SHOWN = 0.3
"""Least fraction of another face's box within the crop for the face to count; chosen by eye."""


@dataclass(frozen=True)
class ClipQuality:
    """The measurements of a segment; units and limits are those of `PrepareConfig`."""

    seconds: float
    face_px: float
    tracked: float
    sharpness: float
    cut_off: float
    outside: float
    others: int
    turn_deg: float
    misfit_px: float
    smoothed_px: float

    def rounded(self) -> dict[str, float]:
        """The measurements by name, rounded to four decimals, as they are written to tables."""
        return {each.name: round(getattr(self, each.name), 4) for each in fields(self)}


def measure_segment(
    segment: Segment, crop: CropTransform, face: FittedSegment, model: MorphableModel
) -> ClipQuality:
    """Measure a segment and its face as `fit_segment` returns it."""
    tracked = np.array([found is not None for found in segment.landmarks])
    points = np.array([found.points_image[:, :2] for found in segment.landmarks if found is not None])
    outside = (points < 0).any(axis=2) | (points > [segment.width_px, segment.height_px]).any(axis=2)
    left, top = crop.image_from_crop[:, 2]
    side = crop.size_px * crop.image_from_crop[0, 0]
    inside = [
        max(min(a + side, b) - max(a, 0.0), 0.0)
        for a, b in ((left, segment.width_px), (top, segment.height_px))
    ]
    face_px = float(np.median(longer_sides(segment.boxes_px)))
    view = (float(left), float(top), float(left + side), float(top + side))
    large = [box for box in segment.others if max(box[2] - box[0], box[3] - box[1]) > _OTHER_SIZE * face_px]
    turn_deg = np.degrees(np.arccos(np.clip(face.fitted.pose.rotation[:, 2, 2], -1.0, 1.0)))
    return ClipQuality(
        seconds=float(len(face.fitted) / face.fitted.frame_rate),
        face_px=face_px,
        tracked=float(tracked.mean()),
        sharpness=segment.sharpness,
        cut_off=float(outside.mean()),
        outside=float(1.0 - inside[0] * inside[1] / side**2),
        others=sum(overlap(box, view) > _OTHER_SHOWN for box in large),
        turn_deg=float(np.median(turn_deg[tracked])),
        misfit_px=_misfit_px(face, face.fitted, model),
        smoothed_px=_misfit_px(face, face.smoothed, model),
    )


def reason_to_drop(quality: ClipQuality, config: PrepareConfig) -> str:
    """Reason why a segment is not fit for training, as `reason: numbers`; empty if it is fit."""
    q, c = quality, config
    reasons = [
        (q.seconds < c.min_s, f"too short: {q.seconds:.2f} s, need {c.min_s:g}"),
        (q.face_px < c.min_face_px, f"face too small: {q.face_px:.0f} px, need {c.min_face_px:g}"),
        (q.tracked < c.min_tracked, f"face often lost: found in {q.tracked:.0%}, need {c.min_tracked:.0%}"),
        (q.cut_off > c.max_cut_off, f"face cut off by the picture: {q.cut_off:.0%} of its landmarks"),
        (q.outside > c.max_outside, f"too close to the picture's edge: {q.outside:.0%} of the crop beyond"),
        (q.others > 0, f"more than one face in the crop: {q.others} times"),
        (q.turn_deg > c.max_turn_deg, f"turned away: {q.turn_deg:.0f} deg, at most {c.max_turn_deg:g}"),
        (q.sharpness < c.min_sharpness, f"blurred: sharpness {q.sharpness:.0f}, need {c.min_sharpness:g}"),
        (q.misfit_px > c.max_misfit_px, f"landmarks unsure: {q.misfit_px:.2f} px off, at most {c.max_misfit_px:g}"),
        (q.smoothed_px > c.max_smoothed_px, f"too quick: {q.smoothed_px:.2f} px off, at most {c.max_smoothed_px:g}"),
    ]  # fmt: skip
    return next((text for fails, text in reasons if fails), "")


def _misfit_px(face: FittedSegment, dynamics: Dynamics, model: MorphableModel) -> float:
    """Mean distance of the tracked landmarks from those of the model, px of a 256 px crop."""
    tracked = np.array([found is not None for found in face.landmarks])
    found = [landmarks for landmarks in face.landmarks if landmarks is not None]
    points = np.array([landmarks.points_image[:, :2] for landmarks in found])
    neutral = model.landmarks_of(model.vertices(dynamics.identity, np.zeros(model.expression_count)))
    shape = np.stack(
        [
            neutral + seen_basis(model, not landmarks.pinned) @ expression
            for landmarks, expression in zip(found, dynamics.expression[tracked], strict=True)
        ]
    )
    projected = project(shape.astype(np.float64), dynamics.pose[tracked])
    distance_px = np.linalg.norm(projected[..., :2] - points, axis=-1).mean()
    return float(distance_px * DYNAMICS_SIZE_PX / dynamics.picture_side_px)
