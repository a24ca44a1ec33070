"""Settings of the preparation of clips."""

from __future__ import annotations

from dataclasses import dataclass, field

from faceanime.core.errors import RangeError, check_range
from faceanime.face.config import FitConfig, SmoothConfig, TrackConfig


@dataclass(frozen=True)
class PrepareConfig:
    """Clips and their quality limits."""

    size: int = 256
    """Side of the clips in px, an even number from 16 to 2048."""
    frame_rate: int = 25
    """Frames per second of the clips, 1 to 240; videos with other rates are resampled."""
    min_s: float = 1.6
    """Shortest length of a segment in s, above 0; shorter ones are dropped."""
    max_s: float = 10.0
    """Longest length of a segment in s, up to 600; longer ones are cut into several."""
    min_face_px: float = 80.0
    """Smallest median of the longer side of the landmarks' box in the video, px."""
    min_tracked: float = 0.9
    """Smallest fraction of frames in which the face is found, 0 to 1."""
    min_sharpness: float = 20.0
    """Smallest median variance of the Laplacian of the face scaled to 128 px."""
    max_turn_deg: float = 50.0
    """Largest median angle between the head and the camera in degrees."""
    max_misfit_px: float = 1.6
    """Largest mean distance of the landmarks from the fitted 3D face, in px of a 256 px crop."""
    max_smoothed_px: float = 1.6
    """Largest mean distance of the landmarks from the smoothed 3D face, in px of a 256 px crop; limits speed."""
    max_cut_off: float = 0.02
    """Largest fraction of landmarks outside the picture, 0 to 1."""
    max_outside: float = 0.1
    """Largest fraction of the crop outside the picture, 0 to 1."""
    crf: int = 14
    """Constant rate factor of the H.264 clips, 0 (lossless) to 51."""
    shard_samples: int = 100
    """Number of clips in each tar file, 1 or more."""
    track: TrackConfig = field(default_factory=TrackConfig)
    fit: FitConfig = field(default_factory=FitConfig)
    smooth: SmoothConfig = field(default_factory=SmoothConfig)

    def __post_init__(self) -> None:
        if not 16 <= self.size <= 2048 or self.size % 2:
            raise RangeError("size", self.size, "an even number from 16 to 2048 px")
        check_range(self, "", "frame_rate", least=1, most=240)
        check_range(self, "", "max_s", above=0, most=600)
        check_range(self, "", "min_s", above=0, most=self.max_s)
        check_range(self, "", "crf", least=0, most=51)
        check_range(self, "", "shard_samples", least=1)
