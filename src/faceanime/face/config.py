"""Settings of detection, tracking, fitting and smoothing.

They are apart from the code that they configure, so that reading the options of a command loads nothing heavy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from faceanime.core.errors import RangeError, check_range

FaceChoice = Literal["largest"] | int
"""Which face of several: the largest, or an index in order of size, from 0."""


@dataclass(frozen=True)
class DetectConfig:
    """Detection of faces."""

    # Chosen by eye.
    threshold: float = 0.5
    """Least score of a face, 0 to 1."""
    max_faces: int = 8
    """Largest number of faces that are reported, the largest faces first."""
    passes: int = 3
    """Number of readings of the landmarks, each in a view centered on those before; the last one counts."""
    small_faces: bool = True
    """Search a picture tile by tile for tiny faces if no other is found, which takes 0.2 s."""

    def __post_init__(self) -> None:
        check_range(self, "detect", "threshold", least=0, most=1)
        check_range(self, "detect", "max_faces", "passes", least=1)


@dataclass(frozen=True)
class TrackConfig:
    """Tracking of a face through a video."""

    face: FaceChoice = "largest"
    """Face to follow: `largest`, or an index in order of size, from 0, in the first
    frame of each shot that shows it."""
    search_every: int = 5
    """While the face is lost, every n-th frame is searched for it."""
    anchored: bool = True
    """Pin landmarks to the skin of an anchor frame by optical flow, instead of taking them from the detector alone."""

    def __post_init__(self) -> None:
        if self.face != "largest" and self.face < 0:
            raise RangeError("track.face", self.face, "largest or an index from 0")
        check_range(self, "track", "search_every", least=1)


@dataclass(frozen=True)
class FitConfig:
    """Fitting of the morphable model to landmarks."""

    # The ridge of expressions was chosen by errors on validation clips, together with the number of expression
    # directions (docs/log/training.md, "The face model"); the rest was chosen by eye.
    iterations: int = 6
    """Number of alternations of pose and coefficients."""
    identity_ridge: float = 3e-4
    """Weight of |identity|^2 against squared landmark distance in model units, for a single picture."""
    expression_ridge: float = 5e-5
    """Weight of |expression|^2 against squared landmark distance in model units."""
    depth_weight: float = 0.03
    """Weight of the detector's depth relative to its x and y."""

    def __post_init__(self) -> None:
        check_range(self, "fit", "iterations", least=1)
        check_range(self, "fit", "identity_ridge", "expression_ridge", above=0)
        check_range(self, "fit", "depth_weight", least=0)


@dataclass(frozen=True)
class SmoothConfig:
    """Smoothing of tracked motion."""

    # Chosen by eye; the bounds of the noise, which were measured, are in `smooth.py`.
    method: Literal["zero-phase", "none"] = "zero-phase"
    """Filter: zero-phase, which has no lag, or none."""
    still_cutoff_hz: float = 0.8
    """Cutoff frequency of a face at rest in Hz: slower motion is kept."""
    noise_sigmas: float = 2.0
    """Deviations beyond this number of standard errors of the noise are kept as motion."""
    max_gap_s: float = 0.5
    """Longest gap in tracking, in seconds, that is interpolated and counts as valid."""

    def __post_init__(self) -> None:
        check_range(self, "smooth", "still_cutoff_hz", "noise_sigmas", above=0)
        check_range(self, "smooth", "max_gap_s", least=0)


@dataclass(frozen=True)
class GoalConfig:
    """Reading of a picture as the goal of a movement."""

    same_person: Literal["auto", "yes", "no"] = "auto"
    """Whether the portrait and the picture that it moves to show the same person. If so, one identity is fitted to
    both, so that the picture's expression is reached. auto asks the recognizer of the extra `identity`, and means no
    where that is not installed."""


@dataclass(frozen=True)
class ReadConfig:
    """Settings of detection, tracking, fitting and smoothing."""

    detect: DetectConfig = field(default_factory=DetectConfig)
    """Detection of faces."""
    fit: FitConfig = field(default_factory=FitConfig)
    """Fitting of the face model."""
    track: TrackConfig = field(default_factory=TrackConfig)
    """Tracking of a face through a video."""
    smooth: SmoothConfig = field(default_factory=SmoothConfig)
    """Smoothing of tracked motion."""
