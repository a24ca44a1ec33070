"""A landmark tracker with the bundled parts."""

from faceanime.face.config import TrackConfig
from faceanime.face.detect import MediapipeDetector
from faceanime.face.track import LandmarkTracker
from faceanime.morphable.model import load_model


def bundled_tracker(config: TrackConfig | None = None) -> LandmarkTracker:
    return LandmarkTracker(config or TrackConfig(), MediapipeDetector(), load_model())
