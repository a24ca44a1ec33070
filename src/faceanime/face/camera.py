"""The camera's motion through a shot, read from the background, and its removal from the head's.

Corners outside the person are followed by optical flow (Lucas and Kanade, IJCAI 1981) in small grey pictures, from a
key frame on; the similarity from the key frame to each frame is fitted robustly (RANSAC: Fischler and Bolles,
CACM 24(6), 1981). A new key frame is taken when half of its corners are lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from faceanime.face.segment import Segmenter
from faceanime.geometry.interpolation import Ramp, linear_step
from faceanime.geometry.similarity import compose_affine, invert_affine
from faceanime.structures.coefficients import Dynamics, HeadPose
from faceanime.structures.frames import Frame, Pixels

_IDENTITY = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


@dataclass(frozen=True)
class _Rule:
    """How the background is followed, in px of the small picture, and what is concluded; chosen by eye."""

    side_px: int = 192
    """Longer side of the small pictures."""
    corners: int = 64
    """Largest number of corners that are followed."""
    fewest: int = 8
    """Least number of corners from which the camera's motion is told."""
    window_px: int = 21
    """Side of the square by which a corner is followed."""
    apart_px: int = 5
    """Least distance between two corners."""
    quality: float = 0.005
    """Least strength of a corner, as a fraction of the strongest."""
    returned_px: float = 0.5
    """Largest error of a corner that is followed forward and back."""
    fitted_px: float = 1.0
    """Largest error of a corner that moves with the background."""
    still: float = 0.4
    """Fraction of corners that keep still, from which the camera does: something else moves in the background."""
    moved_px: Ramp = (0.25, 0.75)
    """Ramp of a shift since the key frame, from noise to a motion of the camera."""
    background: float = 0.1
    """Probability of the person below which a pixel is background."""
    rim_px: int = 5
    """Side of the square by which the person is widened: the flow around a corner sees as much."""
    retry: int = 12
    """Where there are too few corners, every n-th frame is searched for them: segmenting it takes 30 ms."""
    least_told: float = 0.7
    """Fraction of frames in which the camera's motion must be told."""
    gain: float = 0.9
    """The head must move by less than this fraction of its motion before: a camera that follows the head does not."""
    natural: float = 0.2
    """Motion of the head, as `_amount` measures it, to which it is damped where nothing tells the camera's motion: two
    thirds of 30 training clips have less."""


_RULE = _Rule()


class CameraMotion:
    """Watches the frames of one shot, then steadies the motion of the head in it; keeps six numbers a frame."""

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter
        self._transforms: list[Float[np.ndarray, "2 3"]] = []  # from the first frame to each
        self._told: list[bool] = []
        self._grey: UInt8[np.ndarray, "h w"] | None = None
        self._key: Float32[np.ndarray, "N 2"] = np.zeros((0, 2), np.float32)  # corners in the key frame
        self._now, self._key_count, self._key_from_first = self._key, 0, _IDENTITY
        self._searched = 0

    def watched(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Yield frames, after each has been watched."""
        for frame in frames:
            self._watch(frame.pixels)
            yield frame

    def _watch(self, pixels: Pixels) -> None:
        height, width = pixels.shape[:2]
        factor = _RULE.side_px / max(height, width)
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))
        grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))
        step = self._step(grey)
        before = self._transforms[-1] if self._transforms else _IDENTITY
        self._transforms.append(before if step is None else compose_affine(step, self._key_from_first))
        self._told.append(step is not None)
        self._searched -= 1
        if (step is None or len(self._key) < self._key_count / 2) and self._searched <= 0:
            self._renew(small, grey)
        self._grey = grey

    def steadied(self, motion: Dynamics, first: int = 0) -> Dynamics:
        """The head's motion without the camera's; its shift and scale are damped where the camera's cannot be told.

        `motion` has the poses of the watched frames from `first` on, in px of the same picture at another size.
        """
        frames = slice(first, first + len(motion))
        if sum(self._told[frames]) < _RULE.least_told * (len(motion) - 1):
            return motion.replaced(pose=_damped(motion.pose, motion.valid))
        to_motion = motion.picture_side_px / _RULE.side_px
        pose = _without_camera(motion.pose, np.stack(self._transforms[frames]), to_motion)
        is_calmer = _amount(pose, motion.valid) < _RULE.gain * _amount(motion.pose, motion.valid)
        return motion.replaced(pose=pose) if is_calmer else motion

    def _step(self, grey: UInt8[np.ndarray, "h w"]) -> Float[np.ndarray, "2 3"] | None:
        """The similarity from the key frame to this one; None if it cannot be told."""
        if self._grey is None or self._grey.shape != grey.shape or len(self._now) < _RULE.fewest:
            return None
        there, found = _followed(self._grey, grey, self._now)
        back, returned = _followed(grey, self._grey, there)
        error = np.linalg.norm(back - self._now, axis=1)
        kept = found & returned & (error < _RULE.returned_px)
        self._key, self._now = self._key[kept], there[kept]
        if len(self._key) < _RULE.fewest:
            return None
        away_px = np.linalg.norm(self._now - self._key, axis=1)
        if (away_px < _RULE.moved_px[0]).mean() >= _RULE.still:
            return _IDENTITY
        fitted, inliers = cv2.estimateAffinePartial2D(
            self._key, self._now, method=cv2.RANSAC, ransacReprojThreshold=_RULE.fitted_px
        )
        if fitted is None or int(inliers.sum()) < max(_RULE.fewest, len(self._key) / 2):
            return None
        weight = float(linear_step(float(np.median(away_px)), *_RULE.moved_px))
        return np.asarray(_IDENTITY + weight * (fitted - _IDENTITY))

    def _renew(self, small: Pixels, grey: UInt8[np.ndarray, "h w"]) -> None:
        """Take this frame as the key frame."""
        person = (self._segmenter.segment(small) > _RULE.background).astype(np.uint8)
        mask = 1 - cv2.dilate(person, np.ones((_RULE.rim_px, _RULE.rim_px), np.uint8))
        found = cv2.goodFeaturesToTrack(grey, _RULE.corners, _RULE.quality, _RULE.apart_px, mask=mask)
        self._key = np.zeros((0, 2), np.float32) if found is None else found[:, 0].astype(np.float32)
        self._now, self._key_count, self._key_from_first = self._key, len(self._key), self._transforms[-1]
        self._searched = _RULE.retry if len(self._key) < _RULE.fewest else 1


def _without_camera(pose: HeadPose, frame_from_first: Float[np.ndarray, "T 2 3"], factor: float) -> HeadPose:
    """Poses in px of the first frame; `factor` scales from px of the small pictures to those of the poses."""
    first_from_frame = np.stack([invert_affine(each) for each in frame_from_first])
    first_from_frame[:, :, 2] *= factor
    scale = np.sqrt(np.linalg.det(first_from_frame[:, :, :2]))
    turn = np.tile(np.eye(3), (len(scale), 1, 1))
    turn[:, :2, :2] = (
        np.swapaxes(first_from_frame[:, :, :2], 1, 2) / scale[:, None, None]
    )  # y is up in the model
    moved = (
        np.einsum("tij,tj->ti", first_from_frame[:, :, :2], pose.translation_px) + first_from_frame[:, :, 2]
    )
    return HeadPose(turn @ pose.rotation, pose.scale * scale, moved)


def _amount(pose: HeadPose, valid: Bool[np.ndarray, " T"]) -> float:
    """How much a head shifts and grows: standard deviations in sizes of the head."""
    shift = pose.translation_px[valid].std(axis=0) / np.median(pose.scale[valid])
    return float(np.hypot.reduce([*shift, np.log(pose.scale[valid]).std()]))


def _damped(pose: HeadPose, valid: Bool[np.ndarray, " T"]) -> HeadPose:
    """Poses whose shift and log scale are reduced to what heads usually do."""
    factor = min(1.0, _RULE.natural / max(_amount(pose, valid), 1e-9))
    scale, place = np.median(pose.scale[valid]), np.median(pose.translation_px[valid], axis=0)
    return HeadPose(
        pose.rotation,
        np.asarray(scale * (pose.scale / scale) ** factor),
        place + factor * (pose.translation_px - place),
    )


def _followed(
    before: UInt8[np.ndarray, "h w"], after: UInt8[np.ndarray, "h w"], points: Float32[np.ndarray, "N 2"]
) -> tuple[Float32[np.ndarray, "N 2"], Bool[np.ndarray, " N"]]:
    """The places of points in the next picture, and whether they were found."""
    window = (_RULE.window_px, _RULE.window_px)
    there, found, _ = cv2.calcOpticalFlowPyrLK(before, after, points, None, winSize=window)  # type: ignore[call-overload]
    return np.asarray(there), np.asarray(found.ravel() == 1)
