"""Metrics of geometry: landmarks, expression, head pose, gaze and blinks.

Result and truth are measured with the same detector and fit, whose noise is part of every metric: the truth, encoded
again and compared with itself, shows how much.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64

from faceanime.core.errors import check_shape
from faceanime.dynamics.blinks import Blink
from faceanime.geometry.rotation import angles_from_rotation
from faceanime.morphable.landmark_schema import LandmarkSchema

_EYE_RADIUS = 0.35
"""Distance from the eyeball's center to the iris, in distances between the eye's corners.

1.7 iris radii on the mean face (10 mm and 5.85 mm in adults, see `faceanime.dynamics.gaze`).
"""
_LARGEST_GAZE_RAD = np.radians(60.0)
"""Largest gaze angle; larger ones are clipped. Chosen by eye."""


def keypoint_distance_px(
    result: Float[np.ndarray, "*T L D"], truth: Float[np.ndarray, "*T L D"], schema: LandmarkSchema
) -> Float64[np.ndarray, "*T"]:
    """Average keypoint distance (AKD) of each frame: mean Euclidean distance of the landmarks in the picture, px.

    Lower is better, 0 is best. Depth and irises are not compared. Pictures in the literature are 256 px wide: scale
    the points of others to that width.
    Source: FOMM, arXiv 2003.00196, sec. 4. Deviation: the paper uses 68 points, and its authors' script the mean
    absolute difference of coordinates, 0.5 to 0.7 of this distance, so numbers are not comparable.

    >>> from faceanime.morphable.mediapipe_schema import MEDIAPIPE
    >>> points = np.zeros((MEDIAPIPE.count, 2))
    >>> float(keypoint_distance_px(points, points + [3.0, 4.0], MEDIAPIPE))
    5.0
    """
    check_shape("result", result, *truth.shape)
    check_shape("truth", truth, "*", schema.count, None)
    compared = ~schema.irises
    offset = np.asarray(result, np.float64)[..., compared, :2] - truth[..., compared, :2]
    return np.asarray(np.linalg.norm(offset, axis=-1).mean(axis=-1))


def missing_keypoint_rate(found: Bool[np.ndarray, " T"], in_truth: Bool[np.ndarray, " T"]) -> float:
    """Missing keypoint rate (MKR) in [0, 1]: fraction of the truth's faces that are not found in the result.

    Lower is better, 0 is best; NaN if the truth shows no face. Faces are counted instead of points, because the mesh
    is found as a whole or not at all. Source: FOMM, arXiv 2003.00196, sec. 4.

    >>> missing_keypoint_rate(np.array([True, False, False]), np.array([True, True, False]))
    0.5
    """
    check_shape("found", found, len(in_truth))
    return float(np.mean(~found[in_truth])) if in_truth.any() else float("nan")


def expression_distance(
    result: Float[np.ndarray, "*T K_exp"], truth: Float[np.ndarray, "*T K_exp"]
) -> Float64[np.ndarray, "*T"]:
    """Average expression distance (AED) of each frame: mean absolute difference of the fitted coefficients.

    In standard deviations of our model's training set; lower is better, 0 is best.
    Source: PIRenderer, arXiv 2109.08379, sec. 4. Deviation: the paper uses another model's coefficients, so numbers are
    not comparable. FOMM's AED (arXiv 2003.00196) is a distance of identities.

    >>> float(expression_distance(np.array([1.0, 0.0]), np.array([0.0, 2.0])))
    1.5
    """
    check_shape("result", result, *truth.shape)
    return np.asarray(np.abs(np.asarray(result, np.float64) - truth).mean(axis=-1))


def pose_distance_deg(
    result: Float[np.ndarray, "*T 3 3"], truth: Float[np.ndarray, "*T 3 3"]
) -> Float64[np.ndarray, "*T"]:
    """Average pose distance (APD) of each frame: mean absolute difference of yaw, pitch and roll, degrees.

    Lower is better, 0 is best. Other papers give radians: 1 degree is 0.01745.
    Source: PIRenderer, arXiv 2109.08379, sec. 4. See `faceanime.geometry.rotation.angle_between` for the angle of the
    rotation between two heads.

    >>> quarter_roll = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    >>> float(pose_distance_deg(quarter_roll, np.eye(3)).round(6))
    30.0
    """
    check_shape("result", result, *truth.shape)
    check_shape("truth", truth, "*", 3, 3)
    difference = angles_from_rotation(result) - angles_from_rotation(truth)
    wrapped = (difference + np.pi) % (2.0 * np.pi) - np.pi
    return np.asarray(np.degrees(np.abs(wrapped)).mean(axis=-1))


def gaze_deg(
    points_image: Float[np.ndarray, "*T L D"], schema: LandmarkSchema
) -> Float64[np.ndarray, "*T 2 2"]:
    """Gaze of the right and the left eye relative to the head, degrees toward the subject's left and up.

    Computed from the position of each iris between the corners of its eye in the picture, as if the eyeball were seen
    from the front; 0 is the middle. A rotated head shifts the gaze of result and truth alike, so differences are more
    reliable than values. Undefined under closed lids.

    >>> from faceanime.morphable.mediapipe_schema import MEDIAPIPE
    >>> points, (right, left) = np.zeros((MEDIAPIPE.count, 2)), MEDIAPIPE.eyes
    >>> points[[right.inner_corner, left.outer_corner]] = 30.0, 0.0  # the other corners lie at 0 px
    >>> points[[right.iris[0], left.iris[0]]] = 15.0, -5.0  # in the middle between, 5 px higher
    >>> gaze_deg(points, MEDIAPIPE).round().tolist()
    [[0.0, 28.0], [0.0, 28.0]]
    """
    check_shape("points_image", points_image, "*", schema.count, None)
    xy = np.asarray(points_image, np.float64)[..., :2]
    eyes = ((eye.iris[0], *eye.corners) for eye in schema.eyes)
    return np.stack(
        [_gaze_deg(xy[..., iris, :], xy[..., a, :], xy[..., b, :]) for iris, a, b in eyes], axis=-2
    )


def _gaze_deg(
    iris: Float64[np.ndarray, "*T 2"], right: Float64[np.ndarray, "*T 2"], left: Float64[np.ndarray, "*T 2"]
) -> Float64[np.ndarray, "*T 2"]:
    across, off = left - right, iris - (left + right) / 2.0
    width_squared = np.maximum(np.square(across).sum(axis=-1), 1e-12)
    sideways = (off * across).sum(axis=-1) / width_squared
    up = (across[..., 1] * off[..., 0] - across[..., 0] * off[..., 1]) / width_squared  # y grows downward
    bound = np.sin(_LARGEST_GAZE_RAD)
    sines = np.clip(np.stack([sideways, up], axis=-1) / _EYE_RADIUS, -bound, bound)
    return np.asarray(np.degrees(np.arcsin(sines)))


def gaze_error_deg(
    result: Float[np.ndarray, "*T L D"], truth: Float[np.ndarray, "*T L D"], schema: LandmarkSchema
) -> Float64[np.ndarray, "*T"]:
    """Angle between the gaze of result and truth (see `gaze_deg`) in each frame, mean of both eyes, degrees.

    Lower is better, 0 is best; each gaze is clipped at 60 degrees. Leave out frames in which the truth blinks. JPEG
    compression alone (quality 80) causes about 1 degree.
    Deviation: usual gaze metrics (e.g. Zhang et al., arXiv 1611.08860) compare the output of a gaze network.

    >>> from faceanime.morphable.mediapipe_schema import MEDIAPIPE
    >>> points, (right, left) = np.zeros((MEDIAPIPE.count, 2)), MEDIAPIPE.eyes
    >>> points[[right.inner_corner, left.outer_corner]] = 30.0, 0.0
    >>> points[MEDIAPIPE.irises] = 15.0, 0.0
    >>> moved = points + MEDIAPIPE.irises[:, None] * [0.0, -5.0]
    >>> float(gaze_error_deg(moved, points, MEDIAPIPE).round())
    28.0
    """
    check_shape("result", result, *truth.shape)
    a, b = (_direction(np.radians(gaze_deg(points, schema))) for points in (result, truth))
    cosine, sine = (a * b).sum(axis=-1), np.linalg.norm(np.cross(a, b), axis=-1)
    return np.asarray(np.degrees(np.arctan2(sine, cosine)).mean(axis=-1))


def _direction(angles_rad: Float64[np.ndarray, "*T 2"]) -> Float64[np.ndarray, "*T 3"]:
    sideways, up = np.moveaxis(angles_rad, -1, 0)
    return np.stack([np.sin(sideways) * np.cos(up), np.sin(up), np.cos(sideways) * np.cos(up)], axis=-1)


@dataclass(frozen=True)
class BlinkCounts:
    """Numbers of blinks; the counts of several clips are added with +."""

    right: int = 0
    """Blinks of the truth that are matched."""
    spurious: int = 0
    """Blinks that the truth does not have."""
    missed: int = 0
    """Blinks of the truth that are not matched."""

    def __add__(self, other: BlinkCounts) -> BlinkCounts:
        return BlinkCounts(
            self.right + other.right, self.spurious + other.spurious, self.missed + other.missed
        )

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall in [0, 1]; higher is better, 1 without any blinks.

        Clips hold few blinks: compute it of the sum of the counts of all clips.

        >>> BlinkCounts(right=2, spurious=1, missed=1).f1
        0.6666666666666666
        """
        blinks = 2 * self.right + self.spurious + self.missed
        return 2 * self.right / blinks if blinks else 1.0


def count_blinks(result: list[Blink], truth: list[Blink], tolerance_frames: int) -> BlinkCounts:
    """Match the blinks of result and truth one to one; two match if their distance is at most the tolerance.

    Both are ordered in time, see `dynamics.blinks.blinks_of`. Each blink is matched with the first one possible.

    >>> count_blinks([(2, 5), (30, 33)], [(5, 8)], tolerance_frames=1)
    BlinkCounts(right=1, spurious=1, missed=0)
    """
    right, next_result = 0, 0
    for start, end in truth:
        while next_result < len(result) and result[next_result][1] + tolerance_frames < start:
            next_result += 1
        if next_result < len(result) and result[next_result][0] <= end + tolerance_frames:
            right, next_result = right + 1, next_result + 1
    return BlinkCounts(right, len(result) - right, len(truth) - right)
