"""Settings of learning a morphable model."""

from __future__ import annotations

from dataclasses import dataclass

from faceanime.core.errors import check_range


@dataclass(frozen=True)
class LearnConfig:
    """Learning of the morphable model."""

    identities: int = 40
    """Number of identity directions, 1 or more."""
    eye_expressions: int = 8
    """Number of expression directions of each eye (lids and gaze), 1 or more."""
    brow_expressions: int = 6
    """Number of expression directions of each brow, 1 or more."""
    mouth_expressions: int = 40
    """Number of expression directions of mouth, jaw and all other skin, 1 or more; the paper has 10 in total."""
    lid_weight: float = 6.0
    """Weight of the eyelids' points, above 0; other skin has weight 1."""
    lip_weight: float = 2.0
    """Weight of the lips' points, above 0; other skin has weight 1."""
    iris_weight: float = 4.0
    """Weight of the irises' points, above 0; skin has weight 1."""
    depth_weight: float = 0.1
    """Weight of the detector's depth relative to x and y, above 0."""
    rounds: int = 4
    """Number of alternations between identity and expression, 1 or more."""
    max_yaw_deg: float = 35.0
    """Largest yaw of a shape in degrees; in shapes turned further the detector guesses the far side."""
    frames_per_person: int = 240
    """Largest number of frames of a person, evenly sampled, so that long clips do not dominate."""

    def __post_init__(self) -> None:
        counts = ("identities", "eye_expressions", "brow_expressions", "mouth_expressions", "rounds")
        check_range(self, "config", *counts, "frames_per_person", least=1)
        weights = ("lid_weight", "lip_weight", "iris_weight", "depth_weight")
        check_range(self, "config", *weights, "max_yaw_deg", above=0)

    @property
    def expressions(self) -> int:
        """Total number of expression directions."""
        return 2 * (self.eye_expressions + self.brow_expressions) + self.mouth_expressions
