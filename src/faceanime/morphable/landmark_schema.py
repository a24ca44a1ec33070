"""Landmark schemas: the number of a detector's landmarks, and named groups of their indices.

A detector and a morphable model each carry a `LandmarkSchema`. No other code contains the index of a landmark: it asks
the schema that it is given for `oval`, `right_eye.upper`, `lips` and so on. Left and right are the subject's. How a
model's vertices determine the landmarks is described by its `LandmarkEmbedding` (`landmark_embedding.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int

from faceanime.core.errors import MorphableModelError
from faceanime.core.short_repr import short_repr

Group: TypeAlias = Int[np.ndarray, " _"]
"""Indices of landmarks, in the order that the description of the group states."""


@dataclass(frozen=True, eq=False)
class EyeLandmarks:
    """Landmarks of one eye. Contours run from the subject's right to the left and include both corners.

    `lower` and `upper`: the edges of the lids; `lower_middle` and `upper_middle`: some of their points that face each
    other, between which the opening is measured; `fold`: the row above the upper lid's fold, one for each point of
    `upper` between the corners; `iris`: its center, then its rim; `brow_upper` from the outer end to the inner,
    `brow_lower` back from the inner end.
    """

    lower: Group
    upper: Group
    lower_middle: Group
    upper_middle: Group
    fold: Group
    iris: Group
    brow_upper: Group
    brow_lower: Group
    outer_corner: int
    inner_corner: int

    __repr__ = short_repr

    @cached_property
    def lids(self) -> Group:
        """Every point of both lids once: the lower edge, then the upper edge without the corners."""
        return np.concatenate([self.lower, self.upper[1:-1]])

    @cached_property
    def opening(self) -> Group:
        """The closed outline of the opening: along the lower lid and back along the upper."""
        return np.concatenate([self.lower, self.upper[-2:0:-1]])

    @cached_property
    def corners(self) -> Group:
        """Both corners, from the subject's right to the left."""
        return self.lower[[0, -1]]

    def width(self, points: Float[np.ndarray, "L C"]) -> float:
        """The distance between the corners of the eye, in the unit of the landmarks `points`."""
        first, last = points[self.corners]
        return float(np.linalg.norm(last - first))

    def iris_radius(self, points: Float[np.ndarray, "L C"]) -> float:
        """The mean distance of the iris's rim from its center, in the unit of the landmarks `points`."""
        return float(np.linalg.norm(points[self.iris[1:]] - points[self.iris[0]], axis=1).mean())

    @cached_property
    def brow(self) -> Group:
        """Every point of the brow."""
        return np.concatenate([self.brow_upper, self.brow_lower])

    @cached_property
    def brow_inner(self) -> Group:
        """The inner end of the brow."""
        return np.array([self.brow_upper[-1], self.brow_lower[0]])

    @cached_property
    def whole(self) -> Group:
        """Lids and iris."""
        return np.concatenate([self.lids, self.iris])


@dataclass(frozen=True, eq=False)
class LandmarkSchema:
    """The landmarks of one kind of detector: their number `count`, and named groups of their indices.

    Contours are ordered; open ones run from the subject's right to the left. `name` identifies the schema in files.

    - `oval`: the face's outline, closed, from the top of the forehead over the subject's left cheek to the chin.
    - `outer_lips`: the lips' outer outline, closed, along the lower lip first. `inner_lips_lower`,
      `inner_lips_upper`: the edges of the opening, open, from corner to corner.
    - `lower_lip_middle`, `upper_lip_middle`: points of these that face each other, between which the opening is
      measured. `lip_midline`: middles of the outer and inner edges of both lips. `upper_lip_edge`: the middle of the
      upper lip's outer edge. `lip_red`: points on the red of both lips.
    - `right_mouth_corner`, `left_mouth_corner`: the corner of the outer outline, then that of the opening.
    - `chin`; `forehead`; `temples`; `skull_outline`: the upper part of the outline and the temples.
    - `nose`: all its points; `nose_ridge`: from between the eyes down to the tip; `nose_bridge`; `nose_base`: right
      nostril, middle, left nostril; `nose_wings`; `nose_tip`.
    - `cheeks`: all their points; `cheek_skin`: points where a cheek's color is read; `right_cheek`, `left_cheek`:
      closed outlines of a patch of it. `plain_skin`: points on skin of forehead, nose, cheeks and chin.
    - `rigid`: points that no muscle moves much, from which the head's pose is read.
    """

    name: str
    count: int
    oval: Group
    outer_lips: Group
    inner_lips_lower: Group
    inner_lips_upper: Group
    lower_lip_middle: Group
    upper_lip_middle: Group
    lip_midline: Group
    upper_lip_edge: Group
    lip_red: Group
    right_mouth_corner: Group
    left_mouth_corner: Group
    right_eye: EyeLandmarks
    left_eye: EyeLandmarks
    chin: Group
    forehead: Group
    temples: Group
    skull_outline: Group
    nose: Group
    nose_ridge: Group
    nose_bridge: Group
    nose_base: Group
    nose_wings: Group
    nose_tip: int
    cheeks: Group
    cheek_skin: Group
    right_cheek: Group
    left_cheek: Group
    plain_skin: Group
    rigid: Group

    def __repr__(self) -> str:
        return f"LandmarkSchema({self.name}, {self.count} landmarks)"

    def __post_init__(self) -> None:
        for name, group in self.groups.items():
            if group.min() < 0 or group.max() >= self.count:
                raise MorphableModelError(
                    f"group {name} of landmark schema {self.name} has the indices {group.min()} to {group.max()}, "
                    f"expected 0 to {self.count - 1}"
                )

    @property
    def groups(self) -> dict[str, Group]:
        """All groups by name; those of the eyes have names such as `right_eye.upper`."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("name", "count")}
        found: dict[str, Group] = {}
        for name, value in own.items():
            if isinstance(value, EyeLandmarks):
                found |= {f"{name}.{f.name}": np.atleast_1d(getattr(value, f.name)) for f in fields(value)}
            else:
                found[name] = np.atleast_1d(value)
        return found

    @property
    def eyes(self) -> tuple[EyeLandmarks, EyeLandmarks]:
        """The right eye, then the left."""
        return self.right_eye, self.left_eye

    @cached_property
    def eye_corners(self) -> Group:
        """The four corners of the eyes, from the subject's right to the left."""
        right, left = self.eyes
        return np.array([right.outer_corner, right.inner_corner, left.inner_corner, left.outer_corner])

    @cached_property
    def mouth(self) -> Group:
        """Every point of the lips' outer and inner outlines once."""
        return np.concatenate([self.outer_lips, self.inner_lips_lower, self.inner_lips_upper[1:-1]])

    @cached_property
    def mouth_opening(self) -> Group:
        """The closed outline of the opening between the lips: along the upper lip and back along the lower."""
        return np.concatenate([self.inner_lips_upper, self.inner_lips_lower[-2:0:-1]])

    def mask(self, *groups: Group) -> Bool[np.ndarray, " L"]:
        """True at the landmarks of the groups."""
        mask = np.zeros(self.count, dtype=bool)
        for group in groups:
            mask[group] = True
        return mask

    @cached_property
    def lips(self) -> Bool[np.ndarray, " L"]:
        """True at the lips."""
        return self.mask(self.mouth)

    @cached_property
    def lids(self) -> Bool[np.ndarray, " L"]:
        """True at the lids of both eyes."""
        return self.mask(*(eye.lids for eye in self.eyes))

    @cached_property
    def irises(self) -> Bool[np.ndarray, " L"]:
        """True at both irises."""
        return self.mask(*(eye.iris for eye in self.eyes))
